"""How far a long job is: told to a callback, else shown on a terminal."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pyarrow as pa

from provender.offline.answer import Progress


@contextmanager
def shown(progress: Progress | None = None) -> Iterator[Progress]:
    """The callback to tell: ``progress``, else a bar on a terminal, else nothing."""
    if progress is not None or not sys.stderr.isatty():
        yield progress or _silent
        return
    from rich.console import Console
    from rich.progress import Progress as Bars

    with Bars(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("starting", total=1.0)

        def show(what: str, done: float) -> None:
            bars.update(task, description=what, completed=done)

        yield show


def counted(
    batches: Iterable[pa.RecordBatch], count: int | None, tell: Progress
) -> Iterator[pa.RecordBatch]:
    """Yield ``batches``, and tell after each how much of ``count`` rows is handed out."""
    done = 0
    for batch in batches:
        yield batch
        done += batch.num_rows
        tell("handing rows out", min(done / count, 1.0) if count else 0.0)


def _silent(what: str, done: float) -> None:
    pass
