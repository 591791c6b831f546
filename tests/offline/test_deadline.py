"""A retrieval ends when its time is over, whatever DuckDB is doing, and who is told of progress can end it."""

import time

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from provender.core.datasets import Format
from provender.core.errors import Corrupt, Unavailable
from provender.core.training import PointInTimePlan, Table, ViewJoin
from provender.offline.deadline import Deadline, interrupted_in_time
from provender.offline.duck import DuckEngine
from provender.offline.session import Limits, connect
from provender.offline.shape import Join
from provender.offline.spine import Spine
from tests.offline.test_bounds import PERMIT, START, instants, left_over
from tests.offline.test_session import LONG


def silent(what: str, done: float) -> None:
    pass


def work(area, seconds, does):
    """Let DuckDB do what takes minutes, for ``seconds``."""
    with (
        connect(Limits(threads=1), area) as session,
        interrupted_in_time(session, Deadline(silent, seconds)),
    ):
        return does(session)


def long_query(session):
    session.sql(LONG).to_arrow_table()


def late_query(session):
    time.sleep(0.2)
    long_query(session)


def query_whose_error_is_changed(session):
    try:
        long_query(session)
    except duckdb.Error as error:
        raise Corrupt("the file is broken") from error


def test_what_duckdb_does_is_interrupted_when_the_time_is_over(tmp_path):
    with pytest.raises(Unavailable, match=r"not done after 0.2 seconds \(starting: 0%\)"):
        work(tmp_path, 0.2, long_query)


def test_what_begins_when_the_time_is_over_is_interrupted_too(tmp_path):
    with pytest.raises(Unavailable, match="not done after 0 seconds"):
        work(tmp_path, 0, late_query)


def test_an_interrupt_is_told_as_such_whatever_was_made_of_it(tmp_path):
    with pytest.raises(Unavailable, match=r"not done after 0\.2 seconds"):
        work(tmp_path, 0.2, query_whose_error_is_changed)


def test_another_error_stays_what_it_is(tmp_path):
    def damage(_):
        raise Corrupt("mine")

    with pytest.raises(Corrupt, match="mine"):
        work(tmp_path, 0, damage)


def test_what_is_done_in_time_is_not_interrupted(tmp_path):
    assert work(tmp_path, 60, lambda session: session.execute("SELECT 1").fetchall()) == [(1,)]


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A plan of one view in a CSV file of two million rows, and a spine."""
    file = tmp_path_factory.mktemp("slow") / "view.csv"
    rows = (
        "SELECT (hash(i) % 1000000)::BIGINT AS key, i::DOUBLE AS x, "
        "TIMESTAMP '2025-12-01' + INTERVAL (i % 40000) MINUTE AS at FROM range(2000000) t(i)"
    )
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({rows}) TO '{file}' (HEADER)")
    join = ViewJoin(
        view="view", table=Table(format=Format.CSV, location=str(file)), keys=(("key", "key"),),
        features=(("x", "x"),), event_timestamp="at",
    )  # fmt: skip
    spine = pa.table({"key": np.arange(1000) * 977, "t": instants(np.full(1000, 30_000))})
    return PointInTimePlan(event_timestamp="t", joins=(join,)), Spine(spine)


def run(asked, folder, join, tell):
    engine = DuckEngine(folder / "lake", temp_directory=folder / "spill", threads=1, join=join)
    return engine.run(*asked, PERMIT, now=START, progress=tell).table()


@pytest.mark.parametrize("join", list(Join))
def test_a_retrieval_ends_when_its_time_is_over_in_the_midst_of_a_table(asked, tmp_path, join):
    for _ in range(2):  # the first one compiles
        began = time.monotonic()
        assert run(asked, tmp_path, join, silent).num_rows == 1000
        whole = time.monotonic() - began
    began = time.monotonic()
    with pytest.raises(Unavailable, match="the retrieval was not done after"):
        run(asked, tmp_path, join, Deadline(silent, whole / 5))
    assert time.monotonic() - began < whole * 0.8
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(
    ("join", "when"),
    [*((join, "opening view") for join in Join), (Join.SLOTS, "staging view")],
)
def test_who_is_told_can_end_it_before_a_table_is_read(asked, tmp_path, join, when):
    def end(what, done):
        if what == when:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(asked, tmp_path, join, end)
    assert left_over(tmp_path) == []
