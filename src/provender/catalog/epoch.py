"""The policy's epoch: a number that rises with everything that may change a decision.

What was computed from rules, tags, people, owners, projects, names and grants holds as long as the epoch
is the same, if both are read in one transaction. Time changes decisions without it: what ends
at an instant has to be asked for that instant. A transaction that has written keeps nothing for
later: it may be rolled back, and another one be given its epoch. Threads share what is kept.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from secrets import randbits
from threading import Lock
from weakref import WeakKeyDictionary

from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sqlalchemy.pool import Pool

from provender.catalog import naming, scopes
from provender.catalog.db import WRITING, has_written
from provender.catalog.rows import (
    CounterRow,
    DatasetRow,
    GrantRow,
    PersonRow,
    ProjectRow,
    RuleRow,
    ScopeRow,
    TagRow,
    utc_of,
)
from provender.catalog.scopes import Policy
from provender.core.limits import EVERY
from provender.core.people import PROJECT, Actor, Person
from provender.core.policy import Action

COUNTER = "policy_epoch"
SEEN = "policy_epoch"
"""Where a session that wrote nothing has what was computed at its epoch, by whomever."""
OWN = "policy_epoch_of_its_own"
"""Where a session has what was computed after it wrote."""
LAST = "last_change_at"
"""Where a session keeps the instant of the last change that it saw."""
LEAP = 60
"""Bits of an epoch that is leapt to."""
MOST_KEPT = 256
"""Actors whose visible scopes are kept for each database."""


@dataclass(frozen=True, slots=True)
class Visible:
    """What an actor may see: everything in ``scopes``, and ``datasets`` that grants open to them.

    ``closed`` are all other scopes.
    """

    scopes: frozenset[int]
    datasets: frozenset[int]
    closed: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Decided:
    """What holds for an actor while the epoch does; grants by the instant they end at."""

    scopes: frozenset[int]
    closed: frozenset[int]
    granted: tuple[tuple[int, datetime | None], ...]


@dataclass(slots=True)
class _Kept:
    """What was computed at one epoch and of so many scopes."""

    at: tuple[int, int] = (-1, -1)
    policy: Policy | None = None
    answering: frozenset[str] | None = None
    grantees: frozenset[str] | None = None
    projects: dict[str, frozenset[str]] | None = None
    decided: OrderedDict[tuple[Actor, Action], _Decided] = field(default_factory=OrderedDict)
    """Those asked for last are the last."""
    actors: dict[str, Actor] = field(default_factory=dict)
    """Who somebody is, for who reads."""
    lock: Lock = field(default_factory=Lock)

    def known(self, who: Actor, action: Action) -> _Decided | None:
        """Return what was decided for an actor; None if nothing was."""
        with self.lock:
            found = self.decided.get((who, action))
            if found is not None:
                self.decided.move_to_end((who, action))
            return found

    def keep(self, who: Actor, action: Action, decided: _Decided) -> None:
        """Keep what was decided, in place of what was not asked for for longest."""
        with self.lock:
            self.decided[who, action] = decided
            while len(self.decided) > MOST_KEPT:
                self.decided.popitem(last=False)

    def know(self, who: Actor) -> Actor:
        """Keep and return who somebody is, in place of who has been known for longest."""
        with self.lock:
            self.actors[who.id] = who
            while len(self.actors) > MOST_KEPT:
                del self.actors[next(iter(self.actors))]
        return who

    def copy(self) -> "_Kept":
        """Return the same, to be changed by itself."""
        with self.lock:
            decided = OrderedDict(self.decided)
            return replace(self, actors=dict(self.actors), decided=decided, lock=Lock())


COUNTERS = (
    "SELECT c.name, c.value, (SELECT a.at FROM audit_events a ORDER BY a.sequence DESC LIMIT 1) "
    "FROM counters c WHERE c.name IN ('policy_epoch', 'scope')"
)
"""Both counters, and the instant of the last change."""
_kept: WeakKeyDictionary[Pool, _Kept] = WeakKeyDictionary()
"""By database: engines that differ in options only share a pool."""


def now(db: Session) -> int:
    """Return the epoch that ``db`` sees."""
    return db.scalars(select(CounterRow.value).where(CounterRow.name == COUNTER)).one()


def at(db: Session) -> tuple[int, int]:
    """Return what `visible_scopes` holds for: the epoch that ``db`` sees, and how many scopes there are."""
    return _current(db).at


def bump(db: Session) -> None:
    """Let what was computed before hold no more: before what is written is asked for again."""
    naming.take(db, COUNTER)


def leap(db: Session) -> None:
    """Go to an epoch that no catalog at this address had, when the counters are those of another."""
    far = randbits(LEAP)
    db.execute(update(CounterRow).where(CounterRow.name == COUNTER).values(value=far))


def policy(db: Session) -> Policy:
    """Return the rules in force and the tags that protect."""
    kept = _current(db)
    if kept.policy is None:
        kept.policy = Policy(
            rules=tuple(db.scalars(select(RuleRow.value).order_by(RuleRow.id))),
            protected=frozenset(db.scalars(select(TagRow.name).where(TagRow.protected))),
        )
    return kept.policy


def actor(db: Session, identity: str) -> Actor:
    """Return who ``identity`` is, with the teams, projects and attributes that the catalog knows."""
    kept = _current(db)
    return kept.actors.get(identity) or kept.know(_actor(db, identity))


def answering(db: Session) -> frozenset[str]:
    """Return who can answer for something: everybody declared, and every team that one is in."""
    kept = _current(db)
    if kept.answering is None:
        people = db.scalars(select(PersonRow.value)).all()
        kept.answering = frozenset({name for one in people for name in (one.id, *one.teams)})
    return kept.answering


def grantees(db: Session) -> frozenset[str]:
    """Return everybody to whom something is granted."""
    kept = _current(db)
    if kept.grantees is None:
        granted = select(GrantRow.grantee).where(GrantRow.revoked_at.is_(None)).distinct()
        kept.grantees = frozenset(db.scalars(granted))
    return kept.grantees


def projects(db: Session, names: Iterable[str]) -> frozenset[str]:
    """Return the projects that are owned by one of ``names``."""
    kept = _current(db)
    if kept.projects is None:
        owned: dict[str, set[str]] = {}
        for project in db.scalars(select(ProjectRow.value)):
            owned.setdefault(project.owner, set()).add(project.name)
        kept.projects = {owner: frozenset(names) for owner, names in owned.items()}
    return frozenset[str]().union(*(kept.projects.get(name, ()) for name in names if name))


def settled(db: Session, now: datetime) -> datetime:
    """Return ``now``, but never before the last change: what ended stays over, whatever a clock does."""
    _current(db)
    last: datetime | None = db.info.get(LAST)
    return now if last is None else max(now, last)


def visible_scopes(db: Session, who: Actor, action: Action, *, now: datetime) -> Visible:
    """Return the scopes in which ``who`` may do ``action`` at ``now``, and what grants open besides.

    The same as asking `access.check` about each dataset as a whole, without a purpose.
    """
    kept, now = _current(db), settled(db, now)
    found = kept.known(who, action)
    if found is None:
        found = _decide(db, who, action, policy(db), now=now)
        kept.keep(who, action, found)
    opened = {dataset for dataset, until in found.granted if until is None or now < until}
    return Visible(found.scopes, frozenset(opened), found.closed)


def _actor(db: Session, identity: str) -> Actor:
    if identity.startswith(PROJECT):
        return Actor(identity, projects=frozenset({identity.removeprefix(PROJECT)}))
    row = db.get(PersonRow, identity)
    person = row.value if row else Person(id=identity)
    return Actor(
        identity,
        frozenset(person.teams),
        projects(db, [identity, *person.teams]),
        frozenset(person.attributes.items()),
    )


def _current(db: Session) -> _Kept:
    """What is kept for the epoch that ``db`` sees; nothing yet if it is new.

    Who reads sees one epoch all the time, so that it is asked for once; so does who is about to
    write, and knows what every reader does. What is seen after that may be rolled back, and is
    kept for nobody else.
    """
    writing = db.get_bind().get_execution_options().get(WRITING)
    touched = writing and has_written(db)
    seen: _Kept | None = db.info.get(OWN if touched else SEEN)
    if seen is not None and not touched:
        return seen
    at = _at(db)
    if seen is not None and seen.at == at:
        return seen
    kept = _own(db, at) if touched else _shared(db, at)
    if writing is not None:
        db.info[OWN if touched else SEEN] = kept
    return kept


def _at(db: Session) -> tuple[int, int]:
    db.flush()  # not the session itself, which takes longer to ask than the answer
    rows = db.connection().exec_driver_sql(COUNTERS).all()
    counters = {name: value for name, value, _ in rows}
    if rows:
        db.info[LAST] = utc_of(rows[0][2])
    return counters.get(COUNTER, 0), counters.get(scopes.COUNTER, 0)


def _shared(db: Session, at: tuple[int, int]) -> _Kept:
    pool = db.get_bind().engine.pool
    kept = _kept.get(pool)
    if kept is None or kept.at != at:
        kept = _kept[pool] = _Kept(at)
    return kept


def _own(db: Session, at: tuple[int, int]) -> _Kept:
    kept = _kept.get(db.get_bind().engine.pool)
    return kept.copy() if kept is not None and kept.at == at else _Kept(at)


def _decide(db: Session, who: Actor, action: Action, policy: Policy, *, now: datetime) -> _Decided:
    if not who.limits.of_every_dataset:
        return _within_names(db, who, action, policy, now=now)
    keys = dict(db.execute(select(ScopeRow.id, ScopeRow.key)).all())
    opened = scopes.decided(keys, who, action, policy, now=now)
    wanted = (
        select(DatasetRow.id, DatasetRow.name, DatasetRow.scope, GrantRow.value)
        .join(DatasetRow, DatasetRow.id == GrantRow.dataset)
        .where(GrantRow.grantee.in_(who.names), GrantRow.revoked_at.is_(None))
        .where(DatasetRow.withdrawn_at.is_(None))
    )
    granted = tuple(
        (dataset, grant.until)
        for dataset, name, scope, grant in db.execute(wanted)
        if scope not in opened
        and scopes.opens(grant, name, keys[scope], who, action, policy, now=now)
    )
    return _Decided(opened, frozenset(keys) - opened, granted)


def _within_names(
    db: Session, who: Actor, action: Action, policy: Policy, *, now: datetime
) -> _Decided:
    """What is open to whose token is for some datasets: no scope whole, and of each those.

    Names are not what scopes are made of.
    """
    of_all = replace(who, limits=replace(who.limits, datasets=(EVERY,)))
    whole = _decide(db, of_all, action, policy, now=now)
    there = DatasetRow.withdrawn_at.is_(None)
    rows = db.execute(select(DatasetRow.id, DatasetRow.name, DatasetRow.scope).where(there))
    reached = {dataset: scope for dataset, name, scope in rows if who.limits.reaches(name)}
    opened = tuple((dataset, None) for dataset, scope in reached.items() if scope in whole.scopes)
    granted = tuple(one for one in whole.granted if one[0] in reached)
    return _Decided(frozenset(), whole.scopes | whole.closed, opened + granted)
