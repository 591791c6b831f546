"""What is said about access: rules, governed as code, and grants, that stewards give.

What they amount to is `core.policy`'s to say. Pure.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache

from provender.core.effects import Effect, Mask
from provender.core.errors import InvalidInput
from provender.core.filters import Filter
from provender.core.people import PROJECT

EVERY = "*"
ATTRIBUTE = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")
LONGEST_VALUE = 200
"""Characters of an attribute's value."""


class Action(StrEnum):
    """What can be asked for."""

    DISCOVER = "discover"  # see that it is there, and its metadata
    READ = "read"  # rows, offline
    SERVE = "serve"  # rows, online
    DEFINE = "define"  # feature views over it
    PUBLISH = "publish"  # a new version
    STEWARD = "steward"  # grant and revoke access
    GOVERN = "govern"  # change people, tags, rules and datasets
    BREAK_GLASS = "break-glass"  # take access for a few hours, and be reviewed after


BY_RULE = (Action.STEWARD, Action.GOVERN, Action.BREAK_GLASS)
GRANTED = tuple(action for action in Action if action not in BY_RULE)
"""What a steward grants: stewards are named where a dataset is declared, the others by a rule."""
REQUESTED = (Action.READ, Action.SERVE, Action.DEFINE, Action.PUBLISH)
"""What can be asked for. Who may not discover something cannot ask for it by name."""


@dataclass(frozen=True, slots=True, order=True)
class ColumnRef:
    """A column of a dataset; the column ``*`` stands for the dataset itself."""

    dataset: str
    column: str = EVERY

    def __str__(self) -> str:
        return self.dataset if self.column == EVERY else f"{self.dataset}.{self.column}"


ROWS = (Action.READ, Action.SERVE)
"""Actions of which a part can be given: masked, or some rows."""


class Mode(StrEnum):
    """Whether a rule holds, or is only watched."""

    ENFORCE = "enforce"
    SHADOW = "shadow"  # decisions say what it would change


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A standing statement, governed as code. Patterns are shell-style; ``anyone`` is everybody.

    With the effect ``see``, ``tags`` lists the protected tags the rule reaches; with another one,
    the rule is about the columns that have one of them, none: about all. They are written
    ``group.name``, whatever the value, or ``group.name=value``. ``purposes`` of ``("*",)`` is any
    purpose. ``projects`` and ``attributes`` say which actors are meant: those in one of the
    projects, who have one of the values of each attribute. ``mask`` is how the effect ``mask``
    masks; ``filter`` which rows there are, at all.
    """

    id: str
    actors: tuple[str, ...]
    actions: tuple[Action, ...]
    datasets: tuple[str, ...] = (EVERY,)
    purposes: tuple[str, ...] = (EVERY,)
    tags: tuple[str, ...] = ()
    description: str = ""
    effect: Effect = Effect.SEE
    mask: str = ""
    filter: str = ""
    projects: tuple[str, ...] = ()
    attributes: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    mode: Mode = Mode.ENFORCE

    @property
    def of_projects(self) -> tuple[str, ...]:
        """The projects that it names: being in one lets somebody what it says."""
        named = (one.removeprefix(PROJECT) for one in self.actors if one.startswith(PROJECT))
        return tuple(dict.fromkeys((*named, *self.projects)))

    @property
    def masks_with(self) -> Mask | None:
        return mask_of(self.mask)

    @property
    def rows(self) -> Filter | None:
        return filter_of(self.filter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A permission given by a steward, until an instant (exclusive) or for ever.

    Without ``columns`` it is for every column of the dataset that no protected tag closes.
    ``effect`` and ``mask`` say what it gives of them; ``through`` is the project that the grantee
    has to be in, if any. ``request`` is the id of the request that it answers, ``asked_for`` the
    view or service that was asked for, if it was not the dataset itself, and
    ``review_due_at`` when somebody has to look at it again.
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
    effect: Effect = Effect.SEE
    mask: str = ""
    through: str = ""
    request: str = ""
    review_due_at: datetime | None = None
    asked_for: str = ""

    def in_force(self, now: datetime) -> bool:
        """Return whether the grant is neither revoked nor over at ``now``."""
        return self.revoked_at is None and (self.until is None or now < self.until)

    @property
    def masks_with(self) -> Mask | None:
        return mask_of(self.mask)


def faults(rule: Rule) -> Iterator[str]:
    """Say in words what of ``rule`` does not go together, or is not written as it should be."""
    yield from _unread("mask", mask_of, rule.mask)
    yield from _unread("filter", filter_of, rule.filter)
    if (rule.effect is Effect.MASK) is not bool(rule.mask):
        yield "mask: effect mask has one, and no other effect"
    if rule.effect is Effect.DENY and rule.filter:
        yield "filter: there are no rows of what is denied"
    part = rule.effect in (Effect.MASK, Effect.COMPUTE) or bool(rule.filter)
    if part and not {*rule.actions} <= {*ROWS}:
        yield "actions: only of read and serve a part can be given"
    if rule.effect is Effect.DENY and not {*rule.actions} <= {*GRANTED}:
        yield "actions: steward and govern are not denied; leave out who has them"
    if (
        rule.effect is Effect.DENY
        and Action.DISCOVER in rule.actions
        and EVERY not in rule.purposes
    ):
        yield "purposes: discovering has none; deny it for *"
    for name, values in rule.attributes.items():
        yield from attribute_faults(name, *values)
        if not values:
            yield f"attributes: {name} has no values"


def attribute_faults(name: str, *values: str) -> Iterator[str]:
    """Say in words why an attribute of an actor cannot be called so, or have one of ``values``."""
    if not ATTRIBUTE.match(name):
        yield f"attributes: {name[:80]!r} is not lower-case letters, digits, - and _"
    for value in values:
        if not 0 < len(value) <= LONGEST_VALUE or not value.isprintable():
            yield f"attributes: {name[:80]} has the value {value[:80]!r}: write 1 to {LONGEST_VALUE} letters"


def _unread(part: str, read: Callable[[str], object], text: str) -> Iterator[str]:
    try:
        read(text)
    except InvalidInput as error:
        yield f"{part}: {error.message} ({error.hint})"


@cache
def mask_of(text: str) -> Mask | None:
    """Return the mask that is written as ``text``; None of nothing."""
    return Mask.parse(text) if text else None


@cache
def filter_of(text: str) -> Filter | None:
    """Return the filter that is written as ``text``; None of nothing."""
    return Filter(text) if text else None
