"""What a plain Feast retrieval was made of, written down in the catalog as `Workspace.training_set` does."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from provender.core.clock import utc_now
from provender.core.errors import NotFound
from provender.core.names import FeatureRef
from provender.core.policy import Action
from provender.core.training import PointInTimePlan, TrainingSetManifest, TrainingSetSpec
from provender.feast_plugin import collaborators
from provender.feast_plugin.spine import Spine
from provender.feast_plugin.terms import Terms
from provender.offline.spine import Spine as Rows
from provender.tables.rows import logical_digest


@dataclass
class Recorded:
    """A retrieval of governed rows that records what it read, each time it is run.

    The manifest is of the stored features; on-demand ones are computed by Feast afterwards.
    """

    plan: PointInTimePlan
    spine: Spine
    terms: Terms
    project: str
    features: Sequence[str]
    full_feature_names: bool
    manifests: list[TrainingSetManifest] = field(default_factory=list)

    def __call__(self) -> pa.Table:
        """Return the spine's columns with the features beside them.

        Raises:
            Denied: the actor may not read a column for the purpose.
        """
        began = time.perf_counter()
        plan, terms = self.plan, self.terms
        tables = [join.table for join in plan.joins]
        permit = terms.permit(Action.READ, tables, plan.reads, purpose=terms.purpose)
        answer = terms.retrieval.run(plan, Rows(self.spine.rows), permit, now=utc_now())
        rows = answer.table()
        if not plan.pins:
            return rows
        catalog = collaborators.catalog(terms.settings)
        manifest = TrainingSetManifest(
            spec=TrainingSetSpec(
                project=self.project,
                features=tuple(FeatureRef.parse(name) for name in self.features),
                purpose=terms.purpose,
                event_timestamp=plan.event_timestamp,
                full_feature_names=self.full_feature_names,
                known_by_then=plan.known_by_then,
            ),
            pins=plan.pins,
            plan_digest=plan.digest,
            repo_digest=_or_empty(lambda: catalog.repo(self.project).digest),
            decision=permit.decision,
            spine_digest=logical_digest(self.spine.rows),
            content_digest=logical_digest(rows),
            row_count=rows.num_rows,
            columns=tuple(rows.column_names),
            created_at=utc_now(),
            created_by=terms.settings.actor,
            seconds=round(time.perf_counter() - began, 3),
            known_later=answer.known_later,
        )
        catalog.record(manifest)
        self.manifests.append(manifest)
        return rows


def _or_empty(digest: Callable[[], str]) -> str:
    """Return the digest of what was applied; nothing, where a view was never applied through us."""
    try:
        return digest()
    except NotFound:
        return ""
