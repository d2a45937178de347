"""What issued forecasts came to: the scoreboard that cycles leave in the store."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime

from jinghu.api.deps import ContextDep
from jinghu.api.http import cached
from jinghu.api.problems import ProblemError, responses
from jinghu.api.score_schemas import EnsembleEntry, ProbabilityEntry, ScoreTables, ScoreTile
from jinghu.grid.score_sums import TILES
from jinghu.grid.scoreboard import ensemble_rows, period, probability_rows, tables

router = APIRouter(prefix="/api/v1/scores", tags=["scores"])


@router.get(
    "",
    summary="Scores of issued forecasts over a period",
    responses=responses(404, 422, 503),
)
def scores(
    context: ContextDep,
    response: Response,
    start: Annotated[AwareDatetime | None, Query(description="valid times from here on")] = None,
    end: Annotated[AwareDatetime | None, Query(description="valid times up to here")] = None,
    tile_x: Annotated[float | None, Query(description="middle of a tile in m, with tile_y")] = None,
    tile_y: Annotated[float | None, Query(description="middle of a tile in m, with tile_x")] = None,
) -> ScoreTables:
    """Return counts and scores by method, lead and threshold, of all places or of one tile.

    Persistence, the analysis at the time of issue, is scored beside the nowcast over the same
    cells. A score without anything to score is null. Hours are whole: that of ``start`` counts.
    """
    if (tile_x is None) != (tile_y is None):
        raise ProblemError(422, "tile_x and tile_y name a tile together")
    sums = period(context.store, start, end)
    if sums is None:
        raise ProblemError(404, "no forecast was scored in this period")
    tile = None
    if tile_x is not None and tile_y is not None:
        tile = (tile_y, tile_x)
        for name, value in zip(TILES, tile, strict=True):
            if value not in sums[name].values:
                raise ProblemError(404, f"there is no tile with {name} {value:g}")
    cached(response, 0)
    # Those are counted over all places alone.
    of_laws = probability_rows(sums) if tile is None else []
    of_members = ensemble_rows(sums) if tile is None else []
    return ScoreTables(
        start=datetime.fromisoformat(sums.attrs["start"]),
        end=datetime.fromisoformat(sums.attrs["end"]),
        cycles=sums.attrs["cycles"],
        crs=context.spec.crs,
        tiles=[
            ScoreTile(tile_x=float(x), tile_y=float(y))
            for y in sums["tile_y"].values
            for x in sums["tile_x"].values
        ],
        scores=tables(sums, tile),
        probabilities=[ProbabilityEntry.model_validate(row) for row in of_laws],
        ensemble=[EnsembleEntry.model_validate(row) for row in of_members],
    )
