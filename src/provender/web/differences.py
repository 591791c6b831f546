"""Two versions of a dataset beside each other: what was found, and the columns that changed."""

from typing import Any

from provender.core.datasets import Release
from provender.core.differences import INSTANTS, MOVED, ColumnDifference, diff
from provender.core.errors import InvalidInput
from provender.core.names import DatasetRef
from provender.core.profiles import Profile
from provender.web import plots
from provender.web.columns import address
from provender.web.page import Page, Visit
from provender.web.versions import standing_of

MOST_FINDINGS = 60
MOST_COLUMNS = 30


def difference(visit: Visit) -> Page:
    """What is different in version ``to``, compared with version ``from``."""
    ref = DatasetRef.parse(visit.part("name")).at(None)
    first, second = visit.number("from"), visit.number("to")
    if first is None or second is None:
        raise InvalidInput("two versions are needed", hint="write ?from=1&to=2")
    old, entry = standing_of(visit, ref.at(first))
    new, _ = standing_of(visit, ref.at(second))
    found = diff(old.version, new.version, before=_profile(visit, old), after=_profile(visit, new))
    changed = [one for one in found.columns if _is_changed(one)]
    untold = sum(map(_is_untold, found.columns)) if found.is_profiled else 0
    return Page(
        template="diff.html",
        title=f"{entry.dataset.ref}: what changed from v{first} to v{second}",
        facts={
            "dataset": entry.dataset.ref.dataset,
            "from": first,
            "to": second,
            "compatibility": found.compatibility.verdict,
            "findings": found.findings[:MOST_FINDINGS],
            "rows": found.rows,
            "ranges": found.ranges,
            "profiled": found.is_profiled,
            "changed": [_in_short(one) for one in changed[:MOST_COLUMNS]],
        },
        shown={
            "addresses": [address(ref.dataset, one.column) for one in changed[:MOST_COLUMNS]],
            "sparks": [_sparks(one) for one in changed[:MOST_COLUMNS]],
            "ref": entry.dataset.ref,
            "versions": (old.version, new.version),
            "states": (old.standing.state, new.standing.state),
            "alike": len(found.columns) - len(changed) - untold,
            "untold": untold,
            "more": len(changed) - MOST_COLUMNS,
            "more_findings": len(found.findings) - MOST_FINDINGS,
        },
    )


def _profile(visit: Visit, release: Release) -> Profile | None:
    return visit.catalog.finder.evidence(release.version.ref).profile


def _is_changed(one: ColumnDifference) -> bool:
    before, after = one.before, one.after
    if one.was != one.now or (one.distance or 0.0) >= MOVED:
        return True
    if before is None or after is None:
        return False
    is_later = one.now in INSTANTS and before.mean != after.mean
    return is_later or before.null_share != after.null_share


def _is_untold(one: ColumnDifference) -> bool:
    return one.was == one.now and (one.before is None or one.after is None)


def _in_short(one: ColumnDifference) -> dict[str, Any]:
    return {
        "column": one.column,
        "was": one.was,
        "now": one.now,
        "distance": one.distance,
        "null_shares": [side.null_share if side else None for side in (one.before, one.after)],
        "means": [side.mean if side else None for side in (one.before, one.after)],
    }


def _sparks(one: ColumnDifference) -> list[str]:
    return [plots.spark(side) if side else "" for side in (one.before, one.after)]
