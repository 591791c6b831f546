"""The audit trail: events chained by digest, so that a changed or missing one is found."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from provender.core.clock import to_utc
from provender.core.digest import digest

GENESIS = "sha256:" + "0" * 64


class EventKind(StrEnum):
    """``object:verb``, one alphabetised list."""

    ACCESS_DENY = "access:deny"
    ACCESS_GRANT = "access:grant"
    ACCESS_PERMIT = "access:permit"
    ACCESS_REVOKE = "access:revoke"
    CATALOG_BACKUP = "catalog:backup"
    CATALOG_REPAIR = "catalog:repair"
    CATALOG_RESTORE = "catalog:restore"
    CONTRACT_ATTACH = "contract:attach"
    DATASET_DECLARE = "dataset:declare"
    DATASET_EDIT = "dataset:edit"
    DATASET_PUBLISH = "dataset:publish"
    DATASET_RENAME = "dataset:rename"
    FEATURES_APPLY = "features:apply"
    FEATURES_MATERIALIZE = "features:materialize"
    FEATURES_PUSH = "features:push"
    GOVERNANCE_APPLY = "governance:apply"
    HOLD_LIFT = "hold:lift"
    HOLD_PLACE = "hold:place"
    RETENTION_FORGET = "retention:forget"
    RETENTION_SET = "retention:set"
    TASK_SETTLE = "task:settle"
    TRAINING_SET_RECORD = "training-set:record"
    VERSION_DEPRECATE = "version:deprecate"
    VERSION_PUBLISH = "version:publish"
    VERSION_QUARANTINE = "version:quarantine"
    VERSION_RECALL = "version:recall"
    VERSION_RELEASE = "version:release"
    VERSION_REPRESENT = "version:represent"
    VERSION_RESTORE = "version:restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One thing that happened. ``digest`` covers everything before it through ``previous``.

    ``request`` is the id of the request that did it, where one came over the network.
    """

    sequence: int
    at: datetime
    actor: str
    kind: EventKind
    subject: str
    detail: dict[str, object] = field(default_factory=dict)
    previous: str = GENESIS
    digest: str = ""
    request: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRecord:
    """That something changed, for those who follow along: an audit event without its detail."""

    sequence: int
    at: datetime
    actor: str
    kind: str
    subject: str
    request: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What the catalog said about an object for a while; a ``value`` of None: it was not there.

    ``revision`` rises with each state: what is changed by whoever looked at this one.
    """

    value: dict[str, object] | None
    since: datetime
    until: datetime | None
    by: str
    reason: str = ""
    revision: int = 0


def chain(
    last: AuditEvent | None,
    *,
    at: datetime,
    actor: str,
    kind: EventKind,
    subject: str,
    detail: dict[str, object],
    request: str = "",
) -> AuditEvent:
    """Return the event that follows ``last`` (None: the first, with sequence 1)."""
    sequence = last.sequence + 1 if last else 1
    previous = last.digest if last else GENESIS
    return AuditEvent(
        sequence=sequence,
        at=at,
        actor=actor,
        kind=kind,
        subject=subject,
        detail=detail,
        previous=previous,
        digest=_seal(sequence, at, actor, kind, subject, detail, previous, request),
        request=request,
    )


def verify(events: Iterable[AuditEvent]) -> int | None:
    """Return the sequence number of the first event that does not fit, or None if all do.

    ``events`` are in order and start with the first. A cut-off tail cannot be seen from
    inside; keep the last digest elsewhere to see that.
    """
    expected, previous = 1, GENESIS
    for event in events:
        sealed = _seal(
            event.sequence,
            event.at,
            event.actor,
            event.kind,
            event.subject,
            event.detail,
            previous,
            event.request,
        )
        if event.sequence != expected or event.previous != previous or event.digest != sealed:
            return expected
        expected, previous = expected + 1, event.digest
    return None


def _seal(
    sequence: int,
    at: datetime,
    actor: str,
    kind: EventKind,
    subject: str,
    detail: dict[str, object],
    previous: str,
    request: str,
) -> str:
    """The digest of an event. A request counts where there is one: older events have none."""
    sealed = [sequence, to_utc(at), actor, kind, subject, detail, previous]
    return digest([*sealed, request] if request else sealed)
