"""The Spark engine on a real cluster against the join done by hand; what it leaves, and how it fails."""

import dataclasses
import datetime as dt
import gc
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from provender.core.datasets import Format
from provender.core.errors import Denied, InvalidInput, Unavailable
from provender.core.names import DatasetRef
from provender.core.training import Table
from provender.offline.duck import DuckEngine
from provender.offline.spark import SparkEngine
from provender.offline.spine import Spine
from tests.offline.cases import INSTANT, NOTHING_GOVERNED, START, compare
from tests.offline.questions import MINUTE, at, join, plan, run, together, written
from tests.offline.shielding import KEY, cards, hashed, permit
from tests.stress import times

FORMS = ("window", "asof")
CASES = times(100, calm=40)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("known_by_then", [False, True])
def test_random_joins_agree_with_those_done_by_hand(engine, tmp_path, form, known_by_then):
    engine = dataclasses.replace(engine, form=form)
    found = compare(engine, tmp_path, seed=11, cases=CASES, known_by_then=known_by_then)
    assert found.cells > 20 * CASES
    assert found.differing == 0


def test_retrievals_in_many_threads_are_all_right(engine, tmp_path):
    def ask(seed):
        folder = tmp_path / str(seed)
        folder.mkdir()
        return compare(engine, folder, seed=seed, cases=40, known_by_then=False)

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(ask, range(4)))
    assert all(one.cells > 400 for one in found)
    assert [one.differing for one in found] == [0] * 4
    assert left_over(engine) == []


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
        (pa.table({"p": ["a"], "t": ["yesterday"]}), "cannot be read as the type"),
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
    yield (
        Table(format=Format.PARQUET, location=f"file://{folder}/plain/*.parquet"),
        "2 Parquet files",
    )
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
    yield Table(format=Format.DELTA, location=str(folder / "delta")), "1 Parquet files"
    (folder / "rows.csv").write_text(
        "k,event,x\na,2026-01-01 00:01:00,1\na,2026-01-01 00:02:00,2\n"
    )
    yield Table(format=Format.CSV, location=str(folder / "rows.csv")), "staged"


def test_sources_are_read_wherever_they_lie(engine, tmp_path):
    spine = pa.table({"p": ["a", "a", "b"], "t": pa.array([at(1), at(5), at(5)], INSTANT)})
    found = dict(enumerate(places(tmp_path / "sources")))
    question = together(
        *(join(table, view=f"v{n}", features=(("x", f"x{n}"),)) for n, (table, _) in found.items())
    )
    explained = engine.explain(question, Spine(spine))
    answer = run(engine, question, spine).table()
    for number, (table, reader) in found.items():
        assert f"-- v{number}: {reader}" in explained, table
        assert answer.column(f"x{number}").to_pylist() == [1, 2, None], table


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
    """Files and folders of retrievals; the area itself and its lock stay."""
    return [path for path in engine.temp_directory.glob(".staging/*") if path.is_dir()]


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


@pytest.mark.parametrize(
    ("rows", "masks"),
    [
        ("n > 10", {"x": "truncate(2)"}),
        ("k = 'a' and not n = 30", {"k": "hash", "x": "hash", "n": "bucket(10)"}),
    ],
)
def test_masks_and_filters_leave_what_they_leave_in_duckdb(engine, tmp_path, rows, masks):
    engine, duck = dataclasses.replace(engine, lake=tmp_path), DuckEngine(tmp_path)
    asked, some = plan(cards(tmp_path), "x", "n"), permit(masks=masks, rows=rows)
    keys = [hashed("a"), hashed("b")] if "k" in masks else ["a", "b"]
    spine = Spine(pa.table({"p": [*keys, None, "z"], "t": pa.array([at(5)] * 4)}))
    found, expected = (
        one.run(asked, spine, some, now=START, key=lambda: KEY).table() for one in (engine, duck)
    )
    assert found.to_pydict() == expected.to_pydict()
    assert any(found.column("n").to_pylist())
