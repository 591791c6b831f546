"""Materialisation without protobuf: DuckDB's Arrow batches become packed rows in bulk.

Feast finds the configuration's class beside the engine's, by name; both belong in this file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypedDict

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
from provender.core.clock import to_utc
from provender.core.errors import InvalidInput
from provender.core.serving import PURPOSE, serve_view
from provender.feast_plugin import collaborators
from provender.feast_plugin.expiry import expiry_of
from provender.feast_plugin.filling import FilledView, Work
from provender.feast_plugin.joins import view_join
from provender.feast_plugin.online import ProvenderOnlineStore, store_of
from provender.feast_plugin.terms import Terms
from provender.feast_plugin.translation import view_spec
from provender.online import runs
from provender.online.arrow import Progress
from provender.online.coverage import Coverage
from provender.online.runs import CHECKPOINT_SECONDS
from provender.online.secrets import HASHED, KEYRING
from provender.online.upkeep import EPOCH, Expect, Materialized


class ProvenderEngineConfig(FeastConfigBaseModel):
    """The section ``batch_engine`` of feature_store.yaml."""

    type: Literal["provender.feast_plugin.engine.ProvenderEngine"] = (
        "provender.feast_plugin.engine.ProvenderEngine"
    )
    purpose: str = Field(PURPOSE, description="what governed columns are served for")


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
        self.checkpoint_seconds = CHECKPOINT_SECONDS

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
        return self.work(view).resume(self._covered(view.name))

    def forget(self, view: FeatureView) -> None:
        """Let the next run over ``view`` begin with the data, whatever is known of the rows online."""
        store, project = store_of(self.repo_config), self.repo_config.project
        store.doubt_coverage(project, view.name)
        runs.forget(store, project, view.name)

    def run(
        self,
        task: MaterializationTask,
        *,
        skip_expired: bool = False,
        progress: Progress | None = None,
        expect: Expect | None = None,
    ) -> Materialized:
        """Write the latest rows of the task's window, both ends inclusive, and count them.

        A window that begins where the view's last run ended, as Feast's ``materialize_incremental``
        asks for, is taken from where it has to begin; see `resume`. A run over the same rows
        that did not end is gone on with. If the store is emptied or fails over meanwhile, it
        starts anew, once. ``skip_expired`` leaves out rows that would have vanished by now, as
        configured. ``expect`` is told how many rows there are and how many of
        them an earlier run wrote, ``progress`` of each batch that is written.

        Raises:
            Denied: the actor may not serve a column, be it a join key or a timestamp.
            InvalidInput: the online store is not ours, or a column does not fit its field.
            Unavailable: the online store does not answer, or was emptied twice; running again is safe.
        """
        view, config = task.feature_view, self.repo_config
        work = self.work(view)
        permit = work.permit(self.purpose)
        store, covered = store_of(config), self._covered(view.name)
        start = EPOCH if task.disable_event_timestamp else to_utc(task.start_time)
        if view.most_recent_end_time and start == to_utc(view.most_recent_end_time):
            start = min(start, work.resume(covered))
        end = work.terms.settings.now() if task.disable_event_timestamp else to_utc(task.end_time)
        filling = FilledView(
            store=store,
            project=config.project,
            work=work,
            permit=permit,
            checkpoint_seconds=self.checkpoint_seconds,
            skip_expired=skip_expired,
            progress=progress,
            expect=expect,
        )
        outcome = filling.run(start, end, covered)
        _note(outcome, work.terms, config.project)
        return outcome

    def _covered(self, view: str) -> Coverage | None:
        """Return what the rows online hold; where rows vanish by themselves, nobody knows."""
        store = store_of(self.repo_config)
        return None if store.key_ttl_seconds else store.coverage(self.repo_config.project, view)

    def work(self, view: FeatureView) -> Work:
        """Return what ``view`` is materialised from, and into which layout.

        Raises:
            InvalidInput: the online store is not ours.
            NotFound: the source is not there.
        """
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
        return Work(
            terms,
            served,
            join,
            expiry_of(self.repo_config, view),
            KEYRING.key_id(self.repo_config.project) if served.entity_ids == HASHED else "",
        )

    def _job(self, task: MaterializationTask) -> MaterializationJob:
        bar = task.tqdm_builder(0) if task.tqdm_builder else None
        try:
            outcome = self.run(task) if bar is None else self.run(task, **_shown(bar))
        except Exception as error:  # noqa: BLE001 - Feast raises what the job holds
            return ProvenderMaterializationJob(task, failure=error)
        finally:
            if bar is not None:
                bar.close()
        return ProvenderMaterializationJob(task, outcome=outcome)


class Shown(TypedDict):
    """How a run is shown by Feast's bar."""

    progress: Progress
    expect: Expect


def _shown(bar: Any) -> Shown:
    def expect(total: int, done: int) -> None:
        bar.reset(total=total)
        bar.update(done)

    return {"progress": bar.update, "expect": expect}


def _note(outcome: Materialized, terms: Terms, project: str) -> None:
    """Write the run down, where a catalog governs its rows."""
    if outcome.source is not None:
        collaborators.catalog(terms.settings).records.note(
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
                "resumed": outcome.resumed,
                "null_keys": outcome.null_keys,
                "null_times": outcome.null_times,
            },
        )
