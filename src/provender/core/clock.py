"""The only place that asks what time it is."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from provender.core.errors import InvalidInput

Clock = Callable[[], datetime]
DURATION = re.compile(r"(\d{1,6})([smhd])\Z")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


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


def duration(text: str) -> timedelta:
    """Return the time that ``text`` says: a whole number and s, m, h or d, such as 90m.

    Raises:
        InvalidInput: it says none.
    """
    found = DURATION.match(text.strip())
    if found is None:
        raise InvalidInput(
            f"{text!r} is not a duration", hint="write a whole number and a unit: 90m, 36h or 7d"
        )
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def check_past(as_of: datetime, *, now: datetime) -> None:
    """Check that it can be known by ``now`` what was said at ``as_of``.

    Raises:
        InvalidInput: it has no time zone, or is in the future.
    """
    if as_of.tzinfo is None:
        raise InvalidInput(f"as of {as_of} has no time zone", hint="give an instant in UTC")
    if as_of > now:
        raise InvalidInput(
            f"nobody knows what the catalog says at {as_of.isoformat()}",
            hint=f"ask for an instant up to now, {now.isoformat()}",
        )
