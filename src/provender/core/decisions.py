"""What `core.policy.decide` answers: a decision, column by column, and the permit it yields.

Everything that reads governed rows takes a `Permit`, which only an allowed `Decision` yields. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from provender.core import remedies
from provender.core.digest import digest, short
from provender.core.effects import Effect, Mask
from provender.core.errors import Denied, Fact
from provender.core.filters import Filter, all_of
from provender.core.remedies import Remedy
from provender.core.rules import EVERY, GRANTED, Action, ColumnRef, mask_of

NAMED = 3
"""How many columns a refusal names of each dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Proof of an allowed decision. Get one from `Decision.require`, never by hand.

    It may be for a part: ``masks`` are what becomes of columns, ``filters`` which rows of a
    dataset there are (bound to the actor), ``computes`` columns that may feed a feature and are
    never returned. ``because`` says of each column what opens it.
    """

    decision: str
    actor: str
    action: Action
    purpose: str
    columns: frozenset[ColumnRef]
    decided_at: datetime
    expires: datetime | None = None
    masks: tuple[tuple[ColumnRef, Mask], ...] = ()
    filters: tuple[tuple[str, Filter], ...] = ()
    computes: frozenset[ColumnRef] = frozenset()
    because: tuple[tuple[ColumnRef, str], ...] = ()

    def under(self, called: Mapping[str, str]) -> "Permit":
        """Return the permit for its datasets under other names, too: ``called`` has their own by each."""
        others = {name: own for name, own in called.items() if name != own}
        if not others:
            return self

        def again(column: ColumnRef) -> Iterator[ColumnRef]:
            yield column
            for name, own in others.items():
                if own == column.dataset:
                    yield replace(column, dataset=name)

        filters = dict(self.filters)
        filters |= {name: filters[own] for name, own in others.items() if own in filters}
        return replace(
            self,
            columns=frozenset(c for column in self.columns for c in again(column)),
            masks=tuple((c, mask) for column, mask in self.masks for c in again(column)),
            filters=tuple(filters.items()),
            computes=frozenset(c for column in self.computes for c in again(column)),
        )

    def require_whole(self) -> None:
        """Return if nothing is masked, left out or for computing only.

        Raises:
            Denied: something is, and who asks cannot do that to rows.
        """
        parts = [f"{column} is masked: {mask}" for column, mask in self.masks]
        parts += [f"of {dataset} only rows with {rows}" for dataset, rows in self.filters]
        parts += [f"{column} may feed a feature only" for column in sorted(self.computes)]
        if parts:
            shown = "; ".join(parts[:NAMED]) + (
                f" and {len(parts) - NAMED} more" if parts[NAMED:] else ""
            )
            raise Denied(
                f"the permit {self.decision} of {self.actor} is not for the whole ({shown}), "
                "and this cannot give a part",
                hint="leave those columns out, read the data where masks are applied, "
                "or ask a steward for a grant that names the columns",
            )

    def cover(self, columns: Iterable[ColumnRef], *, now: datetime, shielded: bool = False) -> None:
        """Return if every one of ``columns`` may be touched at ``now``, as it is.

        Who applies masks and filters, and returns nothing that is for computing only, says
        ``shielded``.

        Raises:
            Denied: the permit is over, is not for one of them, or is for a part and not ``shielded``.
        """
        if not shielded:
            self.require_whole()
        if self.expires is not None and now >= self.expires:
            raise Denied(
                f"the permit {self.decision} of {self.actor} ended at {self.expires.isoformat()}",
                hint="ask again; if the grant is over, ask a steward to renew it",
            )
        missing = sorted(set(columns) - self.columns)
        if missing:
            raise Denied(
                f"the permit {self.decision} of {self.actor} is not for "
                + ", ".join(str(column) for column in missing),
                hint="ask for every column that is read",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why one column is open or closed, and what of it there is.

    ``because`` says it in words: the rule or grant, or what is missing. ``rule`` and ``grant`` are
    the ids of what decides; ``tags`` the protected ones of the column. ``mask`` and ``filters``
    are as they are written. ``who_decides`` can grant it, where it is closed and that would help.
    """

    column: ColumnRef
    allowed: bool
    because: str
    effect: Effect = Effect.SEE
    mask: str = ""
    filters: tuple[str, ...] = ()
    rule: str = ""
    grant: str = ""
    tags: tuple[str, ...] = ()
    who_decides: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the column is open as it is, with every row."""
        return self.allowed and self.effect is Effect.SEE and not self.filters


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer of `decide`, column by column.

    ``shadow`` are the reasons that would be others if rules that are only watched held.
    """

    actor: str
    action: Action
    purpose: str
    reasons: tuple[Reason, ...]
    who_decides: tuple[str, ...]
    decided_at: datetime
    expires: datetime | None = None
    shadow: tuple[Reason, ...] = ()

    @property
    def allowed(self) -> bool:
        return all(reason.allowed for reason in self.reasons)

    @property
    def is_whole(self) -> bool:
        """Whether every column is open as it is, with every row."""
        return all(reason.is_whole for reason in self.reasons)

    @property
    def id(self) -> str:
        return f"dec_{short(digest(self), length=16)}"

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What is closed and why, by dataset and reason, with who can grant it and how."""
        found: dict[tuple[str, str], list[Reason]] = {}
        for reason in self._closed:
            found.setdefault((reason.column.dataset, reason.because), []).append(reason)
        return tuple(self._fact(closed) for closed in found.values())

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """What can be asked for, of what is closed: one request for each dataset where that would help."""
        return remedies.remedies(self.actor, self.action, self.purpose, self._closed)

    @property
    def hint(self) -> str:
        """What the actor can do about what is closed; empty, where nothing is."""
        return remedies.hint(self.actor, self.action, self.purpose, self._closed)

    @property
    def _closed(self) -> list[Reason]:
        return [reason for reason in self.reasons if not reason.allowed]

    def require(self) -> Permit:
        """Return the permit.

        Raises:
            Denied: a column is closed; the hint names who can grant it and the command that asks.
        """
        if not self.allowed:
            raise Denied(
                f"{self.actor} may not {self.action} {'; '.join(map(_in_words, self.facts))}",
                hint=self.hint,
                facts=self.facts,
            )
        return Permit(
            decision=self.id,
            actor=self.actor,
            action=self.action,
            purpose=self.purpose,
            columns=frozenset(reason.column for reason in self.reasons),
            decided_at=self.decided_at,
            expires=self.expires,
            masks=tuple((r.column, mask) for r in self.reasons if (mask := mask_of(r.mask))),
            filters=self._filters(),
            computes=frozenset(r.column for r in self.reasons if r.effect is Effect.COMPUTE),
            because=tuple((reason.column, reason.because) for reason in self.reasons),
        )

    def _filters(self) -> tuple[tuple[str, Filter], ...]:
        found: dict[str, set[Filter]] = {}
        for reason in self.reasons:
            for text in reason.filters:
                found.setdefault(reason.column.dataset, set()).add(Filter(text))
        return tuple((dataset, all_of(filters)) for dataset, filters in found.items())

    def _fact(self, closed: Sequence[Reason]) -> Fact:
        first = closed[0]
        columns = tuple(r.column.column for r in closed if r.column.column != EVERY)
        asked = remedies.remedies(self.actor, self.action, self.purpose, closed)
        return Fact(
            dataset=first.column.dataset,
            columns=columns,
            because=first.because,
            rule=first.rule,
            tags=tuple(sorted({tag for reason in closed for tag in reason.tags})),
            who_can_grant=first.who_decides if self.action in GRANTED else (),
            command=asked[0].command if asked else "",
            page=asked[0].page if asked else "",
        )


def _in_words(fact: Fact) -> str:
    """Return one phrase for a fact, naming a few of its columns."""
    shown = ", ".join(fact.columns[:NAMED]) + (
        f" and {len(fact.columns) - NAMED} more" if fact.columns[NAMED:] else ""
    )
    what = f"{fact.dataset}.{shown}" if fact.columns else fact.dataset
    return f"{what} ({fact.because})"
