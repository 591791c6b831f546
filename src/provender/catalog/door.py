"""The way into the catalog's database for one actor: a transaction to read in, or a change."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from provender.catalog import access, changes
from provender.catalog.changes import Change
from provender.catalog.db import transaction
from provender.core.audit import EventKind
from provender.core.clock import Clock
from provender.core.names import DatasetRef
from provender.core.people import Actor, check_actor_id


class Door:
    """What everything that speaks to the catalog as ``actor`` shares. Safe between threads.

    ``request`` is the id of the request that all of it is for, where one came over the network.
    """

    def __init__(self, engine: Engine, *, actor: str, clock: Clock, request: str = "") -> None:
        self.engine = engine
        self.actor = check_actor_id(actor)
        self.clock = clock
        self.request = request

    def as_actor(self, actor: str, *, request: str = "") -> "Door":
        """Return the way into the same database for another actor, and for one request of theirs."""
        return Door(self.engine, actor=actor, clock=self.clock, request=request)

    def who(self, db: Session) -> Actor:
        """Return the actor, with the teams that the catalog knows them to be in."""
        return access.actor(db, self.actor)

    def knowing(self, db: Session, change: Change, ref: DatasetRef) -> Callable[[], object]:
        """Return what raises if the actor may not discover a dataset any more."""
        return lambda: access.discovered(db, self.who(db), ref.dataset, now=change.at)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that sees one state; what is refused in it is written down in another."""
        with self._refusing(write=False) as db:
            yield db

    @contextmanager
    def writing(self, *, request: str = "") -> Iterator[tuple[Session, Change]]:
        """A transaction that happens whole or not at all, and the change that it is."""
        with self._refusing(write=True, request=request) as db:
            yield db, self._change(db, request)

    @contextmanager
    def _refusing(self, *, write: bool, request: str = "") -> Iterator[Session]:
        """A transaction; what `access` refuses in it is written down before the error goes on."""
        try:
            with transaction(self.engine, write=write) as db:
                yield db
        except (access.Refused, access.Hidden) as refusal:
            with transaction(self.engine, write=True) as db:
                change = self._change(db, request)
                access.write_down(
                    db,
                    refusal.decision,
                    EventKind.ACCESS_DENY,
                    at=change.at,
                    request=change.request,
                )
            raise

    def _change(self, db: Session, request: str) -> Change:
        request = request or self.request
        return changes.begin(db, clock=self.clock, actor=self.actor, request=request)
