"""Materialisation without protobuf: DuckDB's Arrow batches become packed rows in bulk.

Feast finds the configuration's class beside the engine's, by name; both belong in this file.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from feast.entity import Entity
from feast.feature_view import FeatureView
from feast.infra.common.materialization_job import (
    MaterializationJob,
    MaterializationJobStatus,
    MaterializationTask,
)
from feast.infra.compute_engines.base import ComputeEngine
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel
from pydantic import Field

from provender.core.clock import to_utc, utc_now
from provender.core.errors import InvalidInput
from provender.core.names import DatasetRef
from provender.core.policy import Action
from provender.core.serving import serve_view
from provender.feast_plugin.joins import view_join
from provender.feast_plugin.online import ProvenderOnlineStore, store_of
from provender.feast_plugin.terms import Terms
from provender.feast_plugin.translation import view_spec
from provender.online.arrow import BatchEncoder, Progress, write_batches

PURPOSE = "serving"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ProvenderEngineConfig(FeastConfigBaseModel):
    """The section ``batch_engine`` of feature_store.yaml."""

    type: Literal["provender.feast_plugin.engine.ProvenderEngine"] = (
        "provender.feast_plugin.engine.ProvenderEngine"
    )
    purpose: str = Field(PURPOSE, description="what governed columns are served for")


@dataclass(frozen=True, slots=True, kw_only=True)
class Materialized:
    """What one run over one view did. ``kept``: a newer row was stored; ``skipped``: a null join key."""

    view: str
    start: datetime
    end: datetime
    read: int = 0
    written: int = 0
    kept: int = 0
    skipped: int = 0
    seconds: float = 0.0
    source: DatasetRef | None = None


@dataclass
class ProvenderMaterializationJob(MaterializationJob):
    """A finished run, or the error that ended it."""

    task: MaterializationTask
    outcome: Materialized | None = None
    failure: Exception | None = None

    def status(self) -> MaterializationJobStatus:
        done = self.failure is None
        return MaterializationJobStatus.SUCCEEDED if done else MaterializationJobStatus.ERROR

    def error(self) -> Exception | None:
        return self.failure

    def should_be_retried(self) -> bool:
        return False

    def job_id(self) -> str:
        return f"{self.task.feature_view.name}-{self.task.start_time}-{self.task.end_time}"

    def url(self) -> str | None:
        return None


class ProvenderEngine(ComputeEngine):
    """Writes the latest row per key of each feature view to the online store."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.purpose: str = kwargs.get("purpose", PURPOSE)

    def update(
        self,
        project: str,
        views_to_delete: Sequence[FeatureView],
        views_to_keep: Sequence[FeatureView | OnDemandFeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
    ) -> None:
        """Nothing has to be prepared."""

    def teardown_infra(
        self, project: str, fvs: Sequence[FeatureView], entities: Sequence[Entity]
    ) -> None:
        """Nothing has to be taken down."""

    def materialize(
        self,
        registry: BaseRegistry,
        tasks: MaterializationTask | list[MaterializationTask],
        **kwargs: Any,
    ) -> list[MaterializationJob]:
        """Run each task; a failed one does not keep the next from running. Feast raises the failure."""
        return [self._job(task) for task in ([tasks] if not isinstance(tasks, list) else tasks)]

    def run(self, task: MaterializationTask, *, progress: Progress | None = None) -> Materialized:
        """Write the latest rows of the task's window, both ends inclusive, and count them.

        Raises:
            Denied: the actor may not serve a column.
            InvalidInput: the online store is not ours, or a column does not fit its field.
            Unavailable: the online store does not answer; running again is safe.
        """
        view, config = task.feature_view, self.repo_config
        if not isinstance(self.online_store, ProvenderOnlineStore):
            raise InvalidInput(
                f"the online store is {type(self.online_store).__name__}, which this engine cannot write",
                hint="set online_store.type to provender.feast_plugin.online.ProvenderOnlineStore",
            )
        terms = Terms.of(config)
        served = serve_view(view_spec(view))
        join = view_join(
            view,
            [column.name for column in served.columns],
            terms.table(view.batch_source, wanted_by=f"feature view {view.name}"),
            full_feature_names=False,
        )
        permit = terms.permit(Action.SERVE, join.reads, purpose=self.purpose)
        start = EPOCH if task.disable_event_timestamp else to_utc(task.start_time)
        end = terms.settings.now() if task.disable_event_timestamp else to_utc(task.end_time)
        began = time.perf_counter()
        batches = terms.engine.latest(join, permit, start=start, end=end, now=utc_now())
        encoder = BatchEncoder(
            config.project,
            served,
            event_timestamp="event_timestamp",
            created_timestamp="created_timestamp",
        )
        done = write_batches(store_of(config), encoder, batches, progress=progress)
        return Materialized(
            view=view.name,
            start=start,
            end=end,
            read=done.read,
            written=done.written,
            kept=done.kept,
            skipped=done.skipped,
            seconds=time.perf_counter() - began,
            source=join.table.version,
        )

    def _job(self, task: MaterializationTask) -> MaterializationJob:
        bar = task.tqdm_builder(0) if task.tqdm_builder else None
        try:
            outcome = self.run(task, progress=bar.update if bar is not None else None)
        except Exception as error:  # noqa: BLE001 - Feast raises what the job holds
            return ProvenderMaterializationJob(task, failure=error)
        finally:
            if bar is not None:
                bar.close()
        return ProvenderMaterializationJob(task, outcome=outcome)
