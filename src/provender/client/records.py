"""What is known by its id, asked over HTTP: projects, training sets, versions, grants, audit events."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from provender.client.wire import PAGE, Wire, keyed
from provender.core.audit import AuditEvent, EventKind, Outcome
from provender.core.checkpoints import Checkpoint
from provender.core.datasets import Listed, Release, whole
from provender.core.effects import Effect
from provender.core.leases import PolicyLease
from provender.core.names import DatasetRef
from provender.core.policy import EVERY, Action, ColumnRef, Decision, Grant
from provender.core.serving import ServingManifest
from provender.core.tally import Batch
from provender.core.trail import Progress, Proof
from provender.core.training import TrainingSetManifest


@dataclass(frozen=True, slots=True)
class Digest:
    """An answer that is one digest."""

    digest: str


@dataclass(frozen=True, slots=True)
class Published:
    """When a version was published, and its note."""

    published_at: datetime
    note: str


class HttpRecords:
    """`core.protocols.Records` over a wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def serving_manifest(self, project: str) -> ServingManifest:
        """Return what ``project`` serves, as far as it may be known."""
        return self._wire.get(ServingManifest, "projects", project, "serving-manifest")

    def serving_digest(self, project: str) -> str:
        """Return the digest of the whole serving manifest of ``project`` by the policy of now."""
        return self._wire.get(Digest, "projects", project, "serving-digest").digest

    def policy_state(self, project: str) -> str:
        """Return a word that changes with all that may change what ``project`` serves, but for time."""
        return self._wire.get(Digest, "projects", project, "policy-state").digest

    def policy_lease(self, project: str) -> PolicyLease:
        """Return what servers may serve of ``project`` now, as far as it may be known."""
        return self._wire.get(PolicyLease, "projects", project, "policy-lease")

    def projects(self) -> list[str]:
        """Return the names of the projects that have definitions which may be known."""
        return whole(lambda after: self._wire.listed(str, "projects", limit=PAGE, after=after))

    def training_set(self, identity: str) -> TrainingSetManifest:
        """Return what the training set ``identity`` was made of; the start of an id will do."""
        return self._wire.get(TrainingSetManifest, "training-sets", identity)

    def training_sets(self, *, limit: int = 50, after: str = "") -> Listed[TrainingSetManifest]:
        """Return the training sets whose datasets may be discovered, newest first."""
        return self._wire.listed(TrainingSetManifest, "training-sets", limit=limit, after=after)

    def every_version(
        self, *, of: DatasetRef | None = None, limit: int = 200, after: str = ""
    ) -> Listed[Release]:
        """Return versions of every dataset, whole, for who governs; or of one, for its stewards."""
        asked = {} if of is None else {"dataset": of.dataset}
        return self._wire.listed(Release, "versions", limit=limit, after=after, **asked)

    def notes(
        self, ref: DatasetRef, *, above: int = 0, since: datetime
    ) -> list[tuple[datetime, str]]:
        """Return when versions after ``above`` were published, from ``since`` on, and their notes."""
        parts = ("datasets", ref.dataset, "notes")

        def ask(after: str) -> Listed[Published]:
            asked = {"above": above, "since": since}
            return self._wire.listed(Published, *parts, limit=PAGE, after=after, **asked)

        return [(one.published_at, one.note) for one in whole(ask)]

    def note(
        self, kind: EventKind, subject: str, detail: Mapping[str, object], *, key: str = ""
    ) -> None:
        """Write into the audit trail what happened to features outside of the catalog."""
        body = {"kind": kind, "subject": subject, "detail": detail}
        self._wire.tell("POST", "notes", body=body, headers=keyed(key), again=True)

    def tell_lookups(self, batch: Batch) -> None:
        """Write into the audit trail what lookups were decided elsewhere; a batch counts once."""
        self._wire.tell("POST", "lookups", body={"batch": batch}, again=True)

    def decide(
        self,
        action: Action,
        columns: Iterable[ColumnRef],
        *,
        purpose: str = "",
        actor: str | None = None,
    ) -> Decision:
        """Return what the decision would be for ``actor`` (default: us), and why."""
        body = {"action": action, "columns": [*columns], "purpose": purpose, "actor": actor}
        return self._wire.send("POST", Decision, "decisions", body=body, again=True)

    def grant(
        self,
        ref: DatasetRef,
        *,
        grantee: str,
        action: Action = Action.READ,
        columns: Sequence[str] = (),
        purposes: Sequence[str] = (EVERY,),
        until: datetime | None = None,
        reason: str = "",
        effect: Effect = Effect.SEE,
        mask: str = "",
        through: str = "",
        key: str = "",
    ) -> Grant:
        """Let ``grantee`` do ``action`` to ``columns`` (none: those that no protected tag closes)."""
        body = {
            "dataset": ref.dataset,
            "grantee": grantee,
            "action": action,
            "columns": columns,
            "purposes": purposes,
            "until": until,
            "reason": reason,
            "effect": effect,
            "mask": mask,
            "through": through,
        }
        return self._wire.send("POST", Grant, "grants", body=body, headers=keyed(key), again=True)

    def revoke(self, identity: str) -> Grant:
        """End a grant now; one that was revoked before stays as it was."""
        return self._wire.send("POST", Grant, "grants", identity, "revoke", again=True)

    def granted(self, identity: str) -> Grant:
        """Return one of the grants that we may see."""
        return self._wire.get(Grant, "grants", identity)

    def grants(
        self, dataset: DatasetRef | None = None, *, limit: int = 50, after: str = ""
    ) -> Listed[Grant]:
        """Return our own grants, and those on datasets we steward, oldest first."""
        name = dataset.dataset if dataset else None
        return self._wire.listed(Grant, "grants", limit=limit, after=after, dataset=name)

    def audit_events(
        self,
        *,
        kind: EventKind | None = None,
        actor: str = "",
        subject: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        purpose: str = "",
        verdict: Outcome | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[AuditEvent]:
        """Return the last ``limit`` events that may be read and that fit, newest first."""
        found = self._wire.listed(
            AuditEvent,
            "audit",
            limit=limit,
            kind=kind,
            actor=actor,
            subject=subject,
            since=since,
            until=until,
            purpose=purpose or None,
            verdict=verdict,
            before=before,
        )
        return list(found.items)

    def verify_audit(self) -> int:
        """Return how many audit events there are; Corrupt, naming the first, if one was changed."""
        return self.audit_proof().events

    def audit_proof(self, *, progress: Progress | None = None) -> Proof:
        """Return what of the audit trail holds: that all does, if it returns."""
        return self._wire.get(Proof, "audit", "verification")

    def audit_bundle(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[bytes]:
        """Return the lines of the audit trail as a bundle, for who may read all of it."""
        return self._wire.lines("audit", "bundle", since=since, until=until)

    def checkpoints(self, *, limit: int = 50, after: str = "") -> Listed[Checkpoint]:
        """Return the signed checkpoints of the audit trail, the newest first."""
        return self._wire.listed(Checkpoint, "audit", "checkpoints", limit=limit, after=after)
