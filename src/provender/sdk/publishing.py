"""Publishing rows: written to the lake, looked at on the way, then told to the catalog."""

import warnings
from collections.abc import Sequence
from contextlib import suppress
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
    whole,
)
from provender.core.errors import NotFound
from provender.core.lifecycle import WAITING, State
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
    draft: bool = False
    naive: Naive = Naive.REFUSE
    is_profiled: bool = True
    progress: Progress = field(default=lambda stage, done: None)


def publish(catalog: Library, settings: Settings, offer: Offer) -> DatasetVersion:
    """Return the version that the rows make, or the one that they are; see `Workspace.publish`."""
    dataset = catalog.dataset(offer.ref)
    look = _Look(settings, offer, contract_of(catalog, offer.ref))
    history = _deciding(catalog, offer)
    versions = [each.version for each in history]
    waiting = {each.version.number for each in history if each.standing.state in WAITING}

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
        look.is_new = version not in versions or version.number in waiting

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
            draft=offer.draft,
        )
    warn_of_quarantine(catalog, version)
    _warn_of_inputs(version, offer)
    return version


def _deciding(catalog: Library, offer: Offer) -> list[Release]:
    """The versions that decide whether the rows are a new one, oldest first.

    What readers get and the last; all of them only if they were to follow another, which is
    refused unless they did so before. The catalog decides again, of all that it has.
    """
    name = offer.ref.at(None)
    found = {each.version.number: each for each in catalog.finder.releases(name, limit=1).items}
    latest = 0
    with suppress(NotFound):  # readers get none, or none whose data is there
        newest = catalog.release(name)
        latest = newest.version.number
        found[latest] = newest
    if offer.parent not in (None, latest):
        return whole(lambda after: catalog.finder.releases(name, limit=200, after=after))[::-1]
    return [found[number] for number in sorted(found)]


class InputsNotKept(UserWarning):
    """Rows were published that are there already, with inputs that the version was not made from."""


def _warn_of_inputs(version: DatasetVersion, offer: Offer) -> None:
    there = version.manifest
    others = [str(ref) for ref in offer.inputs if ref not in there.inputs]
    if others and not there.whole:  # else some may be hidden from who publishes
        said = ", ".join(map(str, there.inputs)) or "none"
        warnings.warn(
            f"{version.ref} has these rows already, and its inputs are {said}: "
            f"{', '.join(others)} is not kept",
            InputsNotKept,
            stacklevel=5,
        )


class Quarantined(UserWarning):
    """A version was published that its contract keeps from readers."""


def warn_of_quarantine(catalog: Library, version: DatasetVersion) -> None:
    """Warn who published ``version`` if its readers do not get it, with the checks that failed."""
    if catalog.release(version.ref).standing.state is not State.QUARANTINED:
        return
    checks = catalog.finder.evidence(version.ref).checks
    said = "; ".join(
        f"{one.column} {one.name}: {one.detail}".strip(" :") for one in checks if one.refused
    )
    warnings.warn(
        f"{version.ref} is quarantined, readers keep the last good version: {said}",
        Quarantined,
        stacklevel=5,
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
