"""On which terms a store reads: who asks, what for, which versions; and where a Feast source's rows are.

A source is either a dataset of the catalog, read at a pinned version and with a permit, or a
file that no catalog governs. A file inside the lake is neither: it is refused, whatever names it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from feast.data_format import DeltaFormat, ParquetFormat
from feast.data_source import DataSource
from feast.infra.offline_stores.file_source import FileSource
from feast.repo_config import RepoConfig

from provender import bootstrap
from provender.core.cautions import heeded
from provender.core.clock import to_utc, utc_now
from provender.core.datasets import Format
from provender.core.errors import Denied, InvalidInput, NotFound
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef, Permit, decide
from provender.core.training import Table, digest_key
from provender.feast_plugin import collaborators
from provender.feast_plugin.files import is_remote, is_there, local_path
from provender.feast_plugin.source import CatalogSource
from provender.feast_plugin.tables import TableSource
from provender.offline.duck import DuckEngine
from provender.offline.engines import Engines
from provender.settings import Settings
from provender.tables.pinning import format_at, pin
from provender.tables.storage import inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What one offline store's configuration says about reading."""

    settings: Settings
    repo_path: Path
    purpose: str = ""
    pins: Mapping[str, int] = field(default_factory=dict)
    as_of: datetime | None = None
    engine: DuckEngine
    retrieval: Engines
    project: str = ""

    @classmethod
    def of(cls, config: RepoConfig) -> "Terms":
        """Return the terms of a Feast repository; stores other than ours have the plain ones."""
        store = config.offline_store
        settings = collaborators.settings(actor=_option(store, "actor", ""))
        as_of = _option(store, "as_of", None)
        spill = _option(store, "temp_directory", "")
        duck = DuckEngine(
            settings.lake,
            memory_limit=_option(store, "memory_limit", "") or settings.memory_limit,
            threads=_option(store, "threads", None) or settings.threads,
            temp_directory=Path(spill) if spill else None,
        )
        return cls(
            settings=settings,
            repo_path=Path(config.repo_path or Path.cwd()),
            purpose=_option(store, "purpose", "") or settings.purpose,
            pins=_option(store, "pins", {}),
            as_of=to_utc(as_of) if as_of else None,
            project=config.project,
            engine=duck,
            retrieval=bootstrap.retrieval(
                settings,
                duck,
                engine=_option(store, "engine", ""),
                spark_master=_option(store, "spark_master", ""),
                spark_options=_option(store, "spark_options", {}),
            ),
        )

    def key(self) -> bytes:
        """Return the key by which values are hashed for the project."""
        return bootstrap.mask_key(self.settings, self.project)

    def training_set_key(self) -> bytes:
        """Return the key of the digests of the project's training sets."""
        return digest_key(bootstrap.project_secret(self.settings, self.project), self.project)

    @property
    def materialization(self) -> DuckEngine:
        """The engine within the memory that filling the online store may use."""
        return replace(self.engine, memory_limit=self.settings.materialize_memory)

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
            catalog = collaborators.catalog(self.settings)
            return Table.of(heeded(catalog.release(ref, as_of=as_of)))
        if isinstance(source, FileSource | TableSource):
            return self.file(source)
        kind = "no batch source" if source is None else f"a {type(source).__name__}"
        raise InvalidInput(
            f"{wanted_by} has {kind}, which this store cannot read",
            hint="give it a CatalogSource, a TableSource, or a FileSource",
        )

    def file(self, source: FileSource | TableSource) -> Table:
        """Return the table that a file source names, governed by nobody: its files as they are now.

        Raises:
            NotFound: there are no such files.
            Denied: one of them is in the lake, be it by a link.
            InvalidInput: the place or its format is none that we can read.
        """
        table, paths = pin(self.place(source))
        for path in paths:
            self.refuse_lake(path)
        return table

    def place(self, source: FileSource | TableSource) -> Table:
        """Return where a file source's files are or will be, without naming them."""
        location, endpoint = self.path(source.path), source.s3_endpoint_override or ""
        return Table(
            format=_format(source) or format_at(location, endpoint=endpoint),
            location=location,
            snapshot=source.snapshot if isinstance(source, TableSource) else "",
            endpoint=endpoint,
        )

    def path(self, uri: str, *, must_exist: bool = True) -> str:
        """Return where ``uri`` is: relative paths belong to the repository.

        Raises:
            NotFound: nothing is there, though it must be.
            Denied: it is in the lake, or holds it.
            InvalidInput: it is neither a local path nor on a machine that we can reach.
        """
        if is_remote(uri):
            return uri
        found = local_path(uri, self.repo_path)
        self.refuse_lake(found)
        if must_exist and not is_there(found):
            raise NotFound(
                f"there is no file or folder {found}",
                hint="relative paths are resolved against the folder of feature_store.yaml",
            )
        return str(found)

    def refuse_lake(self, path: Path) -> None:
        """Raise Denied if ``path`` is in the lake of a catalog, or has the lake below it."""
        lake = self.settings.lake
        if bootstrap.has_catalog(self.settings) and inside(lake, path):
            where = "inside" if path.resolve().is_relative_to(lake.resolve()) else "above"
            raise Denied(
                f"{path} is {where} the lake {lake}, which the catalog governs",
                hint="name the dataset: CatalogSource(dataset=…)",
            )

    def permit(
        self,
        action: Action,
        tables: Iterable[Table],
        columns: Iterable[ColumnRef] = (),
        *,
        purpose: str,
    ) -> Permit:
        """Return the permit for ``columns`` of ``tables``; where no catalog governs one, nobody is asked.

        Of a governed table without a column among them, it is for the dataset as a whole.

        Raises:
            Denied: the catalog says no.
            Recalled, Gone: a version was recalled, or lost its data, since it was resolved.
        """
        asked = set(columns)
        named = {column.dataset for column in asked}
        versions = {table.version for table in tables if table.version is not None}
        governed = {version.dataset for version in versions}
        asked |= {ColumnRef(dataset) for dataset in governed - named}
        if asked:
            catalog = collaborators.catalog(self.settings)
            return catalog.permit(action, sorted(asked), purpose=purpose, versions=sorted(versions))
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


def _format(source: FileSource | TableSource) -> Format | None:
    """Return the format that ``source`` says, if it says one."""
    if isinstance(source, TableSource):
        return Format(source.format) if source.format else None
    match source.file_format:
        case None:
            return None
        case ParquetFormat():
            return Format.PARQUET
        case DeltaFormat():
            return Format.DELTA
    raise InvalidInput(
        f"source {source.name} has the format {type(source.file_format).__name__}",
        hint="use ParquetFormat, DeltaFormat or none, or a TableSource",
    )
