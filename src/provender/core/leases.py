"""Policy leases: what may be served by the policy of a moment, for as long as somebody confirms it.

An online server asks nobody. So whoever reaches the catalog compiles for it, feature by feature,
what it may serve, and confirms every moment that the policy is still that one. What nobody
confirmed for a `LEASE` is over. Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from provender.core.digest import digest
from provender.core.errors import Denied, NotFound, Unauthenticated
from provender.core.parted import WHOLE, Parts
from provender.core.tally import Matter

LEASE = timedelta(milliseconds=900)
"""From the moment before the catalog was asked: what is revoked is served no longer than that."""
UNTOLD = "not told"
"""Of a column that the policy of the lease said nothing about."""
ASK_A_STEWARD = "ask a steward of its dataset for a grant to serve it"


class Unconfirmed(StrEnum):
    """What is served while nobody confirms the policy."""

    DENY = "deny"  # nothing
    PUBLIC = "public"  # what everybody may be served, by rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """Which features somebody may be served; what is in neither is closed.

    ``opened`` says until when, exclusive; None: for good. ``closed`` says why, ``hints`` what to
    do about it, where that can be said. ``public`` are
    those of ``opened`` that rules open to everybody, and those that no catalog governs.
    ``parts`` are those of ``opened`` of which there is a part. Rows may be ``written`` to those
    views. To who may not know of everything, what is in neither is ``absent``. ``reasons`` are
    what opens or closes each column to ``actor`` (empty: nobody in particular), for ``purpose``.
    """

    opened: dict[str, datetime | None] = field(default_factory=dict)
    closed: dict[str, str] = field(default_factory=dict)
    public: tuple[str, ...] = ()
    parts: Parts = WHOLE
    written: tuple[str, ...] = ()
    absent: bool = False
    hints: dict[str, str] = field(default_factory=dict)
    actor: str = ""
    purpose: str = ""
    reasons: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def first_end(self) -> datetime | None:
        """When the first feature that is open for a time closes."""
        return min((until for until in self.opened.values() if until is not None), default=None)

    def standing(self, features: Iterable[str], given: Iterable[str] = ()) -> "Standing":
        """Return how it stands with a lookup that uses ``features``, and returns those ``given``."""
        used = tuple(dict.fromkeys(features))
        if self.absent and not self.knows(used):
            return Standing(is_absent=True)
        if never := self.parts.refusal(given):
            return Standing(refusal=never)
        closed = next((ref for ref in used if ref not in self.opened), None)
        if closed is not None:
            why = self.closed.get(closed, "the policy in force does not know it yet")
            hint = self.hints.get(closed, ASK_A_STEWARD)
            return Standing(refusal=f"feature {closed} is closed for serving: {why}", hint=hint)
        ends = [(until, ref) for ref in used if (until := self.opened[ref]) is not None]
        until, ending = min(ends, default=(None, ""))
        is_public = frozenset(self.public).issuperset(used)
        return Standing(until=until, ending=ending, is_public=is_public)

    def knows(self, features: Iterable[str]) -> bool:
        """Return whether all of ``features`` are there, open or closed."""
        return all(ref in self.opened or ref in self.closed for ref in features)

    def check_writing(self, views: Iterable[str]) -> None:
        """Return if rows may be written to all of ``views``.

        Raises:
            NotFound: one is not there, or is nothing that they may know of.
            Denied: they may not.
        """
        barred = [view for view in views if view not in self.written]
        seen = {ref.partition(":")[0] for ref in (*self.opened, *self.closed)}
        if not seen.issuperset(barred):
            raise absent()
        if barred:
            raise Denied(
                f"rows of feature view {barred[0]} are not for this token to write",
                hint="take a token with the action publish, of who may publish its dataset",
            )


NOTHING = Ruling()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether a lookup may be answered: ``refusal`` says why not; ``ending`` is closed from ``until`` on."""

    refusal: str = ""
    hint: str = ASK_A_STEWARD
    until: datetime | None = None
    ending: str = ""
    is_public: bool = False
    is_absent: bool = False

    def is_closed(self, now: datetime) -> bool:
        """Whether `require` raises at ``now``."""
        return (
            bool(self.refusal) or self.is_absent or (self.until is not None and now >= self.until)
        )

    def require(self, now: datetime) -> None:
        """Return if the lookup may be answered at ``now``.

        Raises:
            Denied: a feature is closed, or was open for a time that is over.
            NotFound: a feature is nothing that who asks may know of.
        """
        if self.is_absent:
            raise absent()
        if self.refusal:
            raise Denied(self.refusal, hint=self.hint)
        if self.until is not None and now >= self.until:
            raise Denied(
                f"feature {self.ending} was open for serving until {self.until.isoformat()}",
                hint="ask a steward of its dataset to renew the grant",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Whoever has a certain API token, ``until`` it ends; they may be served what ``holder`` may."""

    holder: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What a view rests on: a dataset, the columns of join keys and timestamps, and that of each feature."""

    dataset: str
    keys: tuple[str, ...]
    columns: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyLease:
    """What each of ``holders`` may be served of a project, by the policy of one moment.

    ``bearers`` are those of tokens for serving, by what is kept of their secrets.
    ``state`` is that of the policy and of the definitions, as the catalog names it: it may be
    asked for alone, and while it is the same, so is the lease until its `first_end`. ``rests`` say
    which columns views rest on, and ``tags`` which tags those have: for who writes down lookups.
    """

    project: str
    state: str
    holders: dict[str, Ruling] = field(default_factory=dict)
    bearers: dict[str, Bearer] = field(default_factory=dict)
    rests: dict[str, Rest] = field(default_factory=dict)
    tags: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The identity of the verdicts, whatever became of the policy otherwise."""
        said = [self.bearers] if self.bearers else []
        return digest([self.project, self.holders, self.rests, self.tags, *said])

    @property
    def first_end(self) -> datetime | None:
        """When the first verdict changes by itself."""
        ends = [verdict.first_end for verdict in self.holders.values()]
        return min((end for end in ends if end is not None), default=None)

    def verdict(self, holder: str) -> Ruling:
        """Return what ``holder`` may be served: nothing, where the lease does not know them."""
        return self.holders.get(holder, NOTHING)

    def check(self, bearer: str, now: datetime) -> None:
        """Return if ``bearer``, or nobody in particular, may ask at ``now``.

        Raises:
            Unauthenticated: the token is none for serving, was revoked, or is over.
        """
        known = self.bearers.get(bearer) if bearer else None
        if bearer and (known is None or now >= known.until):
            raise Unauthenticated(
                "that token is not known here, is over, or is not for serving",
                hint="who governs makes one: provender token create … --for service:… --action serve; "
                "it counts after a second",
            )

    def ruling(self, bearer: str, server: str) -> Ruling:
        """Return what ``bearer`` may be served; for nobody in particular, what ``server`` may serve."""
        known = self.bearers.get(bearer)
        return self.verdict((known.holder if known else "") if bearer else server)

    def matter(
        self,
        bearer: str,
        server: str,
        features: Iterable[str],
        *,
        digest: str,
        service: str = "",
        views: Mapping[str, int],
    ) -> Matter | None:
        """Return what is written down of lookups of ``features``; None where no catalog governs them.

        ``digest`` is the lease's, which takes long to work out. What the ``server`` has a column by is told, too, if somebody else asks.
        """
        columns = self._columns(features)
        if not columns:
            return None
        mine, theirs = self.ruling(bearer, server), self.verdict(server)
        return Matter(
            actor=mine.actor if bearer else "",
            purpose=mine.purpose,
            project=self.project,
            service=service,
            views=dict(views),
            reasons={
                name: {
                    column: _because(mine, theirs, name, column, server if bearer else "")
                    for column in some
                }
                for name, some in columns.items()
            },
            tags={
                name: {column: told[column] for column in some if column in told}
                for name, some in columns.items()
                if (told := self.tags.get(name))
            },
            lease=digest,
        )

    def _columns(self, features: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the columns that ``features`` rest on, with those of join keys, by dataset."""
        found: dict[str, set[str]] = {}
        for ref in features:
            view, _, feature = ref.partition(":")
            rest = self.rests.get(view)
            if rest is not None and feature in rest.columns:
                found.setdefault(rest.dataset, set()).update((rest.columns[feature], *rest.keys))
        return {name: tuple(sorted(columns)) for name, columns in sorted(found.items())}


@dataclass(frozen=True, slots=True, kw_only=True)
class Footing:
    """What a yes in process rests on: the ``state`` of the policy that it was asked for by.

    ``told`` is the state that the word beside the rows named before; ``asked`` when that was, in
    seconds of a clock that never falls. Asked for by itself it is good for ``lasts``.
    """

    state: str
    told: str
    asked: float
    lasts: timedelta = LEASE

    def holds(self, told: str, ticks: float) -> bool:
        """Whether the yes counts at ``ticks`` for rows that came with a word of the state ``told``.

        A word is as young as its `LEASE`: what names the same state confirms it. Where nobody
        carries it, or who does is behind, the yes counts for as long as a lease would.
        """
        is_young = ticks < self.asked + self.lasts.total_seconds()
        return told == self.state or (told == self.told and is_young)


class Leasing(Protocol):
    """What of a catalog leases are renewed from."""

    def policy_state(self, project: str) -> str:
        """Return a word that changes with all that may change what is served, but for time."""
        ...

    def policy_lease(self, project: str) -> PolicyLease:
        """Return what servers may serve of ``project`` now, as far as the actor may know it."""
        ...


def _because(mine: Ruling, theirs: Ruling, dataset: str, column: str, server: str) -> str:
    """Say what opens or closes a column to who asks, and to the ``server`` where that is another."""
    own = mine.reasons.get(dataset, {}).get(column, UNTOLD)
    others = theirs.reasons.get(dataset, {}).get(column, UNTOLD)
    return f"{own}; to {server}: {others}" if server else own


def absent() -> NotFound:
    """Return the error for what is not there, and for what who asks may not know of: the same."""
    return NotFound(
        "something that is asked for is not here, or is not yours to know of",
        hint="see the names; a steward of its dataset can let you discover it",
        what="feature view",
    )


def unrecorded(why: str) -> Denied:
    """Return the error for what may not be served since it could not be written down."""
    return Denied(
        f"lookups cannot be written down: {why}",
        hint="see that the state folder has room and the catalog answers; "
        "PROVENDER_UNRECORDED=public serves what everybody may have meanwhile",
    )


def unconfirmed(why: str) -> Denied:
    """Return the error for what may not be served since nobody confirms the policy."""
    return Denied(
        f"what may be served is not known: {why}",
        hint="see that the catalog answers and that provender serve policy runs; "
        "PROVENDER_ONLINE_UNCONFIRMED=public serves what everybody may have meanwhile",
    )
