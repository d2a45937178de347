"""What is happening, in words: rain over a county, or water at a gauge or reservoir."""

from datetime import datetime

from jinghu.grid.times import BEIJING
from jinghu.warnings.evidence import Basis, Evidence, WaterEvidence
from jinghu.warnings.levels import Level


def rain_zh(found: Evidence, level: Level, onset: datetime) -> str:
    """Rain in Chinese, in Beijing time."""
    if found.probability > 0:
        close = found.basis is Basis.CLOSE
        likely = f"{found.window_h}小时雨量达到{found.peak_mm:.0f}毫米的概率为{_percent(found)}%"
        standing = f"接近{level.zh}标准，预警继续有效" if close else f"达到{level.zh}标准"
        return f"{likely}，{standing}"
    if found.basis is Basis.REACHED:
        return (
            f"{found.window_h}小时雨量（实况加预报）将达或已达{found.peak_mm:.0f}毫米，"
            f"自{local_zh(onset)}起达到{level.zh}标准"
        )
    if found.basis is Basis.CLOSE:
        return (
            f"{found.window_h}小时雨量（实况加预报）为{found.peak_mm:.0f}毫米，"
            f"接近{level.zh}标准，预警继续有效"
        )
    if found.basis is Basis.WANING:
        return f"雨势减弱，尚待观察，{level.zh}预警继续有效"
    return f"资料不全，不足以判断雨势减弱，{level.zh}预警继续有效"


def rain_en(found: Evidence, level: Level, onset: datetime, place: str) -> str:
    """Rain in English."""
    if found.probability > 0:
        close = found.basis is Basis.CLOSE
        likely = f"{found.peak_mm:.0f} mm in {found.window_h} h are reached with a probability of"
        standing = f"close to the {level.en} level, which stands" if close else f"{level.en} level"
        return f"In {place} {likely} {_percent(found)} %: {standing}"
    amount = f"Rain of {found.peak_mm:.0f} mm in {found.window_h} h (observed plus forecast)"
    if found.basis is Basis.REACHED:
        return (
            f"{amount} is reached or expected in {place}; {level.en} level from"
            f" {local_en(onset)} (UTC+8)"
        )
    if found.basis is Basis.CLOSE:
        return f"{amount} is close to the {level.en} level in {place}; the warning stands"
    if found.basis is Basis.WANING:
        return f"The rain weakens in {place}; {level.en} stands until it is sure to stay so"
    return f"Too little is observed in {place} to tell that the rain is over; {level.en} stands"


def _percent(found: Evidence) -> int:
    return round(100 * found.probability)


def water_zh(found: WaterEvidence, level: Level, onset: datetime, sent: datetime) -> str:
    """Water in Chinese, in Beijing time: the mark, when it is crossed, and the peak."""
    if found.mark is None or found.quantity is None:
        return _held_zh(found, level) + _peak_zh(found)
    name = f"{found.mark.zh}{found.quantity.zh}（{found.value:.{_digits(found)}f}"
    mark = f"{name}{found.quantity.unit_zh}）"
    if found.basis is Basis.CLOSE:
        what = f"低于但接近{mark}，{level.zh}预警继续有效"
    elif onset <= sent:
        what = f"已达到或超过{mark}"
    else:
        what = f"预计{local_zh(onset)}达到{mark}"
    return what + _peak_zh(found)


def water_en(found: WaterEvidence, level: Level, onset: datetime, sent: datetime) -> str:
    """Water in English."""
    if found.mark is None or found.quantity is None:
        return _held_en(found, level) + _peak_en(found)
    kind = f"{found.mark.en} {found.quantity.value}"
    mark = f"the {kind} ({found.value:.{_digits(found)}f} {found.quantity.unit_en})"
    if found.basis is Basis.CLOSE:
        what = f"is below {mark} but close to it; {level.en} stands"
    elif onset <= sent:
        what = f"has reached {mark}"
    else:
        what = f"is expected to reach {mark} at {local_en(onset)} (UTC+8)"
    return what + _peak_en(found)


def _digits(found: WaterEvidence) -> int:
    return 2 if found.quantity is not None and found.quantity.value == "level" else 0


def _held_zh(found: WaterEvidence, level: Level) -> str:
    if found.basis is Basis.UNKNOWN:
        return f"资料不全，不足以判断水情缓解，{level.zh}预警继续有效"
    return f"水势回落，尚待观察，{level.zh}预警继续有效"


def _held_en(found: WaterEvidence, level: Level) -> str:
    if found.basis is Basis.UNKNOWN:
        return f"is not known well enough to tell that the danger is over; {level.en} stands"
    return f"falls; {level.en} stands until it is sure to stay so"


def _peak_zh(found: WaterEvidence) -> str:
    if found.peak_time is None:
        return ""
    return (
        f"；当前水位{found.now_m:.2f}米，预报最高水位{found.peak_m:.2f}米"
        f"（{local_zh(found.peak_time)}，{_datum_zh(found.datum)}），"
        f"最大流量{found.peak_m3_s:.0f}立方米每秒"
    )


def _peak_en(found: WaterEvidence) -> str:
    if found.peak_time is None:
        return ""
    return (
        f"; now {found.now_m:.2f} m, highest {found.peak_m:.2f} m at"
        f" {local_en(found.peak_time)} (UTC+8; {found.datum or 'datum not stated'}), largest"
        f" discharge {found.peak_m3_s:.0f} m3/s"
    )


def _datum_zh(datum: str) -> str:
    """What levels are measured from: nobody may take generated heights for surveyed ones."""
    if "generated" in datum.lower():
        return "生成地形上的高程，非实测基面"
    return datum or "基面未注明"


def local_zh(time: datetime) -> str:
    """Beijing time in Chinese."""
    local = time.astimezone(BEIJING)
    return f"{local.month}月{local.day}日{local:%H:%M}"


def local_en(time: datetime) -> str:
    """Beijing time in English."""
    return time.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M")
