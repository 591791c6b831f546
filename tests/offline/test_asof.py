"""The SQL of a point-in-time join against the one done by hand, all options crossed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

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
from provender.offline.shape import Join
from provender.offline.spine import Spine
from tests.oracle.asof import asof
from tests.stress import times

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


@settings(max_examples=times(150, calm=30), deadline=None)
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
    answer = DuckEngine(folder).run(plan, Spine(spine_table(spine)), NOTHING_GOVERNED, now=START)
    expected = asof(
        [(tuple(row[:n_keys]), row[2]) for row in spine],
        [(row[:n_keys], row[2], row[3], (row[4],)) for row in rows],
        ttl=ttl,
        known_by_then=known_by_then,
    )
    found = answer.table()
    assert found.column("x").to_pylist() == [e and e[0] for e in expected]
    assert found.select(["p1", "p2", "t"]) == spine_table(spine)


@settings(max_examples=times(60, calm=15), deadline=None)
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
    answer = DuckEngine(folder).run(plan, Spine(spine_table(spine)), NOTHING_GOVERNED, now=START)
    found = answer.table()
    pairs = zip(found.column("when").to_pylist(), found.column("t").to_pylist(), strict=True)
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
        .run(simple_plan(folder, **changes), Spine(spine), NOTHING_GOVERNED, now=START)
        .table()
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


def test_a_timestamp_that_cannot_be_read_is_an_error_that_tells_no_value(tmp_path):
    with pytest.raises(InvalidInput, match="cannot be read as the type it must have") as error:
        run(tmp_path, pa.table({"p1": ["a"], "t": ["yesterday"]}))
    assert "ISO 8601" in error.value.hint
    assert "yesterday" not in str(error.value)  # it could be a source's, not theirs to see


def test_a_key_column_of_nothing_but_nulls_matches_nothing(tmp_path):
    out = run(tmp_path, pa.table({"p1": pa.nulls(1), "t": [START + timedelta(minutes=5)]}))
    assert out.column("x").to_pylist() == [None]


def test_a_column_that_the_source_lacks_is_named(tmp_path):
    with pytest.raises(InvalidInput, match="no column y"):
        run(tmp_path, spine_table([("a", "b", 2)]), features=(("y", "y"),))


INTERNAL = (
    "created_at",
    "event_at",
    "known_at",
    "k0",
    "f0",
    "r0",
    "rid",
    "t",
    "s0",
    "__rid",
    "source_0",
    "e",
)


@pytest.mark.parametrize("known_by_then", [False, True])
@pytest.mark.parametrize("extra", INTERNAL)
def test_columns_called_like_ours_change_nothing(tmp_path, extra, known_by_then):
    """Two rows of one instant, the later created one is right, whatever else the source holds."""
    instant = pa.timestamp("us", tz="UTC")
    rows = {
        "key": ["a", "a"],
        "event": pa.array([at(1), at(1)], instant),
        "loaded": pa.array([at(2), at(3)], instant),
        "x": ["old", "NEW"],
        extra: pa.array([at(6), at(0)], instant),
    }
    path = tmp_path / "view.parquet"
    pq.write_table(pa.table(rows), path)
    join = ViewJoin(
        view="v", table=Table(format=Format.PARQUET, location=str(path)), keys=((extra, "key"),),
        features=(("x", "x"),), event_timestamp="event", created_timestamp="loaded",
    )  # fmt: skip
    plan = PointInTimePlan(event_timestamp="when", joins=(join,), known_by_then=known_by_then)
    spine = pa.table({extra: ["a"], "when": pa.array([at(5)], instant)})
    answer = DuckEngine(tmp_path).run(plan, Spine(spine), NOTHING_GOVERNED, now=START)
    assert answer.table().column("x").to_pylist() == ["NEW"]
    latest = DuckEngine(tmp_path).latest(join, NOTHING_GOVERNED, start=None, end=None, now=START)
    assert [row["x"] for batch in latest for row in batch.to_pylist()] == ["NEW"]


def test_ties_do_not_depend_on_which_features_are_asked_for(tmp_path):
    instant = pa.timestamp("us", tz="UTC")
    path = tmp_path / "view.parquet"
    pq.write_table(
        pa.table(
            {"k1": ["a", "a"], "event": pa.array([at(1)] * 2, instant), "p": [2, 1], "q": [1, 9]}
        ),
        path,
    )
    options = {
        "view": "v", "table": Table(format=Format.PARQUET, location=str(path)), "keys": (("p1", "k1"),),
        "event_timestamp": "event", "ranked_by": ("p", "q"),
    }  # fmt: skip
    spine = pa.table({"p1": ["a"], "t": pa.array([at(2)], instant)})
    for features, expected in (((("q", "q"),), [1]), ((("p", "p"), ("q", "q")), [1])):
        plan = PointInTimePlan(event_timestamp="t", joins=(ViewJoin(**options, features=features),))
        rows = DuckEngine(tmp_path).run(plan, Spine(spine), NOTHING_GOVERNED, now=START).table()
        assert rows.column("q").to_pylist() == expected


def test_outputs_that_differ_only_in_case_are_two(tmp_path):
    instant = pa.timestamp("us", tz="UTC")
    path = tmp_path / "view.parquet"
    pq.write_table(
        pa.table({"k1": ["a"], "event": pa.array([at(1)], instant), "p": [1], "q": [2]}), path
    )
    out = run(
        tmp_path,
        pa.table({"p1": ["a"], "P1": ["b"], "t": pa.array([at(2)], instant)}),
        table=Table(format=Format.PARQUET, location=str(path)),
        features=(("p", "Temp"), ("q", "temp")),
    )
    assert out.to_pylist()[0] | {"t": None} == {
        "p1": "a",
        "P1": "b",
        "t": None,
        "Temp": 1,
        "temp": 2,
    }


@pytest.mark.parametrize("keys", [[1.5], [2.0**53]])
def test_integer_keys_that_came_as_floats_must_still_be_exact(tmp_path, keys):
    instant = pa.timestamp("us", tz="UTC")
    path = tmp_path / "view.parquet"
    pq.write_table(
        pa.table({"k1": [1, 2**53 + 1], "event": pa.array([at(1)] * 2, instant), "x": [7, 8]}), path
    )
    table = Table(format=Format.PARQUET, location=str(path))
    out = run(
        tmp_path, pa.table({"p1": [1.0, None], "t": pa.array([at(2)] * 2, instant)}), table=table
    )
    assert out.column("x").to_pylist() == [7, None]
    with pytest.raises(InvalidInput, match="whole number"):
        run(tmp_path, pa.table({"p1": keys, "t": pa.array([at(2)], instant)}), table=table)


def test_a_year_that_nobody_means_is_refused(tmp_path):
    far = pa.array([400_000_000_000_000_000], pa.timestamp("us", tz="UTC"))
    with pytest.raises(InvalidInput, match="years 1 to 9999"):
        run(tmp_path, pa.table({"p1": ["a"], "t": far}))


def test_a_spine_with_a_column_twice_is_refused(tmp_path):
    spine = pa.Table.from_arrays(
        [pa.array(["a"]), pa.array(["b"]), pa.array([START])], ["p1", "p1", "t"]
    )
    with pytest.raises(InvalidInput, match="columns twice: p1"):
        run(tmp_path, spine)


def test_a_window_with_nothing_in_it_has_columns_and_no_rows(tmp_path):
    join = simple_plan(tmp_path).joins[0]
    batches = list(
        DuckEngine(tmp_path).latest(join, NOTHING_GOVERNED, start=at(5), end=at(6), now=START)
    )
    assert pa.Table.from_batches(batches).num_rows == 0
    assert "x" in batches[0].schema.names


@pytest.mark.parametrize("join", list(Join))
@pytest.mark.parametrize("zone", ["UTC", None])
def test_what_is_finer_than_a_microsecond_is_cut_off_not_rounded(tmp_path, join, zone):
    """Rounded, a row of the next microsecond would be known half of one early."""
    path = tmp_path / "view.parquet"
    kind = pa.timestamp("ns", zone)
    pq.write_table(
        pa.table({"k1": [1, 2, 3], "event": pa.array([1_600, 999, -1], kind), "x": [7, 8, 9]}), path
    )
    plan = simple_plan(tmp_path, table=Table(format=Format.PARQUET, location=str(path)))
    spine = pa.table({"p1": [1, 1, 2, 3, 3], "t": pa.array([999, 1_000, 1, -1, -1_001], kind)})
    answer = DuckEngine(tmp_path, join=join).run(plan, Spine(spine), NOTHING_GOVERNED, now=START)
    assert answer.table().column("x").to_pylist() == [None, 7, 8, 9, None]


def test_the_latest_rows_instants_are_cut_off_too_and_not_after_the_windows_end(tmp_path):
    path, end = tmp_path / "view.parquet", datetime(2026, 1, 1, tzinfo=UTC)
    late = pa.array([1_767_225_600_000_000_999], pa.timestamp("ns", "UTC"))
    pq.write_table(pa.table({"k1": ["a"], "event": late, "made": late, "x": [1]}), path)
    table = Table(format=Format.PARQUET, location=str(path))
    join = simple_plan(tmp_path, table=table, created_timestamp="made").joins[0]
    found = DuckEngine(tmp_path).latest(join, NOTHING_GOVERNED, start=end, end=end, now=START)
    (row,) = (row for batch in found for row in batch.to_pylist())
    assert (row["event_timestamp"], row["created_timestamp"]) == (end, end)


@pytest.mark.parametrize("join", list(Join))
def test_values_that_duckdb_cannot_hold_come_back_as_they_are(tmp_path, join):
    """Of a type that it lacks it would give another value, or none."""
    uuid = b"0123456789abcdef"
    wide = Decimal("123456789012345678901234567890123456789012.90")
    columns = {
        "k1": ["a"],
        "event": pa.array([at(1)], pa.timestamp("us", "UTC")),
        "wide": pa.array([wide], pa.decimal256(45, 2)),
        "view": pa.array(["text"], pa.string_view()),
        "fixed": pa.array([uuid], pa.binary(16)),
    }
    path = tmp_path / "view.parquet"
    pq.write_table(pa.table(columns), path)
    names = ("wide", "view", "fixed")
    plan = simple_plan(
        tmp_path,
        table=Table(format=Format.PARQUET, location=str(path)),
        features=tuple((name, name) for name in names),
    )
    spine = Spine(spine_table([("a", "b", 2)]))
    engine = DuckEngine(tmp_path, join=None if join is Join.SQL else join)
    row = engine.run(plan, spine, NOTHING_GOVERNED, now=START).table().to_pylist()[0]
    assert [row[name] for name in names] == [wide, "text", uuid]


def test_an_instant_that_python_has_not_rules_no_rows_out(tmp_path):
    far = pa.array([253_402_300_800_000_000 * 2, 0], pa.timestamp("us", "UTC"))
    path = tmp_path / "view.parquet"
    pq.write_table(pa.table({"k1": ["a", "a"], "event": far, "x": [1, 2]}), path)
    out = run(
        tmp_path,
        spine_table([("a", "b", 2)]),
        table=Table(format=Format.PARQUET, location=str(path)),
    )
    assert out.column("x").to_pylist() == [2]


def test_floats_do_not_stand_for_integers_beyond_2_to_the_53(tmp_path):
    path = tmp_path / "view.parquet"
    event = pa.array([at(1)], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"k1": [2.0**53], "event": event, "x": [7]}), path)
    spine = pa.table({"p1": [2**53 + 1], "t": pa.array([at(2)], pa.timestamp("us", "UTC"))})
    with pytest.raises(InvalidInput, match="beyond 2\\^53"):
        run(tmp_path, spine, table=Table(format=Format.PARQUET, location=str(path)))


def test_a_list_is_not_a_number(tmp_path):
    spine = pa.table({"p1": [[1]], "t": pa.array([at(2)], pa.timestamp("us", "UTC"))})
    with pytest.raises(InvalidInput, match=r"p1 of v is BIGINT\[\] in the spine"):
        run(tmp_path, spine)
