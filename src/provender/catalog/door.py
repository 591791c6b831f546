"""The way into the catalog's database for one actor: a transaction to read in, or a change."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from provender.catalog import access, bounds, changes
from provender.catalog.audit import BESIDE
from provender.catalog.changes import Change
from provender.catalog.db import transaction
from provender.core.audit import EventKind
from provender.core.clock import Clock
from provender.core.identity import Identity, acting
from provender.core.names import DatasetRef
from provender.core.people import Actor, check_actor_id


@dataclass(frozen=True, slots=True)
class _Together:
    """One transaction that several questions are asked in, and what is to be done after it."""

    db: Session
    afterwards: list[Callable[[], None]] = field(default_factory=list)
    loaded: list[object] = field(default_factory=list)
    """Rows, which a session forgets as soon as nobody holds them."""


class Door:
    """What everything that speaks to the catalog as ``actor`` shares. Safe between threads.

    ``request`` is the id of the request that all of it is for, where one came over the network,
    and ``identity`` what is known of who sent it.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        actor: str,
        clock: Clock,
        request: str = "",
        identity: Identity | None = None,
        together: _Together | None = None,
    ) -> None:
        self.engine = engine
        self.actor = check_actor_id(actor)
        self.identity = identity
        self.clock = clock
        self.request = request
        self._together = together

    def as_actor(self, actor: str | Identity, *, request: str = "") -> "Door":
        """Return the way into the same database for another actor, and for one request of theirs."""
        identity = actor if isinstance(actor, Identity) else None
        name = identity.actor if identity else str(actor)
        return Door(self.engine, actor=name, clock=self.clock, request=request, identity=identity)

    def who(self, db: Session) -> Actor:
        """Return the actor, with the teams that the catalog knows them to be in, and their limits."""
        known = access.actor(db, self.actor)
        return acting(known, self.identity) if self.identity is not None else known

    def purpose(self, asked: str) -> str:
        """Return what is read for, where a call does not say: what the token is for."""
        return asked or (self.identity.limits.purpose if self.identity else "")

    @property
    def only_looks(self) -> bool:
        """Whether the actor's token lets nothing be done but looking."""
        return self.identity is not None and self.identity.limits.only_looks

    def _is_for(self, actions: Collection[str]) -> bool:
        return self.identity is None or self.identity.limits.lets(actions)

    @property
    def _token(self) -> str:
        return self.identity.token if self.identity else ""

    def knowing(self, db: Session, change: Change, ref: DatasetRef) -> Callable[[], object]:
        """Return what raises if the actor may not discover a dataset any more."""
        return lambda: access.discovered(db, self.who(db), ref.dataset, now=change.at)

    @contextmanager
    def at_once(self) -> Iterator["Door"]:
        """The same way in, all that is read by it in one transaction. Not for several threads."""
        afterwards: list[Callable[[], None]] = []
        try:
            with transaction(self.engine) as db:
                together = _Together(db, afterwards)
                event.listen(db, "loaded_as_persistent", lambda _, row: together.loaded.append(row))
                yield Door(
                    self.engine,
                    actor=self.actor,
                    clock=self.clock,
                    request=self.request,
                    identity=self.identity,
                    together=together,
                )
        finally:
            for work in afterwards:
                work()

    def afterwards(self, work: Callable[[], None]) -> None:
        """Do ``work``, that writes, as soon as nothing is read here."""
        if self._together is None:
            work()
        else:
            self._together.afterwards.append(work)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that sees one state; what is refused in it is written down in another."""
        if self._together is None:
            with self._refusing(write=False) as db:
                yield db
            return
        try:
            yield self._together.db
        except (access.Refused, access.Hidden) as refusal:
            self.afterwards(partial(self._write_down, refusal, self.request))
            raise

    @contextmanager
    def writing(
        self, *actions: str, own: str = "", request: str = ""
    ) -> Iterator[tuple[Session, Change]]:
        """A transaction that happens whole or not at all, and the change that it is.

        A token has to be for one of ``actions``, ``*``: for every one, or be the token ``own``;
        with `Action.DISCOVER` any will do. What its actor may is asked for inside.

        Raises:
            Denied: it is for none of them.
        """
        with self._refusing(write=True, request=request) as db:
            if not self._is_for(actions) and not (own and own == self._token):
                raise bounds.outside(self.who(db), actions, now=self.clock())
            yield db, self._change(db, request)

    @contextmanager
    def _refusing(self, *, write: bool, request: str = "") -> Iterator[Session]:
        """A transaction; what `access` refuses in it is written down before the error goes on."""
        try:
            with transaction(self.engine, write=write) as db:
                yield db
        except (access.Refused, access.Hidden) as refusal:
            self._write_down(refusal, request)
            raise

    def _write_down(self, refusal: access.Refused | access.Hidden, request: str) -> None:
        with transaction(self.engine, write=True) as db:
            change = self._change(db, request)
            access.write_down(
                db,
                refusal.decision,
                EventKind.ACCESS_DENY,
                at=change.at,
                request=change.request,
            )

    def _change(self, db: Session, request: str) -> Change:
        request = request or self.request
        if self.identity is not None:
            db.info[BESIDE] = self.identity.testimony
        return changes.begin(db, clock=self.clock, actor=self.actor, request=request)
