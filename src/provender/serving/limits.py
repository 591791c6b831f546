"""What one request, one connection and one worker may ask for, and what is under way."""

import logging
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from provender.core.errors import InvalidInput, Unavailable

log = logging.getLogger(__name__)

OWN_FILES = 64
"""What a worker opens besides the connections of its clients."""
KIBI = 1 << 10
MEBI = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds. Times are in seconds; ``requests``, ``keys``, ``writes`` and ``appends`` (pushes that
    wait for the offline store) are those of a worker at one time.

    ``request_rows`` are rows of views that one request may read; more would keep everybody else
    waiting; ``request_cells`` are values that one may be answered. ``bodies_bytes`` are those of
    requests that are still coming. ``deadline`` is a lookup's; ``write_seconds`` is that of rows that
    are written online, with their wait for others; in ``append_seconds`` a group of pushes is offline; in ``undrained_seconds`` a client has to read
    64 KiB of its answers.
    """

    header_bytes: int = 16 * KIBI
    headers: int = 100
    body_bytes: int = 8 * MEBI
    bodies_bytes: int = 256 * MEBI
    request_rows: int = 250_000
    request_cells: int = 2_500_000
    features: int = 10_000
    requests: int = 1_024
    keys: int = 500_000
    writes: int = 32
    appends: int = 256
    connections: int = 10_000
    deadline: float = 1.0
    write_seconds: float = 5.0
    append_seconds: float = 60.0
    header_seconds: float = 5.0
    body_seconds: float = 10.0
    idle_seconds: float = 75.0
    undrained_seconds: float = 5.0
    grace_seconds: float = 10.0


def fitting(limits: Limits) -> Limits:
    """Return ``limits`` with no more connections than this process may open, which is made most of.

    A client that nobody can accept would get no answer at all.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + OWN_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft >= wanted:
        return limits
    connections = max(soft - OWN_FILES, 1)
    log.warning(
        "at most %d connections: %d files may be open (ulimit -n), and %d were wanted",
        connections, soft, wanted,
    )  # fmt: skip
    return replace(limits, connections=connections)


class Overloaded(Unavailable):
    """There is too much under way: come again in a second."""


class Load:
    """What one worker has under way."""

    __slots__ = ("appends", "keys", "limits", "requests", "writes")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.requests = 0
        self.keys = 0
        self.writes = 0
        self.appends = 0

    @property
    def under_way(self) -> int:
        """Requests that have no answer yet, of all kinds."""
        return self.requests + self.appends

    @property
    def full(self) -> bool:
        """Whether the next request has to be turned away unread."""
        return self.requests >= self.limits.requests or self.keys >= self.limits.keys

    def refusal(self) -> Overloaded:
        return Overloaded(
            f"this server is overloaded: {self.requests} requests for {self.keys} keys are under way",
            hint="try again in a second, ask for less at a time, or start more workers",
        )

    def begin(self, rows: int, views: int, columns: int) -> int:
        """Return the keys of a lookup of ``rows`` entities in ``views`` views, counted; `end` it.

        ``columns`` are those of the answer.

        Raises:
            InvalidInput: one request may not read so many.
            Overloaded: too many are being read already.
        """
        limits, keys = self.limits, rows * views
        if keys > limits.request_rows:
            raise InvalidInput(
                f"{rows} entities x {views} feature views are more than {limits.request_rows} rows",
                hint="ask for fewer entities at a time",
            )
        if rows * columns > limits.request_cells:
            raise InvalidInput(
                f"{rows} entities x {columns} features are more than {limits.request_cells} values",
                hint="ask for fewer entities or features at a time",
            )
        if self.keys + keys > self.limits.keys:
            raise self.refusal()
        self.keys += keys
        return keys

    def end(self, keys: int) -> None:
        """Count ``keys`` no longer."""
        self.keys -= keys

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Count a request that writes rows.

        Raises:
            Overloaded: too many write already.
        """
        if self.writes >= self.limits.writes:
            raise self.refusal()
        self.writes += 1
        try:
            yield
        finally:
            self.writes -= 1

    @contextmanager
    def appending(self) -> Iterator[None]:
        """Count a request as one that waits for the offline store, and not with the others.

        Such a wait is for another process, and long: it must not keep lookups out.

        Raises:
            Overloaded: too many wait already.
        """
        if self.appends >= self.limits.appends:
            raise Overloaded(
                f"{self.appends} pushes to the offline store wait already",
                hint="try again in a second, or push more rows at a time",
            )
        self.appends += 1
        self.requests -= 1
        try:
            yield
        finally:
            self.appends -= 1
            self.requests += 1
