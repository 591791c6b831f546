"""Upkeep of a workspace: versions laid out for reading, and what is wrong with the lake."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from provender.core.datasets import DatasetVersion, whole
from provender.core.errors import InvalidInput, NotFound
from provender.core.features import keys_into
from provender.core.names import DatasetRef
from provender.core.policy import Action, ColumnRef
from provender.settings import Settings
from provender.tables import storage
from provender.tables.layout import Progress, layout_of, write_optimized
from provender.tables.upkeep import Finding, Kind, damages, sweep

if TYPE_CHECKING:
    from provender.core.protocols import Library

PRODUCER = "provender dataset optimize"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a check of the lake found."""

    versions: int
    files: int
    findings: tuple[Finding, ...]

    @property
    def is_well(self) -> bool:
        """Whether no version is damaged and no orphan is left."""
        return not any(
            found.kind is Kind.DAMAGED or (found.kind is Kind.ORPHAN and not found.removed)
            for found in self.findings
        )


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
        return catalog.publish(ref.at(None), manifest, parent=latest.number)


def check(
    catalog: "Library",
    settings: Settings,
    *,
    remove: bool,
    again: bool,
    spills: Sequence[Path],
    progress: Progress,
) -> Report:
    """Return what is wrong with the lake; see `Workspace.fsck`."""
    catalog.records.every_version(limit=1)  # who may not ask, learns and changes nothing
    for folder in spills:
        if not folder.is_dir():
            raise NotFound(
                f"there is no folder {folder}",
                hint="name the temp_directory of a feature_store.yaml",
            )
    progress("looking for orphans", 0.0)
    places = {folder.resolve(): None for folder in (settings.spill, *spills)}
    found = sweep(settings.lake, list(places), lambda: _recorded(catalog), clean=remove)
    versions = _recorded(catalog)
    found += damages(settings.lake, versions, again=again, progress=progress)
    return Report(
        versions=len(versions),
        files=sum(len(version.manifest.files) for version in versions),
        findings=tuple(found),
    )


def _recorded(catalog: "Library") -> list[DatasetVersion]:
    """Every version that the catalog knows of, whole."""
    records = catalog.records
    return [one.version for one in whole(lambda after: records.every_version(after=after))]
