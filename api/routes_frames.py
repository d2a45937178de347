"""Frames of rain as bytes, their index and their legend."""

import gzip
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response

from jinghu.api.deps import CYCLE_PATTERN, ContextDep, CycleDep, PublishedDep
from jinghu.api.frames import LAYERS, Layer, frame_bytes, frame_codes, frame_times
from jinghu.api.http import accepts_gzip, cached, immutable
from jinghu.api.legend import SCALES
from jinghu.api.mapdata import geometry
from jinghu.api.problems import ProblemError, responses
from jinghu.api.published import Published, number, open_published
from jinghu.api.schemas import (
    Frame,
    FrameIndex,
    FrameLayer,
    Legend,
    LegendBreak,
    LegendScale,
)
from jinghu.grid.errors import ConfigError
from jinghu.grid.times import parse_cycle_name, to_numpy

router = APIRouter(prefix="/api/v1/frames", tags=["frames"])

PartPath = Annotated[Literal["fast", "full"], Path(description="part of the cycle")]
LayerPath = Annotated[str, Path(max_length=32, description="id of a layer of the index")]
TimePath = Annotated[str, Path(pattern=CYCLE_PATTERN, description="valid time")]


@router.get("/legend", summary="What the bytes of frames mean")
def legend(response: Response) -> Legend:
    """Legends of all layers: value, colour and mark of each code of a byte."""
    cached(response, 3600)
    return Legend(
        scales={
            scale.id: LegendScale(
                unit=scale.unit,
                breaks=[
                    LegendBreak(lower=b.lower, colour=b.colour, zh=b.zh, en=b.en)
                    for b in scale.breaks
                ],
                values=list(scale.values),
                colours=list(scale.colours),
                marks=[None if m is None else m.value for m in scale.marks],
            )
            for scale in SCALES.values()
        }
    )


@router.get("/{cycle}", summary="Index of frames", responses=responses(404, 422, 503))
def index(published: PublishedDep, context: ContextDep, response: Response) -> FrameIndex:
    """All frames of a cycle with their valid times, and the geometry of the two grids."""
    cached(response, 0)
    earlier = context.earlier(published)
    return FrameIndex(
        cycle=published.cycle,
        part=published.part,
        time=published.time,
        grids={
            "product": geometry(published.product),
            "working": geometry(published.working),
        },
        layers=[_layer(published, layer, earlier) for layer in LAYERS.values()],
    )


@router.get(
    "/{cycle}/{part}/{layer}/{time}",
    summary="One frame",
    response_class=Response,
    responses={
        200: {
            "description": "One byte a cell, row by row from south to north",
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        },
        304: {"description": "Not changed: it never does"},
        **responses(404, 422, 503),
    },
)
def frame(
    cycle: CycleDep,
    part: PartPath,
    layer: LayerPath,
    time: TimePath,
    context: ContextDep,
    request: Request,
) -> Response:
    """Return the bytes of one frame, gzip as stored; a published frame never changes."""
    if layer not in LAYERS:
        raise ProblemError(404, f"there is no layer {layer}; there are {', '.join(LAYERS)}")
    found = context.store.find(cycle, part)
    if found is None:
        raise ProblemError(404, f"cycle {cycle}/{part} is not published")
    key = (cycle, part, layer, time)
    etag = f'"{"/".join(key)}"'
    headers = immutable(etag) | {"Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)

    def encode() -> bytes:
        published = context.published(cycle)
        if published is None or published.part != part:
            published = open_published(found, None)
        return _encoded(published, LAYERS[layer], _valid_time(time))

    packed = context.frames.get(key, encode)
    if accepts_gzip(request):
        headers["Content-Encoding"] = "gzip"
    else:
        packed = gzip.decompress(packed)
    return Response(packed, headers=headers, media_type="application/octet-stream")


def _layer(published: Published, layer: Layer, earlier: list[Published]) -> FrameLayer:
    frames = frame_times(published, layer, earlier)
    fraction = None
    if layer.window_h is not None and frames:
        known = published.products["observed_fraction"].sel(window=layer.window_h)
        leads = [to_numpy(f.time) - to_numpy(published.time) for f in frames]
        fraction = [number(v) for v in known.sel(lead_time=leads).values]
    return FrameLayer(
        id=layer.id,
        name_zh=layer.zh,
        name_en=layer.en,
        unit=layer.unit,
        scale=layer.scale,
        grid=layer.grid.value,
        frames=[
            Frame(time=f.time, kind="observed" if f.observed else "forecast", url=f.url(layer))
            for f in frames
        ],
        observed_fraction=fraction,
    )


def _encoded(published: Published, layer: Layer, time: datetime) -> bytes:
    codes = frame_codes(published, layer, time)
    if codes is None:
        raise ProblemError(404, f"cycle {published.cycle} has no frame of {layer.id} at {time}")
    return frame_bytes(codes)


def _valid_time(text: str) -> datetime:
    try:
        return parse_cycle_name(text)
    except ConfigError as error:
        raise ProblemError(404, str(error)) from None
