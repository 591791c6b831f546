"""On which terms a store reads: who asks, what for, which versions; and where a Feast source's rows are.

A source is either a dataset of the catalog, read at a pinned version and with a permit, or a
file that no catalog governs. A file inside the lake is neither: it is refused.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from feast.data_format import DeltaFormat, ParquetFormat
from feast.data_source import DataSource
from feast.infra.offline_stores.file_source import FileSource
from feast.repo_config import RepoConfig

from provender import bootstrap
from provender.core.clock import to_utc, utc_now
from provender.core.datasets import Format
from provender.core.errors import Denied, InvalidInput, NotFound
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef, Permit, decide
from provender.core.training import Table
from provender.feast_plugin import collaborators
from provender.feast_plugin.source import CatalogSource
from provender.offline.duck import DuckEngine
from provender.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What one offline store's configuration says about reading."""

    settings: Settings
    repo_path: Path
    purpose: str = ""
    pins: Mapping[str, int] = field(default_factory=dict)
    as_of: datetime | None = None
    engine: DuckEngine

    @classmethod
    def of(cls, config: RepoConfig) -> "Terms":
        """Return the terms of a Feast repository; stores other than ours have the plain ones."""
        store = config.offline_store
        settings = collaborators.settings(actor=_option(store, "actor", ""))
        as_of = _option(store, "as_of", None)
        spill = _option(store, "temp_directory", "")
        return cls(
            settings=settings,
            repo_path=Path(config.repo_path or Path.cwd()),
            purpose=_option(store, "purpose", "") or settings.purpose,
            pins=_option(store, "pins", {}),
            as_of=to_utc(as_of) if as_of else None,
            engine=DuckEngine(
                settings.lake,
                memory_limit=_option(store, "memory_limit", "") or settings.memory_limit,
                threads=_option(store, "threads", None) or settings.threads,
                temp_directory=Path(spill) if spill else None,
            ),
        )

    def table(self, source: DataSource | None, *, wanted_by: str) -> Table:
        """Return where the rows of ``source`` are; ``wanted_by`` says who needs them.

        A dataset's version is the one of ``pins``, else the one the source names, else the
        latest (as it was at ``as_of``).

        Raises:
            NotFound: the dataset, the version or the file is not there.
            Denied: the file is in the lake, where only the catalog may be read from.
            InvalidInput: no source, or one that we cannot read.
        """
        if isinstance(source, CatalogSource):
            ref = source.ref.at(self.pins.get(source.ref.dataset, source.ref.version))
            as_of = None if ref.version else self.as_of
            return Table.of(collaborators.catalog(self.settings).resolve(ref, as_of=as_of))
        if isinstance(source, FileSource):
            return self.file(source)
        kind = "no batch source" if source is None else f"a {type(source).__name__}"
        raise InvalidInput(
            f"{wanted_by} has {kind}, which this store cannot read",
            hint="give it a CatalogSource, or a FileSource of Parquet or Delta",
        )

    def file(self, source: FileSource) -> Table:
        """Return the table that a file source names, governed by nobody."""
        return Table(format=_format(source), location=self.path(source.path))

    def path(self, uri: str, *, must_exist: bool = True) -> str:
        """Return where ``uri`` is: relative paths belong to the repository.

        One that is not there but in the current folder is taken from there, as Feast's own
        DuckDB store does.
        """
        parsed = urlparse(uri)
        if parsed.scheme and parsed.netloc:
            return uri
        bare = Path(unquote(parsed.path) if parsed.scheme == "file" else uri).expanduser()
        found = self.repo_path / bare
        if not bare.is_absolute() and not _is_there(found) and _is_there(bare.absolute()):
            found = bare.absolute()
        self.refuse_lake(found)
        if must_exist and not _is_there(found):
            raise NotFound(
                f"there is no file or folder {found}",
                hint="relative paths are resolved against the folder of feature_store.yaml",
            )
        return str(found)

    def refuse_lake(self, path: Path) -> None:
        """Raise Denied if ``path`` is inside the lake of a catalog."""
        lake = self.settings.lake
        if bootstrap.has_catalog(self.settings) and path.resolve().is_relative_to(lake.resolve()):
            raise Denied(
                f"{path} is inside the lake {lake}, which the catalog governs",
                hint="name the dataset: CatalogSource(dataset=…)",
            )

    def permit(self, action: Action, columns: Collection[ColumnRef], *, purpose: str) -> Permit:
        """Return the permit for ``columns``; where no catalog governs any, nobody needs to be asked.

        Raises:
            Denied: the catalog says no.
        """
        if columns:
            catalog = collaborators.catalog(self.settings)
            return catalog.permit(action, sorted(columns), purpose=purpose)
        return decide(
            Actor(self.settings.actor),
            action,
            (),
            purpose=purpose,
            datasets={},
            protected=frozenset(),
            rules=(),
            grants=(),
            now=utc_now(),
        ).require()


def _option(store: Any, name: str, default: Any) -> Any:
    value = getattr(store, name, default)
    return default if value is None else value


def _format(source: FileSource) -> Format:
    match source.file_format:
        case None | ParquetFormat():
            return Format.PARQUET
        case DeltaFormat():
            return Format.DELTA
    raise InvalidInput(
        f"source {source.name} has the format {type(source.file_format).__name__}",
        hint="use ParquetFormat or DeltaFormat",
    )


def _is_there(path: Path) -> bool:
    if any(sign in str(path) for sign in "*?["):
        return any(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    return path.exists()
