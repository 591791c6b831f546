"""The only place that asks what time it is."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current instant in UTC."""
    return datetime.now(UTC)


def to_utc(instant: datetime) -> datetime:
    """Return ``instant`` in UTC; an instant without a zone is taken to be UTC already."""
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def frozen_at(instant: datetime) -> Clock:
    """Return a clock that always says ``instant``: for replaying historical data."""
    fixed = to_utc(instant)
    return lambda: fixed
