"""Words that fit: lines of Chinese break anywhere, those of English between words."""

from reportlab.pdfbase.pdfmetrics import stringWidth

CHINESE, ENGLISH = "STSong-Light", "Helvetica"
_NOT_FIRST = "，。、：；！？）】》%"  # no line begins with these


def fitted(words: str, font: str, size: float, width: float) -> str:
    """Cut one line to a width in points, with an ellipsis where something is left out."""
    if stringWidth(words, font, size) <= width:
        return words
    end = "…" if font == CHINESE else "..."
    while words and stringWidth(words + end, font, size) > width:
        words = words[:-1]
    return words.rstrip() + end


def lines_of(words: str, size: float, width: float, most: int) -> list[str]:
    """Break words into at most so many lines of a width in points; the last one is cut."""
    font = ENGLISH if words.isascii() else CHINESE
    parts = _words(words) if font == ENGLISH else list(words)
    lines = [""]
    for part in parts:
        longer = stringWidth((lines[-1] + part).rstrip(), font, size) > width
        if longer and lines[-1] and part not in _NOT_FIRST:
            lines[-1] = lines[-1].rstrip()
            lines.append("")
        lines[-1] += part
    if len(lines) > most:
        rest = "".join(lines[most - 1 :]) if font == CHINESE else " ".join(lines[most - 1 :])
        lines = [*lines[: most - 1], fitted(rest, font, size, width)]
    if font == ENGLISH:  # a word may be longer than a line
        lines = [fitted(line.rstrip(), font, size, width) for line in lines]
    return [line.rstrip() for line in lines if line.strip()]


def _words(text: str) -> list[str]:
    return [f"{word} " for word in text.split()]
