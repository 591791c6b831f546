"""Masks and row filters of a permit, against masks and filters in Python loops and the join by hand."""

import datetime as dt
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from provender.core.effects import Mask
from provender.core.errors import Denied, InvalidInput
from provender.core.filters import Filter
from provender.core.schema import Column
from provender.offline.duck import DuckEngine
from provender.offline.masks import Masking, no_key
from provender.offline.scan import scan
from provender.offline.shape import Join
from provender.offline.shield import kept
from provender.offline.spine import Spine
from provender.offline.window import distinct_instants
from provender.tables.arrow import arrow_type
from tests.offline.comparison import compare
from tests.offline.configurations import NOW, build
from tests.offline.engines import ENGINES
from tests.offline.options import option_sets
from tests.offline.questions import at, join, plan
from tests.offline.shielding import KEY, MASKS, cards, hashed, permit, permits
from tests.oracle import shield as oracle
from tests.oracle.cells import comparable, values
from tests.stress import times

HERE = ("duckdb", "slots")
UTC = dt.UTC
VALUES = {
    "bool": st.booleans(),
    **{f"int{n}": st.integers(-(2 ** (n - 1)), 2 ** (n - 1) - 1) for n in (8, 16, 32, 64)},
    **{f"uint{n}": st.integers(0, 2**n - 1) for n in (8, 16, 32, 64)},
    "float64": st.floats(-1e15, 1e15) | st.sampled_from([float("nan"), float("inf"), -0.0]),
    "float32": st.floats(-1e6, 1e6, width=32) | st.just(float("nan")),
    "string": st.text(max_size=8),
    "binary": st.binary(max_size=8),
    "date": st.dates(),
    "timestamp": st.datetimes(timezones=st.just(UTC)),
    "timestamp_local": st.datetimes(),
}
WIDTHS = ("1", "3", "1000", "9223372036854775807", "9223372036854775808", "0.25")
EVERY_MASK = (
    *MASKS,
    *(Mask.parse(f"bucket({width})") for width in WIDTHS),
    *(Mask.parse(f"truncate({unit})") for unit in ("year", "day", "minute")),
)


@pytest.mark.parametrize("word", VALUES)
def test_a_masked_column_is_the_one_masked_value_by_value(word):
    column = oracle_column(word)
    fitting = [mask for mask in EVERY_MASK if not mask.unfit(column)]
    kind = arrow_type(word)

    @settings(max_examples=times(30), deadline=None)
    @given(st.sampled_from(fitting), st.lists(st.none() | VALUES[word], max_size=20))
    def asks(mask, cells):
        given_ = pa.array(cells, kind)
        found = Masking(mask, kind, lambda: KEY)(given_)
        expected = oracle.masked_column(pa.chunked_array([given_]), mask, word, KEY)
        assert found.type == kind
        assert comparable(values(found)) == comparable(values(expected))

    asks()


def oracle_column(word):
    return Column(name="x", type=word)


@pytest.mark.parametrize("text", ["x", "a long text beyond a few bytes", ""])
def test_texts_that_share_a_dictionary_are_masked_as_others(text):
    kind = pa.dictionary(pa.int8(), pa.string())
    column = pa.array([text, None, text], pa.string()).dictionary_encode().cast(kind)
    found = Masking(Mask.parse("hash"), kind, lambda: KEY)(column)
    plain = Masking(Mask.parse("hash"), pa.string(), lambda: KEY)(pa.array([text, None, text]))
    assert found.type == kind
    assert found.to_pylist() == plain.to_pylist()


def test_who_says_no_project_gets_no_hash():
    with pytest.raises(Denied, match="of which project"):
        Masking(Mask.parse("hash"), pa.string(), no_key)


ROWS = pa.table(
    {
        "i": pa.array([1, 2, None, 2**53 + 1], pa.int64()),
        "f": pa.array([0.5, float("nan"), None, 1e300]),
        "s": pa.array(["a", "it's", None, '" OR 1=1 --']),
        "b": pa.array([True, False, None, True]),
        "d": pa.array([dt.date(2020, 1, 1), dt.date(1969, 12, 31), None, dt.date(9999, 1, 1)]),
        "t": pa.array([dt.datetime(2020, 1, n, tzinfo=UTC) for n in (1, 2, 3)] + [None]),
        'odd "name".x': pa.array([1, 2, 3, None], pa.uint8()),
    }
)


@pytest.mark.parametrize(
    "text",
    [
        "i = 1", "i != 2", "i in (1, 9007199254740993)", "i not in (1)", "not i = 1", "i is null",
        "f > 0.4", "f >= 0.5", "not f > 0.4", "f < 1.0", "f != 0.5", "not (f <= 1.0 or i = 2)",
        "s = 'it''s'", "s >= 'a' and s is not null", "s in ('\" OR 1=1 --')", "b = true",
        "not b = true or d > date '1970-01-01'", "t >= timestamp '2020-01-01T23:00:00-01:00'",
        '"odd ""name"".x" > 1',
    ],
)  # fmt: skip
def test_a_filter_keeps_the_rows_that_it_holds_for(text):
    rows = Filter(text)
    with duckdb.connect() as session:
        session.execute("SET TimeZone='UTC'")
        found = kept(session.from_arrow(ROWS), rows).to_arrow_table()
    by_hand = oracle.kept(ROWS, rows)
    assert str(found.to_pylist()) == str(by_hand.to_pylist())


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32()], ids=str)
@pytest.mark.parametrize(
    "text",
    [
        "f <= 1.5", "f < 1.5", "f > 0.5", "f >= 0.5", "f = 1.0", "f != 1.0", "f in (1.0)", "f in (1.0, 2.0)",
        "not f <= 1.5", "not f > 1.5", "not f = 1.0", "not f != 1.0", "not f in (1.0)", "f is not null",
    ],
)  # fmt: skip
@pytest.mark.parametrize("numbers", [(1.0, 1.0), (1.0, 1.25), (1.0, None)], ids=str)
def test_nan_passes_no_filter_because_a_file_does_not_count_it(kind, text, numbers, tmp_path):
    table = pa.table({"f": pa.array([*numbers, float("nan")], kind)})
    pq.write_table(table, tmp_path / "a.parquet")
    rows = Filter(text)
    with duckdb.connect() as session:
        found = kept(session.read_parquet(str(tmp_path / "a.parquet")), rows).to_arrow_table()
    assert str(found.to_pylist()) == str(oracle.kept(table, rows).to_pylist())


@pytest.mark.parametrize("name", HERE)
def test_every_cell_under_a_permit_for_a_part_is_the_one_found_by_hand(name, tmp_path):
    engine = ENGINES[name]

    @settings(max_examples=times(25), deadline=None, suppress_health_check=list(HealthCheck))
    @given(options=option_sets(without=engine.cannot | {"csv", "jsonl", "ns utc", "ns naive"}))
    def asks(options):
        options = replace(
            options, views=tuple(replace(view, governed=True) for view in options.views)
        )
        with tempfile.TemporaryDirectory(dir=tmp_path) as place:
            whole = build(options, tmp_path, Path(place).name)
            question = permits(random.Random(options.seed), whole)
            assume(question.permit.masks or question.permit.filters)
            try:
                answer = engine.make(tmp_path).run(
                    question.plan, question.spine, question.permit, now=NOW, key=lambda: KEY
                )
                table = answer.table()
            except InvalidInput as error:  # a masked spine's keys may be of no use
                assume("join key" not in error.message)
                raise
            expected = oracle.retrieve_shielded(
                question.plan, question.rows, question.sources, question.permit, KEY
            )
            outcome = compare(question, expected, table, answer.known_later)
            assert not outcome.problems, "\n".join(
                [*outcome.problems, str(question.permit), question.describe()]
            )

    asks()


@pytest.fixture
def engine(tmp_path):
    return DuckEngine(tmp_path)


def test_a_read_gives_the_rows_there_are_masked(engine, tmp_path):
    some = permit(masks={"k": "hash", "x": "truncate(2)"}, rows="n > 10")
    found = engine.read(cards(tmp_path), ["x", "k"], some, now=NOW, key=lambda: KEY)
    assert found.to_pydict() == {"x": ["tw", "th", "fo"], "k": [hashed("b"), hashed("a"), None]}


def test_a_stream_of_rows_gives_the_rows_there_are_masked(engine, tmp_path):
    some = permit(masks={"n": "bucket(100)"}, rows="k = 'a'")
    found = scan(engine, cards(tmp_path), ["n", "x"], some, now=NOW)
    assert found.read_all().to_pydict() == {"n": [0, 0], "x": ["one", "three"]}


def test_the_latest_rows_are_masked_after_they_are_chosen(engine, tmp_path):
    latest = replace(join(cards(tmp_path), "x"), keys=(("p", "k"),))
    some = permit(masks={"k": "constant(q)", "x": "truncate(1)"}, rows="n < 40")
    found = pa.Table.from_batches(
        engine.latest(latest, some, start=None, end=None, now=NOW, key=lambda: KEY)
    ).sort_by("x")
    assert found.column("p").to_pylist() == ["q", "q"]
    assert found.column("x").to_pylist() == ["t", "t"]
    assert found.column("event_timestamp").to_pylist() == [at(2), at(1)]


def test_nothing_is_found_by_a_timestamp_that_is_masked(engine, tmp_path):
    some, latest = permit(masks={"event": "truncate(hour)"}), join(cards(tmp_path), "x")
    spine = Spine(pa.table({"p": ["a"], "t": pa.array([at(5)])}))
    window = {"start": at(0), "end": at(9), "now": NOW}
    for refused in (
        lambda: engine.run(plan(cards(tmp_path), "x"), spine, some, now=NOW),
        lambda: next(engine.latest(latest, some, **window)),
        lambda: distinct_instants(engine, [latest], some, event_timestamp="t", **window),
    ):
        with pytest.raises(Denied, match=r"found by shop\.cards\.event \(masked: truncate"):
            refused()


def test_a_spine_of_what_happened_is_of_the_rows_there_are_and_masked(engine, tmp_path):
    some = permit(masks={"k": "hash"}, rows="n != 30")
    found = distinct_instants(
        engine, [join(cards(tmp_path), "x")], some,
        event_timestamp="t", start=at(0), end=at(9), now=NOW, key=lambda: KEY,
    )  # fmt: skip
    rows = pa.Table.from_batches(found.batches(), found.schema)
    assert sorted(rows.column("p").to_pylist()) == sorted([hashed("a"), hashed("b")])
    assert rows.column("t").to_pylist() == [at(1), at(1)]


def test_a_masked_key_finds_its_rows_within_a_project_and_nowhere_else(engine, tmp_path):
    asked = plan(cards(tmp_path), "x")
    spine = Spine(pa.table({"p": [hashed("a"), "a"], "t": pa.array([at(5)] * 2)}))
    some = permit(masks={"k": "hash"})
    here = engine.run(asked, spine, some, now=NOW, key=lambda: KEY).table()
    elsewhere = engine.run(asked, spine, some, now=NOW, key=lambda: b"another").table()
    assert here.column("x").to_pylist() == ["three", None]
    assert elsewhere.column("x").to_pylist() == [None, None]


def test_what_is_for_computing_is_an_input_and_never_comes_out(engine, tmp_path):
    asked, some = plan(cards(tmp_path), "x"), permit(computes=["x"])
    spine = Spine(pa.table({"p": ["a"], "t": pa.array([at(5)])}))
    found = engine.run(replace(asked, inputs=frozenset({"x"})), spine, some, now=NOW).table()
    assert found.column("x").to_pylist() == ["three"]  # for who computes, and drops it
    for refused in (
        lambda: engine.run(asked, spine, some, now=NOW),
        lambda: engine.read(cards(tmp_path), ["x"], some, now=NOW),
        lambda: scan(engine, cards(tmp_path), ["x"], some, now=NOW),
        lambda: next(
            engine.latest(join(cards(tmp_path), "x"), some, start=None, end=None, now=NOW)
        ),
    ):
        with pytest.raises(Denied, match=r"may compute with shop\.cards\.x"):
            refused()


@pytest.mark.parametrize("rows", ["gone = 1", "n = 'text'", "x = actor.region"])
def test_rows_that_a_filter_cannot_tell_are_not_given(engine, tmp_path, rows):
    with pytest.raises(Denied, match="cannot be told"):
        engine.read(cards(tmp_path), ["x"], permit(rows=rows), now=NOW)


def test_a_mask_that_does_not_fit_leaves_nothing(engine, tmp_path):
    found = engine.read(cards(tmp_path), ["n"], permit(masks={"n": "truncate(3)"}), now=NOW)
    assert found.column("n").to_pylist() == [None] * 4


def test_another_permit_asks_another_question(tmp_path):
    asked = plan(cards(tmp_path), "x")
    digests = {
        asked.digest,
        asked.under(permit()).digest,
        asked.under(permit(masks={"x": "hash"})).digest,
        asked.under(permit(masks={"x": "null"})).digest,
        asked.under(permit(rows="n > 1")).digest,
    }
    assert len(digests) == 4


def test_an_answer_that_is_masked_gives_back_what_it_holds(tmp_path):
    engine = DuckEngine(tmp_path, temp_directory=tmp_path / "spill", join=Join.SLOTS)
    spine = Spine(pa.table({"p": ["a"], "t": pa.array([at(5)])}))
    some = permit(masks={"x": "null"})
    answer = engine.run(plan(cards(tmp_path), "x"), spine, some, now=NOW)
    assert next(answer.batches).column("x").to_pylist() == [None]
    answer.close()
    left = (tmp_path / "spill" / ".staging").iterdir()
    assert [path.name for path in left if path.is_dir()] == []
