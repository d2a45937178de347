"""State carried from cycle to cycle: ``state/<cycle>/<name>.zarr``, newest two kept."""

import shutil
from collections.abc import Mapping

import xarray as xr

from jinghu.grid import durable
from jinghu.grid.store import Store, write_zarr

_KEEP = 2


def save_state(store: Store, cycle: str, states: Mapping[str, xr.Dataset]) -> None:
    """Write the state after a cycle whole, and drop all but the newest two."""
    target = store.root / "state" / cycle
    temporary = durable.temporary_beside(target)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for name, dataset in states.items():
        write_zarr(temporary / f"{name}.zarr", dataset)
    durable.fsync_tree(temporary)
    if target.exists():  # a repeated cycle gives the same state
        shutil.rmtree(temporary)
    else:
        durable.rename_durable(temporary, target)
    for old in sorted(_names(store))[:-_KEEP]:
        shutil.rmtree(store.root / "state" / old)


def load_state(store: Store, before: str, name: str) -> tuple[str, xr.Dataset] | None:
    """Newest state of that name from a cycle earlier than ``before``, with its cycle."""
    for cycle in sorted(_names(store), reverse=True):
        path = store.root / "state" / cycle / f"{name}.zarr"
        if cycle < before and path.is_dir():
            with xr.open_zarr(path, consolidated=False) as lazy:
                return cycle, lazy.load()
    return None


def _names(store: Store) -> list[str]:
    folder = store.root / "state"
    return [p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
