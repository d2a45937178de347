"""Bulletins as PDF: one A4 page a unit, Chinese first, English beside.

The Chinese font is one of those that every reader of PDF has for itself (STSong-Light): it is not
in the file, which stays small and has no licence of a font.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from jinghu.grid.spec import GridSpec
from jinghu.grid.times import BEIJING
from jinghu.warnings.bulletin import Bulletin, Standing
from jinghu.warnings.bulletin_map import Box, draw_map
from jinghu.warnings.bulletin_text import CHINESE, ENGLISH, fitted, lines_of
from jinghu.warnings.levels import Level
from jinghu.warnings.units import Units
from jinghu.warnings.words import local_en, local_zh

COLOURS = {
    Level.BLUE: HexColor("#2f7bff"),
    Level.YELLOW: HexColor("#ffd400"),
    Level.ORANGE: HexColor("#ff8a00"),
    Level.RED: HexColor("#e02020"),
}
_INK, _GREY, _RULE = HexColor("#1a1a1a"), HexColor("#5a5a5a"), HexColor("#c8c8c8")
_DRILL = {"Exercise": ("演练", "EXERCISE"), "Test": ("测试", "TEST")}
_LEFT, _RIGHT, _BOTTOM = 36.0, A4[0] - 36.0, 48.0
_MAP = 236.0  # side of the map


def bulletin_pdf(bulletins: Sequence[Bulletin], units: Units, spec: GridSpec) -> bytes:
    """Draw bulletins, a page each; the same bulletins give the same bytes."""
    pdfmetrics.registerFont(UnicodeCIDFont(CHINESE))
    out = BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1, lang="zh-CN")
    canvas.setTitle("预警信息快报 Warning bulletin")
    canvas.setAuthor("Jinghu")
    for number, one in enumerate(bulletins, 1):
        _Page(canvas, one).draw(units, spec, f"{number} / {len(bulletins)}")
        canvas.showPage()
    canvas.save()
    return out.getvalue()


@dataclass(slots=True)
class _Page:
    canvas: Canvas
    of: Bulletin

    def draw(self, units: Units, spec: GridSpec, number: str) -> None:
        self._mark()
        top = self._head()
        water = [s for s in self.of.standing if s.hazard.has_subject]
        land = [s for s in self.of.standing if not s.hazard.has_subject]
        box = Box(_RIGHT - _MAP, top - _MAP - 14, _MAP, _MAP)
        draw_map(self.canvas, box, self.of, units.shapes[self.of.county], spec, COLOURS)
        floor = box.y - 34
        self._section(_LEFT, top - 14, "当前预警", "Warnings in force")
        self._warnings(land, top - 34, floor)
        y = self._section(_LEFT, floor - 12, "江河水库超标", "Rivers and reservoirs over marks")
        y = self._water(water, y, floor - 185)
        y = self._section(_LEFT, y - 16, "责任人与答复", "Who is responsible, and their answers")
        self._people(y)
        self._foot(number)

    def text(
        self, x: float, y: float, words: str, size: float, colour: Color = _INK, width: float = 0.0
    ) -> float:
        """Write one line, cut to a width; returns where it ends."""
        font = ENGLISH if words.isascii() else CHINESE
        words = fitted(words, font, size, width) if width else words
        self.canvas.setFillColor(colour)
        self.canvas.setFont(font, size)
        self.canvas.drawString(x, y, words)
        return x + float(pdfmetrics.stringWidth(words, font, size))

    def _mark(self) -> None:
        """Say across the page that it is a drill."""
        if self.of.status not in _DRILL:
            return
        zh, en = _DRILL[self.of.status]
        self.canvas.saveState()
        self.canvas.translate(A4[0] / 2, A4[1] / 2)
        self.canvas.rotate(50)
        self.canvas.setFillColor(HexColor("#f0e4e4"))
        self.canvas.setFont(CHINESE, 120)
        self.canvas.drawCentredString(0, 20, zh)
        self.canvas.setFont(f"{ENGLISH}-Bold", 80)
        self.canvas.drawCentredString(0, -70, en)
        self.canvas.restoreState()

    def _head(self) -> float:
        """Title, unit and times; returns where the rest begins."""
        y = float(A4[1]) - 40.0
        if self.of.status in _DRILL:
            zh, en = _DRILL[self.of.status]
            self.canvas.setFillColor(HexColor("#b00020"))
            self.canvas.rect(_LEFT, y - 8, _RIGHT - _LEFT, 26, stroke=0, fill=1)
            words = f"{zh}：以下不是真实预警  {en}: this is no real warning"
            self.canvas.setFillColor(HexColor("#ffffff"))
            self.canvas.setFont(CHINESE, 14)
            self.canvas.drawCentredString(A4[0] / 2, y, words)
            y -= 36
        self.text(_LEFT, y, f"{self.of.name_zh} 预警信息快报", 20, width=_RIGHT - _LEFT)
        y -= 17
        self.text(
            _LEFT, y, f"Warning bulletin: {self.of.name_en}", 10.5, _GREY, width=_RIGHT - _LEFT
        )
        y -= 15
        year = self.of.at.astimezone(BEIJING).year
        when = f"{year}年{local_zh(self.of.at)}（北京时间）发布"
        at = f"{when}  Issued {local_en(self.of.at)} (UTC+8)"
        self.text(_LEFT, y, at, 9.5)
        self._rule(y - 7)
        return y - 7

    def _rule(self, y: float) -> None:
        self.canvas.setStrokeColor(_RULE)
        self.canvas.setLineWidth(0.6)
        self.canvas.line(_LEFT, y, _RIGHT, y)

    def _section(self, x: float, y: float, zh: str, en: str) -> float:
        end = self.text(x, y, zh, 12.5)
        self.text(end + 8, y, en, 9, _GREY)
        return y - 16

    def _chip(self, x: float, y: float, level: Level) -> None:
        self.canvas.setFillColor(COLOURS[level])
        self.canvas.setStrokeColor(_GREY)
        self.canvas.setLineWidth(0.4)
        self.canvas.rect(x, y - 1.5, 10, 10, stroke=1, fill=1)

    def _many(
        self,
        y: float,
        floor: float,
        what: Sequence[Standing],
        draw: Callable[[Standing, float], float],
    ) -> float:
        """Draw as many as there is room for, and say how many are left."""
        if not what:
            self.text(_LEFT, y, "无  none", 9.5, _GREY)
            return y - 14
        for k, one in enumerate(what):
            if y < floor + 40 and k:
                left = len(what) - k
                self.text(_LEFT, y, f"另有 {left} 条  {left} more", 9, _GREY)
                return y - 14
            y = draw(one, y)
        return y

    def _warnings(self, what: Sequence[Standing], y: float, floor: float) -> None:
        width = _RIGHT - _LEFT - _MAP - 18

        def draw(one: Standing, y: float) -> float:
            self._chip(_LEFT, y, one.level)
            title = f"{one.hazard.zh}{one.level.zh}预警 {one.place_zh}"
            self.text(_LEFT + 15, y, title, 10.5, width=width - 15)
            y -= 12
            until = f"{one.level.en} {one.hazard.en}, until {local_en(one.expires)} {one.place_en}"
            self.text(_LEFT + 15, y, until, 7.5, _GREY, width - 15)
            y -= 12
            for words, size, most, colour in (
                (one.text_zh, 8.5, 5, _INK),
                (one.text_en, 7, 4, _GREY),
            ):
                for line in lines_of(words, size, width, most):
                    self.text(_LEFT, y, line, size, colour)
                    y -= size + 2.5
            return y - 5

        self._many(y, floor, what, draw)

    def _water(self, what: Sequence[Standing], y: float, floor: float) -> float:
        width = _RIGHT - _LEFT

        def draw(one: Standing, y: float) -> float:
            self._chip(_LEFT, y, one.level)
            title = f"{one.place_zh} {one.hazard.zh}{one.level.zh}预警"
            end = self.text(_LEFT + 15, y, title, 10, width=width * 0.5)
            self.text(
                end + 8,
                y,
                f"{one.place_en}: {one.level.en} {one.hazard.en}",
                8,
                _GREY,
                _RIGHT - end - 8,
            )
            y -= 12
            for line in lines_of(one.text_zh, 8.5, width - 15, 2):
                self.text(_LEFT + 15, y, line, 8.5)
                y -= 11
            for line in lines_of(one.text_en, 7, width - 15, 1):
                self.text(_LEFT + 15, y, line, 7, _GREY)
                y -= 10
            return y - 3

        return self._many(y, floor, what, draw)

    def _people(self, y: float) -> None:
        if not self.of.asked:
            self.text(_LEFT, y, "无待办任务  nobody is asked to act", 9.5, _GREY)
            return
        for tier in self.of.answers:
            zh = (
                f"{tier.tier.zh}：通知 {tier.told}，已答复 {tier.answered}，"
                f"无法处置 {tier.unable}，待答复 {tier.awaited}，未答复 {tier.silent}"
            )
            end = self.text(_LEFT, y, zh, 9)
            en = (
                f"{tier.tier.en}: told {tier.told}, answered {tier.answered},"
                f" unable {tier.unable}, awaited {tier.awaited}, silent {tier.silent}"
            )
            self.text(end + 10, y, en, 7.5, _GREY, _RIGHT - end - 10)
            y -= 13
        columns = (_LEFT, _LEFT + 15, _LEFT + 80, _LEFT + 200, _LEFT + 350)
        heads = ("", "姓名 name", "职责 role", "单位 unit", "答复 answer")
        y -= 4
        for x, head in zip(columns, heads, strict=True):
            self.text(x, y, head, 8, _GREY)
        self._rule(y - 4)
        y -= 15
        for k, one in enumerate(self.of.people):
            if y < _BOTTOM + 14 and k < self.of.asked - 1:
                break
            self._chip(_LEFT, y, one.level)
            cells = (one.name, one.role.zh, one.unit_name, f"{one.said_zh} {one.said_en}")
            ends = (*columns[2:], _RIGHT)
            for x, end, words in zip(columns[1:], ends, cells, strict=True):
                self.text(x, y, words, 9, width=end - x - 4)
            y -= 13
        else:
            k = len(self.of.people)
        if left := self.of.asked - k:
            self.text(_LEFT, y, f"另有 {left} 人  {left} more people", 9, _GREY)

    def _foot(self, number: str) -> None:
        self._rule(36)
        words = "答复情况以发布时间为准  Answers as they stood at the time of issue"
        self.text(_LEFT, 25, words, 8, _GREY)
        self.canvas.setFont(ENGLISH, 8)
        self.canvas.drawRightString(_RIGHT, 25, f"Jinghu  {self.of.unit}  {number}")
