"""The one model of a warning message, from which CAP, headlines and phone texts are made."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from jinghu.grid.times import BEIJING
from jinghu.warnings.levels import Action, Hazard, Level, Role
from jinghu.warnings.units import County


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


class Basis(StrEnum):
    """What a level rests on."""

    REACHED = "reached"  # the threshold is reached, or will be
    CLOSE = "close"  # an amount close enough to the threshold keeps it
    WANING = "waning"  # the rain is less than that; whether it stays so is waited for
    UNKNOWN = "unknown"  # too little is observed to lower it


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a level stands, and the largest amount that speaks for it with its window, if any."""

    basis: Basis
    peak_mm: float = 0.0
    window_h: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """One warning message, immutable once sent."""

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
    evidence: Evidence
    areas: tuple[Area, ...]
    references: tuple[Reference, ...]
    event_id: str
    rules: str


@dataclass(frozen=True, slots=True)
class Silent:
    """Somebody below because of whom a task went up: no answer, or unable to handle it."""

    name: str
    role: Role
    place: str
    unable: bool


_DO_ZH = {
    Level.BLUE: "注意收听预报，检查低洼处和排水口，做好准备。",
    Level.YELLOW: "停止低洼地段户外作业，巡查山边、河边和危房，切断低洼地带室外电源。",
    Level.ORANGE: "立即转移危险区域人员，停课停工按预案执行，封闭涉水道路，切断危险电源。",
    Level.RED: "危险区域人员立即转移到安全地点，停止一切室外活动，全力抢险救灾。",
}
_DO_EN = {
    Level.BLUE: "Follow the forecasts, check low ground and drains, be ready.",
    Level.YELLOW: "Stop outdoor work on low ground; patrol slopes, rivers and unsafe houses.",
    Level.ORANGE: "Move people out of danger areas now; close flooded roads; cut unsafe power.",
    Level.RED: "Move everyone in danger areas to safety now; stop all outdoor activity.",
}


def instruction_zh(level: Level) -> str:
    """What to do, in Chinese."""
    return _DO_ZH.get(level, "预警已解除，请继续关注天气变化。")


def instruction_en(level: Level) -> str:
    """What to do, in English."""
    return _DO_EN.get(level, "The warning has ended; keep following the weather.")


def headline_zh(message: Message) -> str:
    """Headline in Chinese; drills and tests say so first."""
    level = "" if message.action is Action.CANCEL else message.level.zh
    text = f"{message.county.name_zh}{message.action.zh}{message.hazard.zh}{level}预警"
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
    return f"{_mark_en(message.status)}{message.county.name_en}: {text}"


def description_zh(message: Message) -> str:
    """What is happening, in Chinese, in Beijing time."""
    if message.action is Action.CANCEL:
        return f"{message.county.name_zh}{message.hazard.zh}预警于{_local(message.sent)}解除。"
    found, level = message.evidence, message.level.zh
    cells = "、".join(f"{a.level.zh}{a.n_cells}个网格" for a in message.areas)
    if found.basis is Basis.REACHED:
        what = (
            f"{found.window_h}小时雨量（实况加预报）将达或已达{found.peak_mm:.0f}毫米，"
            f"自{_local(message.onset)}起达到{level}标准"
        )
    elif found.basis is Basis.CLOSE:
        what = (
            f"{found.window_h}小时雨量（实况加预报）为{found.peak_mm:.0f}毫米，"
            f"接近{level}标准，预警继续有效"
        )
    elif found.basis is Basis.WANING:
        what = f"雨势减弱，尚待观察，{level}预警继续有效"
    else:
        what = f"资料不全，不足以判断雨势减弱，{level}预警继续有效"
    place = f"{message.city_zh}{message.county.name_zh}"
    return f"{place}部分区域{what}。涉及2.5公里网格：{cells}。"


def description_en(message: Message) -> str:
    """What is happening, in English."""
    if message.action is Action.CANCEL:
        return f"The {message.hazard.en} warning ended at {_local_en(message.sent)} (UTC+8)."
    found, level = message.evidence, message.level.en
    cells = ", ".join(f"{a.n_cells} {a.level.en}" for a in message.areas)
    amount = f"Rain of {found.peak_mm:.0f} mm in {found.window_h} h (observed plus forecast)"
    place = f"parts of {message.county.name_en}"
    if found.basis is Basis.REACHED:
        what = (
            f"{amount} is reached or expected in {place}; {level} level from"
            f" {_local_en(message.onset)} (UTC+8)"
        )
    elif found.basis is Basis.CLOSE:
        what = f"{amount} is close to the {level} level in {place}; the warning stands"
    elif found.basis is Basis.WANING:
        what = f"The rain weakens in {place}; {level} stands until it is sure to stay so"
    else:
        what = f"Too little is observed in {place} to tell that the rain is over; {level} stands"
    return f"{what}. Cells of 2.5 km: {cells}."


def phone_text_zh(
    status: str, hazard: Hazard, level: Level, place: str, silent: Sequence[Silent] = ()
) -> str:
    """Text for one person in Chinese: the level is that of the place they look after."""
    mark = _mark_zh(status)
    if silent:
        who = f"{silent_zh(silent)}，请您接手"
        return f"{mark}【{hazard.zh}{level.zh}预警·上报】{who}：{instruction_zh(level)}"
    if level is Level.NONE:
        return f"{mark}【{hazard.zh}预警解除】{place}：{instruction_zh(level)}"
    return f"{mark}【{hazard.zh}{level.zh}预警】{place}：{instruction_zh(level)}"


def phone_text_en(status: str, hazard: Hazard, level: Level, silent: Sequence[Silent] = ()) -> str:
    """Text for one person in English."""
    mark = _mark_en(status)
    if level is Level.NONE:
        return f"{mark}{hazard.en.capitalize()} warning at your place: {instruction_en(level)}"
    if silent:
        title = f"{level.en.capitalize()} {hazard.en} warning escalated to you"
        return f"{mark}{title} ({silent_en(silent)}): {instruction_en(level)}"
    title = f"{level.en.capitalize()} {hazard.en} warning at your place"
    return f"{mark}{title}: {instruction_en(level)}"


def silent_zh(silent: Sequence[Silent]) -> str:
    """Who did not answer, in Chinese: the first by name, the rest by number."""
    first = silent[0]
    what = "报告无法处置" if first.unable else "未答复"
    if len(silent) > 1:
        what = "未答复或无法处置" if any(s.unable for s in silent) else "未答复"
    more = f"等{len(silent)}人" if len(silent) > 1 else ""
    return f"{first.place}{first.role.zh}{first.name}{more}{what}"


def silent_en(silent: Sequence[Silent]) -> str:
    """Who did not answer, in English: by number."""
    unable = sum(s.unable for s in silent)
    parts = [(len(silent) - unable, "did not answer"), (unable, "cannot handle it")]
    return ", ".join(f"{n} below you {what}" for n, what in parts if n)


def _local(time: datetime) -> str:
    local = time.astimezone(BEIJING)
    return f"{local.month}月{local.day}日{local:%H:%M}"


def _local_en(time: datetime) -> str:
    return time.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M")


def _mark_zh(status: str) -> str:
    return {"Actual": "", "Exercise": "【演练】", "Test": "【测试】"}[status]


def _mark_en(status: str) -> str:
    return {"Actual": "", "Exercise": "[EXERCISE] ", "Test": "[TEST] "}[status]
