"""Checkpoints: signed statements that the audit trail had so many events, with that root over them.

What is signed is a text of lines that anybody can make again with a clock-less program: see
`statement`. Who signs, and where a statement is kept beside the catalog, is not decided here.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from provender.core.audit import AuditEvent
from provender.core.clock import to_utc
from provender.core.digest import raw, sha256
from provender.core.merkle import Frontier, leaf_hash

FORMAT = "provender audit checkpoint 1"
KEY_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """That the first ``size`` events have ``root``; ``head`` is the digest of the last of them.

    ``key`` is the id of the key it was signed with, ``signature`` Ed25519's, in hex digits.
    """

    size: int
    root: str
    head: str
    at: datetime
    key: str
    signature: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often checkpoints are made: after so many events, or with the first after a time."""

    events: int = 1000
    time: timedelta = timedelta(minutes=1)

    def is_due(self, last: Checkpoint | None, event: AuditEvent) -> bool:
        """Return whether ``event`` is to be followed by a checkpoint; ``last`` is the one before."""
        if last is None:
            return True
        return event.sequence - last.size >= self.events or event.at - last.at >= self.time


def leaf_of(digest: str) -> bytes:
    """Return the leaf of the event with ``digest``."""
    return leaf_hash(raw(digest))


def state(tree: Frontier, head: str, *, at: datetime, key: str) -> Checkpoint:
    """Return what is to be signed with ``key``: where the trail is whose events are ``tree``."""
    root = f"sha256:{tree.root.hex()}"
    return Checkpoint(size=tree.size, root=root, head=head, at=to_utc(at), key=key)


def statement(checkpoint: Checkpoint) -> bytes:
    """Return the bytes that are signed: six lines, the instant to the microsecond in UTC."""
    at = to_utc(checkpoint.at).isoformat(timespec="microseconds")
    said = (FORMAT, checkpoint.size, checkpoint.root, checkpoint.head, at, checkpoint.key)
    return "".join(f"{line}\n" for line in said).encode()


def key_id(public: bytes) -> str:
    """Return what a public key of 32 bytes is called: the first 16 hex digits of its SHA-256."""
    return sha256(public).hex()[:KEY_DIGITS]


def signed(checkpoint: Checkpoint, signature: bytes) -> Checkpoint:
    """Return the checkpoint with its signature."""
    return replace(checkpoint, signature=signature.hex())
