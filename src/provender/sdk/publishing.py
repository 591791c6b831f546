"""Publishing rows: written to the lake, looked at on the way, then told to the catalog."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from provender.core.clock import utc_now
from provender.core.contracts import Contract
from provender.core.datasets import (
    NO_EVIDENCE,
    DatasetVersion,
    Evidence,
    Manifest,
    Release,
)
from provender.core.lifecycle import State
from provender.core.names import DatasetRef
from provender.core.profiles import Profile
from provender.core.protocols import Library
from provender.core.schema import Schema
from provender.core.versioning import next_version
from provender.offline.answer import Progress
from provender.settings import Settings
from provender.tables.arrow import Naive, literal
from provender.tables.evidence import contract_of
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
    look = _Look(settings, offer, contract_of(catalog, offer.ref))
    versions = [each.version for each in history]
    quarantined = {
        each.version.number for each in history if each.standing.state is State.QUARANTINED
    }

    def accept(found: Manifest) -> None:
        version = next_version(
            versions,
            offer.ref,
            found,
            standings={each.version.number: each.standing for each in history},
            gone={each.version.number for each in history if each.data_gone_at is not None},
            by=settings.actor,
            now=utc_now(),
            parent=offer.parent,
            breaking_reason=offer.breaking_reason,
        )
        look.is_new = version not in versions or version.number in quarantined

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
        version = catalog.publish(
            offer.ref,
            manifest,
            parent=offer.parent,
            breaking_reason=offer.breaking_reason,
            note=offer.note,
            evidence=look.evidence,
        )
    warn_of_quarantine(catalog, version)
    return version


class Quarantined(UserWarning):
    """A version was published that its contract keeps from readers."""


def warn_of_quarantine(catalog: Library, version: DatasetVersion) -> None:
    """Warn who published ``version`` if its readers do not get it, with the checks that failed."""
    if catalog.release(version.ref).standing.state is not State.QUARANTINED:
        return
    checks = catalog.finder.evidence(version.ref).checks
    said = "; ".join(
        f"{one.column} {one.name}: {one.detail}".strip() for one in checks if one.refused
    )
    warnings.warn(
        f"{version.ref} is quarantined, readers keep the last good version: {said}",
        Quarantined,
        stacklevel=4,
    )


class _Look:
    """Profiles rows that become a version: as it was asked, and what the contract wants counted."""

    def __init__(self, settings: Settings, offer: Offer, contract: Contract | None) -> None:
        self._settings, self._offer, self._contract = settings, offer, contract
        self._found: Profile | None = None
        self.is_new = False

    @property
    def evidence(self) -> Evidence:
        return Evidence(profile=self._found) if self._found else NO_EVIDENCE

    def __call__(
        self,
        relation: duckdb.DuckDBPyRelation,
        schema: Schema,
        connection: duckdb.DuckDBPyConnection,
    ) -> None:
        if not self.is_new or not (self._offer.is_profiled or self._contract):
            return
        restrain(connection, self._settings)
        self._found = taken(
            relation, schema, connection, self._contract, progress=self._offer.progress
        )


def taken(
    relation: duckdb.DuckDBPyRelation,
    schema: Schema,
    connection: duckdb.DuckDBPyConnection,
    contract: Contract | None,
    *,
    progress: Progress,
) -> Profile:
    """Return the profile of ``relation``, with what ``contract`` wants counted."""
    return profile(
        relation,
        schema,
        connection,
        keys=contract.unrepeated if contract else (),
        counted=contract.counted if contract else (),
        progress=progress,
    )


def restrain(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Let the connection take what memory and threads the settings allow it."""
    if settings.memory_limit:
        connection.execute(f"SET memory_limit={literal(settings.memory_limit)}")
    if settings.threads:
        connection.execute(f"SET threads={settings.threads}")
