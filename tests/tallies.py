"""Lookups as somebody tells of them."""

from dataclasses import replace
from datetime import datetime

from provender.core.tally import Batch, Matter, Tally


def tally(matter: Matter, at: datetime, **more: object) -> Tally:
    """One lookup of one entity that was answered; ``more`` is what it is otherwise."""
    one = Tally(
        matter=matter,
        allowed=True,
        lookups=1,
        entities=1,
        first="a.1",
        last="a.1",
        began=at,
        ended=at,
    )
    return replace(one, **more)  # type: ignore[arg-type]


def batch(*tallies: Tally, digit: str = "0") -> Batch:
    return Batch(id=f"{digit * 20}-{'a' * 12}.0", tallies=tallies)
