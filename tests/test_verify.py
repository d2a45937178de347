"""`jinghu verify`: forecasts of known quality in, tables, charts and a report out."""

import csv
import json

import numpy as np
import pytest
import xarray as xr

from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.nowcast.scores import contingency
from jinghu.svg_charts import Axes, Line, line_chart
from jinghu.verify_commands import split_name

SPEC = GridSpec("EPSG:4549", 450e3, 3250e3, 2000.0, 40, 36)
T0 = np.datetime64("2026-06-20T06:00", "ns")
STEP = np.timedelta64(6, "m")
RNG = np.random.default_rng(3)
TRUTH = RNG.gamma(0.3, 5.0, (12, *SPEC.shape)).astype(np.float32)
TRUTH[:, :2] = np.nan


def observations(folder):
    path = folder / "obs.nc"
    times = T0 + np.arange(12) * STEP
    xr.Dataset(
        {"rainfall_rate": (("time", "y", "x"), TRUTH, attrs("rainfall_rate"))},
        coords={"time": times, **SPEC.coords()},
    ).to_netcdf(path)
    return path


def forecast(path, issue, rates, leads=(0, 1, 2, 3), **changes):
    dims = ("member", "lead_time", "y", "x")[-rates.ndim :]
    out = xr.Dataset(
        {"rainfall_rate": (dims, rates.astype(np.float32), attrs("rainfall_rate"))},
        coords={
            "lead_time": ("lead_time", np.array(leads) * STEP.astype("timedelta64[ns]")),
            "time": T0 + issue * STEP,
            **SPEC.coords(),
        },
    )
    path.parent.mkdir(exist_ok=True)
    (changes.get("change") or (lambda d: d))(out).to_netcdf(path)
    return path


def perfect(path, issue):
    return forecast(path, issue, TRUTH[issue : issue + 4])


def members(path, issue):
    noise = RNG.gamma(1.0, 1.0, (5, 4, *SPEC.shape)).astype(np.float32)
    return forecast(path, issue, noise * TRUTH[issue : issue + 4])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("verify")
    observations(found)
    for issue in (0, 3, 6):
        perfect(found / "perfect" / f"{issue}.nc", issue)
        members(found / "noisy" / f"{issue}.nc", issue)
    return found


def rows_of(out):
    with (out / "scores.csv").open() as file:
        return list(csv.DictReader(file))


def test_two_systems_are_compared_over_the_same_cells(jinghu, folder, tmp_path):
    out = tmp_path / "report"
    code, told, err = jinghu(
        "verify", f"ideal={folder / 'perfect'}", folder / "noisy", folder / "obs.nc",
        "--out", out, "--threshold", 1, "--threshold", 5, "--json",
    )  # fmt: skip
    assert code == 0, err
    summary = json.loads(told)
    assert summary["systems"] == ["ideal", "noisy", "persistence"]
    assert (summary["issue_times"], summary["leads"]) == (3, 3)
    assert summary["known_share"] == pytest.approx(34 / 36, abs=1e-4)
    rows = {(r["system"], r["lead_min"], r["threshold_mm_h"], r["score"]): r["value"]
            for r in rows_of(out) if not r["scale_km"]}  # fmt: skip
    assert rows["ideal", "12", "5", "csi"] == "1"
    assert float(rows["ideal", "12", "", "mean_crps"]) == 0.0
    by_hand = sum(
        (contingency(TRUTH[k], TRUTH[k + 2], 1.0) for k in (3, 6)),
        contingency(TRUTH[0], TRUTH[2], 1.0),
    )
    assert float(rows["persistence", "12", "1", "csi"]) == pytest.approx(by_hand.csi, abs=1e-6)
    assert ("ideal", "12", "1", "brier") not in rows  # it says no probabilities
    assert float(rows["noisy", "12", "1", "brier_skill"]) > 0.3
    found = json.loads((out / "scores.json").read_text())
    pair = next(
        d for d in found["differences"]
        if (d["system"], d["other"], d["score"], d["lead_min"], d["threshold_mm_h"])
        == ("ideal", "persistence", "csi", 12.0, 1.0)
    )  # fmt: skip
    assert pair["value"] == pytest.approx(1 - by_hand.csi, abs=1e-5)
    assert pair["low"] <= pair["value"] <= pair["high"]
    places = [p for p in found["places"] if (p["system"], p["lead_min"]) == ("ideal", 18.0)]
    hits = sum(p["hits"] for p in places if p["threshold_mm_h"] == 5.0)
    assert hits == sum(int((np.nan_to_num(TRUTH[k + 3]) >= 5).sum()) for k in (0, 3, 6))


def test_the_report_stands_alone_and_holds_every_chart(jinghu, folder, tmp_path):
    code, _, err = jinghu("verify", folder / "noisy", folder / "obs.nc", "--out", tmp_path)
    assert code == 0, err
    page = (tmp_path / "report.html").read_text()
    assert page.index("降雨预报检验") < page.index("Verification of rain forecasts")
    assert "<script" not in page
    assert 'src="http' not in page
    for name in ("csi_1mm", "fss_1mm", "crps", "spread", "ranks_noisy", "reliability_1mm",
                 "roc_1mm", "places_noisy"):  # fmt: skip
        svg = (tmp_path / f"{name}.svg").read_text()
        assert svg.startswith("<svg")
        assert svg in page
        assert "nan" not in svg
    assert page.count("data:image/png;base64,") == 8  # four leads, forecast and observation


def test_probabilities_in_the_file_are_what_is_scored(jinghu, folder, tmp_path):
    def with_shares(out):
        said = np.nan_to_num(out["rainfall_rate"].values >= 2.0)[None].astype(np.float32)
        dims = ("rate_threshold", "lead_time", "y", "x")
        return out.assign(
            probability_of_rate=(dims, said, attrs("probability_of_rate"))
        ).assign_coords(rate_threshold=("rate_threshold", [2.0], {"units": "mm h-1"}))

    path = forecast(tmp_path / "f.nc", 0, TRUTH[:4], change=with_shares)
    code, _, err = jinghu("verify", path, folder / "obs.nc", "--out", tmp_path / "r")
    assert code == 0, err
    brier = [r for r in rows_of(tmp_path / "r") if r["score"] == "brier"]
    assert {(r["threshold_mm_h"], r["value"]) for r in brier} == {("2", "0")}


def test_finer_observations_are_averaged(jinghu, folder, tmp_path):
    coarse = SPEC.coarsen(2)
    rates = TRUTH[:4].reshape(4, 18, 2, 20, 2).mean(axis=(2, 4))
    path = tmp_path / "coarse.nc"
    xr.Dataset(
        {"rainfall_rate": (("lead_time", "y", "x"), rates, attrs("rainfall_rate"))},
        coords={
            "lead_time": np.arange(4) * STEP.astype("timedelta64[ns]"),
            "time": T0,
            **coarse.coords(),
        },
    ).to_netcdf(path)
    code, told, err = jinghu(
        "verify", path, folder / "obs.nc", "--out", tmp_path / "r", "--threshold", 1, "--json"
    )
    assert code == 0, err
    assert json.loads(told)["notes"] == ["observations are means of 2 x 2 cells"]
    assert {r["value"] for r in rows_of(tmp_path / "r")
            if (r["system"], r["score"]) == ("coarse", "csi")} == {"1"}  # fmt: skip


REFUSED = {
    "grid": (lambda d: d.isel(x=slice(1, None)), "36 x 40 cells, wanted 36 x 39"),
    "place": (lambda d: d.assign_coords(x=d["x"] + 2000.0), "wanted 453000 to 531000"),
    "direction": (lambda d: d.isel(y=slice(None, None, -1)), "y runs the other way"),
    "time": (lambda d: d.assign_coords(time=d["time"] + np.timedelta64(9, "D")),
             "has no field at a time of the forecasts (2026-06-29T06:06:00Z to"),
    "no time": (lambda d: d.drop_vars("time"), "no scalar coordinate time"),
    "units": (lambda d: d.assign(rainfall_rate=d["rainfall_rate"].assign_attrs(units="dBZ")),
              "rainfall_rate is in 'dBZ', wanted 'mm h-1'"),
    "variable": (lambda d: d.rename(rainfall_rate="rain"), "rainfall_rate is missing"),
    "leads": (lambda d: d.assign_coords(lead_time=[0, 1, 2, 3]), "lead_time is no coordinate"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(jinghu, folder, tmp_path, case):
    change, message = REFUSED[case]
    path = forecast(tmp_path / "f.nc", 0, TRUTH[:4], change=change)
    code, out, err = jinghu("verify", path, folder / "obs.nc", "--out", tmp_path / "r")
    assert (code, out) == (3, "")
    assert len(err.strip().splitlines()) == 1
    assert message in err
    assert not (tmp_path / "r").exists()


def test_options_that_make_no_sense_are_named(jinghu, folder, tmp_path):
    obs = folder / "obs.nc"
    one = folder / "perfect" / "0.nc"
    for arguments, message in (
        ([obs], "wanted FORECAST and OBS"),
        ([one, obs], "wanted --out"),
        ([one, obs, "--out", tmp_path, "--threshold", 0], "wanted rates above 0 mm/h"),
        ([f"persistence={one}", obs, "--out", tmp_path], "stands for the last analysis"),
        ([f"a={one}", f"a={one}", obs, "--out", tmp_path], "two forecasts of one issue time"),
        ([one, "--store", tmp_path], "no files, no --threshold"),
    ):
        code, out, err = jinghu("verify", *arguments)
        assert (code, out) == (2, ""), arguments
        assert message in err
    code, _, err = jinghu("verify", "--store", tmp_path)
    assert code == 3
    assert "holds no scores of that time" in err


def test_names_and_paths(tmp_path):
    odd = tmp_path / "a=b.nc"
    odd.touch()
    assert split_name(str(odd)) == (None, odd)
    name, path = split_name("steps=x/y.nc")
    assert (name, str(path)) == ("steps", "x/y.nc")


def test_lines_break_where_nothing_is_known():
    line = Line("a", np.arange(4.0), np.array([0.1, np.nan, 0.3, 0.4]), "#000")
    svg = line_chart([line], Axes("t", "x", "y"))
    path = svg[svg.rindex('<path d="M58.0') :]
    assert path.count("M", 0, path.index("fill")) == 2
    assert "no data" in line_chart([Line("a", np.arange(2.0), np.full(2, np.nan), "#000")],
                                   Axes("t", "x", "y"))  # fmt: skip
