"""The catalog in this process: `core.protocols.Catalog` and the read models, for one actor."""

from collections.abc import Iterable, Sequence
from copy import copy
from datetime import datetime, timedelta

from sqlalchemy import QueuePool
from sqlalchemy.orm import Session

from provender.catalog import (
    access,
    consumption,
    datasets,
    features,
    governance,
    grants,
    idempotency,
    lineage,
    listing,
    publication,
    releases,
)
from provender.catalog.access import ROWS_READ
from provender.catalog.changes import Change
from provender.catalog.desk import LocalDesk
from provender.catalog.door import Door
from provender.catalog.finder import LocalFinder
from provender.catalog.records import LocalRecords
from provender.catalog.reindexing import open_catalog
from provender.core.audit import AuditEvent, EventKind
from provender.core.clock import Clock, utc_now
from provender.core.closing import Closing
from provender.core.datasets import (
    NO_EVIDENCE,
    Dataset,
    DatasetSummary,
    DatasetVersion,
    Evidence,
    Format,
    Manifest,
    Release,
)
from provender.core.features import RepoSpec
from provender.core.finding import Hit, Question
from provender.core.governance import Governance, Step
from provender.core.lineage import Edge, Node
from provender.core.names import DatasetRef
from provender.core.people import Actor, check_actor_id
from provender.core.policy import EVERY, Action, ColumnRef, Decision, Grant, Permit
from provender.core.serving import ServingManifest
from provender.core.training import TrainingSetManifest


class LocalCatalog(Closing):
    """A catalog database, spoken to as one actor. Safe to share between threads.

    Every method is one transaction: it happens whole, with its audit event, or not at all.
    What the actor may not discover is not found, in the same words as what does not exist.
    """

    def __init__(self, url: str, *, actor: str, clock: Clock = utc_now) -> None:
        check_actor_id(actor)  # before a database is made for nobody
        self._clock = clock
        self._door = Door(open_catalog(url), actor=actor, clock=clock)

    def as_actor(self, actor: str, *, request: str = "") -> "LocalCatalog":
        """Return the same catalog for another actor; what it changes, ``request`` asked for.

        It is closed with this one, and only with it.
        """
        other = copy(self)
        other._door = self._door.as_actor(actor, request=request)
        return other

    @property
    def finder(self) -> LocalFinder:
        """The same catalog, for whoever looks for something."""
        return LocalFinder(self._door)

    @property
    def desk(self) -> LocalDesk:
        """The same catalog, for stewards."""
        return LocalDesk(self._door)

    @property
    def records(self) -> LocalRecords:
        """The same catalog, for whoever knows what they ask for."""
        return LocalRecords(self._door)

    @property
    def actor(self) -> Actor:
        """Who asks, with the teams that the catalog knows them to be in."""
        with self._door.reading() as db:
            return self._door.who(db)

    def dataset(self, ref: DatasetRef) -> Dataset:
        """Return what people say about a dataset."""
        with self._door.reading() as db:
            return access.discover(db, self._door.who(db), ref.dataset, now=self._clock())

    def datasets(self, *, domain: str | None = None) -> list[DatasetSummary]:
        """Return the datasets that the actor may discover, by name."""
        with self._door.reading() as db:
            filters = {"domain": (domain,)} if domain is not None else {}
            return listing.summaries(db, self._door.who(db), filters=filters, now=self._clock())

    def resolve(
        self,
        ref: DatasetRef,
        *,
        as_of: datetime | None = None,
        max_age: timedelta | None = None,
    ) -> DatasetVersion:
        """Return the version that ``ref`` names, else the latest (as it was at ``as_of``)."""
        with self._door.reading() as db:
            who, now = self._door.who(db), self._clock()
            return datasets.resolve(db, who, ref, as_of=as_of, max_age=max_age, now=now)

    def release(
        self,
        ref: DatasetRef,
        *,
        as_of: datetime | None = None,
        max_age: timedelta | None = None,
        format: Format | None = None,  # noqa: A002 - the word of the field
    ) -> Release:
        """Return what `resolve` does, where it stands, and its manifest in ``format``."""
        with self._door.reading() as db:
            who, now = self._door.who(db), self._clock()
            return releases.release(
                db, who, ref, as_of=as_of, max_age=max_age, format=format, now=now
            )

    def versions(self, ref: DatasetRef) -> list[DatasetVersion]:
        """Return every version of a dataset, oldest first."""
        with self._door.reading() as db:
            return datasets.versions(db, self._door.who(db), ref, now=self._clock())

    def every_version(self) -> list[DatasetVersion]:
        """Return every version of every dataset; for who governs."""
        with self._door.reading() as db:
            return datasets.every_version(db, self._door.who(db), now=self._clock())

    def publish(
        self,
        ref: DatasetRef,
        manifest: Manifest,
        *,
        parent: int | None = None,
        breaking_reason: str = "",
        note: str = "",
        evidence: Evidence = NO_EVIDENCE,
        draft: bool = False,
        key: str = "",
    ) -> DatasetVersion:
        """Return the version that ``manifest`` makes; with a ``key``, what it made the first time."""
        with self._door.writing() as (db, change):

            def work() -> DatasetVersion:
                return publication.publish(
                    db,
                    ref,
                    manifest,
                    parent=parent,
                    breaking_reason=breaking_reason,
                    note=note,
                    evidence=evidence,
                    draft=draft,
                    change=change,
                )

            asked = [ref, manifest, parent, breaking_reason, note, evidence, draft]
            return idempotency.answered(
                db,
                change,
                key,
                "publish",
                asked,
                DatasetVersion,
                work,
                lambda: self._check_publishes(db, ref, change),
            )

    def represent(self, ref: DatasetRef, manifest: Manifest, *, key: str = "") -> Release:
        """Write down that the rows of a version can be had in another format too."""
        with self._door.writing() as (db, change):
            who = self._door.who(db)

            def work() -> Release:
                return releases.represent(db, who, ref, manifest, change=change)

            return idempotency.answered(
                db,
                change,
                key,
                "represent",
                [ref, manifest],
                Release,
                work,
                lambda: self._check_publishes(db, ref, change),
            )

    def _check_publishes(self, db: Session, ref: DatasetRef, change: Change) -> None:
        asked = [ColumnRef(ref.dataset)]
        access.check(db, self._door.who(db), Action.PUBLISH, asked, now=change.at)

    def permit(
        self,
        action: Action,
        columns: Sequence[ColumnRef],
        *,
        purpose: str,
        versions: Sequence[DatasetRef] = (),
    ) -> Permit:
        """Return proof that the actor may read ``versions``; that is written down, and every refusal."""
        if action not in ROWS_READ:
            with self._door.reading() as db:
                who = self._door.who(db)
                return access.check(db, who, action, columns, purpose=purpose, now=self._clock())
        with self._door.writing() as (db, change):
            who = self._door.who(db)
            permit = access.check(
                db,
                who,
                action,
                columns,
                purpose=purpose,
                versions=versions,
                now=change.at,
                request=change.request,
            )
            datasets.check_read(db, who, versions, now=change.at)
            consumption.keep_reading(db, change, who, columns, versions)
            return permit

    def decide(
        self,
        action: Action,
        columns: Iterable[ColumnRef],
        *,
        purpose: str = "",
        actor: str | None = None,
    ) -> Decision:
        """Return what the decision would be for ``actor`` (default: the catalog's own), and why.

        Nothing is written down. Datasets that the catalog's own actor may not discover are
        not in the catalog here either.
        """
        return self.records.decide(action, columns, purpose=purpose, actor=actor)

    def grant(
        self,
        ref: DatasetRef,
        *,
        grantee: str,
        action: Action = Action.READ,
        columns: Sequence[str] = (),
        purposes: Sequence[str] = (EVERY,),
        until: datetime | None = None,
        reason: str = "",
    ) -> Grant:
        """Let ``grantee`` do ``action`` to ``columns`` (none: those that no protected tag closes)."""
        return self.records.grant(
            ref,
            grantee=grantee,
            action=action,
            columns=columns,
            purposes=purposes,
            until=until,
            reason=reason,
        )

    def revoke(self, identity: str) -> Grant:
        """End a grant now; one that was revoked before stays as it was."""
        return self.records.revoke(identity)

    def grants(self, dataset: DatasetRef | None = None) -> list[Grant]:
        """Return the actor's own grants, and those on datasets they steward, oldest first."""
        with self._door.reading() as db:
            return grants.grants(db, self._door.who(db), dataset, now=self._clock())

    def apply_governance(self, desired: Governance, *, dry_run: bool = False) -> list[Step]:
        """Return the plan from what is in force to ``desired``, applied unless ``dry_run``.

        What ``desired`` does not declare is removed. Grants to people who are, end.
        """
        if dry_run:
            with self._door.reading() as db:
                return governance.plan(db, self._door.who(db), desired, now=self._clock())
        with self._door.writing() as (db, change):
            return governance.apply(db, self._door.who(db), desired, change=change)

    def governance(self, *, datasets: bool = True) -> Governance:
        """Return what is in force, of datasets those that the actor may discover, if wanted."""
        with self._door.reading() as db:
            who = self._door.who(db)
            return governance.seen(db, who, datasets=datasets, now=self._clock())

    def compile_serving(self, repo: RepoSpec) -> ServingManifest:
        """Return what servers would get if the actor recorded ``repo`` now; nothing is written."""
        with self._door.reading() as db:
            return features.preview(db, self._door.who(db), repo, now=self._clock())

    def record(self, fact: TrainingSetManifest | RepoSpec, *, expected: int | None = None) -> None:
        """Write a fact down; definitions together with the serving manifest that they give.

        The same definitions again only bring the serving manifest up to the policy's date; the
        same training set again only adds its maker to the audit trail.
        """
        with self._door.writing() as (db, change):
            who = self._door.who(db)
            match fact:
                case RepoSpec():
                    features.record_repo(db, who, fact, expected=expected, change=change)
                case TrainingSetManifest():
                    features.record_training_set(db, who, fact, change=change)

    def repo(self, project: str) -> RepoSpec:
        """Return the definitions applied last to ``project``, as far as the actor may know them."""
        with self._door.reading() as db:
            return features.repo(db, self._door.who(db), project, now=self._clock())

    def projects(self) -> list[str]:
        """Return the names of the projects that have definitions which the actor may know."""
        return self.records.projects()

    def training_set(self, identity: str) -> TrainingSetManifest:
        """Return what the training set ``identity`` was made of; the start of an id will do."""
        return self.records.training_set(identity)

    def training_sets(self) -> list[TrainingSetManifest]:
        """Return the training sets whose datasets the actor may discover, newest first."""
        with self._door.reading() as db:
            return features.training_sets(db, self._door.who(db), now=self._clock())

    def search(self, text: str, *, limit: int = 20, kind: str | None = None) -> list[Hit]:
        """Return what the actor may discover that fits ``text``, best first, with why."""
        question = Question(text=text, filters={"type": (kind,)} if kind else {})
        return list(self.finder.search(question, limit=limit).hits)

    def lineage(self, node: Node, depth: int = 3) -> list[Edge]:
        """Return the edges within ``depth`` steps up and down from ``node``.

        Views and services are named ``project/name``, dataset versions ``domain.name@version``.
        """
        with self._door.reading() as db:
            who = self._door.who(db)
            found = lineage.neighbourhood(db, who, node, depth=depth, now=self._clock())
            return list(found.edges)

    def audit_events(
        self,
        *,
        kind: EventKind | None = None,
        actor: str = "",
        subject: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[AuditEvent]:
        """Return the last ``limit`` events that the actor may read and that fit, newest first."""
        return self.records.audit_events(
            kind=kind,
            actor=actor,
            subject=subject,
            since=since,
            until=until,
            before=before,
            limit=limit,
        )

    def in_use(self) -> int:
        """Return how many connections to the database are in use."""
        pool = self._door.engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0

    def close(self) -> None:
        """Give the connections back."""
        self._door.engine.dispose()
