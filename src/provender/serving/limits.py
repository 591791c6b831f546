"""What one request, one connection and one worker may ask for, and what is under way."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from provender.core.errors import InvalidInput, Unavailable

KIBI = 1 << 10
MEBI = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds. Times are in seconds; ``requests`` and ``keys`` are those of a worker at one time.

    ``request_rows`` are rows of views that one request may read; more would keep everybody else
    waiting. ``deadline`` is a lookup's; ``undrained`` is how long a client may not read.
    """

    header_bytes: int = 16 * KIBI
    headers: int = 100
    body_bytes: int = 8 * MEBI
    request_rows: int = 250_000
    features: int = 10_000
    requests: int = 1_024
    keys: int = 500_000
    writes: int = 32
    connections: int = 10_000
    deadline: float = 1.0
    header_seconds: float = 5.0
    body_seconds: float = 10.0
    idle_seconds: float = 75.0
    undrained_seconds: float = 5.0
    grace_seconds: float = 10.0


class Overloaded(Unavailable):
    """There is too much under way: come again in a second."""


class Load:
    """What one worker has under way."""

    __slots__ = ("keys", "limits", "requests", "writes")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.requests = 0
        self.keys = 0
        self.writes = 0

    @property
    def full(self) -> bool:
        """Whether the next request has to be turned away unread."""
        return self.requests >= self.limits.requests or self.keys >= self.limits.keys

    def refusal(self) -> Overloaded:
        return Overloaded(
            f"this server is overloaded: {self.requests} requests for {self.keys} keys are under way",
            hint="try again in a second, ask for less at a time, or start more workers",
        )

    def begin(self, rows: int, views: int) -> int:
        """Return the keys of a lookup of ``rows`` entities in ``views`` views, counted; `end` it.

        Raises:
            InvalidInput: one request may not read so many.
            Overloaded: too many are being read already.
        """
        keys = rows * views
        if keys > self.limits.request_rows:
            raise InvalidInput(
                f"{rows} entities x {views} feature views are more than {self.limits.request_rows} rows",
                hint="ask for fewer entities at a time",
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
