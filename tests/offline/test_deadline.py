"""A retrieval ends when its time is over, whatever DuckDB is doing, and who is told of progress can end it."""

import subprocess
import sys
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
from tests.stress import times


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


def test_whatever_is_interrupted_ends(tmp_path):
    """With DuckDB's threads for reading ahead about one in a hundred never did: it waited for a task that was lost."""
    file, count = tmp_path / "rows.csv", times(50, calm=25)
    rows = "SELECT hash(i) AS key, i::DOUBLE AS x FROM range(300000) t(i)"
    with connect(Limits(), tmp_path) as session:
        session.execute(f"COPY ({rows}) TO '{file}' (HEADER)")
        assert session.execute("SELECT current_setting('async_threads')").fetchone() == (0,)
    command = [sys.executable, "-m", "tests.offline.interruptions", str(file), str(count)]
    children = [
        subprocess.Popen([*command, str(seed)], stdout=subprocess.PIPE, text=True)
        for seed in range(2)
    ]
    try:
        for child in children:
            told, _ = child.communicate(timeout=30 + 2 * count)
            assert int(told.splitlines()[-1]) > count / 5  # else nothing was interrupted
    finally:
        for child in children:
            child.kill()
            child.wait()


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
