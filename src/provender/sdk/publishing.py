"""Publishing rows: written to the lake, looked at on the way, then told to the catalog."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from provender.core.clock import utc_now
from provender.core.datasets import (
    NO_EVIDENCE,
    DatasetVersion,
    Evidence,
    Manifest,
    Release,
)
from provender.core.names import DatasetRef
from provender.core.profiles import Profile
from provender.core.protocols import Library
from provender.core.schema import Schema
from provender.core.versioning import next_version
from provender.offline.answer import Progress
from provender.settings import Settings
from provender.tables.arrow import Naive, literal
from provender.tables.profile import profile
from provender.tables.storage import publishing
from provender.tables.versions import write_version


@dataclass(kw_only=True)
class Offer:
    """Rows that somebody publishes, and what they say about them."""

    ref: DatasetRef
    rows: pa.Table
    inputs: Sequence[DatasetRef] = ()
    producer: str = ""
    parent: int | None = None
    breaking_reason: str = ""
    note: str = ""
    naive: Naive = Naive.REFUSE
    is_profiled: bool = True
    progress: Progress = field(default=lambda stage, done: None)


def publish(
    catalog: Library, settings: Settings, history: Sequence[Release], offer: Offer
) -> DatasetVersion:
    """Return the version that the rows make, or the one that they are; see `Workspace.publish`.

    ``history`` are the releases that there are, oldest first.
    """
    dataset = catalog.dataset(offer.ref)
    look = _Look(settings, offer)
    versions = [each.version for each in history]

    def accept(found: Manifest) -> None:
        version = next_version(
            versions,
            offer.ref,
            found,
            standings={each.version.number: each.standing for each in history},
            by=settings.actor,
            now=utc_now(),
            parent=offer.parent,
            breaking_reason=offer.breaking_reason,
        )
        look.is_wanted = offer.is_profiled and version not in versions

    with publishing(settings.lake):
        offer.progress("writing the rows", 0.0)
        manifest = write_version(
            settings.lake,
            dataset,
            offer.rows,
            inputs=offer.inputs,
            producer=offer.producer,
            naive=offer.naive,
            accept=accept,
            measure=look,
        )
        return catalog.publish(
            offer.ref,
            manifest,
            parent=offer.parent,
            breaking_reason=offer.breaking_reason,
            note=offer.note,
            evidence=look.evidence,
        )


class _Look:
    """Takes the profile of rows that become a version; rows that are one already have theirs."""

    def __init__(self, settings: Settings, offer: Offer) -> None:
        self._settings, self._offer = settings, offer
        self._found: Profile | None = None
        self.is_wanted = False

    @property
    def evidence(self) -> Evidence:
        return Evidence(profile=self._found) if self._found else NO_EVIDENCE

    def __call__(
        self,
        relation: duckdb.DuckDBPyRelation,
        schema: Schema,
        connection: duckdb.DuckDBPyConnection,
    ) -> None:
        if not self.is_wanted:
            return
        restrain(connection, self._settings)
        self._found = profile(relation, schema, connection, progress=self._offer.progress)


def restrain(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Let the connection take what memory and threads the settings allow it."""
    if settings.memory_limit:
        connection.execute(f"SET memory_limit={literal(settings.memory_limit)}")
    if settings.threads:
        connection.execute(f"SET threads={settings.threads}")
