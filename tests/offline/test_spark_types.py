"""Types on Spark: what comes out, what ties and keys compare like, is as on DuckDB to the last bit."""

import dataclasses
import datetime as dt
import decimal

import duckdb
import pyarrow as pa
import pytest

from provender.core.datasets import Format
from provender.core.errors import InvalidInput
from provender.core.training import Table
from provender.offline.duck import DuckEngine
from provender.offline.spine import Spine
from tests.offline.cases import INSTANT
from tests.offline.questions import at, join, plan, run, together, written

SOURCE = {
    "k": pa.array([1, 2, 3], pa.int32()),
    "event": pa.array([at(1)] * 3, INSTANT),
    "int64": pa.array([2**53 + 1, -(2**63), None]),
    "uint8": pa.array([255, 0, None], pa.uint8()),
    "uint32": pa.array([2**32 - 1, 0, None], pa.uint32()),
    "uint64": pa.array([2**64 - 1, 0, None], pa.uint64()),
    "float": pa.array([1.1, float("nan"), float("-inf")], pa.float32()),
    "double": pa.array([0.1, float("nan"), -0.0]),
    "decimal": pa.array([decimal.Decimal("1234567890123456789012345678.12345"), None, 0], pa.decimal128(38, 5)),
    "text": pa.array(["é\x00\n", "", None]),
    "binary": pa.array([b"\x00\xff", b"", None]),
    "bool": pa.array([True, False, None]),
    "date": pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31), None]),
    "instant": pa.array([at(1) + dt.timedelta(microseconds=1), dt.datetime(1, 1, 1, tzinfo=dt.UTC), None], INSTANT),
    "wall clock": pa.array([-12_220_000_000_000_004, None, None], pa.timestamp("us")),
    "nanoseconds": pa.array([1_700_000_000_123_456_789, -1, None], pa.timestamp("ns", "UTC")),
    "list": pa.array([[1, None], [], None], pa.list_(pa.int64())),
    "unsigned list": pa.array([[2**64 - 1], [None], None], pa.list_(pa.uint64())),
    "nulls in lists": pa.array([[None], [], None], pa.list_(pa.int64())),
    "struct": pa.array([{"a": 2**40, "odd `name`.\"": None}, {"a": None, "odd `name`.\"": 5}, None],
                       pa.struct([("a", pa.uint64()), ("odd `name`.\"", pa.timestamp("ns"))])),
    "map": pa.array([[("x", 1), ("y", None)], [], None], pa.map_(pa.string(), pa.int32())),
}  # fmt: skip
TIMES = {
    "time": pa.array([dt.time(23, 59, 59, 999_999), dt.time(0), None], pa.time64("us")),
    "times": pa.array([[dt.time(1), None], [], None], pa.list_(pa.time64("us"))),
    "nulls": pa.nulls(3),
}


@pytest.mark.parametrize(
    ("form", "columns"),
    [("window", SOURCE), ("asof", SOURCE), ("window", SOURCE | TIMES)],
    ids=["window", "asof", "staged"],
)
def test_every_type_comes_back_as_duckdb_gives_it(engine, tmp_path, form, columns):
    features = [name for name in columns if name not in ("k", "event")]
    question = plan(written(tmp_path, columns), *features)
    spine = pa.table(
        {
            "p": pa.array([3, 1, None, 2, 4, 1], pa.int64()),
            "t": pa.array([at(1), at(2), at(2), at(9), at(2), at(0)], INSTANT),
            "own": pa.array(["a", None, "c", "a", "e", "f"]).dictionary_encode(),
        }
    )
    found = run(dataclasses.replace(engine, form=form), question, spine).table()
    expected = run(DuckEngine(tmp_path), question, spine).table()
    assert found.schema.equals(expected.schema)
    assert str(found.to_pylist()) == str(expected.to_pylist())
    staged = engine.explain(question, Spine(spine))
    assert ("staged by DuckDB" in staged) == (columns is not SOURCE)


def test_a_type_that_spark_does_not_have_is_named_with_its_column(engine, tmp_path):
    path = tmp_path / "view.parquet"
    with duckdb.connect() as db:
        db.sql(
            "SELECT 'a' AS k, TIMESTAMPTZ '2026-01-01 00:01:00+00' AS event, "
            "INTERVAL 3 DAYS AS waited"
        ).write_parquet(str(path))
    question = plan(Table(format=Format.PARQUET, location=str(path)), "waited")
    with pytest.raises(InvalidInput, match=r"column waited has the type .*interval.*Spark"):
        run(engine, question, pa.table({"p": ["a"], "t": [at(2)]}))


def test_event_timestamps_of_every_unit_are_read_as_duckdb_reads_them(engine, tmp_path):
    ticks = [0, 499, 500, 501, 999, 1500, -1, -499, -500, -501, -1500]
    joins = []
    for unit in ("ns", "us", "ms"):
        for zone in ("UTC", None):
            name = f"{unit} {zone}"
            columns = {"k": ticks, "event": pa.array(ticks, pa.timestamp(unit, zone)), "x": ticks}
            table = written(tmp_path, columns, f"{name}.parquet")
            tick = dt.timedelta(microseconds=1)
            joins.append(join(table, view=name, ttl=tick, features=(("x", name),)))
    near = sorted(
        {
            (n, n * scale // 1000 + off)
            for n in ticks
            for scale in (1, 1000, 10**6)
            for off in (-1, 0, 1, 2)
        }
    )
    spine = pa.table(
        {"p": [key for key, _ in near], "t": pa.array([t for _, t in near], pa.timestamp("us"))}
    )  # fmt: skip
    assert "staged" not in engine.explain(together(*joins), Spine(spine))
    found = run(engine, together(*joins), spine).table()
    assert found == run(DuckEngine(tmp_path), together(*joins), spine).table()
    for name in found.column_names[2:]:
        assert 0 < found.column(name).null_count < len(near)


NESTED = {
    "list": (pa.list_(pa.int64()), [[1], [1, None], [1, 2], [2], [], [None], None]),
    "struct": (
        pa.struct([("a", pa.int64()), ("b", pa.string())]),
        [{"a": 1, "b": None}, {"a": 1, "b": "z"}, {"a": None, "b": "a"}, None],
    ),
    "map": (
        pa.map_(pa.string(), pa.int64()),
        [[("a", 1)], [("a", None)], [("a", 2)], [("b", 0)], [], None],
    ),
    "double": (pa.float64(), [1.0, float("nan"), float("inf"), None]),
    "binary": (pa.binary(), [b"\x7f", b"\x80", b"\x80\x00", b"", None]),
    "text": (pa.string(), ["a", "B", "é", "\uffff", "\U0001f600", "", None]),
}


def test_ties_are_broken_in_the_same_order_as_in_duckdb(engine, tmp_path):
    """Every pair of values is a tie of its own, and the answer is the greater of the two."""
    joins = []
    for name, (kind, values) in NESTED.items():
        pairs = [pair for one in values for other in values for pair in (one, other)]
        columns = {
            "k": [number // 2 for number in range(len(pairs))],
            "event": pa.array([at(1)] * len(pairs), INSTANT),
            "x": pa.array(pairs, kind),
        }
        table = written(tmp_path, columns, f"{name}.parquet")
        joins.append(join(table, view=name, features=(("x", name),)))
    spine = pa.table({"p": list(range(49)), "t": pa.array([at(1)] * 49, INSTANT)})
    found = run(engine, together(*joins), spine).table()
    expected = run(DuckEngine(tmp_path), together(*joins), spine).table()
    assert str(found.to_pydict()) == str(expected.to_pydict())


def test_keys_of_other_numeric_types_match_as_in_duckdb(engine, tmp_path):
    instants = pa.array([at(1)] * 3, INSTANT)
    columns = {"k": pa.array([1, 2, 100], pa.int8()), "event": instants, "x": [1, 2, 3]}
    table = written(tmp_path, columns)
    kinds = [pa.int64(), pa.float64(), pa.decimal128(12, 2), pa.uint64()]
    spine = pa.table({str(kind): pa.array([1, None, 100, 300], kind) for kind in kinds})
    spine = spine.append_column("t", pa.array([at(1)] * 4, INSTANT))
    joins = [
        join(table, view=f"by {kind}", keys=((str(kind), "k"),), features=(("x", f"by {kind}"),))
        for kind in kinds
    ]
    found = run(engine, together(*joins), spine).table()
    for kind in kinds:
        assert found.column(f"by {kind}").to_pylist() == [1, None, 3, None]
