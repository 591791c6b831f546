"""What DuckDB says of a query that is ended, or that something has run out, in our words."""

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

import duckdb
import pytest

from provender.core.errors import Unavailable
from provender.offline.session import Limits, connect
from provender.tables.spill import spilling
from provender.tables.stream import staged

LONG = "SELECT sum(hash(a.i) % 1000 + hash(b.i) % 1000) AS s FROM range(1000000) a(i), range(1000000) b(i)"
READ = {
    "table": lambda session, _: session.sql(LONG).to_arrow_table(),
    "stream": lambda session, _: session.sql(LONG).to_arrow_reader(1_000).read_all(),
    "values": lambda session, _: session.execute(LONG).fetchall(),
    "file": lambda session, folder: session.sql(LONG).write_parquet(str(folder / "x.parquet")),
}
LIMITS = Limits(memory_limit="200MB", threads=1)


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """The signal is Python's own here, whatever tests before have made of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def run(
    area: Path, how: str, stop: Callable[[duckdb.DuckDBPyConnection], None], after: float = 0.3
) -> None:
    """Run a query that takes hours, of which ``stop`` makes an end."""
    over, ended_otherwise = Event(), False

    def stopping() -> None:
        nonlocal ended_otherwise
        if over.wait(after):
            return
        stop(session)
        if not over.wait(30):
            ended_otherwise = True
            session.interrupt()

    with connect(LIMITS, area) as session:
        stopper = Thread(target=stopping)
        stopper.start()
        try:
            READ[how](session, area)
        finally:
            over.set()
            stopper.join()
            assert not ended_otherwise, "what should have ended it did not"


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


@contextmanager
def limited(which: int, count: int) -> Iterator[None]:
    """Let this process have files of ``count`` bytes only, or as many files open."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(which)
    resource.setrlimit(which, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(which, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@contextmanager
def crowded() -> Iterator[None]:
    """No file can be opened any more."""
    highest = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    with ExitStack() as stack:
        stack.enter_context(limited(resource.RLIMIT_NOFILE, highest + 16))
        while True:
            try:
                stack.enter_context(Path(os.devnull).open())
            except OSError:
                break
        yield


@pytest.mark.parametrize("work", ["staging", "sorting"])
def test_a_full_disk_is_said_with_where_to_make_room(tmp_path: Path, work: str) -> None:
    rows = "SELECT hash(i) AS a, hash(i + 1) AS b FROM range(6000000) t(i)"

    def use(session: duckdb.DuckDBPyConnection) -> None:
        if work == "staging":
            session.sql(rows).write_parquet(str(tmp_path / "staged.parquet"))
        else:
            session.sql(f"{rows} ORDER BY a, b").to_arrow_table()

    limits = Limits(memory_limit="80MB", threads=1)
    with (
        limited(resource.RLIMIT_FSIZE, 3_000_000),
        pytest.raises(Unavailable, match=rf"no room .*{tmp_path}") as said,
        connect(limits, tmp_path) as session,
    ):
        use(session)
    assert "make room on that disk, or set temp_directory" in said.value.hint


def test_too_many_open_files_are_said_as_such(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a")

    def stage() -> None:
        with staged(tmp_path / "set.parquet"):
            pass

    def spill() -> None:
        with spilling(tmp_path):
            pass

    with connect(LIMITS, tmp_path) as session, crowded():
        session.execute("SELECT 1").fetchall()
        for what in (stage, spill):
            with pytest.raises(Unavailable, match="Too many open files") as said:
                what()
            assert "ulimit -n" in said.value.hint
    with (
        pytest.raises(Unavailable, match="no more files can be opened") as said,
        connect(LIMITS, tmp_path) as session,
        crowded(),
    ):
        session.sql(f"FROM read_csv('{tmp_path}/x.csv')").fetchall()
    assert "ulimit -n" in said.value.hint
