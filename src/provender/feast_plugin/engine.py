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

from provender.core.audit import EventKind
from provender.core.clock import to_utc, utc_now
from provender.core.digest import digest
from provender.core.errors import InvalidInput
from provender.core.names import DatasetRef
from provender.core.policy import Action
from provender.core.serving import PURPOSE, ServedView, serve_view
from provender.core.training import ViewJoin
from provender.feast_plugin import collaborators
from provender.feast_plugin.joins import view_join
from provender.feast_plugin.online import ProvenderOnlineStore, store_of
from provender.feast_plugin.terms import Terms
from provender.feast_plugin.translation import view_spec
from provender.online.arrow import BatchEncoder, Progress, write_batches
from provender.online.store import Coverage

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

    @property
    def warning(self) -> str:
        """What may be wrong; empty: nothing."""
        if self.read:
            return ""
        since = "the beginning" if self.start == EPOCH else self.start.isoformat()
        return f"{self.view}: no rows from {since} to {self.end.isoformat()}"


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

    def resume(self, view: FeatureView) -> datetime:
        """Return where a run has to start so that afterwards nothing older is missing or stale.

        Where the last run ended, if the rows online still are those that such runs wrote, from
        the same version and in the same layout; else the beginning.
        """
        return self._work(view).resume(self._covered(view.name))

    def run(self, task: MaterializationTask, *, progress: Progress | None = None) -> Materialized:
        """Write the latest rows of the task's window, both ends inclusive, and count them.

        A window that begins where the view's last run ended, as Feast's ``materialize_incremental``
        asks for, is taken from where it has to begin; see `resume`.

        Raises:
            Denied: the actor may not serve a column, be it a join key or a timestamp.
            InvalidInput: the online store is not ours, or a column does not fit its field.
            Unavailable: the online store does not answer; running again is safe.
        """
        view, config = task.feature_view, self.repo_config
        work = self._work(view)
        terms, join = work.terms, work.join
        permit = terms.permit(Action.SERVE, [join.table], join.emits, purpose=self.purpose)
        store, covered = store_of(config), self._covered(view.name)
        start = EPOCH if task.disable_event_timestamp else to_utc(task.start_time)
        if view.most_recent_end_time and start == to_utc(view.most_recent_end_time):
            start = min(start, work.resume(covered))
        end = terms.settings.now() if task.disable_event_timestamp else to_utc(task.end_time)
        began = time.perf_counter()
        batches = terms.engine.latest(join, permit, start=start, end=end, now=utc_now())
        encoder = BatchEncoder(
            config.project,
            work.served,
            event_timestamp="event_timestamp",
            created_timestamp="created_timestamp",
        )
        if not work.continues(covered):  # from now on the rows are a mixture, until this is done
            store.keep_coverage(config.project, view.name, None)
        done = write_batches(store, encoder, batches, progress=progress)
        if start <= work.resume(covered):
            store.keep_coverage(config.project, view.name, work.coverage(end, covered))
        outcome = Materialized(
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
        _note(outcome, terms, config.project)
        return outcome

    def _covered(self, view: str) -> Coverage | None:
        """Return what the rows online hold; where rows vanish by themselves, nobody knows."""
        store = store_of(self.repo_config)
        return None if store.key_ttl_seconds else store.coverage(self.repo_config.project, view)

    def _work(self, view: FeatureView) -> "Work":
        if not isinstance(self.online_store, ProvenderOnlineStore):
            raise InvalidInput(
                f"the online store is {type(self.online_store).__name__}, which this engine cannot write",
                hint="set online_store.type to provender.feast_plugin.online.ProvenderOnlineStore",
            )
        terms = Terms.of(self.repo_config)
        served = serve_view(view_spec(view))
        join = view_join(
            view,
            [column.name for column in served.columns],
            terms.table(view.batch_source, wanted_by=f"feature view {view.name}"),
            full_feature_names=False,
        )
        return Work(terms, served, join)

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


@dataclass(frozen=True, slots=True)
class Work:
    """What one view is materialised from, and into which layout."""

    terms: Terms
    served: ServedView
    join: ViewJoin

    def resume(self, covered: Coverage | None) -> datetime:
        """Return where to start, given what the rows online hold."""
        return covered.end if covered is not None and self.continues(covered) else EPOCH

    def continues(self, covered: Coverage | None) -> bool:
        """Return whether the rows online are from the same source and in the same layout."""
        known = covered and (covered.source, covered.layout)
        return known == (self._source, self._layout)

    def coverage(self, end: datetime, covered: Coverage | None) -> Coverage:
        """Return what the rows online hold after a run until ``end`` that left nothing out."""
        known = max(end, self.resume(covered))
        return Coverage(source=self._source, layout=self._layout, end=known)

    @property
    def _source(self) -> str:
        return str(self.join.table.version or "")

    @property
    def _layout(self) -> str:
        """Changes whenever other columns, keys or types would be written."""
        keys = [(key.name, key.type) for key in self.served.join_keys]
        stamps = [self.join.event_timestamp, self.join.created_timestamp]
        columns = [self.join.keys, self.join.features, stamps]
        return digest([self.served.fingerprint.hex(), keys, columns])


def _note(outcome: Materialized, terms: Terms, project: str) -> None:
    """Write the run down, where a catalog governs its rows."""
    if outcome.source is not None:
        collaborators.catalog(terms.settings).note(
            EventKind.FEATURES_MATERIALIZE,
            str(outcome.source),
            {
                "project": project,
                "view": outcome.view,
                "start": outcome.start.isoformat(),
                "end": outcome.end.isoformat(),
                "read": outcome.read,
                "written": outcome.written,
                "kept": outcome.kept,
                "skipped": outcome.skipped,
            },
        )
