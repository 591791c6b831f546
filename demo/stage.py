"""How the story is printed: numbered steps, facts with their times, progress on the long ones."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Stage:
    """Prints steps and facts, and remembers how long each step took."""

    def __init__(self) -> None:
        width = None if sys.stdout.isatty() else 110
        self.console = Console(width=width, highlight=False, emoji=False)
        self.seconds: dict[str, float] = {}
        self._began = time.perf_counter()

    @contextmanager
    def step(self, title: str, explained: str) -> Iterator[None]:
        """Print a step's title and what it is for, and at its end how long it took."""
        number = len(self.seconds) + 1
        self.console.print(f"\n[bold cyan]{number}  {title}[/]  [dim]{explained}[/]")
        began = time.perf_counter()
        yield
        self.seconds[title] = time.perf_counter() - began
        self.console.print(f"   [dim]{self.seconds[title]:.1f} s[/]")

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Show that something takes a while; leaves nothing behind."""
        with self.console.status(f"   {text} …"):
            yield

    def fact(self, text: str) -> None:
        """Print one line of what happened."""
        self.console.print(f"   {text}", soft_wrap=True)

    def command(self, text: str) -> None:
        """Print a command to try."""
        self.console.print(f"   [green]{text}[/]", soft_wrap=True)

    @property
    def total(self) -> float:
        """Seconds since the story began."""
        return time.perf_counter() - self._began
