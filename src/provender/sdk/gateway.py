"""The lake as a service has it: rows for whoever asks, decided and shielded as in process."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from provender.core.errors import ProvenderError
from provender.core.gateway import FeaturesAsked, RowsAsked, Streamed
from provender.core.names import DatasetRef
from provender.core.protocols import Library
from provender.offline.answer import Answer
from provender.offline.deadline import Deadline
from provender.offline.session import Limits
from provender.sdk import upkeep
from provender.sdk.workspace import Workspace
from provender.settings import Settings
from provender.tables.piped import encoded, read_chunks
from provender.tables.received import received_table
from provender.tables.spill import spilling


@dataclass(frozen=True)
class LakeGateway:
    """Answers from the lake of ``settings`` to whoever a catalog speaks for."""

    settings: Settings

    def rows(self, catalog: Library, asked: RowsAsked, deadline: Deadline) -> Streamed:
        """Return rows of a version as they are read; see `core.gateway.Gateway`."""
        with _placeless(self.settings):
            return self._rows(catalog, asked, deadline)

    def features(
        self, catalog: Library, asked: FeaturesAsked, spine: Path, deadline: Deadline
    ) -> Streamed:
        """Return a training set at the rows in the file ``spine``, made, recorded and spooled."""
        with _placeless(self.settings):
            return self._features(catalog, asked, spine, deadline)

    def _rows(self, catalog: Library, asked: RowsAsked, deadline: Deadline) -> Streamed:
        workspace = self._workspace(catalog)
        version = catalog.release(asked.ref, as_of=asked.as_of).version
        columns = asked.columns or version.manifest.schema.names
        for column in columns:
            version.manifest.schema.column(column)
        answer = workspace.stream(
            version, columns, asked.purpose, project=asked.project, progress=deadline
        )
        batches = self._read(answer, catalog, version.ref, deadline)
        return Streamed(name=str(version.ref), chunks=encoded(answer.schema, batches))

    def _features(
        self, catalog: Library, asked: FeaturesAsked, spine: Path, deadline: Deadline
    ) -> Streamed:
        retrieval = self._workspace(catalog).retrieval(asked, received_table(spine))
        with ExitStack() as stack:
            file = stack.enter_context(spilling(self.settings.spill)) / "rows.arrow"
            manifest = retrieval.spool(file, deadline)
            kept = stack.pop_all()
        size = file.stat().st_size
        return Streamed(name=manifest.id, chunks=_spooled(file, kept), size_bytes=size)

    def _read(
        self, answer: Answer, catalog: Library, ref: DatasetRef, deadline: Deadline
    ) -> Iterator[pa.RecordBatch]:
        try:
            with _placeless(self.settings), upkeep.unless_gone(catalog, ref):
                for batch in answer.batches:
                    deadline("reading rows", 0.0)
                    yield batch
        finally:
            answer.close()

    def _workspace(self, catalog: Library) -> Workspace:
        """A workspace for whoever ``catalog`` speaks for. It is not closed: the catalog is shared."""
        chosen = self._bounded.model_copy(update={"actor": catalog.actor.id, "purpose": ""})
        return Workspace(chosen, catalog=catalog)

    @cached_property
    def _bounded(self) -> Settings:
        """The settings with a limit on memory, where none is said: what there is, in equal parts."""
        if self.settings.memory_limit:
            return self.settings
        share = Limits().budget // self.settings.retrieve_at_once
        return self.settings.model_copy(update={"memory_limit": f"{share}B"})


@contextmanager
def _placeless(settings: Settings) -> Iterator[None]:
    """Errors do not tell whoever asks where things lie on this machine."""
    try:
        yield
    except ProvenderError as error:
        for folder in (settings.home, settings.feature_repo):
            error.message = error.message.replace(f"{folder}/", "")
        raise


def _spooled(file: Path, kept: ExitStack) -> Iterator[bytes]:
    """The bytes of ``file``, which goes when they were read, or are not read any more."""
    with kept:
        yield from read_chunks(file)
