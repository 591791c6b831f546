"""Profiles of versions, as they were taken at publishing or now; what differs, and what a contract says."""

from dataclasses import replace
from datetime import datetime

from provender.core.contracts import CheckResult, Contract, Outcome
from provender.core.datasets import DatasetVersion
from provender.core.differences import Difference, diff
from provender.core.errors import InvalidInput
from provender.core.judging import Facts, evaluate
from provender.core.names import DatasetRef
from provender.core.policy import Action
from provender.core.profiles import Profile
from provender.core.protocols import Library
from provender.core.training import Table
from provender.offline.answer import Progress
from provender.sdk.publishing import restrain, taken
from provender.settings import Settings
from provender.tables import format_for, storage
from provender.tables.arrow import literal
from provender.tables.session import session


def profile_of(
    catalog: Library,
    settings: Settings,
    version: DatasetVersion,
    *,
    purpose: str,
    progress: Progress,
) -> Profile:
    """Return the profile that was taken when ``version`` was published; without one, take it now.

    Raises:
        Denied: it has to be taken, and a column is closed to the actor.
        Corrupt: a file of the version is gone or changed.
    """
    known = catalog.finder.evidence(version.ref).profile
    return known or profile_now(catalog, settings, version, purpose=purpose, progress=progress)


def difference(
    catalog: Library,
    settings: Settings,
    one: str,
    other: str,
    *,
    purpose: str,
    progress: Progress,
) -> Difference:
    """Return what is different in version ``other`` of a dataset against version ``one``."""
    old, new = (catalog.resolve(DatasetRef.parse(name)) for name in (one, other))
    if old.ref.dataset != new.ref.dataset:
        raise InvalidInput(
            f"{old.ref} and {new.ref} are of two datasets",
            hint="compare two versions of one: provender dataset diff domain.name@1 domain.name@2",
        )
    before, after = (
        profile_of(catalog, settings, version, purpose=purpose, progress=progress)
        for version in (old, new)
    )
    return diff(old, new, before=before, after=after)


def judged(
    catalog: Library,
    settings: Settings,
    version: DatasetVersion,
    contract: Contract,
    *,
    purpose: str,
    is_read: bool,
    progress: Progress,
    now: datetime,
) -> tuple[CheckResult, ...]:
    """Return what ``contract`` says of a published ``version``, which stays as it is.

    By what was measured when it was published; where that is not enough, by its rows if they
    may be read for it (``is_read``).

    Raises:
        Denied: it has to be measured again, and a column is closed to the actor.
    """
    known = catalog.finder.evidence(version.ref).profile
    checks = evaluate(contract, _facts(version, known), now=now)
    if not any(check.outcome is Outcome.ERROR for check in checks):
        return checks
    if not is_read:
        return tuple(_untold(check, version, known) for check in checks)
    found = profile_now(
        catalog, settings, version, contract=contract, purpose=purpose, progress=progress
    )
    return evaluate(contract, _facts(version, found), now=now)


def _untold(check: CheckResult, version: DatasetVersion, known: Profile | None) -> CheckResult:
    """The check, not looked at where what was counted for it is not told to who asks."""
    schema = version.manifest.schema
    wanted = (check.column,) if check.column else schema.names
    if check.outcome is not Outcome.ERROR or known is None or any(w not in schema for w in wanted):
        return check
    if all(known.column(name) for name in wanted):
        return check
    says = "what was counted of its columns is not told to you"
    return replace(check, outcome=Outcome.UNEVALUATED, detail=says)


def _facts(version: DatasetVersion, profile: Profile | None) -> Facts:
    manifest = version.manifest
    return Facts(
        schema=manifest.schema,
        row_count=manifest.row_count,
        profile=profile,
        latest=manifest.event_range.latest if manifest.event_range else None,
    )


def profile_now(
    catalog: Library,
    settings: Settings,
    version: DatasetVersion,
    *,
    contract: Contract | None = None,
    purpose: str,
    progress: Progress,
) -> Profile:
    """Return the profile of the rows of ``version``, with what ``contract`` wants counted.

    Raises:
        Denied: a column is closed to the actor.
        Corrupt: a file of the version is gone or changed.
    """
    table, schema = Table.of(version), version.manifest.schema
    permit = catalog.permit(
        Action.READ, sorted(table.columns(schema.names)), purpose=purpose, versions=[version.ref]
    )
    permit.require_whole()
    with storage.staging(settings.lake) as staged, session() as connection:
        connection.execute(f"SET temp_directory={literal(str(staged / 'spill'))}")
        restrain(connection, settings)
        relation = format_for(table.format).relation(table, settings.lake, connection)
        return taken(relation, schema, connection, contract, progress=progress)
