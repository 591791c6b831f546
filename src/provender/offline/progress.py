"""How far a long job is: told to a callback, else shown on a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

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


def _silent(what: str, done: float) -> None:
    pass
