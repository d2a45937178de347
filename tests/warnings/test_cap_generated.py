"""Ten thousand generated alerts of every kind, by our rules and by the OASIS schema."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from lxml import etree
from tests.warnings.test_cap_rules import DATA

from jinghu.grid.spec import GridSpec
from jinghu.warnings.cap import to_xml, validate
from jinghu.warnings.cap_cn import to_cn_xml
from jinghu.warnings.cap_rules import NAMESPACE
from jinghu.warnings.compose import areas_of
from jinghu.warnings.evidence import (
    AnyEvidence,
    Basis,
    DecidedEvidence,
    Evidence,
    Measured,
    Stage,
    TorrentEvidence,
    WaterEvidence,
    WeatherEvidence,
)
from jinghu.warnings.levels import Action, Hazard, Level
from jinghu.warnings.lifecycle import CellState
from jinghu.warnings.message import Message, Reference
from jinghu.warnings.subjects import Subject
from jinghu.warnings.units import County
from jinghu.warnings.water_rules import Mark, Quantity

BEGUN = datetime(2026, 5, 1, tzinfo=UTC)
SENDER = "office@jinghu.example"
NAMES = ("诸暨(太平桥)站", "Cao'e & <gate>", "曹娥江“大闸”", "a]]>b", "水库 No. 7")
OF_WATER = {mark.hazard for mark in Mark}
ACTIONS = [action for action in Action if action is not Action.EXPIRE]


def storm(rng: np.random.Generator, n: int) -> list[int]:
    """Cells of a 20 x 20 grid: a few, a scatter, a block with holes, or nearly all."""
    kind = rng.integers(4)
    if kind == 0:
        found = rng.choice(n, rng.integers(1, 4), replace=False)
    elif kind == 1:
        found = np.flatnonzero(rng.random(n) < rng.uniform(0.02, 0.6))
    else:
        rows, cols = np.divmod(np.arange(n), 20)
        r, c = rng.uniform(0, 20, 2)
        block = (rows - r) ** 2 + (cols - c) ** 2 < rng.uniform(2, 200)
        found = np.flatnonzero((block if kind == 2 else ~block) & (rng.random(n) > 0.1))
    return [int(cell) for cell in found] or [0]


def evidence(rng: np.random.Generator, hazard: Hazard, sent: datetime) -> AnyEvidence:
    basis = list(Basis)[rng.integers(len(Basis))]
    if basis is Basis.DECIDED:
        return DecidedEvidence(basis, NAMES[rng.integers(len(NAMES))])
    if hazard is Hazard.RAINSTORM:
        probability = float(rng.choice([0.0, 0.4, 0.9]))
        return Evidence(basis, float(rng.uniform(1, 400)), int(rng.integers(1, 25)), probability)
    if hazard is Hazard.MOUNTAIN_TORRENT:
        return torrent(rng, basis)
    if hazard in (Hazard.GALE, Hazard.HIGH_TEMPERATURE):
        measured = list(Measured)[rng.integers(len(Measured))] if rng.random() < 0.8 else None
        return WeatherEvidence(basis, measured, float(rng.uniform(0, 60)), int(rng.integers(1, 4)))
    marks = [mark for mark in Mark if mark.hazard is hazard]
    told = rng.random() < 0.8
    return WaterEvidence(
        basis,
        marks[rng.integers(len(marks))] if told else None,
        list(Quantity)[rng.integers(2)] if told else None,
        float(rng.uniform(1, 3000)) if told else 0.0,
        float(rng.uniform(1, 60)),
        float(rng.uniform(1, 60)),
        float(rng.uniform(1, 9000)),
        sent + timedelta(minutes=int(rng.integers(0, 1440))) if rng.random() < 0.7 else None,
        "1985" if rng.random() < 0.5 else "",
    )


def torrent(rng: np.random.Generator, basis: Basis) -> TorrentEvidence:
    stage = (None, *Stage)[rng.integers(3)]
    if rng.random() < 0.2:
        return TorrentEvidence(basis, stage)
    name, share = NAMES[rng.integers(len(NAMES))], float(rng.choice([0.9, 1.3, np.inf]))
    mark_mm = 0.0 if share == np.inf else float(rng.uniform(5, 200))
    village = bool(rng.integers(2))
    hours = int(rng.choice([1, 3, 6]))
    return TorrentEvidence(basis, stage, name, name, hours, share, mark_mm, village)


def generated(seed: int, spec: GridSpec) -> Message:
    """One message; everything in it is drawn from the seed."""
    rng = np.random.default_rng(seed)
    hazard = list(Hazard)[rng.integers(len(Hazard))]
    action = ACTIONS[rng.integers(len(ACTIONS))]
    sent = BEGUN + timedelta(seconds=int(rng.integers(0, 150 * 86400)))
    onset = sent + timedelta(minutes=int(rng.integers(0, 180)))
    levels = rng.integers(1, 5, 4)  # of four quarters: several areas, or one
    cells = {
        cell: CellState(int(levels[cell % 4 if seed % 2 else 0]), sent, None, 0)
        for cell in storm(rng, 400)
    }
    level = Level(max(state.level for state in cells.values()))
    name = NAMES[rng.integers(len(NAMES))]
    before = [
        Reference(SENDER, f"e{seed}-{k:03d}", sent - timedelta(minutes=int(rng.integers(0, 600))))
        for k in range(int(rng.integers(1, 30)))
    ]
    return Message(
        identifier=f"{hazard.value}-330602-e{seed}",
        sender=SENDER,
        status=("Actual", "Exercise", "Test")[rng.integers(3)],
        action=action,
        hazard=hazard,
        level=level,
        county=County("330602", "越城区", "Yuecheng"),
        city_zh="绍兴市",
        city_en="Shaoxing",
        sent=sent,
        onset=onset,
        expires=max(sent, onset) + timedelta(hours=int(rng.integers(1, 24))),
        evidence=evidence(rng, hazard, sent),
        areas=areas_of(cells, spec),
        references=() if action is Action.NEW else tuple(before),
        event_id=f"{hazard.value}-330602-e{seed}",
        rules="test-1",
        subject=Subject(f"n{seed}", name, name) if hazard in OF_WATER else None,
        cn_identifier="33060200100000_20260701080000_1" if rng.random() < 0.3 else None,
    )


def check(seeds: range, spec: GridSpec) -> Counter[str]:
    schema = etree.XMLSchema(etree.parse(DATA / "CAP-v1.2.xsd")) if DATA.is_dir() else None
    kinds: Counter[str] = Counter()
    for seed in seeds:
        message = generated(seed, spec)
        xml = to_xml(message)
        assert validate(xml) == [], seed
        if schema is not None:
            schema.assertValid(etree.fromstring(xml))
        assert etree.fromstring(to_cn_xml(xml, {})).tag == f"{{{NAMESPACE}}}alert"
        kinds.update((message.hazard, message.action, message.status, message.level.en))
        kinds["outlines"] += sum(len(area.polygons) for area in message.areas)
        kinds["with schema"] += schema is not None
    return kinds


def test_a_hundred_generated_alerts_conform(world_class):
    assert check(range(100), world_class.spec)["outlines"] > 100


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_generated_alerts_conform(world_class):
    """The table of what they were is printed: ``pytest -s -m slow`` shows it."""
    kinds = check(range(10_000), world_class.spec)
    assert min(kinds[a] for a in (*Hazard, *ACTIONS)) > 1000
    print({str(name): n for name, n in kinds.items()})
