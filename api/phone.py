"""The phone page of a responsible person: what, where, what to do, three buttons."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from string import Template
from typing import Any

from jinghu.api.phone_below import Below, below_part
from jinghu.grid.times import BEIJING, parse_time
from jinghu.warnings.acknowledge import Answer
from jinghu.warnings.duties import Duty
from jinghu.warnings.instructions import instruction_en, instruction_zh
from jinghu.warnings.levels import Hazard, Level
from jinghu.warnings.reports import Report

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
<script src="/static/phone.js" defer></script>
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
_NOBODY = Below()
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
    below: Below = _NOBODY,
    duties: Sequence[Duty] = (),
    reports: Sequence[Report] = (),
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
    below
        Those below: counts, and who did not answer, where the task came from there.
    duties
        What the role has to do, and by when.
    reports
        What this person reported so far, the newest first.
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
        "" if ended else _duties(duties, now),
        "" if ended else below_part(token, below, str(task["status"])),
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
    parts.append(_reports(token, reports))
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


def _duties(duties: Sequence[Duty], now: datetime) -> str:
    """What to do and until when; what is overdue says so."""
    if not duties:
        return ""
    items = "".join(
        f"<li{' class=late' if d.until <= now else ''}><b>{_clock(d.until)}前</b> {escape(d.zh)}"
        f'<span class="en">By {_clock(d.until)}: {escape(d.en)}</span></li>'
        for d in duties
    )
    title = "<h2>您的任务 <small>Your tasks</small></h2>"
    return f'<section class="duties">{title}<ol>{items}</ol></section>'


def _clock(time: datetime) -> str:
    return f"{time.astimezone(BEIJING):%H:%M}"


def _form(token: str, note: str, status: str) -> str:
    buttons = "".join(
        f'<button name="answer" value="{answer.value}" class="{answer.value.lower()}"'
        f"{' aria-pressed=true' if answer.value == status else ''}>"
        f"{zh}<small>{en}</small></button>"
        for answer, (zh, en) in _ANSWERS.items()
    )
    return (
        f'<form method="post" action="/api/v1/tasks/{escape(token)}"'
        ' enctype="multipart/form-data">'
        f"<details{' open' if note else ''}><summary>现场反馈 <small>Report</small></summary>"
        '<label>情况说明 <small>Note</small><textarea name="note" rows="3" maxlength="1000">'
        f"{escape(note)}</textarea></label>"
        '<label>积水深度（厘米） <small>Depth of water, cm</small><input name="water_depth_cm"'
        ' type="number" inputmode="numeric" min="0" max="2000"></label>'
        '<label>已转移人数 <small>People moved</small><input name="people_moved" type="number"'
        ' inputmode="numeric" min="0" max="100000"></label>'
        '<label>照片 <small>Photo, JPEG or PNG, to 8 MB</small><input name="photo" type="file"'
        ' accept="image/jpeg,image/png" capture="environment"></label>'
        '<p class="place" hidden><button type="button">附上当前位置 <small>Add where I am</small>'
        '</button> <output></output></p><input type="hidden" name="lon">'
        '<input type="hidden" name="lat"></details>'
        f'<div class="buttons">{buttons}</div></form>'
    )


def _reports(token: str, reports: Sequence[Report]) -> str:
    """What was reported so far."""
    if not reports:
        return ""
    items = "".join(f"<li>{_report(token, report)}</li>" for report in reports)
    return (
        '<section class="reports"><h2>已反馈 <small>Reported</small></h2>'
        f"<ul>{items}</ul></section>"
    )


def _report(token: str, report: Report) -> str:
    parts = [f"<b>{_ANSWERS[Answer(report.answer)][0]}</b> {escape(report.note)}"]
    if report.water_depth_cm is not None:
        parts.append(
            f"积水{report.water_depth_cm}厘米 <small>water {report.water_depth_cm} cm</small>"
        )
    if report.people_moved is not None:
        parts.append(f"转移{report.people_moved}人 <small>{report.people_moved} moved</small>")
    if report.lon is not None and report.lat is not None:
        parts.append(f"<small>{report.lat:.5f}, {report.lon:.5f}</small>")
    if report.photo:
        parts.append(f'<img src="/t/{escape(token)}/photos/{report.photo}" alt="现场照片 Photo">')
    return "<br>".join(parts)


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
