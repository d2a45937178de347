"""State carried from cycle to cycle: ``state/<cycle>/<name>.nc``, newest two kept.

One file a state, as it is read whole and by the next cycle alone: a folder of chunks takes three
times as long to write and to read.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import xarray as xr

from jinghu.grid import durable
from jinghu.grid.spec import GridSpec
from jinghu.grid.store import Store
from jinghu.grid.times import is_cycle_name

_KEEP = 2
_SUMS = "sha256.json"


def save_state(store: Store, cycle: str, states: Mapping[str, xr.Dataset]) -> None:
    """Write the state after a cycle whole, with checksums, and drop all but the newest two."""
    target = store.root / "state" / cycle
    temporary = durable.temporary_beside(target)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    sums = {}
    for name, dataset in states.items():
        path = temporary / f"{name}.nc"
        dataset.drop_encoding().to_netcdf(path, engine="netcdf4")
        sums[name] = durable.sha256_tree(path)
    (temporary / _SUMS).write_bytes(durable.json_bytes(sums))
    durable.fsync_tree(temporary)
    if target.exists():  # a repeated cycle gives the same state
        shutil.rmtree(temporary)
    else:
        durable.rename_durable(temporary, target)
    for old in sorted(_names(store))[:-_KEEP]:
        _remove(store.root / "state" / old)


def load_state(
    store: Store,
    before: str,
    name: str,
    *,
    spec: GridSpec | None = None,
    report: Callable[[str], None] | None = None,
) -> tuple[str, xr.Dataset] | None:
    """Newest whole state of that name from a cycle earlier than ``before``, with its cycle.

    Parameters
    ----------
    store, before, name
        Where to look, for which cycle, for what.
    spec
        Grid that the state must be on, where it is one on a grid.
    report
        Told of each state that is passed over because it is damaged or on another grid.

    Returns
    -------
    Cycle and state; None where there is none, i.e. a cold start.
    """
    for cycle in sorted(_names(store), reverse=True):
        folder = store.root / "state" / cycle
        if cycle >= before:
            continue
        try:
            wanted = json.loads((folder / _SUMS).read_text(encoding="utf-8"))[name]
        except KeyError:
            continue  # that cycle left none of this name
        except (OSError, ValueError, TypeError):
            wanted = None
        problem = "is damaged"
        if wanted == durable.sha256_tree(folder / f"{name}.nc"):
            state = xr.load_dataset(folder / f"{name}.nc", engine="netcdf4")
            if spec is None or GridSpec.of(state) == spec:
                return cycle, state
            problem = "is on another grid"
        if report is not None:
            report(f"state {name} of cycle {cycle} {problem}: an earlier one or none is used")
    return None


def _names(store: Store) -> list[str]:
    folder = store.root / "state"
    return [p.name for p in folder.iterdir() if p.is_dir() and is_cycle_name(p.name)]


def _remove(folder: Path) -> None:
    """Remove a state so that no half of it is ever seen under its name."""
    temporary = durable.temporary_beside(folder)
    folder.rename(temporary)
    shutil.rmtree(temporary)
