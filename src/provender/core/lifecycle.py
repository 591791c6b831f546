"""The states of a version, and the steps between them.

    draft ──publish──▶ published ──deprecate──▶ deprecated
                        │     ▲ ◀───restore────  │
                      recall  restore          recall
                        ▼     │                  ▼
                        recalled ◀───────────────┘
    quarantined ──release──▶ published,  quarantined ──recall──▶ recalled

Pure: who may take a step is policy's question, and what is readable then is the reader's.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from provender.core.errors import Conflict, InvalidInput


class State(StrEnum):
    """Where a version stands."""

    DRAFT = "draft"
    PUBLISHED = "published"
    DEPRECATED = "deprecated"
    RECALLED = "recalled"
    QUARANTINED = "quarantined"


class Step(StrEnum):
    """What takes a version from one state to another."""

    PUBLISH = "publish"
    DEPRECATE = "deprecate"
    RESTORE = "restore"
    RECALL = "recall"
    RELEASE = "release"


class Severity(StrEnum):
    """What befalls who reads all the same."""

    WARN = "warn"
    REFUSE = "refuse"


READABLE = frozenset({State.PUBLISHED, State.DEPRECATED})
"""States of versions that a reader may be given without having named one."""
REASONED = frozenset({Step.DEPRECATE, Step.RECALL})
"""Steps that readers are told the reason of."""
TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.DRAFT, Step.PUBLISH): State.PUBLISHED,
    (State.PUBLISHED, Step.DEPRECATE): State.DEPRECATED,
    (State.DEPRECATED, Step.RESTORE): State.PUBLISHED,
    (State.PUBLISHED, Step.RECALL): State.RECALLED,
    (State.DEPRECATED, Step.RECALL): State.RECALLED,
    (State.RECALLED, Step.RESTORE): State.PUBLISHED,
    (State.QUARANTINED, Step.RELEASE): State.PUBLISHED,
    (State.QUARANTINED, Step.RECALL): State.RECALLED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The state of a version: since when, by whom, why, and which version to read instead."""

    state: State
    severity: Severity = Severity.WARN
    reason: str = ""
    by: str = ""
    at: datetime | None = None
    replacement: int | None = None


def advance(
    standing: Standing,
    step: Step,
    *,
    by: str,
    reason: str,
    now: datetime,
    severity: Severity = Severity.WARN,
    replacement: int | None = None,
) -> Standing:
    """Return where a version stands after ``by`` takes ``step`` at ``now``.

    Raises:
        Conflict: its state does not allow ``step``.
        InvalidInput: readers would be told no reason.
    """
    state = TRANSITIONS.get((standing.state, step))
    if state is None:
        possible = [other for at, other in TRANSITIONS if at is standing.state]
        raise Conflict(
            f"cannot {step} a version that is {standing.state}",
            hint=f"possible is {' or '.join(possible)}",
        )
    if step in REASONED and not reason:
        raise InvalidInput(f"a version cannot be {state} without a reason", hint="say why")
    return Standing(
        state=state, severity=severity, reason=reason, by=by, at=now, replacement=replacement
    )
