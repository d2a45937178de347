import numpy as np
import pytest
import yaml

from jinghu.configs.settings import CONFIGS
from jinghu.grid.errors import DataError
from jinghu.hydro.design_rain import areal_share, depths_mm, design_storms, read_design_rain

TEN = np.array([10.0])
DURATIONS = [
    {"hours": 1, "mean_mm": 40, "cv": 0.4},
    {"hours": 6, "mean_mm": 70, "cv": 0.4},
    {"hours": 24, "mean_mm": 100, "cv": 0.4},
]
TABLE = {
    "version": "1",
    "source": "test",
    "skewness_ratio": 2.5,
    "durations": DURATIONS,
}


@pytest.fixture
def written(tmp_path):
    def write(**changes):
        path = tmp_path / "design_rain.yaml"
        path.write_text(yaml.safe_dump(TABLE | changes), encoding="utf-8")
        return path

    return write


def test_depths_follow_the_published_factors_of_pearson_iii(written):
    """Foster's table for a skewness of 1.0: deviations from the mean, in standard deviations."""
    years = np.array([2, 5, 10, 20, 50, 100])
    factors = np.array([-0.16, 0.76, 1.34, 1.88, 2.54, 3.02])
    found = depths_mm(read_design_rain(written()), np.array([1.0, 24.0]), years)
    np.testing.assert_allclose(found[:, 0], 40 * (1 + 0.4 * factors), rtol=0.004)
    np.testing.assert_allclose(found[:, 1], 100 * (1 + 0.4 * factors), rtol=0.004)


def test_between_durations_depth_is_a_power_of_the_duration(written):
    found = depths_mm(read_design_rain(written()), np.array([1.0, np.sqrt(6.0), 6.0]), TEN)[0]
    assert found[1] == pytest.approx(np.sqrt(found[0] * found[2]))


def test_shipped_table_says_that_it_is_generated():
    table = read_design_rain(CONFIGS / "shaoxing" / "design_rain.yaml")
    assert "generated" in table.source
    assert (np.diff(depths_mm(table, np.array([1.0, 3, 6, 24]), np.array([2.0, 100]))) > 0).all()


@pytest.mark.parametrize("step_h", [0.2, 1.0])
def test_the_worst_of_any_hours_of_a_storm_has_the_depth_of_its_duration(written, step_h):
    table, years = read_design_rain(written()), np.array([5.0, 50.0])
    storm = design_storms(table, years, np.array([0.001]), 24.0, step_h)[:, :, 0]
    for hours in (1, 6, 24):
        n = round(hours / step_h)
        windows = np.lib.stride_tricks.sliding_window_view(storm, n, axis=0).sum(axis=-1)
        wanted = depths_mm(table, np.array([float(hours)]), years)[:, 0]
        np.testing.assert_allclose(windows.max(axis=0), wanted, rtol=1e-3)


def test_the_mean_of_an_area_gets_less_than_a_point():
    share = areal_share(np.array([1.0, 24.0]), np.array([0.0, 100.0, 1e6]))
    np.testing.assert_allclose(share[0], 1.0)
    assert (np.diff(share, axis=0) < 0).all()  # the larger the less
    assert (np.diff(share, axis=1)[1:] > 0).all()  # the longer the more
    assert share[2, 0] == pytest.approx(1 - np.exp(-1.1))


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"durations": DURATIONS[::-1]}, "hours must ascend"),
        ({"durations": DURATIONS[:1]}, "durations"),
        ({"skewness_ratio": 0}, "skewness_ratio"),
        ({"source": ""}, "source"),
        (
            {
                "durations": [
                    {"hours": 1, "mean_mm": 40, "cv": 0.4},
                    {"hours": 3, "mean_mm": 4, "cv": 0.4},
                ]
            },
            "3 h have less rain than 1 h",
        ),
    ],
)
def test_a_wrong_table_is_refused_by_its_entry(written, changes, cause):
    with pytest.raises(DataError, match=cause):
        read_design_rain(written(**changes))


def test_a_file_that_is_no_table_is_named(tmp_path):
    for content in (b"\xff\xfe", b"a: [", b"3"):
        (tmp_path / "rain.yaml").write_bytes(content)
        with pytest.raises(DataError, match=r"rain\.yaml"):
            read_design_rain(tmp_path / "rain.yaml")
    with pytest.raises(DataError, match=r"none\.yaml"):
        read_design_rain(tmp_path / "none.yaml")
