import numpy as np
import pytest

from jinghu.configs.settings import CONFIGS
from jinghu.grid.errors import DataError
from jinghu.hydro.gates import gate_flow
from jinghu.hydro.tidal_gate import place_gate, read_gate, run_gate
from jinghu.hydro.tide import Constituent, Harmonic, Tide, equilibrium

DAY = np.timedelta64(24, "h")


@pytest.fixture(scope="module")
def gate():
    return read_gate(CONFIGS / "shaoxing" / "tidal_gate.yaml")


def times(n, start="2019-08-09T00:00", minutes=6):
    return np.datetime64(start, "ns") + np.arange(1, n + 1) * np.timedelta64(minutes, "m")


@pytest.mark.parametrize(
    ("name", "degrees_an_hour"),
    [("M2", 28.9841042), ("S2", 30.0), ("N2", 28.4397295), ("K1", 15.0410686),
     ("O1", 13.9430356), ("M4", 57.9682084), ("MS4", 58.9841042)],
)  # fmt: skip
def test_speeds_are_the_published_ones(name, degrees_an_hour):
    at = np.datetime64("2019-01-01T00:00", "ns") + np.array([0, 1, 2400]) * np.timedelta64(1, "h")
    argument, _ = equilibrium(Constituent(name), at)
    assert (argument[1] - argument[0]) % 360 == pytest.approx(degrees_an_hour, abs=1e-3)
    turned = (argument[2] - argument[0] - 2400 * degrees_an_hour + 180) % 360 - 180
    assert abs(turned) < 0.8  # nodal corrections change in 100 days


def test_springs_come_with_new_and_full_moon():
    """New moon 2019-08-01 03:12 UTC, first quarter 2019-08-07 17:31 UTC."""
    moons = np.array(["2019-08-01T03:12", "2019-08-07T17:31"], "datetime64[ns]")
    m2, s2 = (equilibrium(c, moons)[0] for c in (Constituent.M2, Constituent.S2))
    apart = np.abs((m2 - s2 + 180) % 360 - 180)
    assert apart[0] < 25  # mean longitudes: the moon is up to 8 degrees from where they say
    assert apart[1] > 155


def test_tide_is_the_sum_of_its_constituents():
    one = Harmonic(constituent=Constituent.S2, amplitude_m=2.0, phase_deg=0.0)
    tide = Tide(mean_level_m=0.5, datum="d", source="s", constituents=(one,))
    noon = np.array(["2020-02-02T00:00", "2020-02-02T03:00", "2020-02-02T06:00"], "datetime64[ns]")
    np.testing.assert_allclose(tide.level(noon), [2.5, 0.5, -1.5], atol=1e-6)


def test_gate_is_shut_against_the_sea_and_keeps_its_pond(gate):
    at = times(480)
    inflow = np.full((480, 1), 1500.0)
    run = run_gate(gate, inflow, gate.initial_volume_m3(), at, 360.0)
    shut = ~run.is_open[:, 0]
    assert (run.outflow_m3_s[shut] == 0).all()
    assert (run.outflow_m3_s >= 0).all()
    assert run.level_m.min() >= gate.keep_level_m - 1e-9
    came = gate.initial_volume_m3() + inflow.sum() * 360.0
    left = run.volume_m3[-1, 0] + run.outflow_m3_s.sum() * 360.0
    assert abs(came - left) <= 1e-12 * came


def test_a_high_sea_holds_the_flood_back_until_it_falls(gate):
    at = times(100)
    inflow = np.full((100, 1), 3000.0)
    sea = np.where(np.arange(100) < 50, 5.5, 1.0)
    run = run_gate(gate, inflow, gate.initial_volume_m3(), at, 360.0, sea)
    rising = run.level_m[:50, 0]
    assert not run.is_open[:50, 0][rising < 5.6].any()
    assert (np.diff(rising[:20]) > 0).all()
    assert run.is_open[50:, 0].all()
    first = run.outflow_m3_s[50, 0]
    width, sill = gate.number * gate.width_m, gate.sill_m
    level = run.level_m[50, 0]
    assert first == pytest.approx(
        gate_flow(level - sill, 1.0 - sill, width, gate.opening_m, gate.phi), rel=1e-6
    )


def test_a_pond_out_of_its_table_is_refused_by_name(gate):
    gate = gate.model_copy(update={"above_table": "refuse"})
    sea = np.full(100, 11.9)
    with pytest.raises(DataError, match=r"曹娥江大闸: the pond reaches .* outside its table"):
        run_gate(gate, np.full((100, 1), 9e4), gate.initial_volume_m3(), times(100), 360.0, sea)


def test_gate_stands_near_the_mouth_of_its_river(gate, shaoxing):
    placed = place_gate(gate, shaoxing)
    assert placed.distance_m < 1000
    assert shaoxing.name_zh[placed.reach] == "曹娥江"
    assert placed.reach in placed.upstream
    assert (shaoxing.bed_m[placed.upstream] < gate.pond_level_m[-1]).all()
    elsewhere = gate.model_copy(update={"river": "富春江"})
    with pytest.raises(DataError, match="no reach of 富春江 ends within 5 km"):
        place_gate(elsewhere, shaoxing)


def test_a_bad_file_is_named(tmp_path, gate):
    path = tmp_path / "gate.yaml"
    path.write_text("id: x\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"gate.yaml: name_zh: Field required"):
        read_gate(path)
    with pytest.raises(DataError, match=r"none.yaml: No such file"):
        read_gate(tmp_path / "none.yaml")
