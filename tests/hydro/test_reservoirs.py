import numpy as np
import pytest
import yaml

from jinghu.configs.settings import CONFIGS
from jinghu.grid.errors import DataError
from jinghu.hydro.gauges import PlacedGauge, place_gauges, read_gauges
from jinghu.hydro.level_pool import run_pool
from jinghu.hydro.release_rules import SCHEDULE, compile_policy, flood_limit, with_schedule
from jinghu.hydro.reservoirs import place_reservoirs, read_reservoirs
from jinghu.hydro.works import split

FILE = CONFIGS / "shaoxing" / "reservoirs.yaml"
STEP_S = 360.0


@pytest.fixture(scope="module")
def sites():
    return {r.id: r for r in read_reservoirs(FILE)}


def ends(n, start="2019-08-09T00:00"):
    return np.datetime64(start, "ns") + np.arange(1, n + 1) * np.timedelta64(6, "m")


def policy_of(site, n, room=1e9):
    at = ends(n)
    return compile_policy(site.release, site.table(), at, STEP_S, lambda _: np.full(n, room))


def run_site(site, level, inflow, n=240, room=1e9, before=10.0):
    table, policy = site.table(), policy_of(site, n, room)
    volume = table.volume(level)
    found = run_pool(
        table, np.full((n, 1), inflow), volume, STEP_S, policy.rows, release_m3_s=before,
        extrapolate=True,
    )  # fmt: skip
    return found, [policy.name(int(b)) for b in found.bound[:, 0]]


def test_every_block_of_the_shipped_reservoirs_names_its_source(sites):
    assert len(sites) == 6
    for site in sites.values():
        for text in (site.source, site.storage.source, site.release.source):
            assert any(word in text for word in ("generated", "unverified", ".com"))
        table = site.table()
        assert table.level_m[-1] > site.crest_level_m


def test_changzhao_holds_what_is_published(sites):
    """1.36e8 m3 at the normal level, 1692 m3/s over six gates, 230 m3/s through the outlet."""
    site = sites["changzhao"]
    table = site.table()
    assert float(table.volume(site.normal_level_m)) == pytest.approx(1.36e8, rel=0.01)
    assert float(table.volume(site.crest_level_m - 2.0)) == pytest.approx(1.89e8, rel=0.01)
    gates = np.interp(site.crest_level_m - 2.0, table.level_m, table.gates_m3_s)
    assert gates == pytest.approx(1692 + 230, rel=0.12)


def test_flood_limit_follows_the_day_in_beijing(sites):
    seasons = sites["qincun"].release.seasons
    days = ["2019-04-14T15:59", "2019-04-14T16:00", "2019-07-15T16:00", "2019-10-15T16:00"]
    levels = flood_limit(seasons, np.array([*days, "2019-01-01T00:00"], "datetime64[ns]"))
    np.testing.assert_array_equal(levels, [98.0, 97.2, 96.2, 98.0, 98.0])


def test_the_zone_decides_which_rule_binds(sites):
    site = sites["changzhao"]
    low, names = run_site(site, 100.0, 50.0)
    assert set(names) == {"supply"}  # supply and supply-only leave 2.8 m3/s
    assert low.release_m3_s.max() == 2.8
    calm, names = run_site(site, 120.0, 5.0)
    assert names[-1] == "power"
    assert calm.release_m3_s[-1, 0] == 8.3
    back, names = run_site(site, 127.0, 100.0)
    assert names[-1] == "back-to-limit"
    assert back.level_m[-1, 0] < 126.0
    rise = np.diff(np.concatenate([[10.0], back.release_m3_s[:, 0]]))
    assert rise.max() <= 140.0 / 10 + 1e-9  # 140 m3/s an hour
    assert names[0] == "gentle"
    safe, names = run_site(site, 128.5, 1500.0, n=60)
    assert "safe-release" in names
    assert safe.release_m3_s[[n == "safe-release" for n in names]].max() == 500.0
    dam, names = run_site(site, 131.0, 2500.0, n=30)
    assert set(names) == {"gates-wide-open"}
    assert dam.release_m3_s.max() > 1200.0


def test_the_river_below_is_kept_from_overflowing(sites):
    site = sites["shibi"]
    held, names = run_site(site, 75.0, 300.0, n=80, room=40.0, before=30.0)
    assert names[-1] == "downstream"
    assert held.release_m3_s[-1, 0] == 40.0
    closed, names = run_site(site, 75.0, 300.0, n=80, room=0.0, before=0.0)
    assert closed.release_m3_s[-1, 0] == pytest.approx(1.1)  # supply comes first
    assert names[-1] == "downstream"


def test_a_schedule_takes_the_place_of_aims_within_limits(sites):
    site = sites["changzhao"]
    n, table = 60, site.table()
    policy = policy_of(site, n)
    asked = np.full((n, 1), 200.0)
    asked[:20] = np.nan
    held = with_schedule(policy, asked, rules_hold=True)
    run = run_pool(
        table, np.full((n, 1), 50.0), table.volume(126.0), STEP_S, held.rows, release_m3_s=50.0
    )
    names = [held.name(int(b)) for b in run.bound[:, 0]]
    assert names[-1] == SCHEDULE
    assert run.release_m3_s[-1, 0] == 200.0
    assert "gentle" in names[20:40]  # 140 m3/s an hour on the way
    assert SCHEDULE not in names[:20]
    asked[:] = 900.0
    free = with_schedule(policy, asked, rules_hold=False)
    run = run_pool(table, np.full((n, 1), 50.0), table.volume(130.0), STEP_S, free.rows)
    assert run.release_m3_s[0, 0] == pytest.approx(900.0)
    with pytest.raises(DataError, match="a release is negative: -1 m3/s"):
        with_schedule(policy, asked * 0 - 1.0, rules_hold=True)
    with pytest.raises(DataError, match="release of every step must be given"):
        with_schedule(policy, asked * np.nan, rules_hold=False)


def test_placed_by_river_and_catchment(sites, shaoxing):
    placed, lost = place_reservoirs(list(sites.values()), shaoxing)
    assert not lost
    assert [p.reach for p in placed] == sorted(p.reach for p in placed)
    for one in placed:
        assert one.distance_m < 5000
        assert 0.7 < one.network_km2 / one.site.catchment_km2 < 1.4
        if one.site.river:
            assert shaoxing.name_zh[one.reach] == one.site.river
    far = sites["tangpu"].model_copy(update={"lon": 121.5, "lat": 29.0})
    big = sites["qincun"].model_copy(update={"catchment_km2": 5000.0})
    placed, lost = place_reservoirs([far, big], shaoxing)
    assert not placed
    assert lost[0].startswith("reservoir 汤浦水库 (460 km2) has no place: no reach of 小舜江")
    assert "the network drains" in lost[1]


def test_pieces_cover_the_network_once(sites, shaoxing):
    placed, _ = place_reservoirs(list(sites.values()), shaoxing)
    gauges, _ = place_gauges(read_gauges(CONFIGS / "shaoxing" / "gauges.csv"), shaoxing)
    assert isinstance(gauges[0], PlacedGauge)
    pieces = split(shaoxing, [p.reach for p in placed])
    assert sorted(np.concatenate([p.reaches for p in pieces])) == list(range(shaoxing.n_reaches))
    done: set[int] = set()
    for piece in pieces:
        assert {work for work, _ in piece.fed} <= done
        done.add(piece.fills)
        if piece.fills >= 0:
            assert piece.reaches[-1] == placed[piece.fills].reach


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"lon": 200.0}, "reservoirs.changzhao.lon: Input should be less than or equal to 180"),
        ({"datum": ""}, "reservoirs.changzhao.datum"),
        ({"normal_level_m": 500.0}, "reservoir changzhao: level 500 m is outside the table"),
        ({"storage.volume_m3": [0.0, 1.0]}, "level_m, volume_m3 and area_m2 need as many values"),
        ({"release.rules": [{"id": "a", "kind": "max_release", "m3_s": 1, "zones": ["x"]}]},
         "rule a: there is no zone x"),
        ({"structures": [{"kind": "siphon"}]}, "reservoirs.changzhao.structures.0"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_the_place(tmp_path, change, cause):
    raw = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    for name, value in change.items():
        *way, last = name.split(".")
        entry = raw["reservoirs"][0]
        for part in way:
            entry = entry[part]
        entry[last] = value
    path = tmp_path / "reservoirs.yaml"
    path.write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
    with pytest.raises(DataError) as refused:
        read_reservoirs(path)
    assert str(path) in str(refused.value)
    assert cause in str(refused.value)
