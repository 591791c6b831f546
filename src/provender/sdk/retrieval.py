"""How a training set is made: the engine's stream is digested, kept, recorded, and only then handed out."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from provender.bootstrap import mask_key, project_secret
from provender.core.clock import utc_now
from provender.core.datasets import DatasetVersion
from provender.core.features import RepoSpec
from provender.core.gateway import FeaturesAsked
from provender.core.policy import Action
from provender.core.training import (
    PointInTimePlan,
    TrainingSetManifest,
    TrainingSetSpec,
    digest_key,
    keyed_digest,
)
from provender.offline.answer import Progress
from provender.offline.progress import counted
from provender.offline.refusals import refuse_empty
from provender.offline.spine import Spine
from provender.sdk.on_demand import with_on_demand
from provender.sdk.training_set import ID, TrainingSet
from provender.settings import Settings
from provender.tables.piped import decoded, encoded, write_stream
from provender.tables.rows import RunningDigest, logical_digest
from provender.tables.stream import staged, write_rows

if TYPE_CHECKING:
    from provender.core.gateway import Gateway
    from provender.core.protocols import Library
    from provender.offline.engines import Engines


@dataclass(frozen=True, slots=True)
class _Making:
    """Rows that are being made; once they are used up, ``record`` writes down what they are."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    record: Callable[[], TrainingSetManifest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """One question, with everything that answers it."""

    spec: TrainingSetSpec
    plan: PointInTimePlan
    repo: RepoSpec
    versions: tuple[DatasetVersion, ...]
    spine: Spine
    settings: Settings
    catalog: "Library"
    engine: "Engines"

    def make(
        self, to: Path | None, progress: Progress | None, *, allow_overwrite: bool
    ) -> TrainingSet:
        """Return the training set, in memory or in the file ``to``, after it was recorded.

        Raises:
            Conflict: somebody has put a file there meanwhile, and it may not be overwritten.
            Denied: a feature's column is closed to the actor for the purpose, or for computing only.
        """
        with self._running(progress) as making:
            if to is None:
                rows = pa.Table.from_batches(making.batches, making.schema)
                return self._made(making.record(), rows)
            made: list[TrainingSetManifest] = []

            def metadata() -> dict[str, str]:
                made.append(making.record())
                return {ID: made[0].id}

            with staged(to, spill=self.settings.spill, replace=allow_overwrite) as file:
                write_rows(file, making.schema, making.batches, metadata=metadata)
            return self._made(made[0], to)

    def spool(self, file: Path, progress: Progress | None) -> TrainingSetManifest:
        """Write the rows to a new ``file`` as Arrow's stream; return what they are, as was recorded.

        Raises:
            Denied: a feature's column is closed to the actor for the purpose, or for computing only.
            Unavailable: the disk is full.
        """
        with self._running(progress) as making:
            write_stream(file, making.schema, making.batches)
            return making.record()

    def fetch(
        self,
        gateway: "Gateway",
        asked: FeaturesAsked,
        to: Path | None,
        progress: Progress | None,
        *,
        allow_overwrite: bool,
    ) -> TrainingSet:
        """Return what `make` does, made and recorded behind ``gateway``, of just these versions.

        Raises:
            Unavailable: the service is away, or the stream broke off.
            TooLarge: it does not take so many rows at once.
        """
        self.plan.check_spine(self.spine.column_names)
        refuse_empty(self.spine)
        pinned = replace(
            asked,
            project=self.spec.project,
            purpose=self.spec.purpose,
            pins=tuple(str(version.ref) for version in self.versions),
            as_of=None,
        )
        answered = gateway.features(
            pinned, lambda: encoded(self.spine.schema, self.spine.batches())
        )
        schema, batches = decoded(answered.chunks)
        with closing(batches):
            rows: Iterator[pa.RecordBatch] = batches
            if progress is not None:
                rows = counted(rows, self.spine.row_count, progress)
            manifest = self.catalog.records.training_set(answered.name)
            if to is None:
                return self._made(manifest, pa.Table.from_batches(rows, schema))
            with staged(to, spill=self.settings.spill, replace=allow_overwrite) as file:
                write_rows(file, schema, rows, metadata=lambda: {ID: manifest.id})
            return self._made(manifest, to)

    @contextmanager
    def _running(self, progress: Progress | None) -> Iterator["_Making"]:
        """What answers the question, permitted; it ends with the block."""
        began = time.perf_counter()
        spec = self.spec
        permit = self.catalog.permit(
            Action.READ, sorted(self.plan.reads), purpose=spec.purpose, versions=self.plan.pins
        )
        plan = self.plan.under(permit)
        stored = self.engine.run(
            plan, self.spine, permit, now=utc_now(), progress=progress,
            key=lambda: mask_key(self.settings, spec.project),
        )  # fmt: skip
        names, folder = self.spine.column_names, self.settings.feature_repo
        answer = with_on_demand(stored, names, self.repo, spec, folder=folder)
        running = RunningDigest(answer.schema)
        batches = running.through(answer.batches)
        if progress is not None:
            batches = counted(batches, self.spine.row_count, progress)

        def record() -> TrainingSetManifest:
            maker = self.settings.actor
            key = digest_key(project_secret(self.settings, spec.project), spec.project)
            keyed = partial(keyed_digest, key=key, maker=maker)
            manifest = TrainingSetManifest(
                spec=spec,
                pins=plan.pins,
                plan_digest=plan.digest,
                repo_digest=self.repo.digest,
                decision=permit.decision,
                spine_digest=keyed(_digest(self.spine)),
                content_digest=keyed(running.value),
                row_count=running.row_count,
                columns=tuple(answer.schema.names),
                created_at=utc_now(),
                created_by=maker,
                seconds=round(time.perf_counter() - began, 3),
                known_later=answer.known_later,
            )
            self.catalog.record(manifest)
            return manifest

        try:
            yield _Making(answer.schema, batches, record)
        finally:
            answer.close()

    def _made(self, manifest: TrainingSetManifest, rows: pa.Table | Path) -> TrainingSet:
        return TrainingSet(manifest, rows, self.settings.lake, self.settings.spill)


def _digest(spine: Spine) -> str:
    return logical_digest(pa.RecordBatchReader.from_batches(spine.schema, spine.batches()))
