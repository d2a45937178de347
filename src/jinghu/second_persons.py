"""Which steps of warnings wait for a second person here, from the rule tables."""

from collections.abc import Mapping

from jinghu.configs.settings import Settings
from jinghu.warnings.approvals import Approvals
from jinghu.warnings.levels import Hazard
from jinghu.warnings.rules import load_rules
from jinghu.warnings.torrent_rules import load_torrent_rules
from jinghu.warnings.water_rules import load_water_rules


def approvals_of_tables(settings: Settings) -> Mapping[Hazard, Approvals]:
    """Steps that wait for a second person, by hazard."""
    warnings = settings.warnings
    if not warnings.second_person:
        return {}
    found = {Hazard.RAINSTORM: load_rules(warnings.rules).approvals}
    if warnings.water_rules is not None:
        of_water = load_water_rules(warnings.water_rules).approvals
        found |= {Hazard.RIVER_FLOOD: of_water, Hazard.RESERVOIR: of_water}
    if warnings.torrent_rules is not None:
        of_torrents = load_torrent_rules(warnings.torrent_rules).approvals
        found[Hazard.MOUNTAIN_TORRENT] = of_torrents
    return found
