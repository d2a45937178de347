"""Whole cycles on a small simulated event: what they publish, and what they do without."""

import json
import shutil
import sqlite3
from pathlib import Path

import numba
import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from jinghu.cycle import CycleInputs, CycleResult, ingest, run_cycle
from jinghu.grid.errors import ConfigError
from jinghu.grid.store import Store
from jinghu.report import cycle_report
from jinghu.stages import StageLog
from jinghu.warnings.cap import validate


@pytest.fixture(scope="module")
def first(event, kernel_threads, tmp_path_factory):
    """The first cycle, with kernels on two threads, and its settings."""
    settings = event.alone(tmp_path_factory.mktemp("first") / "store")
    return run(settings, event.time, threads=min(2, kernel_threads)), settings


def run(settings, time, radar=None, stations=None, threads=1) -> CycleResult:
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    inputs = CycleInputs(
        time,
        time,
        radar if radar is not None else [settings.inputs.radar],
        stations if stations is not None else settings.inputs.stations,
    )
    try:
        return run_cycle(settings, inputs, Console(quiet=True))
    finally:
        numba.set_num_threads(before)


def published(settings) -> xr.Dataset:
    part = Store(settings.store).latest()
    assert part is not None
    return part.open("products.zarr").load()


def test_cycle_publishes_a_whole_part(first, event):
    result, settings = first
    part = Store(settings.store).latest()
    assert part is not None
    assert part.cycle == "20260620T0612Z"
    assert part.verify() == []
    products = xr.open_zarr(part.folder / "products.zarr")
    assert products["rainfall_rate"].sizes == {"lead_time": 31, "y": 40, "x": 40}
    assert products["rainfall_amount"].attrs["units"] == "mm"
    assert result.status == "published"
    manifest = part.manifest()
    assert manifest["inputs"]["radars"] == list(event.radars)
    source = xr.open_zarr(part.folder / "working.zarr")["source_radar"]
    assert source.attrs["flag_meanings"] == " ".join([*event.radars, "none"])
    assert set(np.unique(source.values)) <= {0, 1, 2, 255}
    assert manifest["answers"] == {"acknowledged": 0, "escalated": 0, "overdue": 0}
    assert {"acknowledged", "escalated", "overdue"} < set(result.warnings.summary)
    told_after = {d for d in result.log.degradations if "delivery channel" in d}
    assert any("nobody is warned of them" in d for d in manifest["degradations"])
    assert set(manifest["degradations"]) == set(result.log.degradations) - told_after


def test_window_amounts_are_the_record_plus_the_forecast(first):
    result, settings = first
    products = published(settings)
    hour = products["rainfall_amount"].sel(window=1)
    # The last 30 min observed and the first 30 min forecast make the hour that ends in 30 min.
    observed = result.rainfall.best["rainfall_amount"].values[-5:]
    rate = products["rainfall_rate"].values[:6]
    forecast = 0.1 * (0.5 * (rate[:-1] + rate[1:])).sum(0)
    expected = np.nansum(observed, axis=0) + forecast
    found = hour.isel(lead_time=5).values
    both = np.isfinite(expected) & np.isfinite(found)
    assert both.mean() > 0.5
    # The forecast amount is integrated at a third of the step: equal but for that.
    assert np.corrcoef(found[both], expected[both])[0, 1] > 0.99
    assert found[both].sum() == pytest.approx(expected[both].sum(), rel=0.03)


def test_report_has_the_keys_of_the_contract(first):
    result, settings = first
    report = cycle_report(result, settings)
    assert set(report) >= {
        "cycle", "status", "radars", "gauges", "analysis", "nowcast", "hydro", "warnings",
        "degradations", "seconds",
    }  # fmt: skip
    assert set(report["warnings"]) >= {
        "candidates", "issued", "updated", "cancelled", "recipients",
    }  # fmt: skip
    assert report["analysis"]["max_mm_h"] > 30
    assert json.loads(json.dumps(report))["cycle"] == "20260620T0612Z"


def test_alerts_are_valid_and_told_to_people_in_their_cells(first):
    _, settings = first
    with sqlite3.connect(settings.store / "warnings.db") as database:
        messages = [row[0] for row in database.execute("SELECT cap_xml FROM alert")]
        wrong = database.execute(
            "SELECT count(*) FROM told t JOIN recipient r USING (recipient_id)"
            " LEFT JOIN alert_cell c ON c.alert_id = t.alert_id AND c.cell_id = r.cell_id"
            " WHERE c.cell_id IS NULL OR c.level <> t.level"
        ).fetchone()[0]
        untold = database.execute(
            "SELECT count(*) FROM alert_cell c JOIN recipient r USING (cell_id)"
            " WHERE r.recipient_id NOT IN (SELECT recipient_id FROM told)"
        ).fetchone()[0]
    database.close()
    assert messages
    for message in messages:
        assert validate(message.encode("utf-8")) == []
        assert "<status>Test</status>" in message
    assert (wrong, untold) == (0, 0)


def test_a_repeated_cycle_changes_and_sends_nothing(first, event):
    _, settings = first
    before = rows(settings)
    again = run(settings, event.time)
    assert again.status == "unchanged"
    assert again.warnings.summary["repeated"] is True
    assert rows(settings) == before


def rows(settings) -> dict[str, int]:
    with sqlite3.connect(settings.store / "warnings.db") as database:
        counts = {
            table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("alert", "outbox", "task", "audit", "told")
        }
    database.close()
    return counts


def test_the_next_cycle_carries_the_record_on(first, event):
    _, settings = first
    before = published(settings)
    later = run(settings, event.time + event.step)
    assert later.status == "published"
    known = later.products.products["observed_fraction"].sel(window=3).isel(lead_time=0)
    assert float(known) > float(before["observed_fraction"].sel(window=3).isel(lead_time=0))
    assert later.warnings.summary["cancelled"] == 0


def test_the_same_inputs_give_the_same_bits_with_one_and_two_threads(first, event, tmp_path):
    one = event.alone(tmp_path / "store")
    run(one, event.time, threads=1)
    parts = [Store(of.store).part("20260620T0612Z", "fast") for of in (first[1], one)]
    two, alone = ({k: v["sha256"] for k, v in p.manifest()["products"].items()} for p in parts)
    assert two == alone


def test_bad_volumes_are_named_quarantined_and_lose_nothing_else(first, event, tmp_path):
    clean = first[0]
    dirty = tmp_path / "radar"
    shutil.copytree(event.folder / "radar", dirty)
    whole = sorted(dirty.iterdir())[0]
    data = whole.read_bytes()
    stamp = f"{event.time:%Y%m%d%H%M%S}"
    (dirty / f"Z_RADR_I_ZSIM2_{stamp}_O_DOR_SA_CAP_FMT.bin").write_bytes(b"")
    (dirty / f"Z_RADR_I_ZSIM5_{stamp}_O_DOR_SA_CAP_FMT.bin").write_text("not a volume\n" * 500)
    (dirty / f"Z_RADR_I_ZSIM3_{stamp}_O_DOR_SA_CAP_FMT.bin.bz2").write_bytes(data[:3000])
    flipped = bytearray(data)
    for at in np.random.default_rng(1).integers(0, len(data), len(data) // 100):
        flipped[at] ^= 0x55
    (dirty / f"Z_RADR_I_ZSIM4_{stamp}_O_DOR_SA_CAP_FMT.bin.bz2").write_bytes(bytes(flipped))
    result = run(event.alone(tmp_path / "dirty"), event.time, radar=[dirty])
    refused = {r.file.name: r.error.cause for r in result.ingested.refused}
    assert len(refused) == 4
    assert all(refused.values())
    kept = {p.name for p in (tmp_path / "dirty" / "quarantine").glob("*.reason.json")}
    assert all(any(name in reason for reason in kept) for name in refused)
    for name in refused:
        assert any(name in text for text in result.log.degradations)
    xr.testing.assert_equal(result.products.products, clean.products.products)


def test_an_unknown_site_is_refused_by_its_code(event, tmp_path):
    settings = event.settings
    table = tmp_path / "sites.yaml"
    known = Path(settings.inputs.sites).read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join(line for line in known if "ZSIM4" not in line), encoding="utf-8")
    inputs = settings.inputs.model_copy(update={"sites": table})
    other = settings.model_copy(update={"inputs": inputs})
    at = CycleInputs(event.time, event.time, [inputs.radar], [])
    found = ingest(other, at, Store(tmp_path / "store").create(), StageLog(Console(quiet=True)))
    assert {v.site.code for v in found.volumes} == {"ZSIM1", "ZSIM3"}
    assert all("ZSIM4" in r.error.cause for r in found.refused)
    assert len(found.refused) == 2


def test_without_radar_or_gauges_it_degrades_by_name(event, tmp_path):
    empty = tmp_path / "radar"
    empty.mkdir()
    result = run(event.alone(tmp_path / "a"), event.time, radar=[empty])
    assert any("no radar volume" in text for text in result.log.degradations)
    state = result.products.products["state"].values
    assert set(np.unique(state)) <= {2, 5}  # missing, or filled from gauges: never dry
    nothing = run(event.alone(tmp_path / "b"), event.time, radar=[empty], stations=[])
    assert any("no gauges" in text for text in nothing.log.degradations)
    assert np.isnan(nothing.products.products["rainfall_rate"].values).all()
    assert nothing.warnings.summary["issued"] == 0


def test_one_scan_stands_still_and_says_so(event, tmp_path):
    newest = sorted((event.folder / "radar").iterdir(), key=lambda p: p.name.split("_")[4])[-3:]
    result = run(event.alone(tmp_path / "store"), event.time, radar=newest)
    assert any("rain stands still" in text for text in result.log.degradations)
    assert not result.products.working["motion_x"].values.any()


def test_a_cycle_off_its_rhythm_and_an_absent_folder_are_refused(event, tmp_path):
    settings = event.settings
    with pytest.raises(ConfigError, match="not a multiple"):
        run(settings, event.time + event.step / 2)
    with pytest.raises(ConfigError, match="does not exist"):
        run(settings, event.time, radar=[tmp_path / "nowhere"])
