"""The Spark engine on a real cluster against the join done by hand, and against DuckDB for all types."""

import dataclasses
import datetime as dt
import decimal
import gc

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from provender.core.datasets import Format
from provender.core.errors import Conflict, Denied, InvalidInput, Unavailable
from provender.core.names import DatasetRef
from provender.core.training import PointInTimePlan, Table, ViewJoin
from provender.offline import sparksession
from provender.offline.duck import DuckEngine
from provender.offline.spark import SparkEngine
from provender.offline.sparksession import Cluster
from provender.offline.spine import Spine
from tests.offline.cases import INSTANT, NOTHING_GOVERNED, START, compare
from tests.offline.cluster import OPTIONS

MINUTE = dt.timedelta(minutes=1)
FORMS = ("window", "asof")


@pytest.fixture
def engine(spark_master, tmp_path):
    return SparkEngine(tmp_path, spark_master, OPTIONS, temp_directory=tmp_path / "temporary")


def at(minute):
    return None if minute is None else START + minute * MINUTE


def written(folder, columns, name="view.parquet"):
    pq.write_table(pa.table(columns), folder / name)
    return Table(format=Format.PARQUET, location=str(folder / name))


def join(table, *features, view="v", keys=(("p", "k"),), **options):
    named = tuple((name, name) for name in features or ("x",))
    options = {"features": named, "event_timestamp": "event"} | options
    return ViewJoin(view=view, table=table, keys=keys, **options)


def plan(table, *features, **options):
    return together(join(table, *features, **options))


def together(*joins):
    return PointInTimePlan(event_timestamp="t", joins=joins)


def run(engine, question, spine, **options):
    return engine.run(question, Spine(spine), NOTHING_GOVERNED, now=START, **options)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("known_by_then", [False, True])
def test_random_joins_agree_with_those_done_by_hand(engine, tmp_path, form, known_by_then):
    engine = dataclasses.replace(engine, form=form)
    found = compare(engine, tmp_path, seed=11, cases=1000, known_by_then=known_by_then)
    assert found.cells > 20_000
    assert found.differing == 0


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
    duckdb.sql(
        "SELECT 'a' AS k, TIMESTAMPTZ '2026-01-01 00:01:00+00' AS event, INTERVAL 3 DAYS AS waited"
    ).write_parquet(str(path))
    question = plan(Table(format=Format.PARQUET, location=str(path)), "waited")
    with pytest.raises(InvalidInput, match=r"column waited has the type .*interval.*Spark"):
        run(engine, question, pa.table({"p": ["a"], "t": [at(2)]}))


def test_the_spine_comes_back_as_it_is_in_its_order(engine, tmp_path):
    table = written(tmp_path, {"k": ["a"], "event": pa.array([at(1)], INSTANT), "x": [7]})
    spine = pa.table(
        {
            "t": pa.array(["2026-01-01T00:02:00Z", None, "2026-01-01 01:02:00+01:00", "2025-12-31"]),
            "p": pa.array(["a", "a", None, "a"], pa.large_string()),
            "x ": pa.array([dt.time(1), None, None, dt.time(2)], pa.time32("s")),
        }
    )  # fmt: skip
    twice = pa.concat_tables([spine] * 3)
    found = run(engine, plan(table), twice).table()
    assert found.drop_columns(["x"]) == twice
    assert found.column("x").to_pylist() == [7, None, None, None] * 3


def test_a_ttl_ends_after_the_instant_it_names_and_may_be_longer_than_the_calendar(
    engine, tmp_path
):
    table = written(tmp_path, {"event": pa.array([at(1), at(90)], INSTANT), "x": [1, 2]})
    far = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)
    spine = pa.table({"t": pa.array([at(5), at(5) + dt.timedelta(microseconds=1), far], INSTANT)})
    question = together(
        *(
            join(table, view=name, keys=(), ttl=ttl, features=(("x", name),))
            for name, ttl in {
                "short": 4 * MINUTE,
                "endless": dt.timedelta.max,
                "none": None,
            }.items()
        )
    )
    found = run(engine, question, spine).table().drop_columns(["t"])
    assert found.to_pydict() == {"short": [1, None, None], "endless": [1, 1, 2], "none": [1, 1, 2]}


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


def test_text_is_not_compared_with_numbers(engine, tmp_path):
    table = written(tmp_path, {"k": ["a"], "event": pa.array([at(1)], INSTANT), "x": [7]})
    with pytest.raises(InvalidInput, match="p of v is BIGINT in the spine but k is VARCHAR"):
        run(engine, plan(table), pa.table({"p": [1], "t": [START]}))


@pytest.mark.parametrize("keys", [[1.5], [2.0**53]])
def test_integer_keys_that_came_as_floats_must_still_be_exact(engine, tmp_path, keys):
    table = written(tmp_path, {"k": [1], "event": pa.array([at(1)], INSTANT), "x": [7]})
    with pytest.raises(InvalidInput, match="whole number"):
        run(engine, plan(table), pa.table({"p": keys, "t": [START]}))


@pytest.mark.parametrize(
    ("spine", "said"),
    [
        (pa.table({"p": ["a"], "t": ["yesterday"]}), "yesterday"),
        (pa.table({"p": ["a"], "t": pa.array([4 * 10**17], INSTANT)}), "years 1 to 9999"),
        (pa.table({"p": ["a"], "t": pa.array([at(1)])}).slice(0, 0), "no rows"),
        (pa.table({"t": [START]}), r"no column p \(a join key of v\)"),
    ],
)
def test_a_spine_that_cannot_be_answered_is_refused(engine, tmp_path, spine, said):
    table = written(tmp_path, {"k": ["a"], "event": pa.array([at(1)], INSTANT), "x": [7]})
    with pytest.raises(InvalidInput, match=said):
        run(engine, plan(table), spine)
    assert left_over(engine) == []


def test_a_column_that_the_source_lacks_is_named(engine, tmp_path):
    table = written(tmp_path, {"k": ["a"], "event": pa.array([at(1)], INSTANT), "x": [7]})
    with pytest.raises(InvalidInput, match="no column y; it has k, event, x"):
        run(engine, plan(table, "y"), pa.table({"p": ["a"], "t": [START]}))


def test_governed_columns_are_not_read_without_a_permit_for_them(engine, tmp_path):
    table = written(tmp_path, {"k": ["a"], "event": pa.array([at(1)], INSTANT), "x": [7]})
    governed = dataclasses.replace(table, version=DatasetRef.parse("shop.orders@1"))
    with pytest.raises(Denied):
        run(engine, plan(governed), pa.table({"p": ["a"], "t": [START]}))


COLUMNS = {"k": ["a", "a"], "event": pa.array([at(1), at(2)], INSTANT), "x": [1, 2]}


def places(folder):
    """The same rows in each of the ways that a source can lie, and who is to read them."""
    rows = pa.table(COLUMNS)
    for name in ("plain", "hive/k=zz", "differing", "hidden"):
        (folder / name).mkdir(parents=True)
    pq.write_table(rows.slice(0, 1), folder / "plain" / "one.parquet")
    pq.write_table(rows.slice(1), folder / "plain" / "two.parquet")
    yield Table(format=Format.PARQUET, location=str(folder / "plain")), "2 Parquet files"
    yield Table(format=Format.PARQUET, location=f"file://{folder}/plain/*.parquet"), "staged"
    pq.write_table(rows, folder / "hidden" / "_[1]*.parquet")
    yield Table(format=Format.PARQUET, location=str(folder / "hidden" / "_[1]*.parquet")), "staged"
    pq.write_table(rows, folder / "hive" / "k=zz" / "one.parquet")
    pq.write_table(rows.slice(0, 1), folder / "differing" / "one.parquet")
    narrow = rows.slice(1).set_column(2, "x", pa.array([2], pa.int16()))
    pq.write_table(narrow, folder / "differing" / "two.parquet")
    yield Table(format=Format.PARQUET, location=str(folder / "differing")), "staged"
    pq.write_table(rows, folder / "old.parquet", use_deprecated_int96_timestamps=True)
    yield Table(format=Format.PARQUET, location=str(folder / "old.parquet")), "staged"
    write_deltalake(folder / "delta", rows)
    yield Table(format=Format.DELTA, location=str(folder / "delta")), "staged"
    (folder / "rows.csv").write_text(
        "k,event,x\na,2026-01-01 00:01:00,1\na,2026-01-01 00:02:00,2\n"
    )
    yield Table(format=Format.CSV, location=str(folder / "rows.csv")), "staged"


def test_sources_are_read_wherever_they_lie(engine, tmp_path):
    spine = pa.table({"p": ["a", "a", "b"], "t": pa.array([at(1), at(5), at(5)], INSTANT)})
    for table, reader in places(tmp_path / "sources"):
        question = plan(table)
        assert reader in engine.explain(question, Spine(spine)), table
        assert run(engine, question, spine).table().column("x").to_pylist() == [1, 2, None], table


def test_columns_called_like_ours_or_hard_to_quote_change_nothing(engine, tmp_path):
    odd = [
        "rid",
        "t",
        "k0",
        "v0",
        "event_at",
        "known_at",
        "c",
        "e`v.e",
        'q"uo',
        "${x}",
        "bucket",
    ]
    columns = COLUMNS | {name: [f"old {name}", f"new {name}"] for name in odd}
    question = plan(written(tmp_path, columns), *odd, keys=(("a `key`", "k"),))
    question = dataclasses.replace(question, event_timestamp="when")
    spine = pa.table({"a `key`": ["a"], "when": pa.array([at(3)], INSTANT)})
    for form in FORMS:
        (row,) = run(dataclasses.replace(engine, form=form), question, spine).table().to_pylist()
        assert {name: row[name] for name in odd} == {name: f"new {name}" for name in odd}


def test_spines_in_files_are_streamed_in_their_order(engine, tmp_path):
    engine = dataclasses.replace(engine, bucket_rows=1000)
    files = []
    for number in range(3):
        rids = range(number * 1500, (number + 1) * 1500)
        files.append(tmp_path / f"spine{number}.parquet")
        pq.write_table(
            pa.table(
                {
                    "p": ["a"] * 1500,
                    "t": pa.array([at(r % 4) for r in rids], INSTANT),
                    "id": list(rids),
                }
            ),
            files[-1],
        )
    answer = engine.run(
        plan(written(tmp_path, COLUMNS)), Spine(tuple(files)), NOTHING_GOVERNED, now=START
    )
    batches = list(answer.batches)
    assert len(batches) > 4
    found = pa.Table.from_batches(batches)
    assert found.column("id").to_pylist() == list(range(4500))
    assert found.column("x").to_pylist() == [[None, 1, 2, 2][r % 4] for r in range(4500)]
    assert left_over(engine) == []


def left_over(engine):
    return list(engine.temp_directory.glob("*")) if engine.temp_directory.exists() else []


@pytest.mark.parametrize("end", ["read", "closed", "closed half way", "dropped"])
def test_nothing_is_left_when_an_answer_ends(engine, tmp_path, end):
    spine = pa.table({"p": ["a"] * 2, "t": pa.array([at(3)] * 2, INSTANT)})
    answer = run(engine, plan(written(tmp_path, COLUMNS)), spine)
    assert len(left_over(engine)) == 1
    if end == "read":
        assert answer.table().num_rows == 2
    if end == "closed half way":
        next(answer.batches)
    if end.startswith("closed"):
        answer.close()
    del answer
    gc.collect()
    assert left_over(engine) == []


def test_a_retrieval_ends_when_its_progress_is_not_wanted(engine, tmp_path):
    told = []

    def progress(what, part):
        told.append(part)
        if "Spark" in what:
            raise KeyboardInterrupt

    spine = pa.table({"p": ["a"], "t": pa.array([at(3)], INSTANT)})
    with pytest.raises(KeyboardInterrupt):
        run(engine, plan(written(tmp_path, COLUMNS)), spine, progress=progress)
    assert left_over(engine) == []
    told.clear()
    run(
        engine, plan(written(tmp_path, COLUMNS)), spine, progress=lambda _, part: told.append(part)
    ).table()
    assert told == sorted(told)
    assert told[-1] == 1


def test_a_file_that_spark_cannot_read_is_an_error_that_says_so(engine, tmp_path):
    rows = pa.table(
        {"k": ["a"] * 5000, "event": pa.array([at(1)] * 5000, INSTANT), "x": list(range(5000))}
    )
    path = tmp_path / "view.parquet"
    pq.write_table(rows, path, compression="none")
    damaged = bytearray(path.read_bytes())
    damaged[4:3000] = b"\xff" * 2996
    path.write_bytes(bytes(damaged))
    with pytest.raises(Unavailable, match="Spark could not answer"):
        run(
            engine,
            plan(Table(format=Format.PARQUET, location=str(path))),
            pa.table({"p": ["a"], "t": pa.array([at(3)], INSTANT)}),
        )
    assert left_over(engine) == []


def test_a_driver_with_jobs_is_not_taken_away(engine, spark_master):
    with sparksession.session(Cluster.of(spark_master, OPTIONS)):
        other = sparksession.session(Cluster.of("local[1]", {}))
        with pytest.raises(Conflict, match=f"on the Spark cluster {spark_master}"), other:
            pass
        with sparksession.session(Cluster.of(spark_master, OPTIONS)) as beside:
            assert beside.conf.get("spark.sql.session.timeZone") == "UTC"


def test_explain_says_which_form_and_why_and_starts_nothing(tmp_path):
    question = plan(written(tmp_path, COLUMNS), ttl=MINUTE)
    spine = Spine(pa.table({"p": ["a"], "t": pa.array([at(3)], INSTANT)}))
    nowhere = SparkEngine(tmp_path, "spark://127.0.0.1:1")
    said = nowhere.explain(question, spine)
    assert "the form is window: a window over spine and source together is linear" in said
    assert "last_value(c) IGNORE NULLS" in said
    asked_for = dataclasses.replace(nowhere, form="asof").explain(question, spine)
    assert "the form is asof: it was asked for" in asked_for
    assert "LEFT ASOF JOIN c0 AS g0 MATCH_CONDITION (e.t >= g0.known_at)" in asked_for
