from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from jinghu.grid.spec import GridSpec
from jinghu.grid.states import load_state, save_state

CYCLES = ["20190809T1618Z", "20190809T1624Z", "20190809T1630Z"]
NEXT = "20190809T1636Z"


def soil(value):
    return {"soil": xr.Dataset({"wetness": ("reach", np.full(50, value))})}


def saved(store):
    return sorted(p.name for p in (store.root / "state").iterdir())


@pytest.fixture
def three(store):
    for k, cycle in enumerate(CYCLES):
        save_state(store, cycle, soil(float(k)))
    return store


def loaded(store, before, name, **options) -> tuple[str, xr.Dataset]:
    found = load_state(store, before, name, **options)
    assert found is not None
    return found


def test_the_newest_two_are_kept(three):
    assert saved(three) == CYCLES[1:]


def test_the_newest_before_a_cycle_is_loaded(three):
    cycle, state = loaded(three, NEXT, "soil")
    assert cycle == CYCLES[2]
    assert float(state["wetness"][0]) == 2.0
    assert loaded(three, CYCLES[2], "soil")[0] == CYCLES[1]
    assert load_state(three, CYCLES[1], "soil") is None


def test_a_cold_start_has_none(store):
    assert load_state(store, NEXT, "soil") is None


def test_a_name_that_a_cycle_did_not_leave_is_sought_further_back(three):
    save_state(three, NEXT, {"motion": xr.Dataset({"u": ("x", [1.0])})})
    assert loaded(three, "20190809T1642Z", "soil")[0] == CYCLES[2]
    assert loaded(three, "20190809T1642Z", "motion")[0] == NEXT


def test_a_repeated_cycle_keeps_its_state(three):
    save_state(three, CYCLES[2], soil(99.0))
    assert float(loaded(three, NEXT, "soil")[1]["wetness"][0]) == 2.0
    assert saved(three) == CYCLES[1:]


def file(store, cycle):
    return store.root / "state" / cycle / "soil.nc"


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "flipped byte": lambda store: flip(file(store, CYCLES[2])),
    "cut": lambda store: file(store, CYCLES[2]).write_bytes(b""),
    "lost": lambda store: file(store, CYCLES[2]).unlink(),
    "no checksums": lambda store: (store.root / "state" / CYCLES[2] / "sha256.json").unlink(),
    "no JSON": lambda store: (store.root / "state" / CYCLES[2] / "sha256.json").write_text("{"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_state_is_passed_over_by_name(three, kind):
    DAMAGE[kind](three)
    told: list[str] = []
    cycle, state = loaded(three, NEXT, "soil", report=told.append)
    assert cycle == CYCLES[1]
    assert float(state["wetness"][0]) == 1.0
    assert told == [f"state soil of cycle {CYCLES[2]} is damaged: an earlier one or none is used"]


def test_with_all_damaged_it_is_a_cold_start(three):
    told: list[str] = []
    for cycle in CYCLES[1:]:
        flip(file(three, cycle))
    assert load_state(three, NEXT, "soil", report=told.append) is None
    assert len(told) == 2


def test_a_state_on_another_grid_is_passed_over(store, spec):
    here = xr.Dataset({"a": (("y", "x"), np.zeros(spec.shape))}, coords=spec.coords())
    there = here.assign_coords(replace(spec, y0_m=3310e3).coords())
    save_state(store, CYCLES[0], {"rain": here})
    save_state(store, CYCLES[1], {"rain": there})
    told: list[str] = []
    cycle, state = loaded(store, NEXT, "rain", spec=spec, report=told.append)
    assert cycle == CYCLES[0]
    assert GridSpec.of(state) == spec
    assert "is on another grid" in told[0]


def test_half_removed_and_foreign_folders_are_not_states(three):
    (three.root / "state" / ".tmp-20190809T1630Z-1").mkdir()
    (three.root / "state" / "notes").mkdir()
    assert loaded(three, NEXT, "soil")[0] == CYCLES[2]
