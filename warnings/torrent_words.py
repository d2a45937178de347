"""What is happening in the small catchments of a county, in both languages."""

from datetime import datetime

from jinghu.warnings.evidence import Basis, TorrentEvidence
from jinghu.warnings.levels import Level
from jinghu.warnings.words import local_en, local_zh


def torrent_zh(found: TorrentEvidence, level: Level, onset: datetime, sent: datetime) -> str:
    """Mountain torrents in Chinese, in Beijing time: the rain, the mark, what it asks for."""
    if found.basis is Basis.UNKNOWN:
        return f"资料不全，不足以判断山洪危险解除，{level.zh}预警继续有效"
    if not found.window_h:
        return f"雨势减弱，尚待观察，{level.zh}预警继续有效"
    asked = "" if found.stage is None else f"，{found.stage.zh}"
    rain = f"{found.name_zh}{_rain_zh(found)}"
    if found.basis is Basis.CLOSE:
        return f"{rain}，接近{level.zh}标准，预警继续有效{asked}"
    begins = "" if onset <= sent else f"，预计{local_zh(onset)}起发生"
    return f"{rain}{begins}，达到{level.zh}标准{asked}"


def torrent_en(found: TorrentEvidence, level: Level, onset: datetime, sent: datetime) -> str:
    """Mountain torrents in English."""
    if found.basis is Basis.UNKNOWN:
        return f"too little is known to tell that the danger is over; {level.en} stands"
    if not found.window_h:
        return f"the rain weakens; {level.en} stands until it is sure to stay so"
    asked = "" if found.stage is None else f", {found.stage.en}"
    rain = f"{found.name_en}: {_rain_en(found)}"
    if found.basis is Basis.CLOSE:
        return f"{rain}; close to the {level.en} level, which stands{asked}"
    begins = "" if onset <= sent else f"; torrents from {local_en(onset)} (UTC+8)"
    return f"{rain}{begins}; {level.en} level{asked}"


def _rain_zh(found: TorrentEvidence) -> str:
    mark = "本村预警雨量" if found.village else "当前临界雨量"
    if found.mark_mm <= 0:
        return "前期降雨已使河道接近成灾流量，再降雨即可能发生山洪"
    share = f"{100 * found.share:.0f}%"
    rain = f"{found.window_h}小时雨量（实况加预报）为{mark}（{found.mark_mm:.0f}毫米）的{share}"
    return rain


def _rain_en(found: TorrentEvidence) -> str:
    mark = "the village's own mark" if found.village else "the critical rain now"
    if found.mark_mm <= 0:
        return "the river is so full that any rain may make it flood"
    share = f"{100 * found.share:.0f} %"
    rain = f"rain in {found.window_h} h (observed plus forecast) is {share} of {mark}"
    return f"{rain} ({found.mark_mm:.0f} mm)"
