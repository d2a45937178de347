"""The store: published cycles, immutable and whole; readers never see a half-written one.

Layout (docs/architecture.md): ``LATEST``, ``cycles/<cycle>/<part>/``, ``obs/``, ``state/``,
``quarantine/``. A part is written beside its place, flushed, renamed, and then named by
``LATEST``.
"""

import json
import os
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from jinghu.grid import durable
from jinghu.grid.errors import StoreError
from jinghu.grid.times import is_cycle_name, parse_cycle_name

PARTS = ("fast", "full")
Encoding = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Part:
    """One published part of a cycle."""

    cycle: str
    name: str
    folder: Path

    def manifest(self) -> dict[str, Any]:
        """Return the manifest; StoreError where it is missing or damaged."""
        path = self.folder / "manifest.json"
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: {error}") from None
        if not isinstance(found, dict) or not isinstance(found.get("products"), dict):
            raise StoreError(f"{path}: names no products")
        return found

    def open(self, product: str) -> xr.Dataset:
        """Open one Zarr product of the part lazily."""
        path = self.folder / product
        if not path.is_dir():
            raise StoreError(f"{path}: no such product in cycle {self.cycle}/{self.name}")
        opened: xr.Dataset = xr.open_zarr(path)
        return opened

    def open_array(self, product: str) -> NDArray[Any]:
        """Memory-map one ``.npy`` product of the part."""
        path = self.folder / product
        try:
            array: NDArray[Any] = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: {error}") from None
        return array

    def read_json(self, product: str) -> dict[str, Any]:
        """Read one JSON product of the part."""
        path = self.folder / product
        try:
            found: dict[str, Any] = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: {error}") from None
        return found

    def verify(self) -> list[str]:
        """Names of products whose bytes are not those the manifest recorded."""
        products = self.manifest()["products"]
        return [
            name
            for name, entry in products.items()
            if not (self.folder / name).exists()
            or durable.sha256_tree(self.folder / name) != entry["sha256"]
        ]


@dataclass(frozen=True, slots=True)
class Store:
    """A store folder."""

    root: Path

    def create(self) -> Self:
        """Make the folders and clear what killed processes left; returns itself."""
        for name in ("obs", "cycles", "state", "quarantine"):
            try:
                (self.root / name).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"{self.root / name}: {error.strerror}") from None
            durable.remove_leftovers(self.root / name)
        for cycle in (self.root / "cycles").iterdir():
            durable.remove_leftovers(cycle)
        durable.remove_leftovers(self.root)
        return self

    def latest(self) -> Part | None:
        """Return the newest published part, None in an empty store."""
        named = _read_latest(self.root / "LATEST")
        return None if named is None else self.part(*named)

    def part(self, cycle: str, name: str) -> Part:
        """Return a published part; StoreError where there is none."""
        found = self.find(cycle, name)
        if found is None:
            raise StoreError(f"{self.root}: cycle {cycle}/{name} is not published")
        return found

    def find(self, cycle: str, name: str) -> Part | None:
        """Return a published part, or None."""
        parse_cycle_name(cycle)
        if name not in PARTS:
            raise StoreError(f"a cycle has the parts {PARTS}, not {name!r}")
        folder = self.root / "cycles" / cycle / name
        return Part(cycle, name, folder) if (folder / "manifest.json").is_file() else None

    def cycles(self) -> list[str]:
        """Names of cycles with at least one published part, newest first."""
        names = (
            path.parents[1].name
            for part in PARTS
            for path in self.root.glob(f"cycles/*/{part}/manifest.json")
        )
        return sorted({name for name in names if is_cycle_name(name)}, reverse=True)

    def newest_part(self, cycle: str) -> Part | None:
        """Return the fullest published part of a cycle, or None."""
        found = [part for name in PARTS if (part := self.find(cycle, name))]
        return found[-1] if found else None

    def publish(self, cycle: str, name: str) -> "PartWriter":
        """Return a context manager that publishes a part when it is left without an error."""
        parse_cycle_name(cycle)
        if name not in PARTS:
            raise StoreError(f"a cycle has the parts {PARTS}, not {name!r}")
        return PartWriter(self, cycle, name)


@dataclass(slots=True)
class PartWriter:
    """Writes a part beside its place; on leaving the context it is renamed and named by LATEST."""

    store: Store
    cycle: str
    name: str
    published: bool = False
    _products: dict[str, dict[str, object]] = field(default_factory=dict)
    _manifest: dict[str, object] = field(default_factory=dict)

    @property
    def target(self) -> Path:
        """Folder of the part once it is published."""
        return self.store.root / "cycles" / self.cycle / self.name

    @property
    def folder(self) -> Path:
        """Folder it is written to until then."""
        return durable.temporary_beside(self.target)

    def __enter__(self) -> Self:
        """Start with an empty temporary folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return self

    def dataset(self, name: str, dataset: xr.Dataset, encoding: Encoding | None = None) -> None:
        """Write a Dataset as plain Zarr v3."""
        write_zarr(self.folder / name, dataset, encoding)
        self._enter(name, {str(n): list(v.shape) for n, v in dataset.data_vars.items()})

    def array(self, name: str, array: NDArray[Any], meaning: Mapping[str, object]) -> None:
        """Write an array as ``.npy`` for memory-mapped point reads; ``meaning`` goes along."""
        np.save(self.folder / name, array, allow_pickle=False)
        self._enter(name, dict(meaning) | {"shape": list(array.shape), "dtype": str(array.dtype)})

    def json(self, name: str, value: Mapping[str, object]) -> None:
        """Write what is neither a field nor a table."""
        (self.folder / name).write_bytes(durable.json_bytes(value))
        self._enter(name, {"format": "json"})

    def link(self, name: str, part: Part) -> None:
        """Hold a product of another part, without writing its bytes again where links are known."""
        source = part.folder / name
        if source.is_dir():
            shutil.copytree(source, self.folder / name, copy_function=_linked)
        else:
            _linked(str(source), str(self.folder / name))
        self._products[name] = part.manifest()["products"][name]

    def manifest(self, **entries: object) -> None:
        """Add entries to the manifest: inputs, degradations, timings, versions."""
        self._manifest.update(entries)

    def _enter(self, name: str, shapes: Mapping[str, object]) -> None:
        self._products[name] = {
            "content": shapes,
            "sha256": durable.sha256_tree(self.folder / name),
        }

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Publish, or clear away what was written where an error came."""
        if kind is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        manifest = {"cycle": self.cycle, "part": self.name, "products": self._products}
        content = durable.json_bytes(manifest | self._manifest)
        (self.folder / "manifest.json").write_bytes(content)
        durable.fsync_tree(self.folder)
        try:
            durable.rename_durable(self.folder, self.target)
            durable.fsync_path(self.store.root / "cycles")
            self.published = True
        except OSError as cause:
            # A published part never changes: a repeated run, or the slower of two, leaves it.
            shutil.rmtree(self.folder)
            if self.store.find(self.cycle, self.name) is None:
                raise StoreError(f"{self.target}: {cause.strerror}") from None
        self._point_latest()

    def _point_latest(self) -> None:
        """Name this part in LATEST unless a later one is named there."""
        latest = self.store.root / "LATEST"
        try:
            named = _read_latest(latest)
        except StoreError:  # damaged: what is published now is the best that is known
            named = None
        if named is not None and _rank(*named) >= _rank(self.cycle, self.name):
            return
        durable.write_atomic(latest, f"{self.cycle}/{self.name}\n".encode("ascii"))


def _linked(source: str, target: str) -> None:
    """Make a hard link, or a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _read_latest(path: Path) -> tuple[str, str] | None:
    """Cycle and part that LATEST names, None where there is no such file."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: {error}") from None
    cycle, _, name = text.partition("/")
    if not is_cycle_name(cycle) or name not in PARTS:
        raise StoreError(f"{path}: {text!r} is not of the form CYCLE/PART")
    return cycle, name


def _rank(cycle: str, name: str) -> tuple[str, int]:
    return cycle, PARTS.index(name)


def packed(
    scale: float, shape: tuple[int, ...], chunks: tuple[int, ...], *, shards: bool = True
) -> dict[str, object]:
    """Return the encoding of an int16 field; ``shards`` keeps a variable in few files."""
    encoding: dict[str, object] = {
        "dtype": "int16",
        "scale_factor": scale,
        "_FillValue": np.int16(-32768),
        "fill_value": np.int16(-32768),  # of chunks that were never written
        "chunks": chunks,
    }
    if shards:
        encoding["shards"] = tuple(-(-n // c) * c for n, c in zip(shape, chunks, strict=True))
    return encoding


def write_zarr(path: Path, dataset: xr.Dataset, encoding: Encoding | None = None) -> None:
    """Write a Dataset as Zarr v3 that plain `xarray.open_zarr` opens.

    What does not fit into a packed variable becomes the largest value that does; it would come
    back with the wrong sign otherwise.
    """
    plain = dataset.drop_encoding()
    named = {name: dict(options) for name, options in (encoding or {}).items()}
    for name, options in named.items():
        if "scale_factor" in options:
            limit = float(str(options["scale_factor"])) * np.iinfo(np.int16).max
            plain[name] = plain[name].clip(-limit, limit, keep_attrs=True)
    plain.to_zarr(path, mode="w", zarr_format=3, consolidated=False, encoding=named)
    consolidate(path)


def consolidate(path: Path) -> None:
    """Copy the arrays' metadata into the group's, where xarray looks for it first.

    It is one more member of ``zarr.json``; readers that do not know it pass it over.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata is currently not part")
        zarr.consolidate_metadata(path, zarr_format=3)
