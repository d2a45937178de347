"""What a cycle did, as the JSON object of ``jinghu cycle --json`` and as lines for a person."""

import json
from typing import Any

import numpy as np
from rich.console import Console

from jinghu.configs.settings import Settings
from jinghu.cycle import CycleResult
from jinghu.grid.merge import MergeReport, Skill

Box = tuple[float, float, float, float]


def cycle_report(result: CycleResult, settings: Settings) -> dict[str, Any]:
    """Build the object of DESIGN section 10."""
    found = result.ingested
    rate = result.rainfall.analysis["rainfall_rate"].values
    return {
        "cycle": result.cycle,
        "status": result.status,
        "radars": {
            "used": sorted({scan.radar for scan in found.scans}),
            "volumes": len(found.scans),
            "refused": [{"file": r.file.name, "cause": r.error.cause} for r in found.refused],
            "stale": result.stale,
            "duplicates": found.duplicates,
        },
        "gauges": _gauges(result.rainfall.merge_report, city_box(settings)),
        "profiles": result.steering,
        "motion": result.motion,
        "analysis": {
            "wet_fraction": round(float((rate >= 0.1).mean()), 4),
            "wet_cells": int((result.products.products["rainfall_rate"][0] >= 0.1).sum()),
            "max_mm_h": round(float(np.nanmax(rate)), 1) if np.isfinite(rate).any() else None,
        },
        "nowcast": {
            "method": "sprog" if settings.nowcast.deterministic == "sprog" else "extrapolation",
            "engine": settings.nowcast.engine,
            "members": 1,
            "leads": settings.nowcast.leads,
            "step_min": settings.nowcast.step_min,
        },
        "model": result.model,
        "hydro": result.flood.summary,
        "warnings": result.warnings.summary | _of_likely(result),
        "degradations": result.log.degradations,
        "seconds": result.log.totals(),
    }


def print_report(report: dict[str, Any], console: Console) -> None:
    """Print the report for a person: a line a part, Chinese first."""
    parts = (
        ("雷达 radars", _radar_words(report["radars"])),
        ("雨量站 gauges", _gauge_words(report["gauges"])),
        ("风廓线 wind profiles", _profile_words(report["profiles"], report["motion"])),
        ("分析 analysis", _analysis_words(report["analysis"])),
        ("外推 nowcast", _nowcast_words(report["nowcast"])),
        ("数值预报 model run", _model_words(report["model"])),
        ("洪水 flood", _flood_words(report["hydro"])),
        ("预警 warnings", _warning_words(report["warnings"])),
        ("耗时 seconds", _second_words(report["seconds"])),
    )
    console.print(f"{report['cycle']} {report['status']}", highlight=False)
    for name, words in parts:
        console.print(f"  {name}: {words}", highlight=False, markup=False)


def _radar_words(radars: dict[str, Any]) -> str:
    words = f"{len(radars['used'])} ({radars['volumes']} volumes), {len(radars['refused'])} refused"
    stale = f", stale {' '.join(radars['stale'])}" if radars["stale"] else ""
    return f"{words}, {radars['duplicates']} duplicates{stale}"


def _gauge_words(gauges: dict[str, Any]) -> str:
    words = f"{gauges['used']} used, {gauges['rejected']} rejected"
    for place, found in (("", gauges["loo"]), (" city", gauges.get("city", {}).get("loo"))):
        if found:
            score = f"RMSE {found['rmse_mm']:.2f} mm, bias {found['bias']:.2f}, r {found['r']:.2f}"
            words += f"; left out{place}: {score}"
    return words


def _profile_words(profiles: dict[str, Any], motion: dict[str, float]) -> str:
    used = f"{len(profiles['stations'])} stations ({len(profiles['files'])} files)"
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in motion.items())
    return f"{used if profiles['files'] else 'none'}; motion: {shares}"


def _analysis_words(analysis: dict[str, Any]) -> str:
    wet = f"{100 * analysis['wet_fraction']:.0f} % wet"
    highest = analysis["max_mm_h"]
    return f"{wet}, {'nothing seen' if highest is None else f'at most {highest} mm/h'}"


def _nowcast_words(nowcast: dict[str, Any]) -> str:
    return (
        f"{nowcast['method']} ({nowcast['engine']}), {nowcast['leads']} x {nowcast['step_min']} min"
    )


def _model_words(model: dict[str, Any] | None) -> str:
    if model is None:
        return "not asked for"
    if not model:
        return "none of use: the nowcast alone"
    shares = model["share_by_lead_min"]
    told = ", ".join(
        f"+{m} min {100 * shares[m]:.0f} %" for m in ("60", "120", "180") if m in shares
    )
    run = f"{model['file']} of {model['reference_time']}"
    words = f"{run}, {model['age_h']:.1f} h old, to {model['until']}"
    return f"{words}; its share {told}" if told else words


def _flood_words(hydro: dict[str, Any]) -> str:
    if "error" in hydro:
        return str(hydro["error"])
    peaks = sorted(hydro["gauges"], key=lambda g: g["peak_m3s"], reverse=True)[:3]
    highest = "; ".join(
        f"{g['name_zh']} {g['name_en']} {g['peak_m3s']:.0f} m3/s at {g['peak_time']}" for g in peaks
    )
    return f"{hydro['reaches']} reaches ({hydro['terrain']}); highest peaks: {highest}"


def _of_likely(result: CycleResult) -> dict[str, object]:
    """What the second pass came to, on probabilities, where there was one."""
    return {"likely": result.warnings.likely} if result.warnings.likely else {}


def _warning_words(warnings: dict[str, Any]) -> str:
    events = ("candidates", "issued", "updated", "cancelled", "recipients", "delivered", "waiting")
    counts = (*events, "acknowledged", "escalated", "overdue")
    return ", ".join(f"{name} {warnings[name]}" for name in counts if name in warnings)


def _second_words(seconds: dict[str, float]) -> str:
    stages = " ".join(
        f"{name} {s:.1f}" for name, s in seconds.items() if name not in ("total", "cpu_total")
    )
    return f"{seconds['total']:.1f} (CPU {seconds['cpu_total']:.1f}): {stages}"


def city_box(settings: Settings) -> Box | None:
    """West, south, east, north of the city's counties, None without boundaries."""
    try:
        features = json.loads(settings.city.boundaries.read_text(encoding="utf-8"))["features"]
    except (OSError, ValueError, KeyError):
        return None
    inside = [
        f for f in features if str(f["properties"].get("code", ""))[:4] == settings.city.code[:4]
    ]
    points = np.array([p for f in inside for p in _points(f["geometry"]["coordinates"])])
    if points.size == 0:
        return None
    west, south = points.min(axis=0)
    east, north = points.max(axis=0)
    return float(west), float(south), float(east), float(north)


def _points(coordinates: Any) -> list[tuple[float, float]]:
    if isinstance(coordinates[0], (int, float)):
        return [(float(coordinates[0]), float(coordinates[1]))]
    return [point for part in coordinates for point in _points(part)]


def _gauges(report: MergeReport | None, box: Box | None) -> dict[str, Any]:
    if report is None:
        return {"used": 0, "rejected": 0, "loo": None}
    return {
        "used": report.used,
        "rejected": len(report.rejected),
        "loo": _skill(report.leave_one_out()),
        "radar_alone": _skill(report.radar_alone()),
        "city": {
            "box": box,
            "loo": _skill(report.leave_one_out(box)),
            "radar_alone": _skill(report.radar_alone(box)),
        },
    }


def _skill(skill: Skill | None) -> dict[str, float] | None:
    if skill is None:
        return None
    return {
        "rmse_mm": round(skill.rmse_mm, 3),
        "bias": round(skill.bias, 3),
        "r": round(skill.r, 3),
        "n": skill.n,
    }
