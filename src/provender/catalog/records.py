"""What is known by its id, for one actor: projects, training sets, versions, grants, audit events."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import NoneType

from sqlalchemy.orm import Session

from provender.catalog import (
    access,
    audit,
    auditors,
    bounds,
    bundle,
    checkpoints,
    datasets,
    features,
    grants,
    idempotency,
    lookups,
    mentions,
    naming,
    noting,
    proving,
    releases,
    visibility,
)
from provender.catalog.db import Progress, unheard
from provender.catalog.door import Door
from provender.core import tally
from provender.core.audit import AuditEvent, EventKind, Outcome
from provender.core.checkpoints import Checkpoint
from provender.core.datasets import Listed, Release
from provender.core.effects import Effect
from provender.core.errors import InvalidInput
from provender.core.leases import PolicyLease
from provender.core.names import DatasetRef
from provender.core.people import Actor, check_party_id
from provender.core.policy import EVERY, Action, ColumnRef, Decision, Grant
from provender.core.rules import ROWS
from provender.core.serving import ServingManifest
from provender.core.tally import Batch
from provender.core.trail import Proof
from provender.core.training import TrainingSetManifest

MOST = 10_000
"""Events or hits that one question may ask for."""
INPUTS = "inputs"


class LocalRecords:
    """`core.protocols.Records` in this process."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def serving_manifest(self, project: str) -> ServingManifest:
        """Return what ``project`` serves, as far as the actor may know it."""
        with self._door.reading() as db:
            return features.serving_manifest(db, self._door.who(db), project, now=self._now())

    def serving_digest(self, project: str) -> str:
        """Return the digest that the serving manifest of ``project`` has by the policy of now.

        Of the whole manifest, even to those who may know a part of it.
        """
        with self._door.reading() as db:
            return features.serving_digest(db, self._door.who(db), project, now=self._now())

    def policy_state(self, project: str) -> str:
        """Return a word that changes with all that may change what ``project`` serves, but for time.

        Of a project of which the actor may not know it is that of a project that is not there.
        """
        with self._door.reading() as db:
            return features.policy_state(db, self._door.who(db), project, now=self._now())

    def policy_lease(self, project: str) -> PolicyLease:
        """Return what servers may serve of ``project`` now, as far as the actor may know it."""
        with self._door.reading() as db:
            return features.policy_lease(db, self._door.who(db), project, now=self._now())

    def projects(self) -> list[str]:
        """Return the names of the projects that have definitions which the actor may know."""
        with self._door.reading() as db:
            return features.named_projects(db, self._door.who(db), now=self._now())

    def training_set(self, identity: str) -> TrainingSetManifest:
        """Return what the training set ``identity`` was made of; the start of an id will do."""
        with self._door.reading() as db:
            return features.training_set(db, self._door.who(db), identity, now=self._now())

    def training_sets(self, *, limit: int = 50, after: str = "") -> Listed[TrainingSetManifest]:
        """Return the training sets whose datasets the actor may discover, newest first."""
        check_limit(limit)
        with self._door.reading() as db:
            who, now = self._door.who(db), self._now()
            found = features.training_sets(db, who, limit=limit + 1, after=after, now=now)
        shown = tuple(found[:limit])
        return Listed(shown, shown[-1].id if len(found) > limit else None)

    def every_version(
        self, *, of: DatasetRef | None = None, limit: int = 200, after: str = ""
    ) -> Listed[Release]:
        """Return versions of every dataset, whole, for who governs; or of one, for its stewards."""
        check_limit(limit)
        with self._door.reading() as db:
            who, now = self._door.who(db), self._now()
            if of is not None:
                return releases.releases_of(db, who, of, limit=limit, after=after, now=now)
            return releases.every_release(db, who, limit=limit, after=after, now=now)

    def notes(
        self, ref: DatasetRef, *, above: int = 0, since: datetime
    ) -> list[tuple[datetime, str]]:
        """Return when versions after ``above`` were published, from ``since`` on, and their notes."""
        with self._door.reading() as db:
            who, now = self._door.who(db), self._now()
            return datasets.notes(db, who, ref, above=above, since=since, now=now)

    def note(
        self, kind: EventKind, subject: str, detail: Mapping[str, object], *, key: str = ""
    ) -> None:
        """Write into the audit trail what happened to features outside of the catalog."""
        with self._door.writing(*noting.actions(kind)) as (db, change):
            who = self._door.who(db)

            def work() -> None:
                noting.note(db, who, kind, subject, detail, change=change)

            asked = [kind, subject, detail]
            idempotency.answered(db, change, key, "note", asked, NoneType, work, again=lambda: None)

    def tell_lookups(self, batch: Batch) -> None:
        """Write into the audit trail what lookups were decided elsewhere; a batch counts once."""
        tally.check(batch)
        with self._door.writing(*ROWS) as (db, change):
            lookups.record(db, self._door.who(db), batch, change=change)

    def decide(
        self,
        action: Action,
        columns: Iterable[ColumnRef],
        *,
        purpose: str = "",
        actor: str | None = None,
    ) -> Decision:
        """Return what the decision would be for ``actor`` (default: the catalog's own), and why.

        Nothing is written down. Datasets that the catalog's own actor may not discover are
        not in the catalog here either. What somebody else may, is told to who decides about
        all the datasets, or governs.
        """
        with self._door.reading() as db:
            own = self._door.who(db)
            asked, now = list(columns), self._now()
            if actor is not None:
                bounds.check_may_know(db, own, check_party_id(actor), asked, now=now)
            who = own if actor is None else access.actor(db, actor)
            purpose = purpose if actor else self._door.purpose(purpose)
            return access.explain(db, who, action, asked, purpose=purpose, now=now, seen_by=own)

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
        with self._door.writing(Action.STEWARD) as (db, change):
            who = self._door.who(db)

            def work() -> Grant:
                return grants.grant(
                    db,
                    who,
                    ref,
                    grantee=grantee,
                    action=action,
                    columns=columns,
                    purposes=purposes,
                    until=until,
                    reason=reason,
                    effect=effect,
                    mask=mask,
                    through=through,
                    change=change,
                )

            part = [effect, mask, through]
            asked = [ref, grantee, action, columns, purposes, until, reason, *part]
            again = self._door.knowing(db, change, ref)
            return idempotency.answered(db, change, key, "grant", asked, Grant, work, again=again)

    def revoke(self, identity: str) -> Grant:
        """End a grant now; one that was revoked before stays as it was."""
        with self._door.writing(Action.STEWARD) as (db, change):
            who = self._door.who(db)
            ended = grants.revoke(db, who, identity, change=change)
            return mentions.grant(db, who, ended, now=change.at)

    def granted(self, identity: str) -> Grant:
        """Return one of the grants that the actor may see."""
        with self._door.reading() as db:
            who, now = self._door.who(db), self._now()
            return mentions.grant(db, who, grants.granted(db, who, identity, now=now), now=now)

    def grants(
        self, dataset: DatasetRef | None = None, *, limit: int = 50, after: str = ""
    ) -> Listed[Grant]:
        """Return the actor's own grants, and those on datasets they steward, oldest first."""
        check_limit(limit)
        with self._door.reading() as db:
            who, now = self._door.who(db), self._now()
            found = grants.grants(db, who, dataset, limit=limit + 1, after=after, now=now)
            shown = tuple(mentions.grants(db, who, found[:limit], now=now))
        return Listed(shown, shown[-1].id if len(found) > limit else None)

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
        """Return the last ``limit`` events that the actor may read and that fit, newest first.

        A dataset's are those under each name that it ever had.
        """
        check_limit(limit)
        with self._door.reading() as db:
            who, now = self._door.who(db), self._now()
            readable = auditors.readable(db, who, now=now)
            found = audit.events(
                db,
                readable=readable,
                kind=kind,
                actor=actor,
                subjects=naming.every(db, subject),
                since=since,
                until=until,
                purpose=purpose,
                verdict=verdict,
                before=before,
                limit=limit,
            )
            return _without_hidden_inputs(db, who, found, now=now)

    def verify_audit(self) -> int:
        """Return how many audit events there are; Corrupt, naming the first, if one was changed."""
        return self.audit_proof().events

    def audit_proof(self, *, progress: Progress | None = None) -> Proof:
        """Return what of the audit trail holds: that all does, if it returns."""
        with self._door.reading() as db:
            return proving.prove(db, progress=progress or unheard)

    def audit_bundle(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[bytes]:
        """Return the lines of the audit trail as a bundle, for who may read all of it."""
        return bundle.export(self._door, since=since, until=until)

    def checkpoints(self, *, limit: int = 50, after: str = "") -> Listed[Checkpoint]:
        """Return the signed checkpoints of the audit trail, the newest first."""
        check_limit(limit)
        below = position(after)
        with self._door.reading() as db:
            found = checkpoints.listed(db, below=below, limit=limit + 1)
        shown = tuple(found[:limit])
        return Listed(shown, str(shown[-1].size) if len(found) > limit else None)

    def _now(self) -> datetime:
        return self._door.clock()


def _without_hidden_inputs(
    db: Session, who: Actor, events: list[AuditEvent], *, now: datetime
) -> list[AuditEvent]:
    """Events of publishing named the inputs once; ``who`` is told of those they may discover."""
    named = [ref for event in events for ref in _inputs(event)]
    if not named or auditors.reads_all(db, who, now=now):
        return events
    shown = visibility.shown(db, who, map(_dataset, named), now=now)
    return [
        replace(event, detail={**event.detail, INPUTS: [r for r in refs if _dataset(r) in shown]})
        if (refs := _inputs(event))
        else event
        for event in events
    ]


def _inputs(event: AuditEvent) -> list[str]:
    said = event.detail.get(INPUTS)
    return list(map(str, said)) if isinstance(said, list) else []


def _dataset(ref: str) -> str:
    return ref.partition("@")[0]


def position(after: str) -> int | None:
    """Return the number that a list goes on before, None: from its beginning.

    Raises:
        InvalidInput: it is no number.
    """
    if after and not (after.isascii() and after.isdecimal() and len(after) < 16):
        raise InvalidInput(f"{after!r} is not where this list goes on", hint="begin again")
    return int(after) if after else None


def check_limit(limit: int) -> None:
    """Check that a question asks for a number of things that can be answered.

    Raises:
        InvalidInput: it does not.
    """
    if not 1 <= limit <= MOST:
        raise InvalidInput(
            f"a limit of {limit} cannot be kept", hint=f"ask for 1 to {MOST} at a time"
        )
