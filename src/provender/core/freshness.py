"""How stale the values of a feature view may be when they are served, and what happens if they are.

Staleness is about operations, a TTL is about meaning: a TTL says until when a value describes
its entity, in training as in serving; ``max_staleness`` says when whoever serves it wants to
know that the pipeline lags. Pure: no clock.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from provender.core.errors import InvalidInput, Stale

MAX_STALENESS = "max_staleness"
ON_STALE = "on_stale"
UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
SECOND_US = 1_000_000


class OnStale(StrEnum):
    """What happens to values that are staler than they may be."""

    REFUSE = "refuse"
    """The whole request is refused."""
    NULL = "null"
    """The values are withheld, as if the view's TTL were over."""
    WARN = "warn"
    """The values are served; the answer's metadata tells."""


WORDS = tuple(word.value for word in OnStale)


@dataclass(frozen=True, slots=True)
class Staleness:
    """How stale the found rows of one view are, at the time of asking."""

    oldest_seconds: float | None
    stale_rows: int
    on_stale: OnStale


def parse_duration(text: str) -> timedelta:
    """Return what ``15m``, ``2h``, ``1d 12h`` say: whole numbers of s, m, h, d, w.

    Raises:
        InvalidInput: it is none, or no time at all.
    """
    parts = re.findall(r"(\d{1,9})([smhdw])", text)
    length = sum((int(count) * UNITS[unit] for count, unit in parts), timedelta())
    if "".join(count + unit for count, unit in parts) != "".join(text.split()) or not length:
        raise InvalidInput(
            f"{text!r} is no duration", hint="write 90s, 15m, 2h, 7d, 1w or several, as 1d12h"
        )
    return length


def declared(tags: Mapping[str, str], *, where: str) -> tuple[timedelta | None, OnStale]:
    """Return how stale values may be (None: as stale as they are) and what happens then.

    ``tags`` are the pairs of a feature view that ``where`` names; without ``on_stale`` stale
    values are served, and told.

    Raises:
        InvalidInput: one of the two cannot be read, or ``on_stale`` has nothing to say it of.
    """
    text, then = tags.get(MAX_STALENESS), tags.get(ON_STALE)
    if then is not None and then not in WORDS:
        raise InvalidInput(
            f"{where}: {ON_STALE} is {then!r}", hint=f"it is one of {', '.join(WORDS)}"
        )
    if text is None:
        if then is not None:
            raise InvalidInput(
                f"{where}: {ON_STALE} is {then}, and no {MAX_STALENESS} is said",
                hint=f'add the tag {MAX_STALENESS}, such as "15m"',
            )
        return None, OnStale.WARN
    try:
        return parse_duration(text), OnStale(then or OnStale.WARN)
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {MAX_STALENESS}: {error.message}", hint=error.hint) from None


def staleness(
    event_us: Iterable[int], now_us: int, *, limit_us: int, on_stale: OnStale
) -> Staleness:
    """Return how stale rows are with these event timestamps, in microseconds since 1970.

    0 stands for no row. A row is stale once its age is over the limit: at it, it is not.
    """
    found = [us for us in event_us if us]
    return Staleness(
        oldest_seconds=(now_us - min(found)) / SECOND_US if found else None,
        stale_rows=sum(1 for us in found if now_us - us > limit_us),
        on_stale=on_stale,
    )


def refuse(view: str, found: Staleness, limit: timedelta) -> None:
    """Return unless rows of ``view`` are stale and must not be served then.

    Raises:
        Stale: they are.
    """
    if found.stale_rows and found.on_stale is OnStale.REFUSE:
        rows = "1 row" if found.stale_rows == 1 else f"{found.stale_rows} rows"
        raise Stale(
            f"{rows} of feature view {view} are staler than {limit}: "
            f"the oldest is {timedelta(seconds=found.oldest_seconds or 0)} old",
            hint="materialise the view, or look why its pipeline lags; "
            f"{ON_STALE} of the view says what else could happen",
        )
