import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
import xarray as xr

from jinghu.grid import durable
from jinghu.grid.errors import ConfigError, StoreError
from jinghu.grid.store import Store, packed, write_zarr

FIRST, SECOND = "20190809T1624Z", "20190809T1630Z"


def rain(value, shape=(3, 8, 10)):
    return xr.Dataset({"rainfall_rate": (("lead_time", "y", "x"), np.full(shape, value, "f4"))})


def publish(store, cycle, value, name="fast"):
    with store.publish(cycle, name) as part:
        part.dataset("products.zarr", rain(value))
        part.array("points.npy", np.full((80, 3), value, "f4"), {"columns": ["a", "b", "c"]})
        part.manifest(time=cycle, degradations=["no gauges"])
    return part


def value_of(part):
    return float(part.open("products.zarr")["rainfall_rate"].max())


def test_an_empty_store_has_no_latest(store):
    assert store.latest() is None
    assert store.cycles() == []
    assert store.newest_part(FIRST) is None


def test_what_was_published_is_read_back(store):
    assert publish(store, FIRST, 1.5).published
    latest = store.latest()
    assert (latest.cycle, latest.name) == (FIRST, "fast")
    assert (store.root / "LATEST").read_text() == f"{FIRST}/fast\n"
    assert value_of(latest) == 1.5
    assert latest.open_array("points.npy").shape == (80, 3)
    manifest = latest.manifest()
    assert manifest["degradations"] == ["no gauges"]
    assert manifest["products"]["products.zarr"]["content"] == {"rainfall_rate": [3, 8, 10]}
    assert manifest["products"]["points.npy"]["content"]["columns"] == ["a", "b", "c"]
    assert latest.verify() == []


def test_plain_xarray_opens_it(store):
    publish(store, FIRST, 1.5)
    path = store.root / "cycles" / FIRST / "fast" / "products.zarr"
    opened = xr.open_zarr(path)
    assert float(opened["rainfall_rate"].mean()) == 1.5
    assert json.loads((path / "zarr.json").read_text())["zarr_format"] == 3


def test_publishing_again_changes_nothing(store):
    publish(store, FIRST, 1.0)
    folder = store.root / "cycles" / FIRST / "fast"
    before = durable.sha256_tree(folder), folder.stat().st_ino
    assert not publish(store, FIRST, 2.0).published
    assert (durable.sha256_tree(folder), folder.stat().st_ino) == before
    assert [p.name for p in folder.parent.iterdir()] == ["fast"]


def test_latest_only_moves_forward(store):
    publish(store, SECOND, 2.0)
    publish(store, FIRST, 1.0)
    assert store.latest().cycle == SECOND
    assert store.cycles() == [SECOND, FIRST]
    publish(store, SECOND, 2.5, "full")
    assert (store.latest().cycle, store.latest().name) == (SECOND, "full")
    publish(store, FIRST, 1.5, "full")
    assert value_of(store.latest()) == 2.5
    assert store.newest_part(FIRST).name == "full"


@pytest.mark.parametrize("product", ["products.zarr", "points.npy"])
def test_a_flipped_byte_is_found(store, product):
    publish(store, FIRST, 1.0)
    path = store.latest().folder / product
    file = path if path.is_file() else max(path.rglob("c/*/*/*"), key=lambda p: p.stat().st_size)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert store.latest().verify() == [product]


def test_a_lost_product_is_found(store):
    publish(store, FIRST, 1.0)
    shutil.rmtree(store.latest().folder / "products.zarr")
    assert store.latest().verify() == ["products.zarr"]
    with pytest.raises(StoreError, match="no such product"):
        store.latest().open("products.zarr")


def test_an_error_inside_leaves_nothing(store):
    publish(store, FIRST, 1.0)

    def stopped_midway():
        with store.publish(SECOND, "fast") as part:
            part.dataset("products.zarr", rain(2.0))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stopped_midway()
    assert value_of(store.latest()) == 1.0
    assert store.cycles() == [FIRST]
    assert list((store.root / "cycles" / SECOND).iterdir()) == []
    assert publish(store, SECOND, 2.0).published


STEPS = ["write_bytes", "fsync_tree", "rename_durable", "write_atomic"]


@pytest.mark.parametrize("step", STEPS)
def test_a_failure_at_each_step_keeps_the_last_cycle(store, monkeypatch, step):
    """Disk full, say, while the part is written, flushed, renamed or named."""
    publish(store, FIRST, 1.0)

    def full(*args):
        raise OSError(28, "No space left on device")

    owner = __import__("pathlib").Path if step == "write_bytes" else durable
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, full)
        with pytest.raises((OSError, StoreError), match="No space left"):
            publish(store, SECOND, 2.0)
    assert value_of(store.latest()) == 1.0
    assert store.latest().verify() == []
    store.create()
    publish(store, SECOND, 2.0)
    assert value_of(store.latest()) == 2.0
    assert store.latest().verify() == []


KILLED = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    import numpy as np, xarray as xr
    from jinghu.grid import durable
    from jinghu.grid.store import Store

    root, cycle, step = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    when, name = step.split(":")
    whole = getattr(durable, name)

    def killed(*args):
        if when == "after":
            whole(*args)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(durable, name, killed)
    with Store(root).create().publish(cycle, "fast") as part:
        part.dataset("products.zarr", xr.Dataset({"rainfall_rate": ("x", np.full(9, 2.0, "f4"))}))
    """
)


@pytest.mark.parametrize(
    "step", ["before:sha256_tree", "before:fsync_tree", "before:rename_durable",
             "after:rename_durable", "after:write_atomic"]
)  # fmt: skip
def test_kill_9_at_each_step_keeps_the_last_cycle(store, step):
    publish(store, FIRST, 1.0)
    command = [sys.executable, "-c", KILLED, str(store.root), SECOND, step]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    named = store.latest()
    assert named.cycle == (SECOND if step == "after:write_atomic" else FIRST)
    assert named.verify() == []
    assert all(store.newest_part(cycle) is not None for cycle in store.cycles())
    publish(store.create(), SECOND, 2.0)
    assert value_of(store.latest()) == 2.0
    assert list(store.root.rglob(".tmp-*")) == []


def test_readers_see_only_whole_parts_while_cycles_are_published(store):
    seen, problems, done = set(), [], threading.Event()

    def read():
        while not done.is_set():
            part = store.latest()
            if part is None:
                continue
            field = part.open("products.zarr")["rainfall_rate"].values
            if part.verify() or np.ptp(field) != 0 or part.manifest()["time"] != part.cycle:
                problems.append(part)
            seen.add(part.cycle)

    reader = threading.Thread(target=read)
    reader.start()
    for minute in range(0, 60, 6):
        publish(store, f"20190809T16{minute:02d}Z", float(minute))
    done.set()
    reader.join()
    assert problems == []
    assert seen


def test_the_slower_of_two_processes_leaves_the_part_of_the_faster(store):
    slow = store.publish(FIRST, "fast")
    with slow as part:
        part.dataset("products.zarr", rain(1.0))
        other = store.root / "cycles" / FIRST / ".tmp-fast-other"
        shutil.copytree(part.folder, other)
        (other / "manifest.json").write_text(json.dumps({"products": {}, "by": "other"}))
        os.rename(other, store.root / "cycles" / FIRST / "fast")
    assert not slow.published
    assert store.latest().manifest()["by"] == "other"


def test_half_written_parts_are_not_listed(store):
    publish(store, FIRST, 1.0)
    half = store.root / "cycles" / SECOND / ".tmp-fast-1"
    half.mkdir(parents=True)
    (half / "manifest.json").write_text("{}")
    assert store.cycles() == [FIRST]


@pytest.mark.parametrize("content", ["", "20190809T1630Z", "x/fast", f"{FIRST}/draft", "\xff"])
def test_a_damaged_latest_is_named_and_the_next_publication_mends_it(store, content):
    publish(store, FIRST, 1.0)
    (store.root / "LATEST").write_text(content, encoding="latin-1")
    with pytest.raises(StoreError, match="LATEST"):
        store.latest()
    publish(store, FIRST, 1.0)
    assert store.latest().cycle == FIRST


@pytest.mark.parametrize("content", ["", "{", "[]", '{"products": 3}'])
def test_a_damaged_manifest_is_named(store, content):
    publish(store, FIRST, 1.0)
    (store.latest().folder / "manifest.json").write_text(content)
    with pytest.raises(StoreError, match=r"manifest\.json"):
        store.latest().verify()


def test_names_that_are_no_cycle_or_part_are_refused(store):
    for call in (store.publish, store.find, store.part):
        with pytest.raises(ConfigError, match="not of the form"):
            call("../../etc", "fast")
        with pytest.raises(StoreError, match="parts"):
            call(FIRST, "draft")
    with pytest.raises(StoreError, match="is not published"):
        store.part(FIRST, "fast")


def test_a_damaged_array_is_named(store):
    publish(store, FIRST, 1.0)
    (store.latest().folder / "points.npy").write_bytes(b"\x93NUMPY\x01")
    with pytest.raises(StoreError, match=r"points\.npy"):
        store.latest().open_array("points.npy")


def test_a_store_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        Store(tmp_path / "file").create()


@pytest.mark.parametrize("shards", [True, False])
def test_packed_fields_keep_missing_and_never_change_sign(tmp_path, shards):
    values = np.array([[0.0, 0.01, 0.03], [np.nan, 655.34, 900.0]], np.float32)
    dataset = xr.Dataset({"rainfall_rate": (("y", "x"), values)})
    encoding = {"rainfall_rate": packed(0.02, (2, 3), (1, 3), shards=shards)}
    write_zarr(tmp_path / "x.zarr", dataset, encoding)
    back = xr.open_zarr(tmp_path / "x.zarr")["rainfall_rate"].values
    expected = np.array([[0.0, 0.0, 0.04], [np.nan, 655.34, 655.34]])
    np.testing.assert_allclose(back, expected, atol=0.0201)
    np.testing.assert_array_equal(np.isnan(back), np.isnan(values))
    assert (back[1, 1:] > 600).all()
