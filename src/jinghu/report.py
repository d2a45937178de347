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
            "used": sorted({v.site.code for v in found.volumes}),
            "volumes": len(found.volumes),
            "refused": [{"file": r.file.name, "cause": r.error.cause} for r in found.refused],
            "stale": result.stale,
            "duplicates": found.duplicates,
        },
        "gauges": _gauges(result.rainfall.merge_report, city_box(settings)),
        "analysis": {
            "wet_fraction": round(float((rate >= 0.1).mean()), 4),
            "wet_cells": int((result.products.products["rainfall_rate"][0] >= 0.1).sum()),
            "max_mm_h": round(float(np.nanmax(rate)), 1) if np.isfinite(rate).any() else None,
        },
        "nowcast": {
            "method": "extrapolation",
            "engine": settings.nowcast.engine,
            "members": 1,
            "leads": settings.nowcast.leads,
            "step_min": settings.nowcast.step_min,
        },
        "hydro": result.flood.summary,
        "warnings": result.warnings.summary,
        "degradations": result.log.degradations,
        "seconds": result.log.totals(),
    }


def print_report(report: dict[str, Any], console: Console) -> None:
    """Print the report for a person: one line a part."""
    console.print(f"cycle {report['cycle']} {report['status']}", highlight=False)
    for part in ("radars", "gauges", "analysis", "nowcast", "hydro", "warnings", "seconds"):
        text = json.dumps(report[part], ensure_ascii=False)
        console.print(f"  {part}: {text}", highlight=False, markup=False)


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
