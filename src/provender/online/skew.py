"""How far ahead clocks may be, and rows that are further ahead: a lookup does not find them yet."""

from datetime import datetime, timedelta

from provender.core.errors import InvalidInput

CLOCK_SKEW = timedelta(minutes=1)
CLOCK_SKEW_US = CLOCK_SKEW // timedelta(microseconds=1)


def refuse_future(view: str, event_timestamp: datetime, now: datetime) -> None:
    """Raise InvalidInput if a row to be pushed is from after ``now``, a minute allowed.

    The newest row of a key stays, and is found only when its time has come: until then it
    would hide the row that is there.
    """
    if event_timestamp > now + CLOCK_SKEW:
        raise InvalidInput(
            f"a row of feature view {view} is from {event_timestamp.isoformat()}, "
            f"and now it is {now.isoformat(timespec='seconds')}",
            hint="push rows when they have happened; correct the clock or the zone of whoever wrote it",
        )
