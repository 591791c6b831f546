"""What DuckDB says of a query that is ended, or that something has run out, in our words."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import duckdb
import pytest

from provender.offline.session import Limits, connect

LONG = "SELECT sum(hash(a.i) % 1000 + hash(b.i) % 1000) AS s FROM range(1000000) a(i), range(1000000) b(i)"
READ = {
    "table": lambda session, _: session.sql(LONG).to_arrow_table(),
    "stream": lambda session, _: session.sql(LONG).to_arrow_reader(1_000).read_all(),
    "values": lambda session, _: session.execute(LONG).fetchall(),
    "file": lambda session, folder: session.sql(LONG).write_parquet(str(folder / "x.parquet")),
}
LIMITS = Limits(memory_limit="200MB", threads=1)


def run(
    area: Path, how: str, stop: Callable[[duckdb.DuckDBPyConnection], None], after: float = 0.3
) -> None:
    """Run a query that takes minutes, of which ``stop`` makes an end."""
    with connect(LIMITS, area) as session:
        timer = Timer(after, stop, [session])
        timer.start()
        try:
            READ[how](session, area)
        finally:
            timer.join()


@pytest.mark.parametrize("how", READ)
def test_ctrl_c_is_ctrl_c_while_duckdb_works(tmp_path: Path, how: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, how, lambda _: os.kill(os.getpid(), signal.SIGINT))


@pytest.mark.parametrize("how", READ)
def test_a_query_that_is_told_to_end_is_interrupted(tmp_path: Path, how: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, how, lambda session: session.interrupt())


def test_an_error_of_ours_that_is_none_of_duckdbs_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="mine"), connect(LIMITS, tmp_path):
        raise RuntimeError("mine")
