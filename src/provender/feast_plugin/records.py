"""What a plain Feast retrieval was made of, written down in the catalog as `Workspace.training_set` does."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import pyarrow as pa

from provender.core import derivation
from provender.core.clock import utc_now
from provender.core.errors import Denied, NotFound
from provender.core.joins import Table
from provender.core.names import FeatureRef
from provender.core.policy import Action, Permit
from provender.core.projections import ProjectionSpec, own_features
from provender.core.training import (
    PointInTimePlan,
    TrainingSetManifest,
    TrainingSetSpec,
    keyed_digest,
)
from provender.feast_plugin import collaborators
from provender.feast_plugin.spine import Spine
from provender.feast_plugin.terms import Terms
from provender.offline.answer import Answer, Progress
from provender.tables.rows import RunningDigest, logical_digest


@dataclass
class Recorded:
    """A retrieval of governed rows that records what it read, each time it is run.

    The manifest is of the stored features; on-demand ones are computed afterwards.
    """

    plan: PointInTimePlan
    spine: Spine
    terms: Terms
    project: str
    features: Sequence[str]
    full_feature_names: bool
    projections: tuple[ProjectionSpec, ...] = ()
    manifests: list[TrainingSetManifest] = field(default_factory=list)

    @property
    def governed(self) -> bool:
        """Whether a catalog governs any of the rows, so that the reading is recorded."""
        return bool(self.plan.pins)

    def __call__(self, progress: Progress | None = None) -> Answer:
        """Return the spine's columns with the features beside them, as a stream.

        Of governed rows it ends when the training set is recorded: who has the last row has
        a record of all.

        Raises:
            Denied: the actor may not read a column for the purpose, or may compute with it only.
        """
        began = time.perf_counter()
        terms, asked = self.terms, self.plan
        tables = [join.table for join in asked.joins]
        applied = self._applied() if self.governed else ""
        permit = self._permit(tables, applied)
        plan = asked.under(permit)
        answer = terms.retrieval.run(
            plan, self.spine.rows, permit, now=utc_now(), progress=progress, key=terms.key
        )
        schema = _in_utc(answer.schema, self.spine)
        batches = replace(self, plan=plan)._all(answer, schema, permit, began, applied)
        return Answer(schema, batches, answer.known_later)

    def _all(
        self, answer: Answer, schema: pa.Schema, permit: Permit, began: float, applied: str
    ) -> Iterator[pa.RecordBatch]:
        rows = map(self.spine.in_utc, answer.batches)
        try:
            if not self.governed:
                yield from rows
                return
            running = RunningDigest(schema)
            yield from running.through(rows)
            self._record(running, answer, schema, permit, began, applied)
        finally:
            answer.close()

    def _record(
        self,
        running: RunningDigest,
        answer: Answer,
        schema: pa.Schema,
        permit: Permit,
        began: float,
        applied: str,
    ) -> None:
        plan, terms = self.plan, self.terms
        catalog = collaborators.catalog(terms.settings)
        spine = pa.RecordBatchReader.from_batches(self.spine.schema, self.spine.batches())
        maker = terms.settings.actor
        keyed = partial(keyed_digest, key=terms.training_set_key(), maker=maker)
        manifest = TrainingSetManifest(
            spec=TrainingSetSpec(
                project=self.project,
                features=tuple(FeatureRef.parse(name) for name in self.features),
                purpose=terms.purpose,
                event_timestamp=plan.event_timestamp,
                full_feature_names=self.full_feature_names,
                known_by_then=plan.known_by_then,
                projections=self.projections,
            ),
            pins=plan.pins,
            plan_digest=plan.digest,
            repo_digest=applied,
            decision=permit.decision,
            spine_digest=keyed(logical_digest(spine)),
            content_digest=keyed(running.value),
            row_count=running.row_count,
            columns=tuple(schema.names),
            created_at=utc_now(),
            created_by=maker,
            seconds=round(time.perf_counter() - began, 3),
            known_later=answer.known_later,
        )
        catalog.record(manifest)
        self.manifests.append(manifest)

    def _permit(self, tables: Sequence[Table], applied: str) -> Permit:
        """Return the permit to read; for every column where no ``applied`` definitions say which.

        Nobody could say afterwards which were read, and the catalog records no such training set.
        """
        terms, reads = self.terms, self.plan.reads
        if applied or not self.governed:
            return terms.permit(Action.READ, tables, reads, purpose=terms.purpose)
        schemas = ((table, table.schema.names if table.schema else ()) for table in tables)
        every = (table.columns(names) for table, names in schemas)
        try:
            return terms.permit(Action.READ, tables, reads.union(*every), purpose=terms.purpose)
        except Denied as refused:
            raise Denied(
                f"{refused.message}; all columns are asked for, as the catalog knows no "
                "definitions of these features that say which they read",
                hint=f"apply them: provender features apply. Or: {refused.hint}",
            ) from refused

    def _applied(self) -> str:
        """Return the digest of the definitions that were applied; nothing, where they read otherwise.

        Nor where a view was never applied through us: Feast's registry may have been changed since.
        """
        try:
            repo = collaborators.catalog(self.terms.settings).repo(self.project)
        except NotFound:
            return ""
        own = own_features(tuple(map(FeatureRef.parse, self.features)), self.projections)
        asked = [derivation.read_for(repo, one) for one in own]
        if not asked or None in asked:
            return ""
        read = {column for columns in asked for column in columns or ()}
        return repo.digest if read <= self.plan.reads else ""


def _in_utc(schema: pa.Schema, spine: Spine) -> pa.Schema:
    return spine.in_utc(pa.RecordBatch.from_pylist([], schema=schema)).schema
