"""How long the data of versions is kept. The manifest of a version stays for good."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from provender.core.errors import InvalidInput
from provender.core.names import DatasetRef

MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Data goes that is neither of the last versions nor young; ``hold`` says why none goes."""

    keep_versions: int | None = None
    keep_days: int | None = None
    hold: str = ""


NONE = Retention()
"""Everything is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A version whose data is there. ``pinned_by`` names what was made of it, or reads it by number.

    One that ``is_waiting`` is a draft or quarantined: it may be what readers get next.
    """

    ref: DatasetRef
    published_at: datetime
    size_bytes: int
    is_readable: bool
    is_waiting: bool = False
    pinned_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Whether the data of a version ``goes``, and why it does or stays."""

    ref: DatasetRef
    goes: bool
    because: str
    size_bytes: int = 0


def check(rule: Retention) -> None:
    """Return if ``rule`` can be followed.

    Raises:
        InvalidInput: it would keep no version, or for a time that is none.
    """
    if rule.keep_versions is not None and rule.keep_versions < 1:
        raise InvalidInput(
            f"{rule.keep_versions} versions cannot be kept", hint="keep at least the last one"
        )
    if rule.keep_days is not None and not 0 <= rule.keep_days <= MOST_DAYS:
        raise InvalidInput(
            f"data cannot be kept for {rule.keep_days} days", hint=f"say 0 to {MOST_DAYS} days"
        )


def due(rule: Retention, stored: Sequence[Stored], *, now: datetime) -> list[Due]:
    """Return for each version of a dataset, in order, whether its data goes at ``now``.

    ``stored`` are those whose data is there, oldest first. What readers get stays, and what is
    pinned; on hold, everything does. Where both a number and an age are given, data goes that
    is past both. Versions that readers do not get, such as those recalled, are not among the last
    ones; one that waits for its steward, newer than what readers get, is past no number of them.
    """
    readable = [version for version in stored if version.is_readable]
    newest = readable[-1] if readable else None
    last = readable[-rule.keep_versions :] if rule.keep_versions else []
    first_kept = last[0] if last else None
    return [
        _judged(rule, version, now=now, newest=newest, first_kept=first_kept) for version in stored
    ]


def _judged(
    rule: Retention,
    version: Stored,
    *,
    now: datetime,
    newest: Stored | None,
    first_kept: Stored | None,
) -> Due:
    stays = (
        _held(rule)
        or _needed(version, newest)
        or _among_the_last(rule, version, first_kept)
        or _awaited(rule, version, newest)
        or _young(rule, version, now=now)
    )
    return Due(
        ref=version.ref,
        goes=not stays,
        because=stays or _past(rule, version),
        size_bytes=version.size_bytes,
    )


def _held(rule: Retention) -> str:
    if rule.hold:
        return f"on hold: {rule.hold}"
    if rule.keep_versions is None and rule.keep_days is None:
        return "no retention is set"
    return ""


def _needed(version: Stored, newest: Stored | None) -> str:
    if version is newest:
        return "it is what readers get"
    if version.pinned_by:
        first, more = version.pinned_by[0], len(version.pinned_by) - 1
        return f"pinned by {first}" + (f" and {more} more" if more else "")
    return ""


def _among_the_last(rule: Retention, version: Stored, first_kept: Stored | None) -> str:
    if first_kept is None or not version.is_readable or _number(version) < _number(first_kept):
        return ""
    return f"among the last {rule.keep_versions}"


def _awaited(rule: Retention, version: Stored, newest: Stored | None) -> str:
    if rule.keep_versions is None or not version.is_waiting:
        return ""
    is_newer = newest is None or _number(version) > _number(newest)
    return "waiting for its steward" if is_newer else ""


def _young(rule: Retention, version: Stored, *, now: datetime) -> str:
    if rule.keep_days is None or version.published_at < now - timedelta(days=rule.keep_days):
        return ""
    return f"published {version.published_at:%Y-%m-%d}, within {rule.keep_days} days"


def _past(rule: Retention, version: Stored) -> str:
    past = []
    if rule.keep_versions is not None:
        counted = "" if version.is_readable else "not for readers, so "
        past.append(f"{counted}not among the last {rule.keep_versions}")
    if rule.keep_days is not None:
        past.append(f"older than {rule.keep_days} days")
    return " and ".join(past)


def _number(version: Stored) -> int:
    return version.ref.version or 0
