"""What stands in the rivers: reservoirs, a tidal gate, and the network cut below them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError
from jinghu.hydro.gauges import PlacedGauge
from jinghu.hydro.network import OUTLET, RiverNetwork
from jinghu.hydro.reservoirs import PlacedReservoir
from jinghu.hydro.tidal_gate import PlacedGate

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Works:
    """What stands in the rivers.

    Parameters
    ----------
    reservoirs
        In the order of their reaches.
    gate
        Tidal gate.
    gauges
        Those that downstream rules can name.
    """

    reservoirs: tuple[PlacedReservoir, ...] = ()
    gate: PlacedGate | None = None
    gauges: tuple[PlacedGauge, ...] = ()

    @property
    def reaches(self) -> tuple[int, ...]:
        """Reaches at whose end something stands: of the reservoirs, then of the gate."""
        gate = () if self.gate is None else (self.gate.reach,)
        return tuple(p.reach for p in self.reservoirs) + gate

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids in the same order."""
        gate = () if self.gate is None else (self.gate.site.id,)
        return tuple(p.site.id for p in self.reservoirs) + gate


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the network between works.

    Parameters
    ----------
    reaches
        Their numbers in the whole network.
    network
        The part as a network of its own.
    fills
        Number of the work at its end, -1 for the part that holds the outlets.
    fed
        Works that let water into it, each with the reach of the part that takes it.
    """

    reaches: NDArray[np.int64]
    network: RiverNetwork
    fills: int
    fed: tuple[tuple[int, int], ...]


def split(network: RiverNetwork, reaches: Sequence[int]) -> tuple[Piece, ...]:
    """Cut a network below reaches; every piece comes after those that feed it.

    Parameters
    ----------
    network
        The whole.
    reaches
        One a work.

    Raises
    ------
    ConfigError
        Where two works stand at the same reach.
    """
    if len(set(reaches)) < len(reaches):
        raise ConfigError(f"two works stand at the end of one reach: {sorted(reaches)}")
    if not reaches:
        return (Piece(np.arange(network.n_reaches), network, -1, ()),)
    owner = np.full(network.n_reaches, -1)
    owner[list(reaches)] = np.arange(len(reaches))
    for reach in range(network.n_reaches - 1, -1, -1):
        below = network.downstream[reach]
        if owner[reach] < 0 and below != OUTLET:
            owner[reach] = owner[below]
    pieces = []
    for work in [*np.argsort(reaches), -1]:
        inside = np.flatnonzero(owner == work)
        if not inside.size:
            continue  # nothing but the sea is below the works
        place = np.full(network.n_reaches + 1, -1)
        place[inside] = np.arange(len(inside))
        below = [(k, int(network.downstream[reach])) for k, reach in enumerate(reaches)]
        fed = tuple((k, int(place[b])) for k, b in below if b != OUTLET and owner[b] == work)
        pieces.append(Piece(inside, _part(network, inside, place), int(work), fed))
    return tuple(pieces)


def _part(
    network: RiverNetwork, inside: NDArray[np.int64], place: NDArray[np.int64]
) -> RiverNetwork:
    """Reaches of a network as a network of their own; ``place`` ends with that of no reach."""
    return replace(
        network,
        downstream=place[network.downstream[inside]].astype(np.int32),
        name_zh=tuple(network.name_zh[i] for i in inside),
        name_en=tuple(network.name_en[i] for i in inside),
        cell_reach=place[network.cell_reach].astype(np.int32),
        length_m=network.length_m[inside],
        slope=network.slope[inside],
        width_m=network.width_m[inside],
        manning_n=network.manning_n[inside],
        local_area_km2=network.local_area_km2[inside],
        upstream_area_km2=network.upstream_area_km2[inside],
        bed_m=network.bed_m[inside],
        x_m=network.x_m[inside],
        y_m=network.y_m[inside],
        start_x_m=network.start_x_m[inside],
        start_y_m=network.start_y_m[inside],
    )


def works_state(works: Works, volume: Array, release: Array) -> xr.Dataset:
    """State of the works between two runs.

    Parameters
    ----------
    works
        The works.
    volume, release
        (work,) m3 now, and m3/s over the last step.
    """
    return xr.Dataset(
        {
            "volume_m3": ("work", np.asarray(volume, np.float64), {"units": "m3"}),
            "release_m3_s": ("work", np.asarray(release, np.float64), {"units": "m3 s-1"}),
        },
        coords={"work_id": ("work", np.array(works.ids, object))},
    )


def initial_works(works: Works, start: np.datetime64) -> xr.Dataset:
    """State of works of which nothing is known.

    Reservoirs stand at the flood-limit level of the day, the pond of the gate at its own level.
    """
    at = np.array([start])
    volumes = [float(p.site.table().volume(p.site.flood_limit_m(at))[0]) for p in works.reservoirs]
    if works.gate is not None:
        volumes.append(works.gate.site.initial_volume_m3())
    nothing = np.zeros(len(volumes))
    return works_state(works, np.array(volumes), nothing)
