"""Upkeep of a workspace: versions laid out for reading, what is wrong with catalog and lake."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from provender import bootstrap
from provender.core.datasets import (
    DatasetVersion,
    Evidence,
    Manifest,
    Release,
    whole,
)
from provender.core.errors import Corrupt, InvalidInput, NotFound, Recalled, Unavailable
from provender.core.features import keys_into
from provender.core.names import DatasetRef
from provender.core.policy import Action, ColumnRef
from provender.core.retention import Due
from provender.settings import Settings
from provender.tables import storage
from provender.tables.evidence import demanded
from provender.tables.layout import Progress, layout_of, write_optimized
from provender.tables.upkeep import Finding, Kind, damages, forget, sweep

if TYPE_CHECKING:
    from provender.catalog.fsck import Fault
    from provender.core.protocols import Library

SERVICES = ("http://", "https://")
PRODUCER = "provender dataset optimize"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a check of the catalog (``faults``) and of the lake (``findings``) found.

    While the catalog's versions cannot be read, the lake ``is_unread``.
    """

    versions: int
    files: int
    findings: tuple[Finding, ...]
    faults: "tuple[Fault, ...]" = ()
    is_unread: bool = False

    @property
    def is_damaged(self) -> bool:
        """Whether something is wrong that has to be restored from a backup, or was not repaired."""
        return any(found.kind is Kind.DAMAGED for found in self.findings) or any(
            not fault.repaired for fault in self.faults
        )

    @property
    def is_well(self) -> bool:
        """Whether nothing is damaged and no orphan is left."""
        return not self.is_damaged and not any(
            found.kind is Kind.ORPHAN and not found.removed for found in self.findings
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """What the retention of a dataset says of its versions, and what was removed for it."""

    due: tuple[Due, ...]
    files: int = 0
    size_bytes: int = 0


def expire(catalog: "Library", settings: Settings, ref: DatasetRef, *, dry_run: bool) -> Expired:
    """Let the data go that is due; see `Workspace.expire`."""
    due = tuple(catalog.desk.retention(ref, None, expected=None, dry_run=dry_run))
    if dry_run or is_held(catalog, ref):
        return Expired(due=due)
    gone = manifests(catalog, ref, gone=True)
    entry = catalog.finder.entry(ref.at(None))
    names = {entry.dataset.ref.dataset, *entry.former_names}
    files, size_bytes = forget(
        settings.lake, names, gone, partial(manifests, catalog, ref, gone=False)
    )
    return Expired(due=due, files=files, size_bytes=size_bytes)


def copies(catalog: "Library", ref: DatasetRef) -> list[Release]:
    """Every version of a dataset wherever it stands, oldest first, once for each format that it was made in."""
    return whole(lambda after: catalog.records.every_version(of=ref.at(None), after=after))


def manifests(catalog: "Library", ref: DatasetRef, *, gone: bool) -> list[Manifest]:
    """The manifests of `copies` whose data is ``gone``, or is there."""
    return [
        one.version.manifest
        for one in copies(catalog, ref)
        if (one.data_gone_at is not None) is gone
    ]


def is_held(catalog: "Library", ref: DatasetRef) -> bool:
    """Whether the dataset is on hold, and nothing of it goes, whatever was marked before."""
    try:
        (now,) = catalog.desk.history("retention", ref.dataset, limit=1).items
    except NotFound:
        return False
    return isinstance(now.value, dict) and bool(now.value.get("hold"))


@contextmanager
def unless_gone(catalog: "Library", ref: DatasetRef) -> Iterator[None]:
    """Say that the data of the version ``ref`` is gone where that is why it cannot be read.

    Raises:
        Gone: it was deleted while the body read it.
    """
    try:
        yield
    except (Corrupt, NotFound, Unavailable):
        with suppress(Recalled):
            catalog.resolve(ref)
        raise


def optimize(
    catalog: "Library",
    settings: Settings,
    ref: DatasetRef,
    keys: Sequence[str],
    progress: Progress,
) -> DatasetVersion:
    """Return the version with the rows of the latest, laid out by ``keys``; see `Workspace.optimize`."""
    latest = catalog.resolve(ref.at(None))
    if ref.version not in (None, latest.number):
        raise InvalidInput(
            f"{ref} is not the latest version, which is {latest.ref}",
            hint=f"optimize {ref.dataset}; older versions stay as they are",
        )
    catalog.permit(Action.PUBLISH, [ColumnRef(ref.dataset)], purpose="")
    if not keys:
        repos = [catalog.repo(project) for project in catalog.records.projects()]
        keys = keys_into(ref.dataset, repos)
    layout, there = layout_of(latest, keys), latest.manifest.layout
    if there and (there.keys, there.event_timestamp) == (layout.keys, layout.event_timestamp):
        return latest
    with storage.publishing(settings.lake):
        manifest = write_optimized(
            settings.lake,
            latest,
            layout,
            producer=PRODUCER,
            memory_limit=settings.memory_limit,
            threads=settings.threads,
            progress=progress,
        )
        evidence = demanded(catalog, ref, manifest, settings.lake)
        if evidence.profile is None:  # the rows are the same, so is what was counted of them
            evidence = Evidence(profile=catalog.finder.evidence(latest.ref).profile)
        return catalog.publish(ref.at(None), manifest, parent=latest.number, evidence=evidence)


def check(
    catalog: "Library",
    settings: Settings,
    *,
    remove: bool,
    repair: bool,
    again: bool,
    spills: Sequence[Path],
    progress: Progress,
) -> Report:
    """Return what is wrong with catalog and lake; see `Workspace.fsck`."""
    faults = _faults(settings, repair=repair, progress=progress)
    if any(fault.check == "values" for fault in faults):
        return Report(versions=0, files=0, findings=(), faults=faults, is_unread=True)
    catalog.records.every_version(limit=1)  # who may not ask, learns and changes nothing
    for folder in spills:
        if not folder.is_dir():
            raise NotFound(
                f"there is no folder {folder}",
                hint="name the temp_directory of a feature_store.yaml",
            )
    progress("looking for orphans", 0.0)
    places = {folder.resolve(): None for folder in (settings.spill, *spills)}
    found = sweep(settings.lake, list(places), lambda: staying(catalog), clean=remove)
    versions = _recorded(catalog)
    found += damages(settings.lake, versions, again=again, progress=progress)
    return Report(
        versions=len({version.ref for version in versions}),
        files=sum(len(version.manifest.files) for version in versions),
        findings=tuple(found),
        faults=faults,
    )


def _faults(settings: Settings, *, repair: bool, progress: Progress) -> "tuple[Fault, ...]":
    """What is wrong with the catalog's database; of a service, whoever runs it has to ask."""
    from provender.catalog.fsck import examine

    if settings.catalog_url.startswith(SERVICES):
        return ()
    door = bootstrap.door(settings)
    try:
        return tuple(examine(door, repair=repair, progress=progress))
    finally:
        door.engine.dispose()


def _recorded(catalog: "Library") -> list[DatasetVersion]:
    """Every version that the catalog knows of, whole, whose data is to be there; in each format."""
    every = whole(lambda after: catalog.records.every_version(after=after))
    return [one.version for one in every if one.data_gone_at is None]


def staying(catalog: "Library") -> list[DatasetVersion]:
    """What `_recorded` returns, and versions whose files are not to go while a hold is in force."""
    every = whole(lambda after: catalog.records.every_version(after=after))
    marked = {one.version.ref.at(None) for one in every if one.data_gone_at}
    held = {ref for ref in marked if is_held(catalog, ref)}
    return [
        one.version for one in every if not one.data_gone_at or one.version.ref.at(None) in held
    ]
