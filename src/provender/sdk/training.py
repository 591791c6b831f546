"""Training sets: features as they were known at each row of a spine."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from provender.core.cautions import heeded
from provender.core.datasets import DatasetVersion
from provender.core.features import RepoSpec, resolve
from provender.core.gateway import FeaturesAsked
from provender.core.names import unknown
from provender.core.training import TrainingSetSpec, plan_training_set
from provender.offline.answer import Progress
from provender.sdk.arguments import checked
from provender.sdk.asked import asked_of
from provender.sdk.desk import Desk
from provender.sdk.models import TrainedModels
from provender.sdk.retrieval import Retrieval
from provender.sdk.rows import Rows, check_zone, parse_pins, spine_of
from provender.sdk.targets import target_of
from provender.sdk.training_set import TrainingSet


class Training(Desk):
    """What an actor can do to train."""

    @property
    def models(self) -> TrainedModels:
        """What was trained on training sets: record, get, list."""
        return TrainedModels(self.catalog.models)

    @checked
    def training_set(
        self,
        spine: Rows,
        *,
        service: str | None = None,
        features: Sequence[str] = (),
        purpose: str | None = None,
        pins: Mapping[str, int] | Iterable[str] = (),
        as_of: datetime | None = None,
        event_timestamp: str = "event_timestamp",
        full_feature_names: bool = False,
        known_by_then: bool = False,
        assume_utc: bool = False,
        project: str | None = None,
        to: str | Path | None = None,
        allow_overwrite: bool = False,
        progress: Progress | None = None,
    ) -> TrainingSet:
        """Return the features of ``service`` (or the named ``features``) as known at each row of ``spine``.

        The spine has the join keys, the event timestamp and whatever else shall stay beside
        the features. It may be Parquet files that memory cannot hold: with ``to`` the answer
        goes to a file as it is made, whole or not at all (over one that is there only with
        ``allow_overwrite``), and ``progress`` is told how far it is. ``pins`` name dataset versions (``{"a.b": 1}`` or ``["a.b@1"]``), others
        are the latest, or the latest at ``as_of``; all are recorded in the manifest.
        ``known_by_then`` leaves out values that were recorded after the row's instant.

        Raises:
            NotFound: a service, view, feature, dataset or version does not exist.
            Denied: a feature's column is closed to the actor for that purpose; ``to`` is in the lake.
            Conflict: ``to`` is there already.
            InvalidInput: the spine is empty, lacks a column, has a column called like a
                feature, or has timestamps without a zone (say ``assume_utc=True`` if they are UTC).
        """
        target = None
        if to is not None:
            target = target_of(to, lake=self.settings.lake, allow_overwrite=allow_overwrite)
        asked = FeaturesAsked(
            project=project or "",
            service=service or "",
            features=tuple(features),
            purpose=self._purpose(purpose),
            pins=tuple(f"{name}@{version}" for name, version in parse_pins(pins).items()),
            as_of=as_of,
            event_timestamp=event_timestamp,
            full_feature_names=full_feature_names,
            known_by_then=known_by_then,
            assume_utc=assume_utc,
        )
        retrieval = self.retrieval(asked, spine)
        if gateway := self._gateway(retrieval.versions):
            return retrieval.fetch(
                gateway, asked, target, progress, allow_overwrite=allow_overwrite
            )
        return retrieval.make(target, progress, allow_overwrite=allow_overwrite)

    def retrieval(self, asked: FeaturesAsked, spine: Rows) -> Retrieval:
        """Return what would answer ``asked`` at the rows of ``spine``, checked; nothing is read yet."""
        rows = spine_of(spine, lake=self.settings.lake, spill=self._engine.spill)
        repo = self.repo(asked.project or None)
        wanted = asked_of(repo, asked.service or None, asked.features)
        spec = TrainingSetSpec(
            project=repo.project,
            features=wanted.features,
            projections=wanted.projections,
            purpose=asked.purpose or self.catalog.actor.limits.purpose,
            service=asked.service,
            event_timestamp=asked.event_timestamp,
            full_feature_names=asked.full_feature_names,
            known_by_then=asked.known_by_then,
        )
        versions = self._pinned(repo, spec, asked.pins, asked.as_of)
        plan = plan_training_set(spec, repo, versions)
        check_zone(rows, plan.event_timestamp, assume_utc=asked.assume_utc)
        return Retrieval(
            spec=spec,
            plan=plan,
            repo=repo,
            versions=tuple(versions.values()),
            spine=rows,
            settings=self.settings,
            catalog=self.catalog,
            engine=self._retrieval,
        )

    def _pinned(
        self,
        repo: RepoSpec,
        spec: TrainingSetSpec,
        pins: Mapping[str, int] | Iterable[str],
        as_of: datetime | None,
    ) -> dict[str, DatasetVersion]:
        """The version of each dataset that the plan reads: pinned, or the source's own, or the latest."""
        chosen = parse_pins(pins)
        views = dict.fromkeys(ref.view for ref in resolve(repo, spec.own_features).stored)
        sources = {s.dataset: s for name in views if (s := repo.view(name).dataset) is not None}
        for name in chosen.keys() - sources.keys():
            raise unknown("pinned dataset, as a source of these features,", name, sources)
        return {
            name: heeded(
                self.catalog.release(
                    source.at(chosen.get(name, source.version)),
                    as_of=None if chosen.get(name, source.version) else as_of,
                )
            )
            for name, source in sources.items()
        }
