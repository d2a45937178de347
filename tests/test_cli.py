"""The command line as a user meets it: exit codes, one-line errors, one JSON object."""

import contextlib
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from jinghu import cli
from jinghu.grid.errors import JinghuError
from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec

BUILT = [
    "cycle",
    "demo",
    "serve",
    "decode",
    "mosaic",
    "nowcast",
    "network",
    "route",
    "doctor",
    "drill",
    "verify",
]
LATER = ["run", "backfill"]


@pytest.fixture
def rain(tmp_path):
    """Showers that move by 3 cells of 1 km each 5 min, in a NetCDF."""
    spec = GridSpec("EPSG:4549", 450e3, 3250e3, 1000.0, 100, 90)
    white = np.random.default_rng(0).standard_normal(spec.shape)
    parts = [gaussian_filter(white, s, mode="wrap") * s for s in (2, 5, 12)]
    field = np.sum(parts, axis=0)
    first = np.maximum(field / field.std() - 0.4, 0).astype(np.float32)
    rates = np.stack([np.roll(first, 3 * k, 1) for k in range(3)])
    times = np.datetime64("2019-08-09T16:00", "ns") + np.arange(3) * np.timedelta64(5, "m")
    dataset = xr.Dataset(
        {"rainfall_rate": (("time", "y", "x"), rates, attrs("rainfall_rate"))},
        coords={"time": times, **spec.coords()},
    )
    path = tmp_path / "rain.nc"
    dataset.to_netcdf(path)
    return path


def changed(rain, **changes):
    """The rain file with something changed in it."""
    with xr.open_dataset(rain) as opened:
        dataset = opened.load()
    path = rain.with_name("changed.nc")
    for name, change in changes.items():
        dataset = change(dataset) if callable(change) else dataset.assign_attrs({name: change})
    dataset.to_netcdf(path)
    return path


def one_line(text):
    """The error without its ``jinghu: ``; fails unless it is one line."""
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("jinghu: ")
    return lines[0].removeprefix("jinghu: ")


def test_help_lists_what_there_is(jinghu):
    code, out, _ = jinghu("--help")
    assert code == 0
    assert all(name in out for name in BUILT)
    assert not any(f" {name} " in out for name in LATER)
    assert "镜湖" in out


@pytest.mark.parametrize("command", BUILT)
def test_each_command_has_help(jinghu, command):
    code, out, _ = jinghu(command, "--help")
    assert code == 0
    assert f"jinghu {command}" in out


@pytest.mark.parametrize("command", LATER)
def test_what_is_not_built_says_so(jinghu, command):
    code, out, err = jinghu(command, "-c", "x.yaml", "--start", "2019-08-09T16:30Z")
    assert (code, out) == (1, "")
    assert one_line(err).startswith(f"jinghu {command}: ")
    assert "is not in this version" in err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["frobnicate"], "frobnicate"),
        (["nowcast"], "SOURCE"),
        (["nowcast", "x.nc"], "--out"),
        (["nowcast", "x.nc", "--out", "y.nc", "--leads", "many"], "--leads"),
        (["cycle"], "--config"),
        (["decode", "--frob", "x"], "--frob"),
    ],
)
def test_usage_errors_name_the_option(jinghu, arguments, named):
    code, out, err = jinghu(*arguments)
    assert (code, out) == (2, "")
    assert named.lower() in err.lower()


def test_without_a_command_help_is_shown(jinghu):
    code, out, err = jinghu()
    assert code in (0, 2)
    assert "nowcast" in out + err


@pytest.mark.parametrize("engine", ["jinghu", "pysteps"])
def test_nowcast_from_file_to_file(jinghu, rain, tmp_path, engine):
    if engine == "pysteps":
        with contextlib.redirect_stdout(io.StringIO()):
            pytest.importorskip("pysteps")
            pytest.importorskip("cv2")
    out_file = tmp_path / "out.nc"
    options = ("--leads", 4, "--engine", engine, "--json")
    code, out, err = jinghu("nowcast", rain, "--out", out_file, *options)
    assert (code, err) == (0, "")
    summary = json.loads(out)
    assert len(out.strip().splitlines()) == 1
    assert {k: summary[k] for k in ("method", "engine", "members", "leads")} == {
        "method": "extrapolation", "engine": engine, "members": 1, "leads": 4,
    }  # fmt: skip
    assert set(summary["seconds"]) == {"motion", "nowcast", "total"}
    assert summary["peak_mb"] > 0
    with xr.open_dataset(out_file) as result:
        assert result["rainfall_rate"].dims == ("lead_time", "y", "x")
        assert result.sizes["lead_time"] == 5
        np.testing.assert_array_equal(result["lead_time"] / np.timedelta64(5, "m"), [0, 1, 2, 3, 4])
        east = result["motion_x"].isel(x=slice(30, -30), y=slice(30, -30)).mean()
        assert float(east) == pytest.approx(10.0, abs=0.6)


def test_without_json_nothing_is_on_stdout(jinghu, rain, tmp_path):
    assert jinghu("nowcast", rain, "--out", tmp_path / "o.nc", "--leads", 1) == (0, "", "")


def test_zarr_is_read_as_well(jinghu, rain, tmp_path):
    with xr.open_dataset(rain) as opened:
        opened.drop_encoding().to_zarr(tmp_path / "rain.zarr", consolidated=False)
    code, _, err = jinghu(
        "nowcast", tmp_path / "rain.zarr", "--out", tmp_path / "o.nc", "--leads", 1
    )
    assert (code, err) == (0, "")


def test_a_single_field_is_nowcast_by_name_with_a_step(jinghu, rain, tmp_path):
    one = changed(rain, first=lambda d: d.isel(time=[0]))
    command = ("nowcast", one, "--out", tmp_path / "o.nc", "--leads", 2, "--json")
    code, out, _ = jinghu(*command, "--step", 6)
    assert code == 0
    assert json.loads(out)["degradations"] == ["one field only: no motion"]
    with xr.open_dataset(tmp_path / "o.nc") as result:
        assert result["lead_time"].values[1] == np.timedelta64(6, "m")


REFUSED = {
    "no such file": (lambda rain: rain.with_name("none.nc"), "none.nc: cannot be opened"),
    "text": (lambda rain: _text(rain), "text.nc: cannot be opened"),
    "other variable": (
        lambda rain: changed(rain, a=lambda d: d.rename(rainfall_rate="dbz")),
        "changed.nc: variable rainfall_rate is missing",
    ),
    "units": (
        lambda rain: changed(rain, a=_in_mm),
        "changed.nc: rainfall_rate is in 'mm', wanted 'mm h-1'",
    ),
    "dimensions": (
        lambda rain: changed(rain, a=lambda d: d.isel(time=0)),
        "changed.nc: rainfall_rate has dimensions",
    ),
    "degrees": (
        lambda rain: changed(rain, a=_in_degrees),
        "changed.nc: coordinate x: in 'degrees_east', wanted a projected grid in m",
    ),
}


def _text(rain):
    path = rain.with_name("text.nc")
    path.write_text("not a NetCDF\n" * 3)
    return path


def _in_mm(dataset):
    return dataset.assign(rainfall_rate=dataset["rainfall_rate"].assign_attrs(units="mm"))


def _in_degrees(dataset):
    x = np.linspace(119, 121, dataset.sizes["x"])
    return dataset.assign_coords(x=("x", x, {"units": "degrees_east"}))


@pytest.mark.parametrize("case", REFUSED)
def test_refused_inputs_are_named_with_their_cause(jinghu, rain, tmp_path, case):
    make, message = REFUSED[case]
    code, out, err = jinghu(
        "nowcast", make(rain), "--out", tmp_path / "o.nc", "--leads", 2, "--json"
    )
    assert (code, out) == (3, "")
    assert message in one_line(err)
    assert not (tmp_path / "o.nc").exists()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--method", "magic"], 2, "magic"),
        (["--engine", "magic"], 2, "magic"),
        (["--leads", "0"], 2, "at least one lead time"),
        (["--step", "-5"], 2, "wanted a positive one"),
        (["--members", "20"], 2, "method extrapolation, which has none"),
        (["--method", "sprog", "--seed", "1"], 2, "method sprog, which has none"),
    ],
)
def test_wrong_options_are_named(jinghu, rain, tmp_path, options, code, message):
    found, out, err = jinghu("nowcast", rain, "--out", tmp_path / "o.nc", *options)
    assert (found, out) == (code, "")
    assert message in one_line(err)


def test_an_ensemble_is_the_same_for_any_number_of_workers(jinghu, rain, tmp_path):
    options = ("--method", "steps", "--members", 3, "--seed", 7, "--leads", 2, "--json")
    for workers in (1, 2):
        out = tmp_path / f"{workers}.nc"
        code, told, _ = jinghu("nowcast", rain, "--out", out, *options, "--workers", workers)
        assert code == 0
        assert json.loads(told)["members"] == 3
    with xr.open_dataset(tmp_path / "1.nc") as one, xr.open_dataset(tmp_path / "2.nc") as two:
        assert one["rainfall_rate"].dims == ("member", "lead_time", "y", "x")
        xr.testing.assert_identical(one.load(), two.load())


@pytest.mark.parametrize("place", ["none/o.nc", "."])
def test_an_output_that_cannot_be_written_is_named(jinghu, rain, tmp_path, place):
    code, out, err = jinghu("nowcast", rain, "--out", tmp_path / place, "--leads", 1)
    assert (code, out) == (2, "")
    assert str(tmp_path / place) in one_line(err)


def test_settings_that_are_not_there_are_named(jinghu, tmp_path):
    code, _, err = jinghu("doctor", "-c", tmp_path / "none.yaml")
    assert code == 2
    assert one_line(err) == f"{tmp_path / 'none.yaml'}: No such file or directory"


def test_a_cycle_time_without_offset_is_refused(jinghu, event, tmp_path):
    settings = tmp_path / "s.yaml"
    settings.write_text(event.settings.model_dump_json())  # JSON is YAML
    code, _, err = jinghu("cycle", "-c", settings, "--time", "2019-08-09T16:30")
    assert code == 2
    assert "has no offset" in one_line(err)
    code, _, err = jinghu("cycle", "-c", settings, "--time", "2019-08-09T16:31Z")
    assert code == 2
    assert "not a multiple of 0:06:00" in one_line(err)


def test_doctor_says_what_to_mend(jinghu, event, tmp_path):
    settings = tmp_path / "s.yaml"
    broken = event.settings.model_copy(update={"store": tmp_path / "store"})
    radar = broken.inputs.model_copy(update={"radar": tmp_path / "no-radar"})
    settings.write_text(broken.model_copy(update={"inputs": radar}).model_dump_json())
    code, out, _ = jinghu("doctor", "-c", settings)
    assert code == 1
    assert "MEND radar folder" in out
    code, out, _ = jinghu("doctor", "-c", settings, "--json")
    assert code == 1
    assert any(not f["good"] and f["what"] == "radar folder" for f in json.loads(out))


def test_decode_of_no_volume_is_refused_by_name(jinghu, tmp_path):
    file = tmp_path / "Z_RADR_I_Z9571_20190809160000_O_DOR_SA_CAP.bin"
    file.write_bytes(b"")
    code, out, err = jinghu("decode", file, "--json")
    assert (code, out) == (3, "")
    assert file.name in one_line(err)


def test_debug_shows_the_traceback(monkeypatch, tmp_path):
    monkeypatch.setattr(
        sys, "argv", ["jinghu", "doctor", "-c", str(tmp_path / "none.yaml"), "--debug"]
    )
    with pytest.raises(JinghuError):
        cli.main()


@pytest.mark.parametrize("arguments", [["--help"], ["nowcast", "none.nc", "--out", "o.nc"]])
def test_as_a_module_in_a_process_of_its_own(arguments, tmp_path):
    command = [sys.executable, "-m", "jinghu", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    if arguments == ["--help"]:
        assert done.returncode == 0
        assert "nowcast" in done.stdout
    else:
        assert done.returncode == 3
        assert one_line(done.stderr).startswith("none.nc: cannot be opened: No such file")


def test_help_does_not_wait_for_the_sciences(tmp_path):
    """No numba, zarr or xarray until a command needs them."""
    code = "import sys, jinghu.cli; print(sorted({'numba', 'zarr', 'xarray'} & set(sys.modules)))"
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
        check=True, env=environment,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
