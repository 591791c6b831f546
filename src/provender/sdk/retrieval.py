"""How a training set is made: the engine's stream is digested, kept, recorded, and only then handed out."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from provender.bootstrap import mask_key
from provender.core.clock import utc_now
from provender.core.features import RepoSpec
from provender.core.policy import Action
from provender.core.training import PointInTimePlan, TrainingSetManifest, TrainingSetSpec
from provender.offline.answer import Progress
from provender.offline.progress import counted
from provender.offline.spine import Spine
from provender.sdk.on_demand import with_on_demand
from provender.sdk.training_set import ID, TrainingSet
from provender.settings import Settings
from provender.tables.rows import RunningDigest, logical_digest
from provender.tables.stream import staged, write_rows

if TYPE_CHECKING:
    from provender.core.protocols import Library
    from provender.offline.engines import Engines


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """One question, with everything that answers it."""

    spec: TrainingSetSpec
    plan: PointInTimePlan
    repo: RepoSpec
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

        def recorded() -> TrainingSetManifest:
            manifest = TrainingSetManifest(
                spec=spec,
                pins=plan.pins,
                plan_digest=plan.digest,
                repo_digest=self.repo.digest,
                decision=permit.decision,
                spine_digest=_digest(self.spine),
                content_digest=running.value,
                row_count=running.row_count,
                columns=tuple(answer.schema.names),
                created_at=utc_now(),
                created_by=self.settings.actor,
                seconds=round(time.perf_counter() - began, 3),
                known_later=answer.known_later,
            )
            self.catalog.record(manifest)
            return manifest

        try:
            if to is None:
                rows = pa.Table.from_batches(batches, answer.schema)
                return self._made(recorded(), rows)
            made: list[TrainingSetManifest] = []

            def metadata() -> dict[str, str]:
                made.append(recorded())
                return {ID: made[0].id}

            with staged(to, spill=self.settings.spill, replace=allow_overwrite) as file:
                write_rows(file, answer.schema, batches, metadata=metadata)
            return self._made(made[0], to)
        finally:
            answer.close()

    def _made(self, manifest: TrainingSetManifest, rows: pa.Table | Path) -> TrainingSet:
        return TrainingSet(manifest, rows, self.settings.lake, self.settings.spill)


def _digest(spine: Spine) -> str:
    return logical_digest(pa.RecordBatchReader.from_batches(spine.schema, spine.batches()))
