"""Which version publishing a manifest makes: a new one, or the one that it is already."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from provender.core.compatibility import compare
from provender.core.datasets import FIRST, DatasetVersion, Manifest
from provender.core.errors import Conflict, Incompatible
from provender.core.lifecycle import READABLE, Standing, State, said
from provender.core.names import DatasetRef
from provender.core.schema import Compatibility, Verdict

PUBLISHED: Mapping[int, Standing] = {}
"""The standings of versions that are all published."""


def next_version(
    history: Sequence[DatasetVersion],
    ref: DatasetRef,
    manifest: Manifest,
    *,
    by: str,
    now: datetime,
    standings: Mapping[int, Standing] = PUBLISHED,
    gone: Collection[int] = (),
    parent: int | None = None,
    breaking_reason: str = "",
    note: str = "",
) -> DatasetVersion:
    """Return the version that publishing ``manifest`` makes, or the one that it already is.

    ``history`` holds all versions of the dataset, oldest first; those without one in
    ``standings`` are published. What comes before a new version is the newest that readers get:
    that decides whether its schema breaks them. ``parent``, where given, is the version the
    publisher believes to be that one (optimistic concurrency). Without a layout the rows are
    what counts, however they lie; with one, rows that lie otherwise are not the same version.
    The numbers in ``gone`` are of versions whose data was deleted: their rows come anew.

    Raises:
        Conflict: somebody published after ``parent``, or the rows are those of a version that
            was recalled.
        Incompatible: the schema breaks readers and no ``breaking_reason`` is given.
    """
    read = [version for version in history if _state(version, standings) in READABLE]
    there_still = [version for version in read if version.number not in gone]
    latest = next(reversed(there_still or read), None)
    kept = [version for version in history if version.number not in gone]
    there = _there(kept, manifest, latest, standings, parent=parent)
    if there is not None:
        return there
    latest_number = latest.number if latest else 0
    if parent is not None and parent != latest_number:
        raise Conflict(
            f"{ref.dataset} is at version {latest_number}, not {parent}: {_since(latest)}",
            hint=f"look at {ref.dataset}@{latest_number}, then publish again"
            if latest
            else "publish without a parent",
        )
    number = history[-1].number + 1 if history else 1
    compatibility = (
        check_unbroken(latest, ref.at(number), manifest, reason=breaking_reason)
        if latest
        else FIRST
    )
    return DatasetVersion(
        ref=ref.at(number),
        manifest=manifest,
        published_at=now,
        published_by=by,
        parent=latest_number or None,
        compatibility=compatibility,
        note=note
        or breaking_reason
        or (f"optimized by {manifest.layout}" if manifest.layout else ""),
    )


def _since(latest: DatasetVersion | None) -> str:
    """Who published what is there in place of the version that was looked at."""
    if latest is None:
        return "there is none that readers get"
    return f"{latest.published_by} published that on {latest.published_at:%Y-%m-%d at %H:%MZ}"


def check_unbroken(
    latest: DatasetVersion, ref: DatasetRef, manifest: Manifest, *, reason: str
) -> Compatibility:
    """Return how the schema of ``ref``, a version with that ``manifest``, follows that of ``latest``.

    Raises:
        Incompatible: it breaks readers of ``latest`` and no ``reason`` is given.
    """
    found = compare(latest.manifest.schema, manifest.schema)
    if found.verdict is Verdict.BREAKING and not reason:
        raise Incompatible(
            f"{ref} would break readers of @{latest.number}: {'; '.join(found.reasons)}",
            hint='give the reason (publish: --breaking "why"), or keep the old columns',
        )
    return found


def _there(
    history: Sequence[DatasetVersion],
    manifest: Manifest,
    latest: DatasetVersion | None,
    standings: Mapping[int, Standing],
    *,
    parent: int | None,
) -> DatasetVersion | None:
    """The version that ``manifest`` is already; None: it makes a new one.

    It is what readers get; or what waits to come after that; or what publishing it on top of
    ``parent`` made before, whatever came after it. Rows that readers got once, and do not get
    any more, come back as a new version.
    """
    same = [version for version in reversed(history) if _is_same(version.manifest, manifest)]
    if not same or latest in same:
        return latest if same else None
    newest = same[0]
    if _state(newest, standings) is State.RECALLED:
        raise Conflict(
            f"these rows are known: {said(str(newest.ref), standings[newest.number])}",
            hint=f"restore {newest.ref} if it is right after all, or publish other rows",
        )
    if latest is None or newest.number > latest.number:
        return newest
    made = (v for v in same if parent is not None and (v.parent or 0) == parent)
    return next((v for v in made if _state(v, standings) in READABLE), None)


def _state(version: DatasetVersion, standings: Mapping[int, Standing]) -> State:
    standing = standings.get(version.number)
    return standing.state if standing is not None else State.PUBLISHED


def _is_same(there: Manifest, offered: Manifest) -> bool:
    """Content does not say which columns may be null; readers rely on that as well."""
    return (
        there.logical_digest == offered.logical_digest
        and there.content == offered.content
        and there.schema == offered.schema
        and offered.layout in (None, there.layout)
    )
