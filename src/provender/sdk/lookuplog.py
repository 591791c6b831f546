"""From the spool into the catalog: what servers logged, as versions of one dataset per service.

Segments are moved into a folder first, a batch, whose name the note of the version tells. So
whoever comes after a process that was killed sees whether its batch is published: a batch is
published once, whenever that happens. What cannot be published stays, and is tried again; of what
is known not to fit no batch is made.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

import pyarrow as pa

from provender.core.datasets import Dataset, DatasetVersion, Manifest
from provender.core.errors import (
    Conflict,
    Corrupt,
    Incompatible,
    ProvenderError,
    Unavailable,
)
from provender.core.lineage import Node, NodeKind
from provender.core.lookuplog import (
    MANIFEST,
    LogShape,
    log_dataset,
)
from provender.core.training import Table
from provender.online.spool import (
    BATCH,
    SEGMENT,
    SpoolFolder,
    flush_folder,
    read_segment,
    read_shape,
    write_whole,
)
from provender.sdk.lookupdataset import LogDataset, nullable, sources
from provender.sdk.lookuprows import log_rows
from provender.settings import Settings
from provender.tables import format_for
from provender.tables.arrow import arrow_schema
from provender.tables.evidence import demanded
from provender.tables.parquet import ROW_GROUP_ROWS
from provender.tables.session import session
from provender.tables.storage import publishing
from provender.tables.versions import append_version, write_version

if TYPE_CHECKING:
    from provender.core.protocols import Library

BATCH_BYTES = 32 << 20
PARENT = "parent"
"""The file of a batch that says after which version it was first tried to publish it."""
TRIES = 3
UNREADABLE = (pa.ArrowException, ValueError, TypeError, ArithmeticError, LookupError)
"""What may go wrong with values that are none of their column's type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """What was published of one service's log; ``problem`` is why the rest was not."""

    service: str
    dataset: str
    rows: int = 0
    versions: tuple[str, ...] = ()
    problem: str = ""
    hint: str = ""


def ship(catalog: "Library", settings: Settings, project: str) -> list[Shipment]:
    """Publish every closed segment of ``project``; one service's problem keeps no other back.

    Raises:
        Conflict: another process does so already.
    """
    spool = SpoolFolder(settings.home, project)
    if not spool.path.is_dir():
        return []
    with spool.shipping() as alone:
        if not alone:
            raise Conflict(
                f"lookups of project {project} are being published already",
                hint="wait until that is done",
            )
        spool.adopt()
        shipped = [_ship(catalog, settings, spool, service) for service in spool.services()]
        spool.tell({one.service: one.problem for one in shipped if one.problem})
        return shipped


def declaration(catalog: "Library", project: str, service: str) -> Dataset:
    """Return what catalog/ has to declare for the log of ``service``, with the tags it inherits."""
    repo = catalog.repo(project)
    return log_dataset(repo, repo.service(service), sources(catalog, repo))


def _ship(catalog: "Library", settings: Settings, spool: SpoolFolder, service: str) -> Shipment:
    log = LogDataset(catalog, settings, spool.project, service)
    shipment = Shipment(service=service, dataset=log.ref.dataset)
    try:
        for folder in sorted(spool.of(service).glob(f"{BATCH}*")):
            shipment = _shipped(shipment, _Batch(log, folder))
        fitting, problem = _fitting(log, spool.segments(service))
        shipment = _with(shipment, problem) if problem else shipment
        for folder in _batches(spool.of(service), fitting):
            shipment = _shipped(shipment, _Batch(log, folder))
    except (OSError, pa.ArrowException) as error:
        problem = Unavailable(
            f"what was logged of {service} cannot be published: {error}",
            hint="see to the state folder, PROVENDER_HOME; it is tried again",
        )
        return _with(shipment, problem)
    return shipment


def _shipped(shipment: Shipment, batch: "_Batch") -> Shipment:
    """Return ``shipment`` with ``batch`` in it, or with why that has to wait."""
    try:
        rows, version = batch.publish()
    except ProvenderError as error:
        return _with(shipment, error)
    versions = (*shipment.versions, str(version.ref)) if version else shipment.versions
    return replace(shipment, rows=shipment.rows + rows, versions=versions)


def _with(shipment: Shipment, problem: ProvenderError) -> Shipment:
    return replace(shipment, problem=problem.message, hint=problem.hint)


def _fitting(log: LogDataset, segments: list[Path]) -> tuple[list[Path], ProvenderError | None]:
    """Return the segments that can be published as things are, and why the others cannot, if any.

    Only their shapes are read: a service that nobody declares costs little, however much waits.
    """
    fitting: list[Path] = []
    problem: ProvenderError | None = None
    known: dict[LogShape, ProvenderError | None] = {}
    for path in segments:
        try:
            shape = read_shape(path)
            if shape and shape not in known:
                known[shape] = log.problem_of(shape)
        except FileNotFoundError:  # a server that has no more room dropped it
            continue
        except Corrupt as error:
            problem = error
            continue
        refused = known[shape] if shape else None
        problem = refused or problem
        if refused is None:
            fitting.append(path)
    return fitting, problem


def _batches(folder: Path, segments: list[Path]) -> Iterator[Path]:
    """Yield the folders of batches, each made of the next ``segments`` when it is asked for."""
    left = deque(segments)
    while left:
        batch = folder / f"{BATCH}{token_hex(8)}"
        batch.mkdir(mode=0o700)
        size = 0
        while left and size < BATCH_BYTES:
            segment = left.popleft()
            with suppress(FileNotFoundError):  # a server that has no more room dropped it
                size += segment.stat().st_size
                segment.rename(batch / segment.name)
        flush_folder(batch)
        flush_folder(folder)
        yield batch


@dataclass(frozen=True, slots=True)
class _Batch:
    """One batch on its way; ``folder`` goes when it has arrived."""

    log: LogDataset
    folder: Path

    def publish(self) -> tuple[int, DatasetVersion | None]:
        """Return how many rows were published as which version; None if that was done before.

        Raises:
            ProvenderError: it cannot be done now.
            OSError: the spool cannot be read or written.
        """
        shapes = [shape for path in self._segments() if (shape := read_shape(path))]
        dataset = self.log.fitting(shapes) if shapes else None
        tables = self._tables()
        published = None
        if dataset and tables and not self._is_published():
            published = self._publish(dataset, self.log.together(tables))
        self._forget()
        return (sum(map(len, tables)) if published else 0), published

    def _segments(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{SEGMENT}"))

    def _tables(self) -> list[pa.Table]:
        """Return the rows of each segment that has some.

        Raises:
            Incompatible: there are records that no rows can be made of.
        """
        segments = [found for path in self._segments() if (found := read_segment(path))]
        try:
            return [log_rows(shape, records) for shape, records in segments if records]
        except UNREADABLE as error:
            raise Incompatible(
                f"no rows of {self.log.ref} can be made of {self.folder.name}: {error}",
                hint="the batch is kept in the state folder, and deleted when what waits there is too much",
            ) from error

    def _is_published(self) -> bool:
        """Look among the versions since the first try; if this is the first, write that down."""
        latest, first = self.log.latest(), self.folder / PARENT
        number = latest.number if latest else 0
        if not first.exists():
            write_whole(first, str(number))
            return False
        later = range(int(first.read_text()) + 1, number + 1)
        return any(
            self.folder.name in self.log.catalog.resolve(self.log.ref.at(n)).note for n in later
        )

    def _publish(self, dataset: Dataset, rows: pa.Table) -> DatasetVersion:
        for tries_left in reversed(range(TRIES)):
            try:
                return self._publish_once(dataset, rows)
            except Conflict:  # another server's lookups were published meanwhile
                if not tries_left:
                    raise
        raise AssertionError("the last try returns or raises")

    def _publish_once(self, dataset: Dataset, rows: pa.Table) -> DatasetVersion:
        lake, latest = self.log.settings.lake, self.log.latest()
        producer = str(Node(NodeKind.SERVICE, f"{self.log.project}/{self.log.service}"))
        manifests = sorted(set(rows.column(MANIFEST).to_pylist()))
        with publishing(lake):
            if latest is None:
                manifest = write_version(lake, dataset, rows, producer=producer)
            else:
                fitted = self._fitted(rows, latest)
                if fitted is not None:
                    manifest = append_version(lake, dataset, latest, fitted, producer=producer)
                else:
                    manifest = self._widened(dataset, rows, latest, producer)
            return self.log.catalog.publish(
                self.log.ref,
                manifest,
                parent=latest.number if latest else 0,
                evidence=demanded(self.log.catalog, self.log.ref, manifest, lake),
                note=f"lookups of {self.folder.name}, served by {', '.join(manifests)}",
            )

    def _fitted(self, rows: pa.Table, latest: DatasetVersion) -> pa.Table | None:
        """Return ``rows`` with the columns of ``latest``; None if they have others besides."""
        there = arrow_schema(latest.manifest.schema)
        if set(rows.column_names) - set(there.names):
            return None
        empty = nullable(there).empty_table()
        return self.log.together([empty, rows]).select(there.names)

    def _widened(
        self, dataset: Dataset, rows: pa.Table, latest: DatasetVersion, producer: str
    ) -> Manifest:
        """Write all rows anew with the columns of both, in constant memory; return the manifest."""
        there = arrow_schema(latest.manifest.schema)
        whole = self.log.together([nullable(there).empty_table(), rows])
        with session() as connection:
            table = Table.of(latest)
            relation = format_for(table.format).relation(table, self.log.settings.lake, connection)
            before = relation.to_arrow_reader(ROW_GROUP_ROWS)
            batches = chain((_wider(one, whole.schema) for one in before), whole.to_batches())
            reader = pa.RecordBatchReader.from_batches(whole.schema, batches)
            return write_version(
                self.log.settings.lake, dataset, reader, inputs=(latest.ref,), producer=producer
            )

    def _forget(self) -> None:
        """Delete the batch; what tells that it was tried goes last."""
        for segment in self._segments():
            segment.unlink(missing_ok=True)
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()


def _wider(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return ``batch`` with the columns of ``schema``; null where it has none."""
    columns = [
        batch.column(field.name)
        if field.name in batch.schema.names
        else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
