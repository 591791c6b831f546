"""One Parquet file out of a stream: whole or not at all, whoever is killed when."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from provender.core.errors import InvalidInput
from provender.tables import locks, swaps
from provender.tables.parquet import ROW_GROUP_BYTES, ROW_GROUP_ROWS, row_groups
from provender.tables.rows import RunningDigest, logical_digest
from provender.tables.stream import Taken, staged, write_rows
from provender.tables.upkeep import Kind, sweep
from tests.stress import times
from tests.tables.generators import tables

SCHEMA = pa.schema([("n", pa.int64())])
WIDE = pa.schema([("embedding", pa.list_(pa.float32(), 400))])
WRITER = """
import sys, time
from pathlib import Path
import pyarrow as pa
from provender.tables.stream import staged, write_rows

target, folder = Path(sys.argv[1]), sys.argv[2] == "folder"
schema = pa.schema([("n", pa.int64())])
def batches():
    for _ in range(40):
        yield pa.record_batch([pa.array([2] * 5000)], schema=schema)
        time.sleep(0.005)
print("ready", flush=True)
with staged(target, folder=folder) as place:
    write_rows(place / "part-0.parquet" if folder else place, schema, batches())
"""

KILLED = """
import os, signal, sys
from pathlib import Path
from provender.tables import swaps
from provender.tables.stream import staged

target, spill, kind, moment = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
swaps.RENAME_EXCHANGE = int(sys.argv[5])

def kill(event, arguments):
    made = event == "open" and str(arguments[0]).endswith(".partial") and os.path.exists(arguments[0])
    half = event == "os.rename" and not target.exists()
    if (made and moment == "made") or (half and moment == "half"):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
with staged(target, folder=kind == "folder", spill=spill) as place:
    (place / "new" if kind == "folder" else place).write_text("new")
"""
"""Is killed when the hidden file is there, or when the target is not there (any more)."""
UNKNOWN = 1 << 30
"""A flag that no kernel knows, so that it refuses as one that cannot exchange does."""


def batches(*sizes: int) -> Iterator[pa.RecordBatch]:
    for size in sizes:
        yield pa.record_batch([pa.array([1] * size, pa.int64())], schema=SCHEMA)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_row_groups_have_one_size_whatever_the_batches(tmp_path: Path) -> None:
    target = tmp_path / "rows.parquet"
    assert write_rows(target, SCHEMA, batches(1, 200_000, 0, 100_000, 7)) == 300_008
    groups = pq.read_metadata(target)
    sizes = [groups.row_group(n).num_rows for n in range(groups.num_row_groups)]
    assert sizes == [ROW_GROUP_ROWS] * 2 + [300_008 - 2 * ROW_GROUP_ROWS]


def wide(count: int, held: list[int]) -> Iterator[pa.RecordBatch]:
    """Yield batches of 1000 rows of 1600 bytes, and note how much memory Arrow holds."""
    before = pa.total_allocated_bytes()
    for _ in range(count):
        values = pa.repeat(pa.scalar(0, pa.float32()), 400_000)
        yield pa.record_batch([pa.FixedSizeListArray.from_arrays(values, 400)], schema=WIDE)
        held.append(pa.total_allocated_bytes() - before)


def test_wide_rows_are_held_by_their_bytes(tmp_path: Path) -> None:
    target, held = tmp_path / "rows.parquet", list[int]()
    assert write_rows(target, WIDE, wide(250, held)) == 250_000
    assert max(held) < 4 * ROW_GROUP_BYTES
    groups = pq.read_metadata(target)
    sizes = [groups.row_group(n).num_rows * 1600 for n in range(groups.num_row_groups)]
    assert all(ROW_GROUP_BYTES * 0.9 < size <= ROW_GROUP_BYTES for size in sizes[:-1])


def test_a_row_that_is_wider_than_a_group_is_one() -> None:
    texts = ["a" * ROW_GROUP_BYTES, "b", "c" * ROW_GROUP_BYTES]
    batch = pa.record_batch({"text": texts})
    groups = list(row_groups((batch.slice(n, 1) for n in range(3)), batch.schema))
    assert [text for group in groups for text in group["text"].to_pylist()] == texts
    assert [group.num_rows for group in groups] == [1, 1, 1]


def test_tiny_batches_cost_no_more_each_the_more_there_are(tmp_path: Path) -> None:
    began = time.process_time()
    assert write_rows(tmp_path / "rows.parquet", SCHEMA, batches(*[1] * 30_000)) == 30_000
    assert time.process_time() - began < 10, "a second, if each is looked at once"


def test_no_rows_make_a_file_with_columns(tmp_path: Path) -> None:
    assert write_rows(tmp_path / "rows.parquet", SCHEMA, []) == 0
    assert pq.read_table(tmp_path / "rows.parquet").schema == SCHEMA


def test_metadata_is_asked_for_at_the_end(tmp_path: Path) -> None:
    seen: list[int] = []

    def counted() -> Iterator[pa.RecordBatch]:
        for batch in batches(1, 1):
            seen.append(1)
            yield batch

    target = tmp_path / "rows.parquet"
    write_rows(target, SCHEMA, counted(), metadata=lambda: {"seen": str(len(seen))})
    assert pq.read_metadata(target).metadata[b"seen"] == b"2"


def one_row(target: Path) -> None:
    with staged(target) as file:
        write_rows(file, SCHEMA, batches(1))


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "rows.parquet").mkdir()
    for target in (tmp_path / "file" / "rows.parquet", tmp_path / "rows.parquet"):
        with pytest.raises(InvalidInput, match=r"rows\.parquet cannot be written"):
            one_row(target)
    assert files(tmp_path) == ["file", "rows.parquet"]


def test_what_others_are_writing_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "rows.parquet"
    with staged(target) as mine:
        write_rows(mine, SCHEMA, batches(1))
        os.utime(mine, (0, 0))
        with staged(target) as theirs:
            write_rows(theirs, SCHEMA, batches(2))
        assert mine.exists()
    assert pq.read_metadata(target).num_rows == 1
    assert files(tmp_path) == ["rows.parquet"]


def test_a_folder_that_was_moved_aside_is_put_back(tmp_path: Path) -> None:
    target = tmp_path / "rows"
    with staged(target, folder=True) as folder:
        write_rows(folder / "part-0.parquet", SCHEMA, batches(3))
    target.rename(tmp_path / f".rows.{'0' * 16}{locks.ASIDE}")
    with pytest.raises(KeyboardInterrupt), staged(target, folder=True):
        raise KeyboardInterrupt
    assert files(tmp_path) == ["rows"]
    assert pq.read_table(target).num_rows == 3


def test_what_is_staged_for_a_longer_name_is_left_alone(tmp_path: Path) -> None:
    others = [f".a.b.{'0' * 16}.aside", f".a.b.{'0' * 16}.partial", ".a.0123.aside", ".a.x.partial"]
    for name in others:
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (0, 0))
    with staged(tmp_path / "a", folder=True) as place:
        (place / "rows").write_text("mine")
    assert files(tmp_path) == sorted(["a", *others])


def test_what_a_living_process_moved_aside_is_left_alone(tmp_path: Path) -> None:
    aside = tmp_path / f".rows.{'0' * 16}{locks.ASIDE}"
    (tmp_path / "rows").mkdir()
    with swaps.kept(tmp_path / "rows"):
        (tmp_path / "rows").rename(aside)
        with pytest.raises(KeyboardInterrupt), staged(tmp_path / "rows", folder=True):
            raise KeyboardInterrupt
        assert files(tmp_path) == [aside.name]
    with pytest.raises(KeyboardInterrupt), staged(tmp_path / "rows", folder=True):
        raise KeyboardInterrupt
    assert files(tmp_path) == ["rows"]


def killed(target: Path, spill: Path, kind: str, moment: str, flag: int) -> int:
    return subprocess.run(
        [sys.executable, "-c", KILLED, str(target), str(spill), kind, moment, str(flag)],
        check=False, timeout=60,
    ).returncode  # fmt: skip


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_writer_made_is_noted_before_it_is_there(tmp_path: Path, kind: str) -> None:
    (lake := tmp_path / "lake").mkdir()
    out, spill = tmp_path / "out", tmp_path / "spill"
    assert killed(out / "rows", spill, kind, "made", UNKNOWN) == -signal.SIGKILL
    (left,) = out.iterdir()
    assert left in {finding.path for finding in sweep(lake, [spill], list)}
    assert all(finding.removed for finding in sweep(lake, [spill], list, clean=True))
    assert files(out) == []


@pytest.mark.parametrize("flag", [swaps.RENAME_EXCHANGE, UNKNOWN])
@pytest.mark.parametrize("cleaner", ["sweep", "the next"])
def test_a_folder_is_there_whenever_its_writer_is_killed(
    tmp_path: Path, flag: int, cleaner: str
) -> None:
    (lake := tmp_path / "lake").mkdir()
    out, spill = tmp_path / "out", tmp_path / "spill"
    (out / "rows").mkdir(parents=True)
    (out / "rows" / "old").write_text("old")
    code = killed(out / "rows", spill, "folder", "half", flag)
    if code == 0:  # the kernel exchanged the two, so there was no such moment
        assert files(out / "rows") == ["new"]
        return
    assert code == -signal.SIGKILL
    named = {finding.path for finding in sweep(lake, [spill], list)}
    assert named >= set(out.iterdir())
    if cleaner == "sweep":
        found = sweep(lake, [spill], list, clean=True)
        assert {finding.kind for finding in found} == {Kind.ORPHAN}
        assert all(finding.removed for finding in found)
    else:
        for left in out.iterdir():
            os.utime(left, (0, 0))
        with pytest.raises(KeyboardInterrupt), staged(out / "rows", folder=True, spill=spill):
            raise KeyboardInterrupt
    assert files(out) == ["rows"]
    assert files(out / "rows") == ["old"]
    assert sweep(lake, [spill], list) == []


def test_a_folder_is_replaced_where_the_kernel_cannot_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swaps, "RENAME_EXCHANGE", UNKNOWN)
    for text in ("old", "new"):
        with staged(tmp_path / "rows", folder=True) as place:
            (place / text).write_text(text)
    assert files(tmp_path) == ["rows"]
    assert files(tmp_path / "rows") == ["new"]


@pytest.mark.parametrize("flag", [swaps.RENAME_NOREPLACE, UNKNOWN])
@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("other", ["file", "folder"])
def test_what_is_not_to_be_replaced_stays(
    tmp_path: Path, kind: str, other: str, flag: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swaps, "RENAME_NOREPLACE", flag)
    target = tmp_path / "rows"

    def stage(before: Callable[[], None]) -> None:
        with staged(target, folder=kind == "folder", replace=False) as place:
            (place / "new" if kind == "folder" else place).write_text("new")
            before()

    def take() -> None:
        if other == "folder":
            target.mkdir()
        (target / "old" if other == "folder" else target).write_text("old")

    with pytest.raises(Taken, match="rows is there already"):
        stage(take)
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["old"]
    assert files(tmp_path) == ["rows"]
    target.rename(tmp_path / "other")
    stage(lambda: None)
    assert (target / "new" if kind == "folder" else target).read_text() == "new"
    assert files(tmp_path) == ["other", "rows"]


def test_a_file_is_not_made_where_a_folder_is_before_anything_is_computed(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    with pytest.raises(InvalidInput, match="Is a directory"), staged(tmp_path / "rows"):
        pytest.fail("it was computed")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_killed_writer_leaves_the_old_or_the_new_and_the_next_one_clears_up(
    tmp_path: Path, kind: str
) -> None:
    target = tmp_path / ("rows" if kind == "folder" else "rows.parquet")
    chance = random.Random(kind)
    outcomes: set[int] = set()
    for _ in range(times(20, calm=4)):
        with staged(target, folder=kind == "folder") as place:
            file = place / "part-0.parquet" if kind == "folder" else place
            write_rows(file, SCHEMA, batches(3))
        assert files(tmp_path) == [target.name]
        killed = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(target), kind], stdout=subprocess.PIPE
        )
        assert killed.stdout is not None
        with killed.stdout:
            assert killed.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0, 0.4))
            killed.send_signal(signal.SIGKILL)
            killed.wait()
        for left in tmp_path.iterdir():
            os.utime(left, (0, 0))
        with pytest.raises(KeyboardInterrupt), staged(target, folder=kind == "folder"):
            raise KeyboardInterrupt
        assert files(tmp_path) == [target.name]
        rows = pq.read_table(target).column("n").to_pylist()
        assert rows in ([1] * 3, [2] * 200_000)
        outcomes.add(len(rows))
    assert outcomes >= {3}


@settings(deadline=None, max_examples=times(25, calm=10))
@given(tables())
def test_the_running_digest_is_that_of_the_whole(table: pa.Table) -> None:
    running = RunningDigest(table.schema)
    passed = list(running.through(table.to_batches(max_chunksize=2)))
    assert sum(batch.num_rows for batch in passed) == table.num_rows
    assert running.value == logical_digest(table)
    assert running.row_count == table.num_rows
