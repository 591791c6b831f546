"""A subject erased: looked for in every version, left out of the next ones, and gone from the disk.

Each step can be taken again, and finds by itself what is left to do: an erasure that was killed, or
undone by a restore, goes on from its id, by whoever has the key of the erasures. The value is not
needed any more, and nothing keeps it.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import duckdb

from provender import bootstrap
from provender.core.datasets import (
    NO_EVIDENCE,
    DatasetVersion,
    Evidence,
    Manifest,
    Release,
)
from provender.core.effects import NO_PROJECT
from provender.core.erasure import (
    Dropped,
    Erased,
    Erasure,
    Found,
    Place,
    Readers,
    Sought,
    State,
    check_reason,
    forms,
    parse_subjects,
    sealed,
)
from provender.core.errors import NotFound, Unavailable
from provender.core.lifecycle import READABLE
from provender.core.names import DatasetRef
from provender.core.profiles import Profile
from provender.core.schema import Schema
from provender.sdk import publishing, upkeep
from provender.settings import Settings
from provender.tables import ledger, storage
from provender.tables.erasing import Search, forget_in_logs, only_in
from provender.tables.evidence import contract_of
from provender.tables.upkeep import forget, sweep

if TYPE_CHECKING:
    from provender.core.protocols import Library

AT_ONCE = 500
"""Versions that one question is about."""
Progress = Callable[[str, float], object]


def begin(
    catalog: "Library",
    settings: Settings,
    subjects: Sequence[str],
    reason: str,
    datasets: Sequence[str],
) -> Erasure:
    """Return the erasure of ``subjects``, begun, and noted in the lake; see `Workspace.erase`."""
    join_key, values = parse_subjects(subjects)
    reason = check_reason(reason, values)
    _check_lake(settings)
    name, secret = bootstrap.erasure_key(settings)
    begun = catalog.erasures.begin(
        join_key,
        _digests(catalog, settings, secret, join_key, values),
        key=name,
        reason=reason,
        datasets=datasets,
    )
    ledger.write(settings.lake, begun)
    return begun


def foresee(
    catalog: "Library", settings: Settings, subjects: Sequence[str], datasets: Sequence[str]
) -> list[Erased]:
    """Return what erasing ``subjects`` would do, dataset by dataset; nothing is written."""
    join_key, values = parse_subjects(subjects)
    _check_lake(settings)
    _, secret = bootstrap.erasure_key(settings)
    digests = frozenset(_digests(catalog, settings, secret, join_key, values))
    sought = Sought(secret, join_key, digests)
    scope = catalog.erasures.foresee(join_key, datasets=datasets)
    return [
        _foreseen(settings, sought, place, upkeep.copies(catalog, DatasetRef.parse(place.dataset)))
        for place in scope.places
    ]


def readers(catalog: "Library", found: Sequence[Erased]) -> Readers:
    """Return what rests on the versions of ``found``: training sets, and models made of them."""
    versions = [f"{one.dataset}@{number}" for one in found for number in one.erased]
    portions = (versions[at : at + AT_ONCE] for at in range(0, len(versions), AT_ONCE))
    named = {name for some in portions for name in catalog.erasures.readers(some).readers}
    return Readers(tuple(sorted(named)))


def go_on(catalog: "Library", settings: Settings, erasure: Erasure, progress: Progress) -> Erasure:
    """Return the certificate of ``erasure``, after all that was left to do; see `Workspace.erase`."""
    if erasure.state is State.DONE:
        return erasure
    _check_lake(settings)
    sought = bootstrap.sought(settings, erasure)
    for done, place in enumerate(erasure.scope.places):
        progress(f"looking into {place.dataset}", done / len(erasure.scope.places))
        erasure = _erase(catalog, settings, sought, erasure, place)
    progress("removing what is left over", 1.0)
    _sweep(catalog, settings)
    progress("looking into the online store", 1.0)
    online = _forget_online(settings, erasure, sought)
    certificate = catalog.erasures.finish(erasure.id, online=online)
    ledger.write(settings.lake, certificate)
    return certificate


def _erase(
    catalog: "Library", settings: Settings, sought: Sought, erasure: Erasure, place: Place
) -> Erasure:
    """Let every version of a dataset go that holds the subject, and remove its files.

    The catalog is told of a dataset that holds nothing, too: it was looked into.
    """
    search = Search(settings.lake, sought, place.columns)
    releases = upkeep.copies(catalog, DatasetRef.parse(place.dataset))
    there = _there(settings, releases)
    looked = tuple(sorted({one.version.number for one in there}))
    held = _held(search, there)
    if held:
        with storage.publishing(settings.lake):
            found = _found(catalog, settings, search, releases, held)
            erasure = catalog.erasures.erase(erasure.id, replace(found, looked=looked))
    else:
        nothing = Found(dataset=place.dataset, erased=(), looked=looked)
        erasure = catalog.erasures.erase(erasure.id, nothing)
    ledger.write(settings.lake, erasure)
    if held:
        _warn_of_quarantine(catalog, erasure, place)
    _remove(catalog, settings, place)
    return erasure


def _warn_of_quarantine(catalog: "Library", erasure: Erasure, place: Place) -> None:
    """Warn if the rows that stay break a contract: then readers do not get them."""
    for done in erasure.erased:
        if done.urn == place.urn and done.after is not None:
            with suppress(NotFound):  # who governs need not know a dataset to erase from it
                ref = DatasetRef.parse(done.dataset).at(done.after)
                publishing.warn_of_quarantine(catalog, catalog.resolve(ref))


def _found(
    catalog: "Library",
    settings: Settings,
    search: Search,
    releases: Sequence[Release],
    held: Collection[int],
) -> Found:
    """What is to be done about a dataset, its next version written."""
    before = _read(releases)
    gone, files = _files(releases, held)
    found = Found(
        dataset=releases[0].version.ref.dataset,
        erased=tuple(sorted(gone)),
        files=len(files),
        size_bytes=sum(files.values()),
    )
    if before is None or before.number not in held:
        return found
    look = _Look(catalog, settings, before)
    manifest, rows = search.without(before, look)
    evidence = Evidence(profile=look.profile) if look.profile else NO_EVIDENCE
    return replace(found, before=before.number, rows=rows, manifest=manifest, evidence=evidence)


class _Look:
    """Profiles the rows that stay: of what went before them nothing is told any more."""

    def __init__(self, catalog: "Library", settings: Settings, before: DatasetVersion) -> None:
        self._settings = settings
        self._contract = contract_of(catalog, before.ref)
        self.profile: Profile | None = None

    def __call__(
        self,
        relation: duckdb.DuckDBPyRelation,
        schema: Schema,
        connection: duckdb.DuckDBPyConnection,
    ) -> None:
        publishing.restrain(connection, self._settings)
        self.profile = publishing.taken(
            relation, schema, connection, self._contract, progress=lambda stage, done: None
        )


def _foreseen(
    settings: Settings, sought: Sought, place: Place, releases: Sequence[Release]
) -> Erased:
    search = Search(settings.lake, sought, place.columns)
    held = _held(search, _there(settings, releases))
    gone, files = _files(releases, held)
    before = _read(releases)
    return Erased(
        dataset=place.dataset,
        urn=place.urn,
        columns=place.columns,
        erased=tuple(sorted(gone)),
        before=before.number if before is not None and before.number in held else None,
        files=len(files),
        size_bytes=sum(files.values()),
    )


def _there(settings: Settings, releases: Sequence[Release]) -> list[Release]:
    """Those whose files are there. Of data that is gone they may be there still, or again."""
    return [
        one
        for one in releases
        if one.data_gone_at is None or _is_there(settings, one.version.manifest)
    ]


def _held(search: Search, there: Sequence[Release]) -> set[int]:
    """The numbers of the versions that hold the subject, in whatever format."""
    held: set[int] = set()
    for one in there:
        if one.version.number not in held and search.is_in(one.version):
            held.add(one.version.number)
    return held


def _is_there(settings: Settings, manifest: Manifest) -> bool:
    return all(
        storage.resolve(settings.lake, f"{manifest.location}/{entry.path}").is_file()
        for entry in manifest.files
    )


def _read(releases: Sequence[Release]) -> DatasetVersion | None:
    """The version that readers get, in its own format; one whose data is gone where no other is left."""
    readable = [one for one in releases if one.standing.state in READABLE]
    own = [one for one in readable if one.version.manifest.format is one.formats[0]]
    there = [one for one in own if one.data_gone_at is None] or own
    return there[-1].version if there else None


def _files(
    releases: Sequence[Release], held: Collection[int]
) -> tuple[set[int], dict[tuple[str, str], int]]:
    """The versions that go, and the files that only they have."""
    gone = [one for one in releases if one.version.number in held]
    kept = [one for one in releases if one.version.number not in held and not one.data_gone_at]
    files = only_in([one.version.manifest for one in gone], [one.version.manifest for one in kept])
    return {one.version.number for one in gone}, files


def _remove(catalog: "Library", settings: Settings, place: Place) -> None:
    """Remove the files of all data of a dataset that is gone, and what logs tell of it.

    But for one that was put on hold since: what was marked before stays until that is lifted.
    """
    ref = DatasetRef.parse(place.dataset)
    if upkeep.is_held(catalog, ref):
        return
    gone = upkeep.manifests(catalog, ref, gone=True)
    kept = partial(upkeep.manifests, catalog, ref, gone=False)
    owners = {f"{at.split('/')[0]}.{at.split('/')[1]}" for at in (one.location for one in gone)}
    forget(settings.lake, owners, gone, kept)
    forget_in_logs(settings.lake, gone, kept)


def _sweep(catalog: "Library", settings: Settings) -> None:
    """Remove what killed processes left in the lake: it may hold anybody."""
    sweep(settings.lake, [settings.spill], partial(upkeep.staying, catalog), clean=True)


def _digests(
    catalog: "Library", settings: Settings, secret: bytes, join_key: str, values: Sequence[str]
) -> tuple[str, ...]:
    """What is sought, by keyed digests: the values, and what stands for them where they are hashed."""
    projects = catalog.records.projects()
    keys = [bootstrap.mask_key(settings, project) for project in (*projects, NO_PROJECT)]
    written = [
        form
        for value in values
        for form in (*forms(value, keys), *_tags(settings, projects, value))
    ]
    return tuple(dict.fromkeys(sealed(secret, join_key, form) for form in written))


def _tags(settings: Settings, projects: Sequence[str], value: str) -> Iterator[str]:
    """What stands for the value in logs of lookups and in keys, where ids are hashed."""
    from provender.online.codec import hashed_tag
    from provender.online.secrets import KEYRING

    KEYRING.look_in(settings.home / "secrets", settings.entity_secret)
    raw = value.encode()
    for project in projects:
        for tag in (raw, b"s%d:%b" % (len(raw), raw)):
            yield hashed_tag(KEYRING.secret(project), tag).decode()


def _forget_online(settings: Settings, erasure: Erasure, sought: Sought) -> tuple[Dropped, ...]:
    """Let the subject's keys go from the online store, if there is one."""
    from provender.online.forgetting import forget
    from provender.online.place import Place as Embedded

    if not settings.redis_url and not Embedded.of(settings.home).folder.exists():
        return ()
    with bootstrap.online(settings) as store:
        return forget(store, [erasure.id], sought)


def _check_lake(settings: Settings) -> None:
    if not settings.lake.exists():
        raise Unavailable(
            f"there is no lake at {settings.lake}, whose files have to be rewritten",
            hint="erase where the lake is",
        )
