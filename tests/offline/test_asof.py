"""The SQL of a point-in-time join against the one done by hand, all options crossed."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provender.core.datasets import Format
from provender.core.errors import InvalidInput
from provender.core.policy import Action, Permit
from provender.core.training import PointInTimePlan, Table, ViewJoin
from provender.offline.duck import DuckEngine
from tests.oracle.asof import asof

START = datetime(2026, 1, 1, tzinfo=UTC)
NOTHING_GOVERNED = Permit(
    decision="dec_test", actor="person:test", action=Action.READ, purpose="test",
    columns=frozenset(), decided_at=START,
)  # fmt: skip

minutes = st.integers(0, 6)
maybe_minutes = st.one_of(st.none(), minutes)
keys = st.sampled_from(["a", "b"])
maybe_keys = st.one_of(st.none(), keys)
values = st.one_of(st.none(), st.integers(0, 2))
view_rows = st.lists(
    st.tuples(maybe_keys, maybe_keys, maybe_minutes, maybe_minutes, values), max_size=12
)
spines = st.lists(st.tuples(maybe_keys, maybe_keys, maybe_minutes), min_size=1, max_size=8)
ttls = st.one_of(st.none(), st.integers(1, 3))


def at(minute):
    return None if minute is None else START + timedelta(minutes=minute)


def view_file(folder, rows):
    """Write ``(k1, k2, event, created, value)`` rows and return the table that names the file."""
    instant = pa.timestamp("us", tz="UTC")
    columns = list(zip(*rows, strict=True)) or [(), (), (), (), ()]
    table = pa.table(
        {
            "k1": pa.array(columns[0], pa.string()),
            "k2": pa.array(columns[1], pa.string()),
            "event": pa.array([at(m) for m in columns[2]], instant),
            "created": pa.array([at(m) for m in columns[3]], instant),
            "x": pa.array(columns[4], pa.int64()),
        }
    )
    path = folder / "view.parquet"
    pq.write_table(table, path)
    return Table(format=Format.PARQUET, location=str(path))


def spine_table(rows):
    k1, k2, t = zip(*rows, strict=True)
    return pa.table(
        {
            "p1": pa.array(k1, pa.string()),
            "p2": pa.array(k2, pa.string()),
            "t": pa.array([at(m) for m in t], pa.timestamp("us", tz="UTC")),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("asof")


@settings(max_examples=150, deadline=None)
@given(
    rows=view_rows, spine=spines, ttl=ttls, known_by_then=st.booleans(), n_keys=st.integers(0, 2)
)
def test_the_join_agrees_with_the_one_done_by_hand(folder, rows, spine, ttl, known_by_then, n_keys):
    join = ViewJoin(
        view="v",
        table=view_file(folder, rows),
        keys=(("p1", "k1"), ("p2", "k2"))[:n_keys],
        features=(("x", "x"),),
        event_timestamp="event",
        created_timestamp="created",
        ttl=timedelta(minutes=ttl) if ttl else None,
    )
    plan = PointInTimePlan(event_timestamp="t", joins=(join,), known_by_then=known_by_then)
    answer = DuckEngine(folder).run(plan, spine_table(spine), NOTHING_GOVERNED, now=START)
    expected = asof(
        [(tuple(row[:n_keys]), row[2]) for row in spine],
        [(row[:n_keys], row[2], row[3], (row[4],)) for row in rows],
        ttl=ttl,
        known_by_then=known_by_then,
    )
    assert answer.rows.column("x").to_pylist() == [e and e[0] for e in expected]
    assert answer.rows.select(["p1", "p2", "t"]) == spine_table(spine)


@settings(max_examples=60, deadline=None)
@given(rows=view_rows, spine=spines, ttl=ttls)
def test_answers_recorded_only_later_are_counted(folder, rows, spine, ttl):
    join = ViewJoin(
        view="v",
        table=view_file(folder, rows),
        keys=(("p1", "k1"),),
        features=(("created", "when"),),
        event_timestamp="event",
        created_timestamp="created",
        ttl=timedelta(minutes=ttl) if ttl else None,
    )
    plan = PointInTimePlan(event_timestamp="t", joins=(join,))
    answer = DuckEngine(folder).run(plan, spine_table(spine), NOTHING_GOVERNED, now=START)
    pairs = zip(
        answer.rows.column("when").to_pylist(), answer.rows.column("t").to_pylist(), strict=True
    )
    assert answer.known_later == {"v": sum(1 for when, t in pairs if when and t and when > t)}


def simple_plan(folder, **changes):
    table = changes.pop("table", None) or view_file(folder, [("a", "b", 1, 1, 7)])
    options = {
        "view": "v",
        "table": table,
        "keys": (("p1", "k1"),),
        "features": (("x", "x"),),
        "event_timestamp": "event",
    }
    return PointInTimePlan(event_timestamp="t", joins=(ViewJoin(**(options | changes)),))


def run(folder, spine, **changes):
    return (
        DuckEngine(folder)
        .run(simple_plan(folder, **changes), spine, NOTHING_GOVERNED, now=START)
        .rows
    )


def test_integers_beyond_float_precision_and_nulls_stay_exact(tmp_path):
    big = 2**53 + 1
    rows = [("a", "b", 1, None, big), ("b", "b", 1, None, None)]
    spine = spine_table([("a", "b", 2), ("b", "b", 2)])
    out = run(tmp_path, spine, table=view_file(tmp_path, rows))
    assert out.column("x").to_pylist() == [big, None]
    assert out.schema.field("x").type == pa.int64()


@pytest.mark.parametrize(
    "times",
    [
        pa.array(["2026-01-01T00:02:00Z"]),
        pa.array(["2026-01-01 01:02:00+01:00"]),
        pa.array([START.replace(minute=2, tzinfo=None)], pa.timestamp("ns")),
        pa.array([START.replace(minute=2, tzinfo=None)], pa.timestamp("s")),
        pa.array([START.date() + timedelta(days=1)], pa.date32()),
    ],
    ids=["text", "text with zone", "nanoseconds", "seconds", "date"],
)
def test_event_timestamps_of_many_types_are_instants_in_utc(tmp_path, times):
    out = run(tmp_path, pa.table({"p1": ["a"], "t": times}))
    assert out.column("x").to_pylist() == [7]
    assert out.column("t").type == times.type


def test_a_spine_without_its_join_key_names_it(tmp_path):
    with pytest.raises(InvalidInput, match=r"no column p1 \(a join key of v\).*it has t"):
        run(tmp_path, pa.table({"t": [START]}))


def test_an_empty_spine_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="no rows"):
        run(tmp_path, spine_table([("a", "a", 1)]).slice(0, 0))


def test_text_is_not_compared_with_numbers(tmp_path):
    with pytest.raises(InvalidInput, match="p1 of v is BIGINT in the spine but k1 is VARCHAR"):
        run(tmp_path, pa.table({"p1": [1], "t": [START]}))


def test_a_timestamp_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InvalidInput, match="yesterday"):
        run(tmp_path, pa.table({"p1": ["a"], "t": ["yesterday"]}))


def test_a_key_column_of_nothing_but_nulls_matches_nothing(tmp_path):
    out = run(tmp_path, pa.table({"p1": pa.nulls(1), "t": [START + timedelta(minutes=5)]}))
    assert out.column("x").to_pylist() == [None]


def test_a_column_that_the_source_lacks_is_named(tmp_path):
    with pytest.raises(InvalidInput, match="no column y"):
        run(tmp_path, spine_table([("a", "b", 2)]), features=(("y", "y"),))
