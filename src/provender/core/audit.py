"""The audit trail: events chained by digest, so that a changed or missing one is found."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from provender.core.clock import to_utc
from provender.core.digest import canonical, digest_bytes, keyed
from provender.core.errors import InvalidInput

TRAIL = "catalog.audit"
"""What rules call the trail itself: a dataset that is always there."""
GENESIS = "sha256:" + "0" * 64


class EventKind(StrEnum):
    """``object:verb``, one alphabetised list."""

    ACCESS_APPROVE = "access:approve"
    ACCESS_BREAK_GLASS = "access:break-glass"
    ACCESS_DENY = "access:deny"
    ACCESS_GRANT = "access:grant"
    ACCESS_PERMIT = "access:permit"
    ACCESS_REJECT = "access:reject"
    ACCESS_RENEW = "access:renew"
    ACCESS_REQUEST = "access:request"
    ACCESS_REVIEW = "access:review"
    ACCESS_REVOKE = "access:revoke"
    ACCESS_WITHDRAW = "access:withdraw"
    AUDIT_EXPORT = "audit:export"
    AUDIT_ROTATE_KEY = "audit:rotate-key"
    CATALOG_BACKUP = "catalog:backup"
    CATALOG_REPAIR = "catalog:repair"
    CATALOG_RESTORE = "catalog:restore"
    CONTRACT_ATTACH = "contract:attach"
    DATASET_DECLARE = "dataset:declare"
    DATASET_EDIT = "dataset:edit"
    DATASET_PUBLISH = "dataset:publish"
    DATASET_RENAME = "dataset:rename"
    ERASURE_BEGIN = "erasure:begin"
    ERASURE_FINISH = "erasure:finish"
    ERASURE_LOOK = "erasure:look"
    ERASURE_RESTORE = "erasure:restore"
    FEATURES_APPLY = "features:apply"
    FEATURES_MATERIALIZE = "features:materialize"
    FEATURES_PUSH = "features:push"
    GOVERNANCE_APPLY = "governance:apply"
    HOLD_LIFT = "hold:lift"
    HOLD_PLACE = "hold:place"
    LOOKUPS_RECORD = "lookups:record"
    MODEL_RECORD = "model:record"
    RETENTION_FORGET = "retention:forget"
    RETENTION_SET = "retention:set"
    SESSION_BEGIN = "session:begin"
    SESSION_END = "session:end"
    TASK_SETTLE = "task:settle"
    TOKEN_CREATE = "token:create"  # noqa: S105 - not a password
    TOKEN_REVOKE = "token:revoke"  # noqa: S105 - not a password
    TOKEN_ROTATE = "token:rotate"  # noqa: S105 - not a password
    TRAINING_SET_RECORD = "training-set:record"
    VERSION_DEPRECATE = "version:deprecate"
    VERSION_ERASE = "version:erase"
    VERSION_PUBLISH = "version:publish"
    VERSION_QUARANTINE = "version:quarantine"
    VERSION_RECALL = "version:recall"
    VERSION_RELEASE = "version:release"
    VERSION_REPRESENT = "version:represent"
    VERSION_RESTORE = "version:restore"


class Outcome(StrEnum):
    """What a decision said."""

    ALLOW = "allow"
    DENY = "deny"


DECIDED = {Outcome.ALLOW: EventKind.ACCESS_PERMIT, Outcome.DENY: EventKind.ACCESS_DENY}
"""The kind of the events that tell a decision with that verdict."""


def pseudonym(secret: bytes, name: str, value: str) -> str:
    """Return what stands in an event where ``value`` of the column ``name`` identifies a person.

    Who has ``secret`` can tell that two events are of one subject, and nobody who it is.
    """
    return f"{name}=keyed:{keyed(secret, f'{name}={value}'.encode()).hex()}"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as the texts that it is sealed by: ``at`` in UTC, ``detail`` as canonical JSON.

    What was changed so that it still means the same has other texts, and so another seal.
    """

    sequence: int
    at: str
    actor: str
    kind: str
    subject: str
    detail: str
    previous: str
    digest: str
    request: str

    @property
    def seal(self) -> str:
        """What ``digest`` is to be. A request counts where there is one: older events have none."""
        texts = (self.at, self.actor, self.kind, self.subject)
        parts = [str(self.sequence), *map(_quoted, texts), self.detail, _quoted(self.previous)]
        if self.request:
            parts.append(_quoted(self.request))
        return digest_bytes(f"[{','.join(parts)}]".encode())

    def follows(self, sequence: int, previous: str) -> bool:
        """Return whether it is number ``sequence``, behind ``previous``, and as it was sealed."""
        return self.sequence == sequence and self.previous == previous and self.digest == self.seal


def stored(event: AuditEvent) -> StoredEvent:
    """Return the texts of ``event``."""
    return StoredEvent(
        sequence=event.sequence,
        at=to_utc(event.at).isoformat(),
        actor=event.actor,
        kind=event.kind.value,
        subject=event.subject,
        detail=canonical(event.detail),
        previous=event.previous,
        digest=event.digest,
        request=event.request,
    )


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
    """Return the event that follows ``last`` (None: the first, with sequence 1).

    Raises:
        InvalidInput: a text has half of a character, which has no bytes.
    """
    unsealed = AuditEvent(
        sequence=last.sequence + 1 if last else 1,
        at=at,
        actor=actor,
        kind=kind,
        subject=subject,
        detail=detail,
        previous=last.digest if last else GENESIS,
        request=request,
    )
    return replace(unsealed, digest=_sealed(unsealed))


def _sealed(event: AuditEvent) -> str:
    try:
        return stored(event).seal
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"{error.object[error.start - 40 : error.end]!r} ends with half of a character",
            hint="leave that character out",
        ) from error


def _quoted(text: str) -> str:
    """Return ``text`` as canonical JSON has it."""
    return canonical(text)
