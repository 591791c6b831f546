"""How values read for people, wherever they are shown: times that last, numbers, long texts."""

import re
from datetime import timedelta

NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?\Z")
DIGITS = 6
"""Digits of a number that people read."""
DAY, ROOM = 10, 14
"""Letters of a day, and of a value where there is little room."""


def lasting(time: timedelta) -> str:
    """Return a time in its largest whole unit: ``2 d``, ``90 min``."""
    seconds = time.total_seconds()
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:,g} s"


def rounded(value: float) -> str:
    """Return a number with the digits that people read: ``43.7017``."""
    return f"{value:.{DIGITS}g}"


def told(value: str, kind: str = "") -> str:
    """Return a value that is written as text: a number of a broken type ``kind`` rounded.

    Whole numbers, instants and words stay what they are.
    """
    is_broken = kind.startswith(("float", "decimal")) and NUMBER.match(value) is not None
    return rounded(float(value)) if is_broken else value


def shortened(text: str, *, most: int) -> str:
    """Return ``text``, cut at a word with an ellipsis if it is longer than ``most`` letters."""
    if len(text) <= most:
        return text
    return text[:most].rsplit(" ", 1)[0] + " …"


def brief(value: str, kind: str) -> str:
    """Return a value that is written as text in little room: of an instant the day."""
    if kind.startswith(("timestamp", "date")):
        return value[:DAY]
    short = told(value, kind)
    return short if len(short) <= ROOM or NUMBER.match(short) else short[: ROOM - 1] + "…"
