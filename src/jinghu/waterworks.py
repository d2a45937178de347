"""Reservoirs and tidal gate of an installation, placed on its network."""

from collections.abc import Sequence
from dataclasses import replace

from jinghu.configs.settings import Settings
from jinghu.grid.errors import DataError
from jinghu.hydro.gauges import PlacedGauge
from jinghu.hydro.network import RiverNetwork
from jinghu.hydro.regulated import travel_time_s
from jinghu.hydro.release_rules import Downstream
from jinghu.hydro.reservoirs import PlacedReservoir, place_reservoirs, read_reservoirs
from jinghu.hydro.tidal_gate import place_gate, read_gate
from jinghu.hydro.works import Works

_AREA_RATIO = 1.25  # a catchment of the network that differs more is named


def works_of(
    settings: Settings, network: RiverNetwork, gauges: Sequence[PlacedGauge]
) -> tuple[Works, tuple[str, ...]]:
    """Place what stands in the rivers, and name what has no place or a poor one.

    Parameters
    ----------
    settings
        Of the installation: where the files are; without them nothing stands in its rivers.
    network, gauges
        Where they are placed, and what their rules can name.

    Raises
    ------
    DataError
        Where a file cannot be used.
    """
    hydro = settings.hydro
    placed: tuple[PlacedReservoir, ...] = ()
    lines: tuple[str, ...] = ()
    if hydro.reservoirs is not None:
        placed, lines = place_reservoirs(read_reservoirs(hydro.reservoirs), network)
        lines += tuple(_poor(p) for p in placed if not _fits(p))
        placed, dropped = _with_gauges(placed, network, gauges)
        lines += dropped
    gate = None
    if hydro.tidal_gate is not None:
        site = read_gate(hydro.tidal_gate)
        try:
            gate = place_gate(site, network)
        except DataError as error:
            lines += (str(error),)
    return Works(placed, gate, tuple(gauges)), lines


def _with_gauges(
    placed: Sequence[PlacedReservoir], network: RiverNetwork, gauges: Sequence[PlacedGauge]
) -> tuple[tuple[PlacedReservoir, ...], tuple[str, ...]]:
    """Reservoirs without the downstream rules whose gauge is not below them, which are named."""
    reach_of = {g.gauge.name_zh: g.reach for g in gauges}
    found, lines = [], []
    for one in placed:
        kept = []
        for rule in one.site.release.rules:
            if isinstance(rule, Downstream):
                at = reach_of.get(rule.gauge)
                if at is None or travel_time_s(network, one.reach, at) is None:
                    lines.append(
                        f"reservoir {one.site.name_zh}: rule {rule.id} is not applied:"
                        f" gauge {rule.gauge} is not on the network below it"
                    )
                    continue
            kept.append(rule)
        release = one.site.release.model_copy(update={"rules": tuple(kept)})
        found.append(replace(one, site=one.site.model_copy(update={"release": release})))
    return tuple(found), tuple(lines)


def _fits(placed: PlacedReservoir) -> bool:
    ratio = placed.network_km2 / placed.site.catchment_km2
    return 1.0 / _AREA_RATIO <= ratio <= _AREA_RATIO


def _poor(placed: PlacedReservoir) -> str:
    return (
        f"reservoir {placed.site.name_zh}: the network drains {placed.network_km2:.0f} km2 into it,"
        f" its catchment has {placed.site.catchment_km2:.0f} km2"
    )
