"""Everything that is known of one place."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from jinghu.api.deps import CYCLE_PATTERN, Context, ContextDep, existing_cycle, newest_published
from jinghu.api.http import cached
from jinghu.api.legend import LEVEL_WORDS, STATE_WORDS
from jinghu.api.problems import ProblemError, responses
from jinghu.api.published import Published, number
from jinghu.api.schemas import County, LonLat, PointAnswer, Series, Threshold, WindowSeries
from jinghu.grid.fields import State
from jinghu.grid.frames import Frame, to_wgs84
from jinghu.grid.spec import CELL_OUTSIDE

router = APIRouter(prefix="/api/v1", tags=["point"])

Longitude = Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False, description="degrees")]
Latitude = Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False, description="degrees")]


@router.get("/point", summary="Rain and warnings at a place", responses=responses(404, 422, 503))
def point(
    lon: Longitude,
    lat: Latitude,
    context: ContextDep,
    response: Response,
    frame: Annotated[Frame, Query(description="frame of lon and lat")] = Frame.WGS84,
    cycle: Annotated[
        str | None, Query(pattern=CYCLE_PATTERN, description="the newest where absent")
    ] = None,
) -> PointAnswer:
    """Observed and forecast series, window amounts, quality, state and level of the cell."""
    published = newest_published(context) if cycle is None else _named(context, cycle)
    wgs_lon, wgs_lat = to_wgs84(lon, lat, frame)
    cell = int(published.product.cell_of_lonlat(float(wgs_lon), float(wgs_lat)))
    if cell == CELL_OUTSIDE:
        raise ProblemError(404, f"{lon}, {lat} is outside the grid")
    cached(response, 0)
    return answer(context, published, cell)


def answer(context: Context, published: Published, cell: int) -> PointAnswer:
    """Put together what is known of a cell of the product grid."""
    points = published.points
    row, col = (int(v) for v in published.product.row_col(cell))
    lon, lat = published.product.to_lonlat(published.product.x[col], published.product.y[row])
    state = points.value(cell, "state")
    level = int(points.value(cell, "warning_level") or 0)
    onset = points.value(cell, "warning_onset_lead")
    words = STATE_WORDS[State(int(state))] if state is not None else (None, None, None)
    return PointAnswer(
        cycle=published.cycle,
        part=published.part,
        time=published.time,
        cell_id=cell,
        centre=LonLat(lon=round(float(lon), 5), lat=round(float(lat), 5)),
        county=county_of(context, published, cell),
        observed=_observed(context, published, cell),
        forecast=Series(
            times=published.lead_times,
            values=points.series(cell, "rainfall_rate", published.lead_minutes),
        ),
        windows=_windows(context, published, cell),
        quality=points.value(cell, "quality"),
        age_s=points.value(cell, "age"),
        state=words[1],
        state_zh=words[0],
        warning_level=LEVEL_WORDS[level][1],
        warning_level_zh=LEVEL_WORDS[level][0],
        warning_onset=None if onset is None else published.time + timedelta(minutes=onset),
    )


def county_of(context: Context, published: Published, cell: int) -> County | None:
    """County with the largest share of the cell, None outside the city."""
    if published.product != context.spec:
        return None
    index = int(context.units.cell_county[cell])
    if index < 0:
        return None
    found = context.units.counties[index]
    return County(code=found.code, name_zh=found.name_zh, name_en=found.name_en)


def _named(context: Context, cycle: str) -> Published:
    found = context.published(existing_cycle(cycle))
    if found is None:
        raise ProblemError(404, f"cycle {cycle} is not published")
    return found


def _observed(context: Context, published: Published, cell: int) -> Series:
    """Rates up to the analysis time, those before this cycle's own from earlier cycles."""
    row, col = (int(v) for v in published.product.row_col(cell))
    before = [
        (p.time, p.points.value(cell, "rainfall_rate@0"))
        for p in context.earlier(published)
        if p.product == published.product
    ]
    mine = published.observed[:, row, col]
    seen = [(t, number(v)) for t, v in zip(published.observed_times, mine, strict=True)]
    both = sorted([*before, *seen], key=lambda pair: pair[0])
    return Series(times=[t for t, _ in both], values=[v for _, v in both])


def _windows(context: Context, published: Published, cell: int) -> list[WindowSeries]:
    row, col = (int(v) for v in published.product.row_col(cell))
    share = published.products["window_observed"].values[:, row, col]
    county = county_of(context, published, cell)
    rules = context.rules.certain()
    limits = {r.id: r.threshold_in("" if county is None else county.code) for r in rules}
    hours_of = (int(h) for h in published.products["window"].values)
    return [
        WindowSeries(
            hours=hours,
            values=published.points.series(
                cell, f"rainfall_amount[{hours}h]", published.lead_minutes
            ),
            observed_fraction=number(share[k]),
            thresholds=[
                Threshold(level=rule.level.en, level_zh=rule.level.zh, mm=limits[rule.id])
                for rule in sorted(rules, key=lambda r: limits[r.id])
                if rule.window_h == hours
            ],
        )
        for k, hours in enumerate(hours_of)
    ]
