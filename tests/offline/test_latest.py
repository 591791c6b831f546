"""The latest row per key: the same rows as done by hand, in one order, and the nulls are counted."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provender.core.datasets import Format
from provender.core.errors import Conflict
from provender.core.training import Table, ViewJoin
from provender.offline.asof import EPOCH
from provender.offline.duck import DuckEngine
from provender.offline.latest import CHUNK_ROWS, Latest, latest_rows
from provender.tables.spill import spilling
from tests.offline.test_asof import NOTHING_GOVERNED, START, at
from tests.oracle.asof import in_force
from tests.stress import times

INSTANT = pa.timestamp("us", "UTC")
MINUTES = st.sampled_from([0, 1, 2, None])
ROWS = st.lists(
    st.tuples(
        st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from([1, 1, 2, None])),
        MINUTES,
        MINUTES,
        st.tuples(st.sampled_from([0, 1, None]), st.sampled_from([0, 1, None])),
    ),
    min_size=4,
    max_size=24,
)
BOUND = st.sampled_from([None, None, 0, 1, 2])
"""Small domains, so that many rows have one key and one instant."""


def minutes(values: list[int | None]) -> pa.Array:
    return pa.array([None if value is None else at(value) for value in values], INSTANT)


def table_of(rows: list) -> pa.Table:
    return pa.table(
        {
            "name": pa.array([keys[0] for keys, *_ in rows], pa.string()),
            "number": pa.array([keys[1] for keys, *_ in rows], pa.int64()),
            "seen": minutes([event for _, event, *_ in rows]),
            "loaded": minutes([created for _, _, created, _ in rows]),
            "p": pa.array([values[0] for *_, values in rows], pa.int64()),
            "q": pa.array([values[1] for *_, values in rows], pa.int64()),
        }
    )


def join_of(folder: Path, *, keys: int = 2, created: bool = True, **table: object) -> ViewJoin:
    return ViewJoin(
        view="v",
        table=Table(**{"format": Format.PARQUET, "location": str(folder), **table}),
        keys=(("who", "name"), ("number", "number"))[:keys],
        features=(("q", "Q"),),
        event_timestamp="seen",
        created_timestamp="loaded" if created else None,
        ranked_by=("p", "q"),
    )


def opened(join: ViewJoin, start: int | None = None, end: int | None = None, **options: object):
    engine = DuckEngine(Path(join.table.location).parent / "lake", **options)
    window = {
        "start": None if start is None else at(start),
        "end": None if end is None else at(end),
    }
    return latest_rows(engine, join, NOTHING_GOVERNED, now=START, **window)


def rows_of(found: Latest, first: int = 0) -> list[dict]:
    return [row for batch in found.batches(first) for row in batch.to_pylist()]


def by_hand(rows: list, keys: int, *, created: bool, start: int | None, end: int | None) -> dict:
    """Return per key the q, event and created that are latest, and how many rows lack key or instant."""
    cut = [(row[0][:keys], row[1], row[2] if created else None, row[3]) for row in rows]
    timed = [row for row in cut if row[1] is not None]
    inside = [row for row in timed if (start is None or row[1] >= start)]
    inside = [row for row in inside if end is None or row[1] <= end]
    whole = {row[0] for row in inside if None not in row[0]}
    best = {key: in_force(key, 99, inside) for key in whole}
    return {
        "rows": {key: (row[3][1], row[1], row[2]) for key, row in best.items()},
        "null_keys": sum(None in row[0] for row in inside),
        "null_times": len(cut) - len(timed),
    }


def as_told(found: Latest, keys: int) -> dict:
    def minute(instant: datetime | None) -> int | None:
        return None if instant is None else (instant - START) // timedelta(minutes=1)

    rows = rows_of(found)
    assert len(rows) == found.total
    names = ("who", "number")[:keys]
    return {
        "rows": {
            tuple(row[name] for name in names): (
                row["Q"],
                minute(row["event_timestamp"]),
                minute(row["created_timestamp"]),
            )
            for row in rows
        },
        "null_keys": found.null_keys,
        "null_times": found.null_times,
    }


def in_files(folder: Path, rows: list) -> list[str]:
    """Write the rows to two Parquet files, the first of two row groups."""
    middle = len(rows) // 2
    for number, part in enumerate((rows[:middle], rows[middle:])):
        pq.write_table(table_of(part), folder / f"{number}.parquet", row_group_size=2)
    return [str(folder / f"{number}.parquet") for number in range(2)]


@settings(max_examples=times(60, calm=25), deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ROWS, keys=st.integers(0, 2), created=st.booleans(), start=BOUND, end=BOUND)
def test_they_are_those_done_by_hand(tmp_path, rows, keys, created, start, end):
    with spilling(tmp_path) as folder:
        expected = by_hand(rows, keys, created=created, start=start, end=end)
        files = tuple(in_files(folder, rows))
        join = join_of(folder, keys=keys, created=created, files=files)
        with opened(join, start, end) as found:
            assert found.is_ordered
            assert as_told(found, keys) == expected


@settings(max_examples=times(15, calm=8), deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ROWS, keys=st.integers(0, 2), created=st.booleans(), start=BOUND, end=BOUND)
def test_sources_whose_rows_have_no_numbers_give_the_same(
    tmp_path, rows, keys, created, start, end
):
    with spilling(tmp_path) as folder:
        expected = by_hand(rows, keys, created=created, start=start, end=end)
        path = folder / "rows.csv"
        csv.write_csv(table_of([*rows, ((None, None), None, None, (None, None))]), path)
        join = join_of(path, keys=keys, created=created, format=Format.CSV)
        with opened(join, start, end) as found:
            assert not found.is_ordered
            told = as_told(found, keys)
        assert told == expected | {"null_times": expected["null_times"] + 1}


def test_rows_come_in_one_order_and_from_any_on(tmp_path):
    chance = np.random.default_rng(5)
    count, keys = 3 * CHUNK_ROWS, CHUNK_ROWS + 5_000
    key = np.concatenate([np.arange(keys), chance.integers(0, keys, count - keys)])
    path = tmp_path / "rows.parquet"
    columns = {
        "name": pa.array(key).cast(pa.string()),
        "number": key,
        "seen": pa.array(chance.integers(0, 10**9, count), INSTANT),
        "p": np.zeros(count, np.int64),
        "q": np.arange(count),
    }
    pq.write_table(pa.table(columns), path, row_group_size=100_000)
    with opened(join_of(path, keys=1, created=False), memory_limit="128MB") as found:
        whole = pa.Table.from_batches(found.batches())
        assert found.total == whole.num_rows == keys
        assert (np.diff(whole.column("Q").to_numpy()) > 0).all()
        for first in (0, 1, 77_777, CHUNK_ROWS - 1, CHUNK_ROWS, keys - 1, keys):
            rest = pa.Table.from_batches(found.batches(first), schema=whole.schema)
            assert rest.equals(whole.slice(first))


def test_few_keys_of_a_long_file_come_in_its_order(tmp_path):
    count, keys = 1 << 20, 500
    key = np.arange(count) % keys
    path = tmp_path / "rows.parquet"
    columns = {
        "name": pa.array(key).cast(pa.string()),
        "seen": pa.array(np.arange(count)[::-1].copy(), INSTANT),
        "number": key,
        "p": key,
        "q": np.arange(count),
    }
    pq.write_table(pa.table(columns), path, row_group_size=50_000)
    with opened(join_of(path, keys=1, created=False)) as found:
        assert [row["Q"] for row in rows_of(found)] == list(range(keys))
        assert [row["Q"] for row in rows_of(found, 490)] == list(range(490, keys))


def test_ties_of_every_row_are_settled_within_the_limits(tmp_path):
    count, keys = 600_000, 1_000
    path = tmp_path / "rows.parquet"
    columns = {
        "name": pa.array(np.arange(count) % keys).cast(pa.string()),
        "seen": pa.array(np.zeros(count, np.int64), INSTANT),
        "number": np.arange(count) % keys,
        "p": np.zeros(count, np.int64),
        "q": np.arange(count),
    }
    pq.write_table(pa.table(columns), path)
    with opened(join_of(path, keys=1, created=False), memory_limit="128MB") as found:
        assert [row["Q"] for row in rows_of(found)] == list(range(count - keys, count))


@pytest.mark.parametrize("zone", ["UTC", None])
def test_what_is_finer_than_a_microsecond_is_cut_off(tmp_path, zone):
    kind = pa.timestamp("ns", zone)
    path = tmp_path / "rows.parquet"
    columns = {"name": ["a", "b"], "seen": pa.array([1_600, -1], kind), "p": [1, 2], "q": [1, 2]}
    pq.write_table(pa.table(columns), path)
    tick = timedelta(microseconds=1)
    with opened(join_of(path, keys=1, created=False)) as found:
        assert [row["event_timestamp"] for row in rows_of(found)] == [EPOCH + tick, EPOCH - tick]
    engine = DuckEngine(tmp_path)
    join = join_of(path, keys=1, created=False)
    whole = engine.latest(join, NOTHING_GOVERNED, start=EPOCH, end=EPOCH + tick, now=START)
    assert [row["event_timestamp"] for batch in whole for row in batch.to_pylist()] == [
        EPOCH + tick
    ]


@pytest.mark.parametrize(
    ("kind", "instant"),
    [(pa.string(), "2024-01-02T00:00:00Z"), (pa.date32(), date(2024, 1, 2))],
)
def test_instants_of_other_types_are_read_as_instants(tmp_path, kind, instant):
    path = tmp_path / "rows.parquet"
    columns = {"name": ["a"], "seen": pa.array([instant], kind), "p": [1], "q": [2]}
    pq.write_table(pa.table(columns), path)
    with opened(join_of(path, keys=1, created=False)) as found:
        [row] = rows_of(found)
    assert (row["event_timestamp"], row["Q"]) == (datetime(2024, 1, 2, tzinfo=UTC), 2)


def test_encoded_columns_come_out_plain(tmp_path):
    path = tmp_path / "rows.parquet"
    name = pa.array(["a", "b"]).dictionary_encode()
    columns = {
        "name": name,
        "seen": minutes([1, 2]),
        "p": [1, 2],
        "q": pa.array(["x", "y"]).dictionary_encode(),
    }
    pq.write_table(pa.table(columns), path)
    with opened(join_of(path, keys=1, created=False)) as found:
        [batch] = found.batches()
    assert batch.schema.field("who").type == pa.string()
    assert batch.column("Q").to_pylist() == ["x", "y"]


def test_a_file_that_changes_meanwhile_is_refused(tmp_path):
    rows = [(("a", 1), 1, 1, (1, 1)), (("b", 1), 1, 1, (1, 1))]
    path = tmp_path / "rows.parquet"
    pq.write_table(table_of(rows), path)
    with opened(join_of(path)) as found:
        pq.write_table(table_of(rows[:1]), path)
        with pytest.raises(Conflict, match="changed while it was read"):
            rows_of(found)
