"""The one model of a warning message, from which CAP, headlines and phone texts are made."""

from dataclasses import dataclass
from datetime import datetime

from jinghu.warnings.evidence import (
    AnyEvidence,
    DecidedEvidence,
    TorrentEvidence,
    WaterEvidence,
    WeatherEvidence,
)
from jinghu.warnings.instructions import instruction_en, instruction_zh
from jinghu.warnings.levels import Action, Hazard, Level
from jinghu.warnings.silence import Silence
from jinghu.warnings.subjects import Subject
from jinghu.warnings.torrent_words import torrent_en, torrent_zh
from jinghu.warnings.units import County
from jinghu.warnings.weather_words import weather_en, weather_zh
from jinghu.warnings.words import local_en, local_zh, rain_en, rain_zh, water_en, water_zh


@dataclass(frozen=True, slots=True)
class Area:
    """Cells of one level: (lon, lat) outlines and their number."""

    level: Level
    polygons: tuple[tuple[tuple[float, float], ...], ...]
    n_cells: int


@dataclass(frozen=True, slots=True)
class Reference:
    """An earlier message of the event that had not expired."""

    sender: str
    identifier: str
    sent: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """One warning message, immutable once sent.

    ``subject`` is the gauge or reservoir, ``cn_identifier`` the national identifier, if any;
    ``unanswered``: a second person was asked whether to issue it, and nobody answered in time.
    """

    identifier: str
    sender: str
    status: str
    action: Action
    hazard: Hazard
    level: Level
    county: County
    city_zh: str
    city_en: str
    sent: datetime
    onset: datetime
    expires: datetime
    evidence: AnyEvidence
    areas: tuple[Area, ...]
    references: tuple[Reference, ...]
    event_id: str
    rules: str
    subject: Subject | None = None
    cn_identifier: str | None = None
    unanswered: bool = False

    @property
    def place_zh(self) -> str:
        """Where, in Chinese: the county, and the gauge or reservoir."""
        return f"{self.county.name_zh}{self.subject.name_zh if self.subject else ''}"

    @property
    def place_en(self) -> str:
        """Where, in English."""
        return f"{self.county.name_en}{f', {self.subject.name_en}' if self.subject else ''}"


def headline_zh(message: Message) -> str:
    """Headline in Chinese; drills and tests say so first."""
    level = "" if message.action is Action.CANCEL else message.level.zh
    of = f"（{message.subject.name_zh}）" if message.subject else ""
    text = f"{message.county.name_zh}{message.action.zh}{message.hazard.zh}{level}预警{of}"
    return f"{_mark_zh(message.status)}{text}"


def headline_en(message: Message) -> str:
    """Headline in English."""
    level, hazard = message.level.en, message.hazard.en
    text = {
        Action.NEW: f"{level} {hazard} warning issued",
        Action.CONTINUE: f"{level} {hazard} warning continues",
        Action.EXTEND_AREA: f"{level} {hazard} warning extended to more places",
        Action.UPGRADE: f"{hazard} warning raised to {level}",
        Action.DOWNGRADE: f"{hazard} warning lowered to {level}",
        Action.CANCEL: f"{hazard} warning cancelled",
        Action.EXPIRE: f"{hazard} warning expired",
    }[message.action]
    return f"{_mark_en(message.status)}{message.place_en}: {text}"


def description_zh(message: Message) -> str:
    """What is happening, in Chinese, in Beijing time."""
    said = "复核超时未答复，系统按规定自动发布。" if message.unanswered else ""
    if message.action is Action.CANCEL:
        return f"{message.place_zh}{message.hazard.zh}预警于{local_zh(message.sent)}解除。{said}"
    found, level = message.evidence, message.level
    cells = "、".join(f"{a.level.zh}{a.n_cells}个网格" for a in message.areas)
    if isinstance(found, WaterEvidence):
        what = water_zh(found, level, message.onset, message.sent)
        where = f"{message.city_zh}{message.place_zh}"
    elif isinstance(found, DecidedEvidence):
        what = f"经预报员研判，{level.zh}预警有效：{found.reason}"
        where = f"{message.city_zh}{message.place_zh}"
    elif isinstance(found, WeatherEvidence):
        what = weather_zh(found, level, message.hazard)
        where = f"{message.city_zh}{message.county.name_zh}部分区域"
    elif isinstance(found, TorrentEvidence):
        what = "：" + torrent_zh(found, level, message.onset, message.sent)
        where = f"{message.city_zh}{message.county.name_zh}部分山区"
    else:
        what = rain_zh(found, level, message.onset)
        where = f"{message.city_zh}{message.county.name_zh}部分区域"
    return f"{where}{what}。涉及2.5公里网格：{cells}。{said}"


def description_en(message: Message) -> str:
    """What is happening, in English."""
    said = " Issued by rule: nobody answered the review in time." if message.unanswered else ""
    if message.action is Action.CANCEL:
        when = local_en(message.sent)
        return f"The {message.hazard.en} warning ended at {when} (UTC+8).{said}"
    found, level = message.evidence, message.level
    cells = ", ".join(f"{a.n_cells} {a.level.en}" for a in message.areas)
    if isinstance(found, WaterEvidence):
        what = f"{message.place_en}: it {water_en(found, level, message.onset, message.sent)}"
    elif isinstance(found, DecidedEvidence):
        what = f"{message.place_en}: {level.en} stands by a forecaster's decision: {found.reason}"
    elif isinstance(found, WeatherEvidence):
        where = f"parts of {message.county.name_en}"
        what = weather_en(found, level, message.hazard, where)
    elif isinstance(found, TorrentEvidence):
        words = torrent_en(found, level, message.onset, message.sent)
        what = f"Hills of {message.county.name_en}: {words}"
    else:
        what = rain_en(found, level, message.onset, f"parts of {message.county.name_en}")
    return f"{what}. Cells of 2.5 km: {cells}.{said}"


def phone_text_zh(
    status: str, hazard: Hazard, level: Level, place: str, silent: Silence | None = None
) -> str:
    """Text for one person in Chinese: the level is that of the place they look after."""
    mark = _mark_zh(status)
    if silent is not None:
        who = f"{silent.zh}，请您接手"
        return f"{mark}【{hazard.zh}{level.zh}预警·上报】{who}：{instruction_zh(level, hazard)}"
    if level is Level.NONE:
        return f"{mark}【{hazard.zh}预警解除】{place}：{instruction_zh(level, hazard)}"
    return f"{mark}【{hazard.zh}{level.zh}预警】{place}：{instruction_zh(level, hazard)}"


def phone_text_en(status: str, hazard: Hazard, level: Level, silent: Silence | None = None) -> str:
    """Text for one person in English."""
    mark = _mark_en(status)
    if level is Level.NONE:
        return (
            f"{mark}{hazard.en.capitalize()} warning at your place: {instruction_en(level, hazard)}"
        )
    if silent is not None:
        title = f"{level.en.capitalize()} {hazard.en} warning escalated to you"
        return f"{mark}{title} ({silent.en}): {instruction_en(level, hazard)}"
    title = f"{level.en.capitalize()} {hazard.en} warning at your place"
    return f"{mark}{title}: {instruction_en(level, hazard)}"


def digest_title_zh(status: str, level: Level, number: int) -> str:
    """Title of several messages as one in Chinese; the level is the highest of them."""
    what = "预警解除" if level is Level.NONE else f"最高为{level.zh}"
    return f"{_mark_zh(status)}预警信息汇总：{number}条，{what}"


def digest_title_en(status: str, level: Level, number: int) -> str:
    """Title of several messages as one in English."""
    what = "warnings that ended" if level is Level.NONE else f"the highest {level.en}"
    return f"{_mark_en(status)}{number} messages on warnings, {what}"


def _mark_zh(status: str) -> str:
    return {"Actual": "", "Exercise": "【演练】", "Test": "【测试】"}[status]


def _mark_en(status: str) -> str:
    return {"Actual": "", "Exercise": "[EXERCISE] ", "Test": "[TEST] "}[status]
