"""Profiles of versions, as they were taken at publishing or now, and what differs between two."""

from provender.core.datasets import DatasetVersion
from provender.core.differences import Difference, diff
from provender.core.errors import InvalidInput
from provender.core.names import DatasetRef
from provender.core.policy import Action
from provender.core.profiles import Profile
from provender.core.protocols import Library
from provender.core.training import Table
from provender.offline.answer import Progress
from provender.sdk.publishing import restrain
from provender.settings import Settings
from provender.tables import format_for, storage
from provender.tables.arrow import literal
from provender.tables.profile import profile
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
    return known or _taken(catalog, settings, version, purpose=purpose, progress=progress)


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


def _taken(
    catalog: Library,
    settings: Settings,
    version: DatasetVersion,
    *,
    purpose: str,
    progress: Progress,
) -> Profile:
    table, schema = Table.of(version), version.manifest.schema
    catalog.permit(
        Action.READ, sorted(table.columns(schema.names)), purpose=purpose, versions=[version.ref]
    )
    with storage.staging(settings.lake) as staged, session() as connection:
        connection.execute(f"SET temp_directory={literal(str(staged / 'spill'))}")
        restrain(connection, settings)
        relation = format_for(table.format).relation(table, settings.lake, connection)
        return profile(relation, schema, connection, progress=progress)
