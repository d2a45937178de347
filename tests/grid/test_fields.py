import numpy as np
import pytest
import xarray as xr

from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import FIELDS, State, attrs, check

RAIN = xr.Dataset({"rainfall_rate": (("y", "x"), np.zeros((2, 2)), attrs("rainfall_rate"))})


def test_what_fits_passes():
    check(RAIN, "rainfall_rate", dims=("y", "x"))
    check(RAIN, "rainfall_rate")


@pytest.mark.parametrize(
    ("dataset", "name", "cause"),
    [
        (RAIN, "quality", r"variable quality is missing; there are \['rainfall_rate'\]"),
        (RAIN.transpose("x", "y"), "rainfall_rate", r"dimensions \('x', 'y'\), wanted"),
        (RAIN.assign(rainfall_rate=RAIN["rainfall_rate"] * 1), "rainfall_rate", "is in None"),
    ],
)
def test_what_does_not_is_named(dataset, name, cause):
    if "is in None" in cause:
        dataset["rainfall_rate"].attrs.pop("units", None)
    with pytest.raises(ConfigError, match=cause):
        check(dataset, name, dims=("y", "x"))


def test_other_units_are_named():
    dataset = RAIN.copy()
    dataset["rainfall_rate"] = dataset["rainfall_rate"].assign_attrs(units="mm/6min")
    with pytest.raises(ConfigError, match="'mm/6min', wanted 'mm h-1'"):
        check(dataset, "rainfall_rate")


def test_flags_of_the_state_are_cf():
    found = attrs("state")
    assert str(found["flag_meanings"]).split() == [s.name.lower() for s in State]
    np.testing.assert_array_equal(found["flag_values"], [0, 1, 2, 3, 4, 5])


def test_ranges_are_ranges():
    for name, field in FIELDS.items():
        if field.valid_min is not None and field.valid_max is not None:
            assert field.valid_min < field.valid_max, name
