"""On the phone page of somebody above: who below stands how, who is silent, and their calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from jinghu.grid.times import BEIJING, parse_time
from jinghu.warnings.acknowledge import Answer
from jinghu.warnings.below import CallOutcome, SilentBelow
from jinghu.warnings.tallies import TierCount

_SHOWN = 30  # names on a page
_COLUMNS = (
    ("", ""),
    ("任务", "tasks"),
    ("已答复", "answered"),
    ("无法", "cannot"),
    ("待答", "awaited"),
    ("未答", "silent"),
)
_SILENT = "未答复 <small>no answer</small>"
_UNABLE = "无法处置 <small>cannot handle it</small>"


@dataclass(frozen=True, slots=True)
class Below:
    """Counts of all below, and those whose tasks have come up."""

    counts: Sequence[TierCount] = ()
    silent: Sequence[SilentBelow] = ()


def below_part(token: str, below: Below, status: str) -> str:
    """Part of the page; empty where there is nobody below."""
    return _came_up(token, below.silent, status) + _counts(below.counts)


def _came_up(token: str, silent: Sequence[SilentBelow], status: str) -> str:
    if not silent:
        return ""
    n = len(silent)
    items = "".join(_item(token, s) for s in silent[:_SHOWN])
    rest = f"<li>还有{n - _SHOWN}人 <small>and {n - _SHOWN} more</small></li>" if n > _SHOWN else ""
    zh, en = f"下级{n}人未处置", f"{n} below you did not act"
    if status != Answer.HANDLED.value:
        zh, en = f"{zh}，请您接手并电话核实", f"{en}: please take over and call them"
    return (
        f'<section class="escalated"><p><b>{zh}</b><span class="en">{en}</span></p>'
        f"<ul>{items}{rest}</ul></section>"
    )


def _item(token: str, silent: SilentBelow) -> str:
    since = ""
    if silent.since:
        local = parse_time(silent.since).astimezone(BEIJING)
        since = f" <small>{local:%H:%M} 起 since</small>"
    said = ""
    if silent.last_call is not None:
        said = (
            f'<p class="called">已打{silent.calls}次：{silent.last_call.zh}'
            f" <small>{silent.calls} calls, last: {silent.last_call.en}</small></p>"
        )
    return (
        f"<li><b>{escape(silent.name)}</b> {escape(silent.role.zh)}，{escape(silent.unit_name)}"
        f" <span>{_UNABLE if silent.unable else _SILENT}</span>{since}{said}"
        f"{_call_form(token, silent.task_id)}</li>"
    )


def _call_form(token: str, task_id: int) -> str:
    buttons = "".join(
        f'<button name="outcome" value="{o.value}">{o.zh}<small>{o.en}</small></button>'
        for o in CallOutcome
    )
    return (
        "<details><summary>记录通话 <small>Record a call</small></summary>"
        f'<form class="call" method="post" action="/api/v1/tasks/{escape(token)}/calls">'
        f'<input type="hidden" name="task_id" value="{task_id}">'
        '<input name="note" maxlength="1000" placeholder="情况 What was said"'
        f' aria-label="通话情况 What was said"><div>{buttons}</div></form></details>'
    )


def _counts(counts: Sequence[TierCount]) -> str:
    if not counts:
        return ""
    rows = "".join(
        f"<tr><th>{c.tier.zh} <small>{c.tier.en}</small></th><td>{c.told}</td><td>{c.answered}</td>"
        f"<td>{c.unable}</td><td>{c.awaited}</td><td>{c.silent}</td></tr>"
        for c in counts
    )
    head = "".join(f"<th>{zh}<small>{en}</small></th>" for zh, en in _COLUMNS)
    return (
        '<section class="below"><h2>下级情况 <small>Those below you</small></h2>'
        f"<table><tr>{head}</tr>{rows}</table></section>"
    )
