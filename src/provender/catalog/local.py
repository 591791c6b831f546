"""The catalog in this process: `core.protocols.Catalog` and the read models, for one actor."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from datetime import datetime, timedelta
from types import NoneType

from sqlalchemy import QueuePool

from provender.catalog import (
    access,
    consumption,
    datasets,
    features,
    governance,
    idempotency,
    publication,
    releases,
    sessions,
    tokens,
    trained,
    unrecorded,
)
from provender.catalog.access import ROWS_READ
from provender.catalog.asking import LocalAccess
from provender.catalog.checkpoints import Sealing
from provender.catalog.db import transaction
from provender.catalog.desk import LocalDesk
from provender.catalog.door import Door
from provender.catalog.eraser import LocalErasures
from provender.catalog.finder import LocalFinder
from provender.catalog.keyring import LocalKeyring
from provender.catalog.models import LocalModels
from provender.catalog.records import LocalRecords
from provender.catalog.reindexing import open_catalog
from provender.core.clock import Clock, utc_now
from provender.core.closing import Closing
from provender.core.datasets import (
    NO_EVIDENCE,
    Dataset,
    DatasetVersion,
    Evidence,
    Format,
    Manifest,
    Release,
)
from provender.core.errors import Unavailable
from provender.core.features import RepoSpec
from provender.core.governance import Governance
from provender.core.identity import Identity
from provender.core.names import DatasetRef
from provender.core.people import Actor, check_actor_id
from provender.core.policy import Action, ColumnRef, Permit
from provender.core.serving import ServingManifest
from provender.core.training import TrainingSetManifest

RECORDING: dict[type, Action] = {RepoSpec: Action.DEFINE, TrainingSetManifest: Action.READ}
"""What the recording of each kind of fact takes of a token."""


class LocalCatalog(Closing):
    """A catalog database, spoken to as one actor. Safe to share between threads.

    Every method is one transaction: it happens whole, with its audit event, or not at all.
    What the actor may not discover is not found, in the same words as what does not exist.
    With ``sealing``, whoever changes something signs for the audit trail, too. With
    ``unrecorded``, public columns are read also where nothing can be written down.
    """

    def __init__(
        self,
        url: str,
        *,
        actor: str,
        clock: Clock = utc_now,
        sealing: Sealing | None = None,
        unrecorded: bool = False,
    ) -> None:
        check_actor_id(actor)  # before a database is made for nobody
        self._clock = clock
        self._unrecorded = unrecorded
        engine = open_catalog(url)
        self._door = Door(sealing.bind(engine) if sealing else engine, actor=actor, clock=clock)

    def as_actor(self, actor: str | Identity, *, request: str = "") -> "LocalCatalog":
        """Return the same catalog for another actor; what it changes, ``request`` asked for.

        It is closed with this one, and only with it.
        """
        other = copy(self)
        other._door = self._door.as_actor(actor, request=request)
        return other

    def identify(self, secret: str) -> Identity:
        """Return who holds the secret of a token in force.

        Raises:
            Unauthenticated: nobody does.
        """
        with self._door.reading() as db:
            found, is_news = tokens.identified(db, secret, now=self._clock())
        if is_news:
            with transaction(self._door.engine, write=True) as db:
                tokens.used(db, found.token, at=self._clock())
        return found

    def sign_in(self, identity: Identity, *, instead_of: str = "") -> str:
        """Return the secret of a new session of ``identity``, in place of the one of a browser."""
        with self.as_actor(identity)._door.writing(Action.DISCOVER) as (db, change):
            if instead_of:
                sessions.end(db, instead_of, change=change)
            return sessions.begin(db, identity, change=change)

    def signed_in(self, secret: str) -> Identity:
        """Return whose session it is.

        Raises:
            Unauthenticated: nobody's, or it is over.
        """
        with self._door.reading() as db:
            found, is_news = sessions.known(db, secret, now=self._clock())
        if is_news:
            with transaction(self._door.engine, write=True) as db:
                sessions.seen(db, secret, at=self._clock())
        return found

    def sign_out(self, secret: str) -> None:
        """End a session."""
        with self._door.writing(Action.DISCOVER) as (db, change):
            sessions.end(db, secret, change=change)

    @contextmanager
    def at_once(self) -> Iterator["LocalCatalog"]:
        """The same catalog as it is at one instant: what is read of it is read in one transaction.

        For one thread. What is written through it is not seen by it.
        """
        with self._door.at_once() as door:
            other = copy(self)
            other._door = door
            yield other

    @property
    def finder(self) -> LocalFinder:
        """The same catalog, for whoever looks for something."""
        return LocalFinder(self._door)

    @property
    def desk(self) -> LocalDesk:
        """The same catalog, for stewards."""
        return LocalDesk(self._door)

    @property
    def access(self) -> LocalAccess:
        """The same catalog, for whoever needs access, and whoever gives it."""
        return LocalAccess(self._door)

    @property
    def records(self) -> LocalRecords:
        """The same catalog, for whoever knows what they ask for."""
        return LocalRecords(self._door)

    @property
    def keyring(self) -> LocalKeyring:
        """The API tokens of the actor, and of services for who governs."""
        return LocalKeyring(self._door)

    @property
    def erasures(self) -> LocalErasures:
        """Subjects erased, for who governs."""
        return LocalErasures(self._door)

    @property
    def models(self) -> LocalModels:
        """Which models were made of training sets."""
        return LocalModels(self._door)

    @property
    def actor(self) -> Actor:
        """Who asks, with the teams that the catalog knows them to be in."""
        with self._door.reading() as db:
            return self._door.who(db)

    def dataset(self, ref: DatasetRef) -> Dataset:
        """Return what people say about a dataset."""
        with self._door.reading() as db:
            return access.discover(db, self._door.who(db), ref.dataset, now=self._clock())

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
        with self._door.writing(Action.PUBLISH) as (db, change):
            who = self._door.who(db)

            def work() -> DatasetVersion:
                return publication.publish(
                    db,
                    who,
                    ref,
                    manifest,
                    parent=parent,
                    breaking_reason=breaking_reason,
                    note=note,
                    evidence=evidence,
                    draft=draft,
                    change=change,
                )

            def told(first: DatasetVersion) -> DatasetVersion:
                return datasets.seen_again(db, who, first, now=change.at)

            asked = [ref, manifest, parent, breaking_reason, note, evidence, draft]
            return idempotency.answered(
                db, change, key, "publish", asked, DatasetVersion, work, told=told
            )

    def represent(self, ref: DatasetRef, manifest: Manifest, *, key: str = "") -> Release:
        """Write down that the rows of a version can be had in another format too."""
        with self._door.writing(Action.PUBLISH) as (db, change):
            who = self._door.who(db)

            def work() -> Release:
                return releases.represent(db, who, ref, manifest, change=change)

            def told(first: Release) -> Release:
                version = datasets.seen_again(db, who, first.version, now=change.at)
                return replace(first, version=version)

            return idempotency.answered(
                db, change, key, "represent", [ref, manifest], Release, work, told=told
            )

    def permit(
        self,
        action: Action,
        columns: Sequence[ColumnRef],
        *,
        purpose: str,
        versions: Sequence[DatasetRef] = (),
    ) -> Permit:
        """Return proof that the actor may read ``versions``; that is written down, and every refusal."""
        purpose = self._door.purpose(purpose)
        if action not in ROWS_READ:
            with self._door.reading() as db:
                who = self._door.who(db)
                return access.check(db, who, action, columns, purpose=purpose, now=self._clock())
        try:
            return self._recorded(action, columns, purpose, versions)
        except Unavailable as error:
            if not self._unrecorded:
                raise
            with self._door.reading() as db:
                return unrecorded.permit(
                    db,
                    self._door.who(db),
                    action,
                    columns,
                    versions,
                    purpose=purpose,
                    unavailable=error,
                    now=self._clock(),
                )

    def _recorded(
        self,
        action: Action,
        columns: Sequence[ColumnRef],
        purpose: str,
        versions: Sequence[DatasetRef],
    ) -> Permit:
        """Return a permit that is written down, in the same transaction."""
        with self._door.writing(Action.DISCOVER) as (db, change):  # the gate asks for more
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
            datasets.check_read(db, who, dict.fromkeys(versions), now=change.at)
            consumption.keep_reading(db, change, who, columns, versions)
            return permit

    def governance(self, *, datasets: bool = True) -> Governance:
        """Return what is in force, of datasets those that the actor may discover, if wanted."""
        with self._door.reading() as db:
            who = self._door.who(db)
            return governance.seen(db, who, datasets=datasets, now=self._clock())

    def compile_serving(self, repo: RepoSpec) -> ServingManifest:
        """Return what servers would get if the actor recorded ``repo`` now; nothing is written."""
        with self._door.reading() as db:
            return features.preview(db, self._door.who(db), repo, now=self._clock())

    def record(
        self,
        fact: TrainingSetManifest | RepoSpec,
        *,
        expected: int | None = None,
        key: str = "",
    ) -> None:
        """Write a fact down; definitions together with the serving manifest that they give.

        The same definitions again only bring the serving manifest up to the policy's date; the
        same training set again only adds its maker to the audit trail.
        """
        with self._door.writing(RECORDING[type(fact)]) as (db, change):
            who = self._door.who(db)
            match fact:
                case RepoSpec():
                    features.record_repo(db, who, fact, expected=expected, change=change)
                case TrainingSetManifest():

                    def work() -> None:
                        trained.record(db, who, fact, change=change)

                    idempotency.answered(
                        db, change, key, "record", [fact], NoneType, work, again=lambda: None
                    )

    def repo(self, project: str) -> RepoSpec:
        """Return the definitions applied last to ``project``, as far as the actor may know them."""
        with self._door.reading() as db:
            return features.repo(db, self._door.who(db), project, now=self._clock())

    def in_use(self) -> int:
        """Return how many connections to the database are in use."""
        pool = self._door.engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0

    def close(self) -> None:
        """Give the connections back."""
        self._door.engine.dispose()
