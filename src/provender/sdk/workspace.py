"""A workspace: what one actor can do with the catalog, the lake and the online store."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from provender import bootstrap
from provender.core.clock import utc_now
from provender.core.closing import Closing
from provender.core.datasets import Dataset, DatasetVersion, next_version
from provender.core.errors import InvalidInput, NotFound
from provender.core.features import RepoSpec, resolve
from provender.core.names import DatasetRef, unknown
from provender.core.policy import EVERY, Action, ColumnRef
from provender.core.training import (
    Table,
    TrainingSetSpec,
    plan_training_set,
)
from provender.offline.answer import Progress
from provender.online.plan import LookupPlan
from provender.sdk import upkeep
from provender.sdk.asked import asked_of, lookup_plan
from provender.sdk.online import OnlineLookup
from provender.sdk.retrieval import Retrieval
from provender.sdk.rows import Rows, arrow_table, check_zone, parse_pins, spine_of
from provender.sdk.targets import target_of
from provender.sdk.training_set import TrainingSet
from provender.settings import Settings
from provender.tables.arrow import Naive
from provender.tables.storage import publishing
from provender.tables.versions import verify_version, write_version

if TYPE_CHECKING:
    from provender.catalog.local import LocalCatalog
    from provender.catalog.search import Hit
    from provender.online.store import OnlineStore


class Workspace(Closing):
    """What an actor can do: publish, read, train, look up, search, ask for and grant access."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.catalog: LocalCatalog = bootstrap.catalog(settings)
        self._engine = bootstrap.engine(settings)
        self._retrieval = bootstrap.retrieval(settings, self._engine)
        self._online: OnlineStore | None = None

    def publish(
        self,
        name: str,
        rows: Rows,
        *,
        inputs: Sequence[str] = (),
        producer: str = "",
        parent: int | None = None,
        breaking_reason: str = "",
        note: str = "",
        assume_utc: bool = False,
    ) -> DatasetVersion:
        """Return the version of dataset ``name`` that holds ``rows``: a new one, or the one that already does.

        ``inputs`` are the dataset versions the rows were computed from (lineage).

        Raises:
            NotFound: the dataset is not declared, or an input does not exist.
            Denied: the actor may not publish it.
            Incompatible: the schema breaks readers and no ``breaking_reason`` is given.
            InvalidInput: the rows do not fit the dataset's declaration, or have timestamps
                without a zone (say ``assume_utc=True`` if they are UTC).
        """
        ref = DatasetRef.parse(name)
        dataset = self.catalog.dataset(ref)
        self.catalog.permit(Action.PUBLISH, [ColumnRef(dataset.ref.dataset, EVERY)], purpose="")
        sources = tuple(self.catalog.resolve(DatasetRef.parse(text)).ref for text in inputs)
        history = self.catalog.versions(ref)
        with publishing(self.settings.lake):
            manifest = write_version(
                self.settings.lake,
                dataset,
                arrow_table(rows, lake=self.settings.lake),
                inputs=sources,
                producer=producer,
                naive=Naive.UTC if assume_utc else Naive.REFUSE,
                accept=lambda found: next_version(
                    history,
                    ref,
                    found,
                    by=self.settings.actor,
                    now=utc_now(),
                    parent=parent,
                    breaking_reason=breaking_reason,
                ),
            )
            return self.catalog.publish(
                ref, manifest, parent=parent, breaking_reason=breaking_reason, note=note
            )

    def optimize(
        self,
        name: str,
        *,
        keys: Sequence[str] = (),
        progress: Progress = lambda stage, done: None,
    ) -> DatasetVersion:
        """Return the version of dataset ``name`` with the rows of the latest, sorted by key and time.

        ``keys`` are the columns that the rows are looked up by; without any, those by which the
        feature views over the dataset are joined. A latest version that lies so already is
        returned as it is. ``progress`` is told what is being done and how much of it is.

        Raises:
            Denied: the actor may not publish the dataset.
            InvalidInput: it is not kept as Parquet, or the views disagree about its keys.
            Corrupt: a file of the latest version is gone or changed.
            Conflict: somebody published meanwhile.
        """
        ref = DatasetRef.parse(name)
        return upkeep.optimize(self.catalog, self.settings, ref, keys, progress)

    def fsck(
        self,
        *,
        remove: bool = False,
        again: bool = False,
        spills: Sequence[str | Path] = (),
        progress: Progress = lambda stage, done: None,
    ) -> upkeep.Report:
        """Return what is wrong with the lake: files of versions that are gone or changed, and orphans.

        Orphans are what killed processes left; ``remove`` removes them, and nothing else.
        ``again``: hash also the files that were hashed before and not touched since.
        ``spills`` are the folders that stores have as ``temp_directory``; what retrievals left
        in them is looked for, too.

        Raises:
            Denied: the actor may not govern.
            NotFound: one of ``spills`` is no folder.
            Conflict: a publisher is at work for more than a minute.
        """
        return upkeep.check(
            self.catalog,
            self.settings,
            remove=remove,
            again=again,
            spills=[Path(folder) for folder in spills],
            progress=progress,
        )

    def dataset(self, name: str) -> Dataset:
        """Return the declaration of dataset ``name``."""
        return self.catalog.dataset(DatasetRef.parse(name))

    def version(self, name: str, *, as_of: datetime | None = None) -> DatasetVersion:
        """Return the version that ``name`` names, else the latest (as of ``as_of``)."""
        return self.catalog.resolve(DatasetRef.parse(name), as_of=as_of)

    def verify(self, name: str) -> DatasetVersion:
        """Return the version after checking size and sha256 of each of its files.

        Raises:
            Corrupt: a file is missing or is not what was published; it is named.
        """
        version = self.version(name)
        verify_version(self.settings.lake, version.manifest)
        return version

    def read(
        self, name: str, columns: Sequence[str] | None = None, *, purpose: str | None = None
    ) -> pa.Table:
        """Return ``columns`` (default: all) of every row of a dataset version.

        Raises:
            Denied: a column is closed to the actor for that purpose; the hint says who can open it.
        """
        version = self.version(name)
        table = Table.of(version)
        wanted = list(columns) if columns is not None else list(version.manifest.schema.names)
        for column in wanted:
            version.manifest.schema.column(column)
        permit = self.catalog.permit(
            Action.READ, sorted(table.columns(wanted)), purpose=self._purpose(purpose)
        )
        return self._engine.read(table, wanted, permit, now=utc_now())

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
        lake = self.settings.lake
        target = None
        if to is not None:
            target = target_of(to, lake=lake, allow_overwrite=allow_overwrite)
        rows = spine_of(spine, lake=lake, spill=self._engine.spill)
        repo = self.repo(project)
        asked = asked_of(repo, service, features)
        spec = TrainingSetSpec(
            project=repo.project,
            features=asked.features,
            projections=asked.projections,
            purpose=self._purpose(purpose),
            service=service or "",
            event_timestamp=event_timestamp,
            full_feature_names=full_feature_names,
            known_by_then=known_by_then,
        )
        plan = plan_training_set(spec, repo, self._pinned(repo, spec, pins, as_of))
        check_zone(rows, plan.event_timestamp, assume_utc=assume_utc)
        retrieval = Retrieval(
            spec=spec,
            plan=plan,
            repo=repo,
            spine=rows,
            settings=self.settings,
            catalog=self.catalog,
            engine=self._retrieval,
        )
        return retrieval.make(target, progress, allow_overwrite=allow_overwrite)

    def online(
        self,
        service: str | None = None,
        *,
        features: Sequence[str] = (),
        full_feature_names: bool = False,
        project: str | None = None,
    ) -> OnlineLookup:
        """Return the compiled lookup of a service's features; call it with the entities' keys.

        Raises:
            NotFound: nothing was applied yet, or a name is unknown.
            Denied: a feature is closed for serving, or to the actor.
        """
        named = self.repo(project).project

        def compiled() -> LookupPlan:
            repo = self.repo(named)
            asked = asked_of(repo, service, features)
            return lookup_plan(self.catalog, self.settings, repo, asked, full=full_feature_names)

        return OnlineLookup(self._store(), named, compiled, now=self.settings.now)

    def search(self, text: str, *, limit: int = 20) -> "list[Hit]":
        """Return what the actor may discover that fits ``text``, best first, with why."""
        return self.catalog.search(text, limit=limit)

    def repo(self, project: str | None = None) -> RepoSpec:
        """Return the definitions applied last, of ``project`` or of the only project there is.

        Raises:
            NotFound: nothing was applied yet.
            InvalidInput: there are several projects and none is named.
        """
        names = self.catalog.projects()
        if project is not None and project not in names:
            raise unknown("project", project, names)
        if project is None and len(names) != 1:
            if not names:
                raise NotFound(
                    "no feature definitions were applied yet", hint="provender features apply"
                )
            raise InvalidInput(
                f"there are {len(names)} projects: {', '.join(names)}", hint="say project=…"
            )
        return self.catalog.repo(project or names[0])

    def close(self) -> None:
        """Give back connections; an embedded server that nobody else uses stops."""
        if self._online is not None:
            self._online.close()
            self._online = None
        self.catalog.close()

    def _store(self) -> "OnlineStore":
        if self._online is None:
            self._online = bootstrap.online(self.settings)
        return self._online

    def _purpose(self, purpose: str | None) -> str:
        return purpose if purpose is not None else self.settings.purpose

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
            name: self.catalog.resolve(
                source.at(chosen.get(name, source.version)),
                as_of=None if chosen.get(name, source.version) else as_of,
            )
            for name, source in sources.items()
        }


def connect(
    *,
    home: str | Path | None = None,
    actor: str | None = None,
    purpose: str | None = None,
    settings: Settings | None = None,
) -> Workspace:
    """Return a workspace on the catalog, the lake and the online store of the settings.

    ``home``, ``actor`` and ``purpose`` override ``PROVENDER_HOME``, ``PROVENDER_ACTOR`` and
    ``PROVENDER_PURPOSE``.

    Raises:
        Misconfigured: a setting is unknown or malformed.
    """
    given = {"home": home and Path(home), "actor": actor, "purpose": purpose}
    chosen = settings or bootstrap.settings()
    changes = {name: value for name, value in given.items() if value}
    return Workspace(Settings(**(chosen.model_dump() | changes)) if changes else chosen)
