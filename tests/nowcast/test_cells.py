"""Storm cells of fields whose cells are known."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.nowcast.cell_regions import cell_regions
from jinghu.nowcast.cells import CellParams, identify_cells

SPEC = GridSpec("EPSG:4549", 450e3, 3250e3, 1000.0, 120, 100)
START = np.datetime64("2025-06-09T11:00", "ns")


def field(rate, spec=SPEC, time=START):
    return xr.Dataset(
        {"rainfall_rate": (("y", "x"), np.asarray(rate, np.float32), attrs("rainfall_rate"))},
        coords={"time": time, **spec.coords()},
    )


def hill(x_km, y_km, top=40.0, width_km=5.0, stretch=1.0, spec=SPEC):
    """A Gaussian of rain at a place from the grid's corner, longer along x by ``stretch``."""
    x, y = (spec.x - spec.x0_m) / 1e3, (spec.y - spec.y0_m) / 1e3
    away = ((x[None] - x_km) / stretch) ** 2 + (y[:, None] - y_km) ** 2
    return top * np.exp(-away / (2 * width_km**2))


def radius_km(top, width_km, at=5.4):
    """Where a Gaussian falls to the outer rate."""
    return width_km * np.sqrt(2 * np.log(top / at))


def test_a_gaussian_has_the_attributes_of_its_formula():
    """Area pi r^2; water above the outer rate 2 pi w^2 (top - outer), in mm/h km2 = 1/3.6 m3/s."""
    found = identify_cells(field(hill(60, 50)))
    (cell,) = found.cells
    assert (cell.x_m, cell.y_m) == pytest.approx((510e3, 3300e3), abs=20.0)
    assert cell.area_km2 == pytest.approx(np.pi * radius_km(40, 5) ** 2, rel=0.03)
    assert cell.max_mm_h == pytest.approx(40.0, rel=0.02)
    assert cell.volume_m3_s == pytest.approx(2 * np.pi * 25 * (40 - 5.4) / 3.6, rel=0.02)
    assert cell.mean_mm_h == pytest.approx(cell.volume_m3_s * 3.6 / cell.area_km2, rel=1e-6)
    assert cell.major_km == pytest.approx(2 * radius_km(40, 5), rel=0.02)
    assert cell.minor_km == pytest.approx(cell.major_km, rel=0.02)
    assert (cell.lon, cell.lat) == pytest.approx(
        tuple(float(v) for v in SPEC.to_lonlat(cell.x_m, cell.y_m))
    )
    assert not cell.cut_off
    assert (found.labels == 1).sum() == cell.area_km2


@pytest.mark.parametrize(("transposed", "azimuth"), [(False, 90.0), (True, 0.0)])
def test_the_ellipse_points_where_the_cell_is_long(transposed, azimuth):
    square = GridSpec("EPSG:4549", 450e3, 3250e3, 1000.0, 100, 100)
    rate = hill(50, 50, stretch=2.0, spec=square)
    (cell,) = identify_cells(field(rate.T if transposed else rate, square)).cells
    assert cell.major_km == pytest.approx(2 * cell.minor_km, rel=0.02)
    assert abs((cell.azimuth_deg - azimuth + 90) % 180 - 90) < 0.1


def test_a_cell_needs_a_core_and_a_size():
    weak, small = hill(30, 50, top=11.0), hill(90, 50, width_km=0.7)
    assert identify_cells(field(weak + small)).cells == ()
    assert len(identify_cells(field(weak + small), CellParams(5.4, 10.0, 4.0)).cells) == 2


def test_two_peaks_with_a_deep_pass_are_two_cells_and_with_a_shallow_one_one():
    """Gaussians 4 widths apart pass at 2 exp(-2) = 0.27 of the top, 2.2 widths at 1.09."""
    apart = identify_cells(field(hill(50, 50) + hill(70, 50)))
    assert label(apart.labels > 0, np.ones((3, 3)))[1] == 1
    assert [round(c.x_m / 1e3) for c in sorted(apart.cells, key=lambda c: c.x_m)] == [500, 520]
    assert len(identify_cells(field(hill(54.5, 50) + hill(65.5, 50))).cells) == 1


def test_cells_are_numbered_by_their_maximum():
    found = identify_cells(
        field(hill(30.5, 30.5, 20.0) + hill(90.5, 30.5, 60.0) + hill(60.5, 80.5, 40.0))
    )
    assert [round(c.max_mm_h) for c in found.cells] == [60, 40, 20]
    assert [c.label for c in found.cells] == [1, 2, 3]


def test_a_cell_at_the_edge_or_at_a_gap_is_said_to_be_cut_off():
    rate = hill(0, 50) + hill(60, 50) + hill(100, 50)
    rate[:, 101:] = np.nan
    cut = {round(c.x_m / 1e4): c.cut_off for c in identify_cells(field(rate)).cells}
    assert cut == {45: True, 51: False, 55: True}


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_nothing_holds_no_cells(value):
    found = identify_cells(field(np.full(SPEC.shape, value)))
    assert found.cells == ()
    assert not found.labels.any()


def test_rows_from_the_north_are_the_same_cells():
    rain = field(hill(40, 30) + hill(80, 70, 30.0))
    one, two = identify_cells(rain), identify_cells(rain.isel(y=slice(None, None, -1)))
    for a, b in zip(one.cells, two.cells, strict=True):
        assert (a.x_m, a.y_m, a.area_km2) == pytest.approx((b.x_m, b.y_m, b.area_km2))


def test_parameters_without_a_core_are_refused():
    with pytest.raises(ConfigError, match="no core"):
        identify_cells(field(hill(60, 50)), CellParams(outer_mm_h=20.0, core_mm_h=10.0))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1.0, 4.0))
@example(2_043_126_575, 1.0)  # two without a core meet first, and one of them a third that has one
def test_regions_hold_the_wet_places_of_regions_with_a_core(seed, prominence):
    """Without a least size the regions tile exactly the connected parts that have a core."""
    rate = np.random.default_rng(seed).gamma(0.5, 6.0, (25, 30)).astype(np.float32)
    rate[3:5] = np.nan
    labels = cell_regions(rate, 5.0, 12.0, 1, prominence, 1.0)
    parts, n = label(np.nan_to_num(rate) >= 5.0, np.ones((3, 3)))
    with_core = [k for k in range(1, n + 1) if rate[parts == k].max() >= 12.0]
    np.testing.assert_array_equal(labels > 0, np.isin(parts, with_core))
    for k in range(1, labels.max() + 1):
        assert label(labels == k, np.ones((3, 3)))[1] == 1
        assert rate[labels == k].max() >= 12.0
