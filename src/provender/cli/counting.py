"""How far long runs are, on stderr: a bar for people at a terminal, a line now and then for a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import click

LINE_SECONDS = 10.0


class Counter(Protocol):
    """What is told of several runs, each by its name."""

    def expect(self, name: str, total: int, done: int) -> None:
        """A run has ``total`` rows, of which ``done`` are done already."""
        ...

    def advance(self, name: str, rows: int) -> None:
        """So many rows more are done."""
        ...


@contextmanager
def counting(what: str) -> Iterator[Counter]:
    """Show for each of several long runs how many rows it has done, how fast, and what time is left."""
    if sys.stderr.isatty():
        with _bars(what) as bars:
            yield bars
    else:
        yield Lines(what)


class Lines:
    """A line every ten seconds for whatever collects them; the time is ``clock``'s, in seconds."""

    def __init__(
        self,
        what: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        say: Callable[[str], None] = lambda line: click.echo(line, err=True),
    ) -> None:
        self._what, self._clock, self._say = what, clock, say
        self._name, self._total = "", 0
        self._done = self._before = 0
        self._began = self._said = clock()

    def expect(self, name: str, total: int, done: int) -> None:
        self._name, self._total, self._done, self._before = name, total, done, done
        self._began = self._said = self._clock()

    def advance(self, name: str, rows: int) -> None:
        self._done += rows
        now = self._clock()
        if now - self._said >= LINE_SECONDS:
            self._said = now
            rate = (self._done - self._before) / (now - self._began)
            left = (self._total - self._done) / rate
            self._say(
                f"{self._what} {name}: {self._done:,} of {self._total:,} rows, "
                f"{rate:,.0f} rows/s, {left:,.0f} s left"
            )


@contextmanager
def _bars(what: str) -> Iterator[Counter]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(what + " {task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} rows"),
        TextColumn("{task.fields[rate]} rows/s"),
        TimeRemainingColumn(),
    )

    class Bars:
        def __init__(self, shown: Progress) -> None:
            self._shown = shown
            self._tasks: dict[str, tuple[TaskID, int]] = {}

        def expect(self, name: str, total: int, done: int) -> None:
            if name in self._tasks:
                self._shown.remove_task(self._tasks[name][0])
            task = self._shown.add_task(name, total=total, completed=done, rate="–")
            self._tasks[name] = (task, done)

        def advance(self, name: str, rows: int) -> None:
            number, before = self._tasks[name]
            self._shown.advance(number, rows)
            task = self._shown.tasks[self._shown.task_ids.index(number)]
            if task.elapsed:
                rate = (task.completed - before) / task.elapsed
                self._shown.update(number, rate=f"{rate:,.0f}")

    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        yield Bars(shown)


@contextmanager
def telling() -> Iterator[Callable[[str, float], None]]:
    """Show on stderr what is being done, and how much of it is."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("", total=None)

        def tell(stage: str, done: float) -> None:
            progress.update(task, description=stage, total=1.0 if done else None, completed=done)

        yield tell
