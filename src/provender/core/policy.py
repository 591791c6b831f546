"""May this actor do that to these columns, for this purpose? `decide` is the only answer.

Deny unless allowed. A rule or a grant allows; nothing else does, but that a dataset's owner
and stewards may publish it and decide about access to it. A column with a protected tag is
reached only by a rule that lists the tag or a grant that names the column. Whoever may do
anything to a dataset may discover it; discovering needs no purpose. What is outside the limits
of the token that an actor asks with is closed, whatever a rule or a grant says.

Everything that reads governed rows takes a `Permit`, which only an allowed `Decision` yields.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase

from provender.core.datasets import Dataset
from provender.core.digest import digest, short
from provender.core.effects import Mask
from provender.core.errors import Denied
from provender.core.filters import Filter
from provender.core.limits import OUTSIDE
from provender.core.people import Actor

EVERY = "*"
NAMED = 3
"""How many columns a refusal names of each dataset."""


class Action(StrEnum):
    """What can be asked for."""

    DISCOVER = "discover"  # see that it is there, and its metadata
    READ = "read"  # rows, offline
    SERVE = "serve"  # rows, online
    DEFINE = "define"  # feature views over it
    PUBLISH = "publish"  # a new version
    STEWARD = "steward"  # grant and revoke access
    GOVERN = "govern"  # change people, tags, rules and datasets


GRANTED = tuple(action for action in Action if action not in (Action.STEWARD, Action.GOVERN))
"""What a steward grants: stewards are named where a dataset is declared, governors by a rule."""


@dataclass(frozen=True, slots=True, order=True)
class ColumnRef:
    """A column of a dataset; the column ``*`` stands for the dataset itself."""

    dataset: str
    column: str = EVERY

    def __str__(self) -> str:
        return self.dataset if self.column == EVERY else f"{self.dataset}.{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A standing permission, governed as code. Patterns are shell-style; ``anyone`` is everybody.

    ``tags`` lists the protected tags the rule reaches; ``purposes`` of ``("*",)`` is any purpose.
    """

    id: str
    actors: tuple[str, ...]
    actions: tuple[Action, ...]
    datasets: tuple[str, ...] = (EVERY,)
    purposes: tuple[str, ...] = (EVERY,)
    tags: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A permission given by a steward, until an instant (exclusive) or for ever.

    Without ``columns`` it is for every column of the dataset that no protected tag closes.
    """

    id: str
    grantee: str
    action: Action
    dataset: str
    granted_by: str
    granted_at: datetime
    columns: tuple[str, ...] = ()
    purposes: tuple[str, ...] = (EVERY,)
    until: datetime | None = None
    reason: str = ""
    revoked_at: datetime | None = None

    def in_force(self, now: datetime) -> bool:
        """Return whether the grant is neither revoked nor over at ``now``."""
        return self.revoked_at is None and (self.until is None or now < self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Proof of an allowed decision. Get one from `Decision.require`, never by hand.

    It may be for a part: ``masks`` are what becomes of columns, ``filters`` which rows of a
    dataset there are (bound to the actor), ``computes`` columns that may feed a feature and are
    never returned.
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
    """Why one column is open or closed: the rule's or grant's id, or what is missing."""

    column: ColumnRef
    allowed: bool
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer of `decide`, column by column."""

    actor: str
    action: Action
    purpose: str
    reasons: tuple[Reason, ...]
    who_decides: tuple[str, ...]
    decided_at: datetime
    expires: datetime | None = None

    @property
    def allowed(self) -> bool:
        return all(reason.allowed for reason in self.reasons)

    @property
    def id(self) -> str:
        return f"dec_{short(digest(self), length=16)}"

    def require(self) -> Permit:
        """Return the permit.

        Raises:
            Denied: a column is closed; the hint names who can grant it and the command to ask.
        """
        closed = [reason for reason in self.reasons if not reason.allowed]
        if closed:
            raise Denied(
                f"{self.actor} may not {self.action} {'; '.join(_in_words(closed))}",
                hint=self._hint(closed),
            )
        return Permit(
            decision=self.id,
            actor=self.actor,
            action=self.action,
            purpose=self.purpose,
            columns=frozenset(reason.column for reason in self.reasons),
            decided_at=self.decided_at,
            expires=self.expires,
        )

    def _hint(self, closed: Sequence[Reason]) -> str:
        if closed[0].because.startswith(OUTSIDE):
            return "ask with a token that is for it: provender token create"
        if not self.purpose and self.action in (Action.READ, Action.SERVE):
            return (
                "say what for: --purpose NAME, purpose=…, or PROVENDER_PURPOSE; "
                "purposes are declared in catalog/purposes.yml"
            )
        if not self.who_decides:
            return "nobody is its steward yet; name one in catalog/datasets/"
        dataset = closed[0].column.dataset
        if self.action not in GRANTED:
            return f"ask who governs to name {self.actor} a steward of {dataset}"
        columns = ",".join(
            reason.column.column
            for reason in closed
            if reason.column.dataset == dataset and reason.column.column != EVERY
        )
        command = f"provender access grant {dataset} --to {self.actor} --action {self.action}"
        if columns:
            command += f" --columns {columns}"
        if self.purpose:
            command += f" --purpose {self.purpose}"
        return f"{' or '.join(self.who_decides)} can grant it: {command}"


def _in_words(closed: Sequence[Reason]) -> list[str]:
    """Return one phrase per dataset and reason, naming a few of its columns."""
    columns: dict[tuple[str, str], list[str]] = {}
    for reason in closed:
        columns.setdefault((reason.column.dataset, reason.because), []).append(reason.column.column)
    phrases = []
    for (dataset, because), names in columns.items():
        shown = ", ".join(names[:NAMED]) + (
            f" and {len(names) - NAMED} more" if names[NAMED:] else ""
        )
        what = dataset if names == [EVERY] else f"{dataset}.{shown}"
        phrases.append(f"{what} ({because})")
    return phrases


def decide(
    actor: Actor,
    action: Action,
    columns: Iterable[ColumnRef],
    *,
    purpose: str,
    datasets: Mapping[str, Dataset],
    protected: frozenset[str],
    rules: Sequence[Rule],
    grants: Sequence[Grant],
    now: datetime,
) -> Decision:
    """Return whether ``actor`` may do ``action`` to each of ``columns`` for ``purpose``, and why.

    ``datasets`` holds those that are asked about, by name; ``protected`` the tags that close a
    column. A dataset that is not there is closed. The decision ends when the first grant it
    rests on ends.
    """
    asked = sorted(set(columns))
    reasons: list[Reason] = []
    ends: list[datetime] = []
    for column in asked:
        barred = actor.limits.bars(action, column.dataset, purpose)
        if barred:
            reasons.append(Reason(column=column, allowed=False, because=barred))
            continue
        dataset = datasets.get(column.dataset)
        because, until = _opens(
            actor, action, column, dataset, purpose, protected, rules, grants, now
        )
        if until is not None:
            ends.append(until)
        reasons.append(
            Reason(
                column=column,
                allowed=bool(because),
                because=because or _closed(column, dataset, purpose, protected),
            )
        )
    deciders = (datasets[c.dataset].who_decides for c in asked if c.dataset in datasets)
    return Decision(
        actor=actor.id,
        action=action,
        purpose=purpose,
        reasons=tuple(reasons),
        who_decides=tuple(dict.fromkeys(name for names in deciders for name in names)),
        decided_at=now,
        expires=min(ends, default=None),
    )


def _opens(
    actor: Actor,
    action: Action,
    column: ColumnRef,
    dataset: Dataset | None,
    purpose: str,
    protected: frozenset[str],
    rules: Sequence[Rule],
    grants: Sequence[Grant],
    now: datetime,
) -> tuple[str, datetime | None]:
    """Return what opens ``column`` and until when; an empty reason if nothing does."""
    if dataset is None and column.dataset != EVERY:
        return "", None
    closing = (dataset.tags_of(column.column) & protected) if dataset else frozenset()
    discovering = action is Action.DISCOVER
    if (
        dataset is not None
        and action in (Action.PUBLISH, Action.STEWARD, Action.DISCOVER)
        and actor.is_one_of(dataset.who_decides)
    ):
        return "owner or steward", None
    for rule in rules:
        if (
            (discovering or action in rule.actions)
            and actor.is_one_of(rule.actors)
            and any(fnmatchcase(column.dataset, pattern) for pattern in rule.datasets)
            and (discovering or EVERY in rule.purposes or purpose in rule.purposes)
            and closing <= frozenset(rule.tags)
        ):
            return f"rule {rule.id}", None
    for grant in grants:
        named = column.column in grant.columns or (
            discovering and column.column == EVERY and bool(grant.columns)
        )
        if (
            grant.in_force(now)
            and (discovering or grant.action is action)
            and grant.dataset == column.dataset
            and actor.is_one_of((grant.grantee,))
            and (discovering or EVERY in grant.purposes or purpose in grant.purposes)
            and (named or (not grant.columns and not closing))
        ):
            return f"grant {grant.id}", grant.until
    return "", None


def _closed(
    column: ColumnRef, dataset: Dataset | None, purpose: str, protected: frozenset[str]
) -> str:
    if dataset is None:
        return "not in the catalog"
    closing = sorted(dataset.tags_of(column.column) & protected)
    why = f"tagged {', '.join(closing)}" if closing else "no rule or grant"
    return f"{why}, for purpose {purpose}" if purpose else f"{why}, and no purpose is given"
