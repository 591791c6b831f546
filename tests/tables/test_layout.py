"""Optimized versions: the very same rows, sorted, in small row groups that say which keys they hold."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provender.core.datasets import Dataset, DatasetVersion, Format, Layout, Manifest
from provender.core.errors import Corrupt, InvalidInput
from provender.core.names import DatasetRef
from provender.tables import layout
from provender.tables.layout import buckets, layout_of, row_groups, write_optimized
from provender.tables.rows import logical_digest
from provender.tables.versions import append_version, verify_version, write_version
from tests.tables.conftest import NOON

Declare = Callable[..., Dataset]
Weather = Callable[..., pa.Table]
Read = Callable[[Path, Manifest], pa.Table]
HISTORY = Dataset(
    ref=DatasetRef("a", "history"),
    description="",
    owner="team:x",
    format=Format.PARQUET,
    event_timestamp="t",
)


def published(dataset: Dataset, manifest: Manifest, number: int = 1) -> DatasetVersion:
    return DatasetVersion(
        ref=dataset.ref.at(number), manifest=manifest, published_at=NOON, published_by="person:ana"
    )


def history(rows: int, *, keys: int) -> pa.Table:
    """Rows in an order that has nothing to do with their keys and times."""
    scattered = [(n * 7919) % rows for n in range(rows)]
    return pa.table(
        {
            "k": pa.array([n % keys for n in scattered], pa.int64()),
            "t": pa.array([n * 1_000_000 for n in scattered], pa.timestamp("us", "UTC")),
            "x": pa.array([n / 7 if n % 5 else None for n in scattered], pa.float64()),
            "s": pa.array([f"s{n % 11}" for n in scattered]),
        }
    )


def optimized(
    lake: Path, rows: pa.Table, *, keys: tuple[str, ...] = ("k",), **changes: int
) -> tuple[Manifest, Manifest]:
    first = write_version(lake, HISTORY, rows)
    version = published(HISTORY, first)
    wanted = replace(layout_of(version, keys), **changes)
    return first, write_optimized(lake, version, wanted)


def test_the_same_rows_have_the_same_content_in_another_place(lake: Path, read: Read) -> None:
    rows = history(1000, keys=50)
    first, second = optimized(lake, rows)
    assert second.content == first.content
    assert second.location != first.location
    assert logical_digest(read(lake, second)) == logical_digest(rows)
    assert read(lake, second).schema.equals(read(lake, first).schema)
    assert second.layout == Layout(
        keys=("k",), event_timestamp="t", buckets=1, rows_per_group=layout.ROWS_PER_GROUP
    )
    assert second.inputs == (HISTORY.ref.at(1),)
    verify_version(lake, first)
    verify_version(lake, second)


def test_each_bucket_is_one_file_sorted_by_key_and_time_and_no_key_is_in_two(lake: Path) -> None:
    _, second = optimized(lake, history(5000, keys=97), buckets=4, rows_per_group=256)
    assert [file.path for file in second.files] == [f"part-{n:05}.parquet" for n in range(4)]
    seen: list[set[int]] = []
    for file in second.files:
        stored = pq.read_table(lake / second.location / file.path)
        assert stored.equals(stored.sort_by([("k", "ascending"), ("t", "ascending")]))
        seen.append(set(stored.column("k").to_pylist()))
    assert len(set().union(*seen)) == sum(map(len, seen)) == 97
    assert row_groups(lake, second) >= 5000 / 256


def test_row_groups_say_which_keys_they_hold_and_floats_say_nothing(lake: Path) -> None:
    _, second = optimized(lake, history(5000, keys=97), rows_per_group=256)
    metadata = pq.read_metadata(lake / second.location / second.files[0].path)
    ranges = []
    for group in range(metadata.num_row_groups):
        k, t, x, _ = (metadata.row_group(group).column(n) for n in range(4))
        ranges.append((k.statistics.min, k.statistics.max))
        assert t.statistics.has_min_max
        assert x.statistics is None
        assert metadata.row_group(group).num_rows <= 256
    assert ranges == sorted(ranges)
    assert all(one[1] <= other[0] for one, other in pairwise(ranges))


def test_optimizing_again_writes_the_same_place(lake: Path) -> None:
    _, once = optimized(lake, history(1000, keys=50))
    _, twice = optimized(lake, history(1000, keys=50))
    assert once == twice


def test_rows_behind_an_optimized_version_take_its_layout_away(lake: Path, read: Read) -> None:
    rows, more = history(1000, keys=50), history(10, keys=3)
    _, second = optimized(lake, rows)
    third = append_version(lake, HISTORY, published(HISTORY, second, 2), more)
    assert third.layout is None
    assert len(third.files) == 2
    assert logical_digest(read(lake, third)) == logical_digest(pa.concat_tables([rows, more]))


def test_a_changed_file_is_refused_and_nothing_is_kept(lake: Path) -> None:
    first = write_version(lake, HISTORY, history(1000, keys=50))
    file = lake / first.location / first.files[0].path
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    version = published(HISTORY, first)
    with pytest.raises(Corrupt, match=r"part-00000\.parquet holds other bytes"):
        write_optimized(lake, version, layout_of(version, ["k"]))
    assert [path.name for path in (lake / "a/history").iterdir()] == [Path(first.location).name]


def test_rows_that_would_not_be_the_same_are_not_kept(lake: Path) -> None:
    first = write_version(lake, HISTORY, history(1000, keys=50))
    lying = published(HISTORY, replace(first, logical_digest="sha256:" + "0" * 64))
    with pytest.raises(Corrupt, match="1000 rows were sorted"):
        write_optimized(lake, lying, layout_of(lying, ["k"]))
    assert [path.name for path in (lake / "a/history").iterdir()] == [Path(first.location).name]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ((), "nothing cannot be the keys"),
        (("k", "k"), "k, k cannot be the keys"),
        (("k", "t"), "k, t cannot be the keys"),
        (("kk",), "no column 'kk'"),
    ],
)
def test_keys_are_columns_named_once(lake: Path, keys: tuple[str, ...], said: str) -> None:
    version = published(HISTORY, write_version(lake, HISTORY, history(10, keys=2)))
    with pytest.raises(InvalidInput, match=said):
        layout_of(version, keys)


@pytest.mark.parametrize("fmt", [Format.CSV, Format.DELTA])
def test_only_parquet_is_laid_out(
    lake: Path, declare: Declare, weather: Weather, fmt: Format
) -> None:
    dataset = declare(fmt)
    version = published(dataset, write_version(lake, dataset, weather()))
    with pytest.raises(InvalidInput, match=f"is kept as {fmt}; only parquet can be optimized"):
        layout_of(version, ["origin"])


def test_without_an_event_timestamp_there_is_nothing_to_sort_by(
    lake: Path, declare: Declare, weather: Weather
) -> None:
    dataset = declare(Format.PARQUET, event_timestamp=None)
    version = published(dataset, write_version(lake, dataset, weather()))
    with pytest.raises(InvalidInput, match="declares no event timestamp"):
        layout_of(version, ["origin"])


@pytest.mark.parametrize(
    ("row_count", "size_bytes", "number"),
    [(1, 1, 1), (1 << 24, 1, 1), ((1 << 24) + 1, 1, 2), (10, (5 << 30) - 1, 5), (50_000_000, 1, 3)],
)
def test_buckets_follow_from_rows_and_bytes(row_count: int, size_bytes: int, number: int) -> None:
    assert buckets(row_count, size_bytes) == number


cells = st.tuples(
    st.none() | st.integers(-2, 2),
    st.none() | st.text(max_size=2),
    st.integers(0, 5),
    st.none() | st.floats(),
)


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(cells, min_size=1, max_size=40), number=st.integers(1, 4))
def test_optimized_rows_are_the_rows(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple], number: int
) -> None:
    k, s, t, x = zip(*rows, strict=True)
    table = pa.table(
        {
            "k": pa.array(k, pa.int64()),
            "s": pa.array(s, pa.string()),
            "t": pa.array(t, pa.timestamp("us", "UTC")),
            "x": pa.array(x, pa.float64()),
        }
    )
    lake = tmp_path_factory.mktemp("lake")
    _, second = optimized(lake, table, keys=("k", "s"), buckets=number, rows_per_group=4)
    stored = [pq.read_table(lake / second.location / file.path) for file in second.files]
    assert logical_digest(pa.concat_tables(stored)) == logical_digest(table)


FULL = """
import resource, sys
from pathlib import Path
from provender.core.errors import Unavailable
from provender.tables.layout import layout_of, write_optimized
from provender.values import from_json
from provender.core.datasets import DatasetVersion
version = from_json(DatasetVersion, sys.stdin.read())
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    write_optimized(Path(sys.argv[1]), version, layout_of(version, ["k"]), memory_limit=sys.argv[2])
except Unavailable as error:
    print(error)
"""


@pytest.mark.parametrize("memory_limit", ["", "60MB"])
def test_a_full_disk_leaves_nothing_behind_while_writing_or_sorting(
    lake: Path, memory_limit: str
) -> None:
    from provender.values import to_json

    first = write_version(lake, HISTORY, history(400_000 if memory_limit else 50_000, keys=50))
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(lake), memory_limit],
        input=to_json(published(HISTORY, first)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"the lake {lake} cannot be written" in done.stdout, done
    assert "make room on the disk" in done.stdout
    assert [path.name for path in (lake / "a/history").iterdir()] == [Path(first.location).name]
    assert sorted(path.name for path in (lake / ".staging").iterdir()) == ["area.lock"]
