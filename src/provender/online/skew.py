"""How far ahead clocks may be, and rows that are further ahead: a lookup does not find them yet."""

from datetime import datetime, timedelta

from provender.core.errors import InvalidInput

CLOCK_SKEW = timedelta(minutes=1)
CLOCK_SKEW_US = CLOCK_SKEW // timedelta(microseconds=1)


def refuse_future(
    view: str, event_timestamp: datetime, now: datetime, *, created: datetime | None = None
) -> None:
    """Raise InvalidInput if a row to be pushed is from after ``now``, a minute allowed.

    The newest row of a key stays. One with a later event timestamp is found only when its time
    has come, and until then hides the row that is there; one that says it was ``created`` later
    keeps every correction of the same event away.
    """
    for what, instant in (("is from", event_timestamp), ("was created at", created)):
        if instant is not None and is_ahead(instant, now):
            raise InvalidInput(
                f"a row of feature view {view} {what} {instant.isoformat()}, "
                f"and now it is {now.isoformat(timespec='seconds')}",
                hint="push rows when they have happened; correct the clock or the zone of whoever wrote it",
            )


def is_ahead(instant: datetime, now: datetime) -> bool:
    """Return whether ``instant`` is after ``now`` by more than clocks may differ."""
    return instant > now + CLOCK_SKEW
