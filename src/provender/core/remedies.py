"""What who was refused can do about it: what a hint says, the command and the form that ask for access.

The one place for that; whoever refuses asks here. Pure.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode

from provender.core.limits import OUTSIDE
from provender.core.people import UNNAMED, is_service
from provender.core.rules import EVERY, REQUESTED, ROWS, Action, ColumnRef

BLANK = "…"
"""Where a command leaves a reason to be said."""
FORM = "/requests/new"


class Closed(Protocol):
    """Why a column is closed, as a `Reason` of `core.decisions` says it."""

    @property
    def column(self) -> ColumnRef: ...

    @property
    def because(self) -> str: ...

    @property
    def rule(self) -> str: ...

    @property
    def who_decides(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """The request that would open ``columns`` of a dataset to ``actor``: none, the dataset as a whole."""

    actor: str
    action: Action
    dataset: str
    columns: tuple[str, ...] = ()
    purpose: str = ""

    @property
    def command(self) -> str:
        """The command that asks for it; the reason is left to say. A service is asked for by a person."""
        words = ["provender", "access", "request", self.dataset]
        words += ["--for", self.actor] if is_service(self.actor) else []
        words += ["--action", self.action] if self.action is not Action.READ else []
        if self.action in ROWS:
            words += ["--columns", ",".join(self.columns)] if self.columns else []
            words += ["--purpose", self.purpose] if self.purpose else []
        return f"{shlex.join(words)} --reason {BLANK}"

    @property
    def page(self) -> str:
        """The path of the form that asks for it, filled in, on the catalog's pages."""
        fields = [("about", f"dataset:{self.dataset}"), ("action", self.action.value)]
        fields += [("for", self.actor)] if is_service(self.actor) else []
        if self.action in ROWS:
            fields += [("purpose", self.purpose)] if self.purpose else []
            fields += [("columns", column) for column in self.columns]
        return f"{FORM}?{urlencode(fields)}"


def remedies(
    actor: str, action: Action, purpose: str, closed: Sequence[Closed]
) -> tuple[Remedy, ...]:
    """Return what can be asked for of what is ``closed``, by dataset: nothing where no grant helps."""
    found: dict[str, list[str]] = {}
    for reason in closed:
        if reason.who_decides and action in REQUESTED:
            found.setdefault(reason.column.dataset, []).append(reason.column.column)
    return tuple(
        Remedy(
            actor=actor,
            action=action,
            dataset=dataset,
            columns=tuple(name for name in columns if name != EVERY),
            purpose=purpose,
        )
        for dataset, columns in found.items()
    )


def hint(actor: str, action: Action, purpose: str, closed: Sequence[Closed]) -> str:
    """Return what ``actor`` can do about the reasons for which something is ``closed`` to them."""
    said = _hint(actor, action, purpose, closed)
    if actor == UNNAMED and said:
        return f"say who you are: PROVENDER_ACTOR, or connect(actor=…); else {said}"
    return said


def _hint(actor: str, action: Action, purpose: str, closed: Sequence[Closed]) -> str:
    if not closed:
        return ""
    if closed[0].because.startswith(OUTSIDE):
        return "ask with a token that is for it: provender token create"
    if not purpose and action in ROWS:
        return (
            "say what for: --purpose NAME, purpose=…, or PROVENDER_PURPOSE; "
            "purposes are declared in catalog/purposes.yml"
        )
    denied = next((reason for reason in closed if reason.rule), None)
    if denied is not None:
        return f"no grant opens it; who governs can change rule {denied.rule}"
    dataset = closed[0].column.dataset
    if action is Action.BREAK_GLASS:
        return f"ask who governs for a rule that lets {actor} break the glass of {dataset}"
    if action in (Action.STEWARD, Action.GOVERN):
        return f"ask who governs to name {actor} a steward of {dataset}"
    who = dict.fromkeys(name for reason in closed for name in reason.who_decides)
    if not who:
        return "nobody is its steward yet; name one in catalog/datasets/"
    commands = [one.command for one in remedies(actor, action, purpose, closed)]
    asking = f"; ask: {' ; '.join(commands)}" if commands else ""
    return f"{' or '.join(who)} can grant it{asking}"
