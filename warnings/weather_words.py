"""Wind and heat over a county, in both languages."""

from bisect import bisect_right

from jinghu.warnings.evidence import Basis, Measured, WeatherEvidence
from jinghu.warnings.levels import Hazard, Level

# Lower bounds of forces 1 to 17 in m/s (GB/T 28591-2012).
_FORCES_M_S = (0.3, 1.6, 3.4, 5.5, 8.0, 10.8, 13.9, 17.2, 20.8, 24.5, 28.5, 32.7, 37.0, 41.5,
               46.2, 51.0, 56.1)  # fmt: skip


def force(speed_m_s: float) -> int:
    """Force of a wind in classes of GB/T 28591-2012, which goes on where Beaufort's ends.

    >>> [force(v) for v in (0.0, 10.8, 17.1, 37.0, 70.0)]
    [0, 6, 7, 13, 17]
    """
    return bisect_right(_FORCES_M_S, round(speed_m_s, 1))


def weather_zh(found: WeatherEvidence, level: Level, hazard: Hazard) -> str:
    """Wind or heat in Chinese."""
    if found.measured is None:
        what = "风力" if hazard is Hazard.GALE else "气温"
        if found.basis is Basis.UNKNOWN:
            return f"缺少新的观测，不足以判断{what}下降，{level.zh}预警继续有效"
        return f"{what}下降，尚待观察，{level.zh}预警继续有效"
    seen = _seen_zh(found)
    if found.basis is Basis.CLOSE:
        return f"{seen}，接近{level.zh}标准，预警继续有效"
    return f"{seen}，达到{level.zh}标准"


def weather_en(found: WeatherEvidence, level: Level, hazard: Hazard, place: str) -> str:
    """Wind or heat in English."""
    if found.measured is None:
        what = "wind" if hazard is Hazard.GALE else "temperature"
        if found.basis is Basis.UNKNOWN:
            return f"No new {what} is observed in {place}: {level.en} stands"
        return f"The {what} falls in {place}; {level.en} stands until it is sure to stay so"
    seen = f"{_seen_en(found)} in {place}"
    if found.basis is Basis.CLOSE:
        return f"{seen} is close to the {level.en} level, which stands"
    return f"{seen}: {level.en} level"


def _seen_zh(found: WeatherEvidence) -> str:
    if found.measured is Measured.TEMPERATURE:
        days = f"（连续{found.days}天达到）" if found.days > 1 else ""
        return f"实测气温{found.value:.1f}℃{days}"
    name = "阵风" if found.measured is Measured.GUST else "平均风"
    return f"实测{name}{force(found.value)}级（{found.value:.1f}米/秒）"


def _seen_en(found: WeatherEvidence) -> str:
    if found.measured is Measured.TEMPERATURE:
        days = f" on {found.days} days running" if found.days > 1 else ""
        return f"A temperature of {found.value:.1f} degC{days}"
    name = "A gust" if found.measured is Measured.GUST else "A mean wind"
    return f"{name} of {found.value:.1f} m/s (force {force(found.value)})"
