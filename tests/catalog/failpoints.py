"""A publisher that is killed at a named point: between any two things that it does.

Nothing of ours is replaced: Python says when a folder is made, a file flushed or renamed, and
SQLAlchemy when a statement was executed.
"""

import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
from sqlalchemy import Engine, event

from provender.core.datasets import DatasetVersion
from provender.sdk import connect
from provender.settings import Settings
from tests.catalog.world import FLIGHTS, NOW

FILES = ("staging", "flushing", "flushed", "renamed")
STATEMENTS = {
    "begun": "FROM dataset_names",
    "version": "INSERT INTO versions",
    "history": "INSERT INTO history",
    "latest": "UPDATE datasets",
    "lineage": "UPDATE edges",
    "index": "UPDATE search_documents",
    "audit": "INSERT INTO audit_events",
}
"""Points after a statement, in their order."""
COMMITTED = "committed"
"""The point where all is done and nobody was told."""
POINTS = (*FILES, *STATEMENTS, COMMITTED)


def rows(number: int) -> pa.Table:
    """Return rows that are those of one version only, later than those of the versions before."""
    at = [NOW + timedelta(hours=number, minutes=minute) for minute in range(50)]
    return pa.table(
        {
            "event_timestamp": pa.array(at, pa.timestamp("us", tz="UTC")),
            "tailnum": [f"N{number}"] * 50,
            "arr_delay": [float(number)] * 50,
        }
    )


def publish(settings: Settings, number: int, point: str = "") -> DatasetVersion:
    """Return the version that the rows of ``number`` make, if the process lives to see it."""
    with connect(settings=settings) as workspace:
        if point:
            _die_at(point)
        made = workspace.publish(str(FLIGHTS), rows(number))
        if point == COMMITTED:
            _die()
        return made


def _die_at(point: str) -> None:
    if point in STATEMENTS:
        _die_after(STATEMENTS[point])
    elif point in FILES:
        _watch_files(point)


def _die_after(statement: str) -> None:
    @event.listens_for(Engine, "after_cursor_execute")
    def watch(_connection: object, _cursor: object, executed: str, *_: object) -> None:
        if statement in executed:
            _die()


def _watch_files(point: str) -> None:
    renamed: list[str] = []

    def heard(happening: str, arguments: tuple[object, ...]) -> None:
        if (
            happening == "os.mkdir"
            and point == "staging"
            and Path(str(arguments[0])).name == "rows"
        ):
            _die()
        if happening == "os.rename" and FLIGHTS.name in str(arguments[1]):
            if point == "flushed":
                _die()
            renamed.append(str(arguments[1]))

    sys.addaudithook(heard)
    os.fsync = _before(os.fsync, lambda: point == "flushing" or (point == "renamed" and renamed))


def _before(work: Callable[[int], None], dies: Callable[[], object]) -> Callable[[int], None]:
    def watched(handle: int) -> None:
        if dies():
            _die()
        work(handle)

    return watched


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fork_for_ever(settings: Settings) -> None:
    """Publish in a process of its own for each line ``number point``, and say how each ended."""
    for line in sys.stdin:
        number, point = line.split()
        child = os.fork()
        if child == 0:
            publish(settings, int(number), point)
            os._exit(1)  # it should not have lived
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    fork_for_ever(Settings(home=Path(sys.argv[1]), catalog_url=sys.argv[2], actor="person:ops"))
