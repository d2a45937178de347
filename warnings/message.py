"""The one model of a warning message, from which CAP, headlines and phone texts are made."""

from dataclasses import dataclass
from datetime import datetime

from jinghu.grid.times import BEIJING
from jinghu.warnings.levels import Action, Hazard, Level
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
    sent: datetime
    onset: datetime
    expires: datetime
    peak_mm: float
    window_h: int
    areas: tuple[Area, ...]
    references: tuple[Reference, ...]
    event_id: str
    rules: str


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
    words = {
        Action.NEW: "issued",
        Action.CONTINUE: "continues",
        Action.EXTEND_AREA: "extended",
        Action.UPGRADE: "upgraded",
        Action.DOWNGRADE: "downgraded",
        Action.CANCEL: "cancelled",
        Action.EXPIRE: "expired",
    }
    level = "" if message.action is Action.CANCEL else f"{message.level.en} "
    text = f"{message.county.name_en}: {level}{message.hazard.en} warning {words[message.action]}"
    return f"{_mark_en(message.status)}{text}"


def description_zh(message: Message) -> str:
    """What is happening, in Chinese, in Beijing time."""
    if message.action is Action.CANCEL:
        return f"{message.county.name_zh}{message.hazard.zh}预警于{_local(message.sent)}解除。"
    parts = "、".join(f"{a.level.zh}{a.n_cells}个网格" for a in message.areas)
    return (
        f"{message.city_zh}{message.county.name_zh}部分区域{message.window_h}小时雨量"
        f"（实况加预报）将达或已达{message.peak_mm:.0f}毫米，自{_local(message.onset)}起"
        f"达到{message.level.zh}标准。涉及2.5公里网格：{parts}。"
    )


def description_en(message: Message) -> str:
    """What is happening, in English."""
    if message.action is Action.CANCEL:
        return f"The {message.hazard.en} warning ended at {_local_en(message.sent)} (UTC+8)."
    parts = ", ".join(f"{a.n_cells} {a.level.en}" for a in message.areas)
    return (
        f"Rain of {message.peak_mm:.0f} mm in {message.window_h} h (observed plus forecast) is"
        f" reached or expected in parts of {message.county.name_en}; {message.level.en} level from"
        f" {_local_en(message.onset)} (UTC+8). Cells of 2.5 km: {parts}."
    )


def phone_text(message: Message, level: Level) -> str:
    """Text of one recipient's message: the level is that of the place where they stand."""
    if level is Level.NONE:
        return (
            f"{_mark_zh(message.status)}您所在位置的{message.hazard.zh}预警已解除。"
            f" The {message.hazard.en} warning at your place has ended."
        )
    return (
        f"{_mark_zh(message.status)}【{message.hazard.zh}{level.zh}预警】{message.county.name_zh}，"
        f"{_local(message.onset)}起。{instruction_zh(level)}"
        f" {level.en.capitalize()} {message.hazard.en} warning. {instruction_en(level)}"
    )


def _local(time: datetime) -> str:
    local = time.astimezone(BEIJING)
    return f"{local.month}月{local.day}日{local:%H:%M}"


def _local_en(time: datetime) -> str:
    return time.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M")


def _mark_zh(status: str) -> str:
    return {"Actual": "", "Exercise": "【演练】", "Test": "【测试】"}[status]


def _mark_en(status: str) -> str:
    return {"Actual": "", "Exercise": "[EXERCISE] ", "Test": "[TEST] "}[status]
