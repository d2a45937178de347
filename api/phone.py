"""The phone page of a responsible person: what, where, what to do, three buttons."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from string import Template
from typing import Any

from jinghu.grid.times import BEIJING, parse_time
from jinghu.warnings.acknowledge import Answer
from jinghu.warnings.instructions import instruction_en, instruction_zh
from jinghu.warnings.levels import Hazard, Level
from jinghu.warnings.message import Silent

_PAGE = Template(
    """<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>$title</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/phone.css">
</head>
<body class="$level">
$body
</body>
</html>
"""
)
_ANSWERS = {
    Answer.ACKNOWLEDGED: ("收到", "Received"),
    Answer.HANDLED: ("已处置", "Handled"),
    Answer.CANNOT_HANDLE: ("无法处置", "Cannot handle"),
}
_SHOWN = 6  # names on a page
_SILENT = "未答复 <small>no answer</small>"
_UNABLE = "无法处置 <small>cannot handle it</small>"
_STATUS = {
    "RELIEVED": ("下级已答复，无需您接手", "Answered below; nothing left for you"),
    "TOLD": ("请答复", "Please answer"),
    "CLOSED": ("已结束", "Closed"),
    **{answer.value: words for answer, words in _ANSWERS.items()},
}
_BANNERS = {
    "Exercise": ("演练，不是真实预警", "Exercise, not a real warning"),
    "Test": ("测试，不是真实预警", "Test, not a real warning"),
}


def task_page(
    token: str,
    task: Mapping[str, Any],
    county: tuple[str, str],
    now: datetime,
    silent: Sequence[Silent] = (),
) -> str:
    """Page of one task.

    Parameters
    ----------
    token
        The signed link, which the buttons send back.
    task
        As `jinghu.warnings.queries.get_task` gives it.
    county
        Chinese and English name.
    now
        Tells whether the message has expired.
    silent
        Who below did not answer, where the task came from there.
    """
    level, hazard = Level[str(task["level"]).upper()], Hazard(task["hazard"])
    title = str(task["headline_zh"])
    ended = level is Level.NONE or task["status"] == "CLOSED"
    shown = ("解除", "ended") if ended else (level.zh, level.en)
    parts = [
        _banner(str(task["message_status"])),
        f'<main><p class="level"><b>{escape(task["hazard_zh"])}{shown[0]}</b> {shown[1]}</p>',
        f"<h1>{escape(task['headline_zh'])}</h1>",
        f'<p class="en">{escape(task["headline_en"])}</p>',
        "" if ended else _escalated(silent, str(task["status"])),
        "<dl>",
        _row(
            "地点",
            "Where",
            f"{county[0]}{'' if task['unit_name'].startswith(county[0]) else ' '}"
            f"{task['unit_name'].removeprefix(county[0])}（{task['role_zh']}）",
            county[1],
        ),
        _row("有效至", "Valid until", _local(task["expires"]), _expired(task["expires"], now)),
        _row("怎么做", "What to do", instruction_zh(level, hazard), instruction_en(level, hazard)),
        _row("状态", "Status", *_STATUS[str(task["status"])]),
        "</dl>",
    ]
    parts.append(_ended() if ended else _form(token, str(task["note"]), str(task["status"])))
    return _page(title, level.en, "".join(parts) + "</main>")


def refused_page(cause: str) -> str:
    """Page for a link that is not good."""
    body = (
        "<main><h1>链接无效或已过期</h1>"
        '<p class="en">This link is not valid, or it has expired.</p>'
        "<p>请联系值班室，或等待新的通知。</p>"
        '<p class="en">Call the duty office, or wait for the next message.</p>'
        f'<p class="small">{escape(cause)}</p></main>'
    )
    return _page("链接无效 Invalid link", "none", body)


def _page(title: str, level: str, body: str) -> str:
    return _PAGE.substitute(title=escape(title), level=escape(level), body=body)


def _banner(status: str) -> str:
    words = _BANNERS.get(status)
    if words is None:
        return ""
    return f'<p class="banner" role="alert">{words[0]} <span>{words[1]}</span></p>'


def _row(zh: str, en: str, text_zh: str, text_en: str) -> str:
    english = f'<span class="en">{escape(text_en)}</span>' if text_en else ""
    return f"<dt>{zh} <small>{en}</small></dt><dd>{escape(text_zh)} {english}</dd>"


def _escalated(silent: Sequence[Silent], status: str) -> str:
    """Who did not answer: by name the first ones, as many as a phone shows."""
    if not silent:
        return ""
    n = len(silent)
    items = "".join(
        f"<li><b>{escape(s.name)}</b> {escape(s.role.zh)}，{escape(s.place)}"
        f" <span>{_UNABLE if s.unable else _SILENT}</span></li>"
        for s in silent[:_SHOWN]
    )
    rest = f"<li>还有{n - _SHOWN}人 <small>and {n - _SHOWN} more</small></li>" if n > _SHOWN else ""
    zh, en = f"下级{n}人未处置", f"{n} below you did not act"
    if status != Answer.HANDLED.value:
        zh, en = f"{zh}，请您接手并电话核实", f"{en}: please take over and call them"
    return (
        f'<section class="escalated"><p><b>{zh}</b><span class="en">{en}</span></p>'
        f"<ul>{items}{rest}</ul></section>"
    )


def _form(token: str, note: str, status: str) -> str:
    buttons = "".join(
        f'<button name="answer" value="{answer.value}" class="{answer.value.lower()}"'
        f"{' aria-pressed=true' if answer.value == status else ''}>"
        f"{zh}<small>{en}</small></button>"
        for answer, (zh, en) in _ANSWERS.items()
    )
    return (
        f'<form method="post" action="/api/v1/tasks/{escape(token)}">'
        f"<details{' open' if note else ''}><summary>备注 <small>Note</small></summary>"
        '<textarea name="note" rows="3" maxlength="1000" aria-label="备注 Note">'
        f'{escape(note)}</textarea></details><div class="buttons">{buttons}</div></form>'
    )


def _ended() -> str:
    return (
        '<p class="ended">本次预警已解除，无需答复。'
        '<span class="en">This warning has ended; no answer is needed.</span></p>'
    )


def _expired(stamp: str, now: datetime) -> str:
    return "已过有效期 It has expired" if parse_time(stamp) <= now else ""


def _local(stamp: str) -> str:
    local: datetime = parse_time(stamp).astimezone(BEIJING)
    return f"{local.month}月{local.day}日 {local:%H:%M}（北京时间 UTC+8）"
