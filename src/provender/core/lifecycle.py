"""The states of a version, and the steps between them.

    draft ──publish──▶ published ──deprecate──▶ deprecated
                        │     ▲ ◀───restore────  │
                      recall  restore          recall
                        ▼     │                  ▼
                        recalled ◀───────────────┘
    quarantined ──release──▶ published,  quarantined ──recall──▶ recalled

Pure: who may take a step is policy's question. What a reader is told of where a version stands
is said here (`warnings`), so that the catalog, training and Feast say it in the same words.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from provender.core.errors import Conflict, InvalidInput, Recalled


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
WAITING = frozenset({State.DRAFT, State.QUARANTINED})
"""States of versions that readers never got, and may get by a step."""
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
        InvalidInput: readers would be told no reason; or they would be refused, or sent to a
            replacement, by a step that does not say that a version is not for reading.
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
    if step not in REASONED and replacement is not None:
        raise InvalidInput(
            f"nothing is to be read instead of a version that is {state}",
            hint=f"name a replacement to {' or '.join(sorted(REASONED))} a version",
        )
    if step is not Step.RECALL and severity is not Severity.WARN:
        raise InvalidInput(
            f"readers cannot be refused a version that is {state}", hint="recall it, with a reason"
        )
    return Standing(
        state=state, severity=severity, reason=reason, by=by, at=now, replacement=replacement
    )


def warnings(name: str, standing: Standing) -> tuple[str, ...]:
    """Return what whoever reads the version called ``name``, ``domain.name@version``, has to mind.

    Raises:
        Recalled: it was recalled, and is refused to readers.
    """
    if standing.state is State.PUBLISHED:
        return ()
    if standing.state is State.RECALLED and standing.severity is Severity.REFUSE:
        raise Recalled(said(name, standing), hint=_instead(name, standing))
    return (f"{said(name, standing)}: {_instead(name, standing)}",)


def said(name: str, standing: Standing) -> str:
    """Return the state of the version called ``name`` in words: since when, by whom and why."""
    since = f" on {standing.at:%Y-%m-%d}" if standing.at else ""
    by = f" by {standing.by}" if standing.by else ""
    why = f": {standing.reason}" if standing.reason else ""
    match standing.state:
        case State.DRAFT:
            return f"{name} is a draft{by}{why}"
        case State.QUARANTINED:
            return f"{name} is quarantined{since}: checks of it failed{why}"
        case state:
            return f"{name} was {state}{by}{since}{why}"


def _instead(name: str, standing: Standing) -> str:
    if standing.replacement is not None:
        return f"read {name.partition('@')[0]}@{standing.replacement} instead"
    if standing.state is State.DRAFT:
        return "it is not published yet"
    return f"read {name.partition('@')[0]} without a version for the last good one"
