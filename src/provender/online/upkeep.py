"""What keeping the online store in order tells: how far it is, and what it did."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from provender.core.names import DatasetRef
from provender.online.parity import Parity

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Expect = Callable[[int, int], None]
"""Called with how many rows a run has, and how many of them an earlier one wrote."""


class Watcher(Protocol):
    """What is told how far runs are, each by its view's name."""

    def expect(self, name: str, total: int, done: int) -> None:
        """It has ``total`` rows, of which ``done`` were written by an earlier run."""
        ...

    def advance(self, name: str, rows: int) -> None:
        """So many rows more are written."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Materialized:
    """What one run over one view did.

    ``read`` rows were looked at, of which ``kept`` are older than what is stored and
    ``null_keys`` lack a join key. ``resumed`` were written by a run before that did not end.
    ``null_times`` rows of the source lack an event timestamp. ``restarts``: the store was emptied
    or failed over that often, and all was written anew.
    """

    view: str
    start: datetime
    end: datetime
    read: int = 0
    written: int = 0
    kept: int = 0
    resumed: int = 0
    null_keys: int = 0
    null_times: int = 0
    restarts: int = 0
    seconds: float = 0.0
    source: DatasetRef | None = None

    @property
    def skipped(self) -> int:
        """Rows that cannot be looked up by anybody."""
        return self.null_keys

    @property
    def warnings(self) -> list[str]:
        """What may be wrong."""
        found = []
        if not self.read + self.resumed:
            since = "the beginning" if self.start == EPOCH else self.start.isoformat()
            found.append(f"{self.view}: no rows from {since} to {self.end.isoformat()}")
        if self.restarts:
            found.append(
                f"{self.view}: the online store was emptied or failed over while it was written; "
                "all was written anew"
            )
        return found


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was written of one view, how many orphans were deleted, and how it compares with offline now."""

    run: Materialized
    deleted: int
    parity: Parity
