"""Getting a dataset: in the age and the format that one wants, converted where it has to be."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from provender.core.clock import utc_now
from provender.core.datasets import DatasetVersion, Format, Release
from provender.core.errors import InvalidInput, NotFound, Unavailable
from provender.core.gateway import RowsAsked
from provender.core.lifecycle import Standing
from provender.core.names import DatasetRef, unknown
from provender.core.policy import Action, ColumnRef, Permit
from provender.core.protocols import Library
from provender.core.training import Table
from provender.offline.answer import Answer, Progress
from provender.offline.progress import counted
from provender.offline.scan import scanned
from provender.sdk import upkeep
from provender.sdk.arguments import checked
from provender.sdk.desk import Desk
from provender.sdk.targets import target_of
from provender.settings import Settings
from provender.tables import storage
from provender.tables.convert import convert
from provender.tables.piped import decoded
from provender.tables.stream import staged, write_rows

if TYPE_CHECKING:
    import pandas as pd

ONE_FILE = frozenset({Format.CSV, Format.JSONL, Format.ARROW, Format.ORC, Format.AVRO})
"""Formats in which a version is one file."""

Read = Callable[[DatasetVersion, Sequence[str] | None], pa.Table]
Stream = Callable[[DatasetVersion, Sequence[str] | None, Progress | None], Answer]
Allow = Callable[[DatasetVersion], Permit]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A version that somebody got: which it is, what to mind, and ways to its rows.

    Each way asks for permission, and leaves its mark in the audit trail, when it is taken.
    """

    release: Release
    lake: Path
    spill: Path
    is_here: bool
    """Whether its files are in our lake; else its rows come through the catalog's service."""
    read: Read
    stream: Stream
    allow: Allow

    def __repr__(self) -> str:
        warned = "".join(f", {text}" for text in self.warnings)
        return f"Reading({self.version!r}{warned})"

    @property
    def version(self) -> DatasetVersion:
        """The version, with the manifest of the format that was asked for."""
        return self.release.version

    @property
    def standing(self) -> Standing:
        return self.release.standing

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader has to mind, such as that the version is deprecated, in words."""
        return self.release.warnings

    @checked
    def arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows, or ``columns`` of them.

        Raises:
            Denied: a column is closed to the actor.
            Corrupt: a file is gone or changed.
        """
        return self.read(self.version, columns)

    @checked
    def pandas(self, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """Return the rows as a pandas frame; see `arrow`."""
        frame: pd.DataFrame = self.arrow(columns).to_pandas()
        return frame

    @property
    def files(self) -> list[Path]:
        """The data files, each with the bytes that were published; together they are the version.

        Those of Delta and Iceberg are Parquet.

        Raises:
            Denied: a column is closed to the actor.
            Unavailable: they are where only the catalog's service reaches.
            Corrupt: a file is gone or changed.
        """
        if not self.is_here:
            raise Unavailable(
                f"the files of {self.version.ref} are not in the lake of this process, {self.lake}",
                hint="its rows come through the catalog's service: arrow(), to_parquet() or --output FILE",
            )
        self.allow(self.version).require_whole()
        return storage.verified_files(self.lake, Table.of(self.version))

    @property
    def path(self) -> Path:
        """What other programs are pointed at: the file, or the folder of Parquet files or of the table.

        A table of Delta or Iceberg that the dataset is kept in holds other versions, too: this one is its
        snapshot ``version.manifest.native_snapshot``.
        """
        files = self.files
        if self.version.manifest.format in ONE_FILE:
            return files[0]
        return storage.resolve(self.lake, self.version.manifest.location)

    @checked
    def to_parquet(
        self,
        path: str | Path,
        *,
        columns: Sequence[str] | None = None,
        allow_overwrite: bool = False,
        progress: Progress | None = None,
    ) -> Path:
        """Write the rows, or ``columns`` of them, as the actor may see them, to a Parquet file: whole or not at all.

        Raises:
            Denied: a column is closed to the actor, or the file would be in the lake.
            Conflict: it is there already and may not be overwritten.
            Unavailable: the disk is full, or what the rows come through went away.
        """
        target = target_of(path, lake=self.lake, allow_overwrite=allow_overwrite)
        answer = self.stream(self.version, columns, progress)
        batches: Iterator[pa.RecordBatch] = answer.batches
        if progress is not None:
            batches = counted(batches, self.version.manifest.row_count, progress)
        try:
            with staged(target, spill=self.spill, replace=allow_overwrite) as file:
                write_rows(file, answer.schema, batches)
        finally:
            answer.close()
        return target


class Getting(Desk):
    """What an actor can get."""

    @checked
    def get(
        self,
        name: str,
        *,
        as_of: datetime | None = None,
        max_age: timedelta | None = None,
        format: Format | str | None = None,  # noqa: A002 - the word of the field
        version: int | None = None,
        purpose: str | None = None,
        project: str = "",
        progress: Progress = lambda stage, done: None,
    ) -> Reading:
        """Return the version of dataset ``name`` that fits, ready to be read.

        Without anything else the latest. ``as_of``: the latest of that instant. ``version``, or
        ``name@version``: that one. ``max_age``: only if its data is not older, by its last event,
        or by its publication where it has no events. ``format``: its rows in that format; who may
        publish the dataset converts them where nobody did yet. ``project``: values that are masked
        by a hash are those of its training sets.

        Raises:
            NotFound: there is no such version.
            InvalidInput: two versions are asked for, or ``format`` cannot hold its columns.
            Stale: its data is older than ``max_age``.
            Recalled, Gone: it is not to be read, or not there, any more.
            Denied: nobody converted it yet, and the actor may not publish the dataset.
        """
        ref = _ref(name, version, as_of)
        release = self.catalog.release(ref, as_of=as_of, max_age=max_age)
        wanted = parse_format(format) if format is not None else None
        if wanted is not None and wanted is not release.version.manifest.format:
            represented = represent(
                self.catalog, self.settings, release.version, wanted, progress=progress
            )
            release = replace(represented, warnings=release.warnings)
        said = self._purpose(purpose)
        return Reading(
            release=release,
            lake=self.settings.lake,
            spill=self.settings.spill,
            is_here=self._gateway([release.version]) is None,
            read=lambda found, columns: self._rows(found, columns, said, project),
            stream=lambda found, columns, tell: self.stream(
                found,
                found.manifest.schema.names if columns is None else columns,
                said,
                project=project,
                progress=tell,
            ),
            allow=lambda found: self._permit(found, found.manifest.schema.names, said),
        )

    @checked
    def convert(
        self,
        name: str,
        format: Format | str,  # noqa: A002 - the word of the field
        *,
        progress: Progress = lambda stage, done: None,
    ) -> Release:
        """Return the version that ``name`` names, whose rows can be had as ``format`` from now on.

        Raises:
            Denied: the actor may not publish the dataset.
            InvalidInput: ``format`` has no type for a column.
            Corrupt: a file of the version is gone or changed.
        """
        found = self.catalog.resolve(DatasetRef.parse(name))
        wanted = parse_format(format)
        return represent(self.catalog, self.settings, found, wanted, progress=progress)

    def _rows(
        self, version: DatasetVersion, columns: Sequence[str] | None, purpose: str, project: str
    ) -> pa.Table:
        """Return ``columns`` (None: all) of the rows of ``version``, permitted and written down."""
        schema = version.manifest.schema
        wanted = list(columns) if columns is not None else list(schema.names)
        for column in wanted:
            schema.column(column)
        if self._gateway([version]) is not None:
            return self.stream(version, wanted, purpose, project=project).table()
        permit = self._permit(version, wanted, purpose)
        with upkeep.unless_gone(self.catalog, version.ref):
            return self._engine.read(
                Table.of(version), wanted, permit,
                now=utc_now(), key=lambda: self._key(project),
            )  # fmt: skip

    def stream(
        self,
        version: DatasetVersion,
        columns: Sequence[str],
        purpose: str,
        *,
        project: str = "",
        progress: Progress | None = None,
    ) -> Answer:
        """Return ``columns`` of the rows of ``version`` as a stream: of our lake, or of who has it.

        Raises:
            Denied: a column is closed to the actor.
            InvalidInput: no column is asked for.
            Unavailable: what the rows come through went away, be it while they are read.
        """
        for column in columns:
            version.manifest.schema.column(column)
        if not columns:
            raise InvalidInput(
                "no columns are asked for",
                hint=f"there are: {', '.join(version.manifest.schema.names)}",
            )
        if gateway := self._gateway([version]):
            whole = list(columns) == list(version.manifest.schema.names)
            asked = RowsAsked(
                ref=version.ref,
                columns=() if whole else tuple(columns),
                purpose=purpose,
                project=project,
            )
            return Answer(*decoded(gateway.rows(asked).chunks))
        permit = self._permit(version, columns, purpose)
        return scanned(
            self._engine, Table.of(version), columns, permit,
            now=utc_now(), key=lambda: self._key(project), progress=progress,
        )  # fmt: skip

    def _permit(self, version: DatasetVersion, columns: Sequence[str], purpose: str) -> Permit:
        read = sorted(Table.of(version).columns(columns))
        return self.catalog.permit(Action.READ, read, purpose=purpose, versions=[version.ref])


def represent(
    catalog: Library,
    settings: Settings,
    version: DatasetVersion,
    format: Format,  # noqa: A002 - the word of the field
    *,
    progress: Progress = lambda stage, done: None,
) -> Release:
    """Return ``version`` as ``format``: as it was converted before, else converted now.

    Of two who convert at once one does it, and both get what came of it.
    """
    own = catalog.release(version.ref)
    if own.version.manifest.format is format:
        return own
    if there := _represented(catalog, version, format):
        return there
    catalog.permit(Action.PUBLISH, [ColumnRef(version.ref.dataset)], purpose="")
    if not storage.is_here(settings.lake, own.version.manifest.location):
        raise Unavailable(
            f"nobody converted {version.ref} to {format} yet, and its files are not in the lake of this process",
            hint=f"where the lake is: provender dataset convert {version.ref} {format}",
        )
    name = f"{version.ref}.{format}"
    with storage.publishing(settings.lake), storage.locked(settings.lake, name):
        if there := _represented(catalog, version, format):
            return there
        manifest = convert(settings.lake, own.version, format, progress=progress)
        return catalog.represent(version.ref, manifest)


def _represented(
    catalog: Library,
    version: DatasetVersion,
    format: Format,  # noqa: A002 - the word of the field
) -> Release | None:
    try:
        return catalog.release(version.ref, format=format)
    except NotFound as error:
        if error.what != "format":
            raise
        return None


def parse_format(text: Format | str) -> Format:
    """Return the format called ``text``.

    Raises:
        NotFound: there is none; the hint names a near one.
    """
    try:
        return Format(text)
    except ValueError:
        raise unknown("format", str(text), list(Format)) from None


def _ref(name: str, version: int | None, as_of: datetime | None) -> DatasetRef:
    ref = DatasetRef.parse(name)
    if version is not None and ref.version not in (None, version):
        raise InvalidInput(
            f"{name} and version {version} are two versions", hint=f"ask for {ref.at(version)}"
        )
    ref = ref.at(version if version is not None else ref.version)
    if ref.version is not None and as_of is not None:
        raise InvalidInput(
            f"{ref} is the same at any time, so nothing can be asked of it as of {as_of}",
            hint=f"ask for {ref.dataset} as of then, or for {ref}",
        )
    return ref
