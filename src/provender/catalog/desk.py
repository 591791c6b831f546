"""What stewards do, in this process: one actor's way to edit, rename, recall, apply and settle."""

from datetime import datetime

from provender.catalog import (
    contracts,
    editing,
    entries,
    governance,
    hindsight,
    idempotency,
    inbox,
    lifecycle,
    odcs,
    remembered,
    renaming,
    retention,
)
from provender.catalog.door import Door
from provender.catalog.records import check_limit
from provender.core.audit import Remembered
from provender.core.contracts import ContractText
from provender.core.datasets import Entry, Listed, Release
from provender.core.editing import Edit
from provender.core.governance import Declared, Governance
from provender.core.governance import Step as GovernanceStep
from provender.core.lifecycle import Severity, Step
from provender.core.names import DatasetRef
from provender.core.policy import Action
from provender.core.retention import Due, Retention
from provender.core.tasks import Task


class LocalDesk:
    """A catalog database, changed by one actor. Safe between threads; each verb is one change."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def edit(
        self,
        ref: DatasetRef,
        edit: Edit,
        *,
        expected: int | None,
        reason: str = "",
        key: str = "",
    ) -> Entry:
        """Return the entry of a dataset after ``edit``, which says what changes."""
        with self._door.writing(Action.STEWARD) as (db, change):
            who = self._door.who(db)

            def work() -> Entry:
                return editing.edit(
                    db, who, ref, edit, expected=expected, reason=reason, change=change
                )

            asked = [ref, edit, expected, reason]
            return idempotency.answered(
                db,
                change,
                key,
                "edit",
                asked,
                Entry,
                work,
                again=self._door.knowing(db, change, ref),
            )

    def rename(self, ref: DatasetRef, to: str, *, expected: int | None) -> Entry:
        """Return a dataset that is called ``to`` from now on; its former names go on meaning it."""
        with self._door.writing(Action.STEWARD) as (db, change):
            who = self._door.who(db)
            row = renaming.rename(db, who, ref, to, expected=expected, change=change)
            return entries.entry(db, who, row, now=change.at)

    def step(
        self,
        ref: DatasetRef,
        step: Step,
        *,
        reason: str,
        severity: Severity = Severity.WARN,
        replacement: int | None = None,
        expected: int | None = None,
    ) -> Release:
        """Return the version of ``ref`` where it stands after ``step``."""
        with self._door.writing(Action.STEWARD, Action.PUBLISH) as (db, change):
            return lifecycle.step(
                db,
                self._door.who(db),
                ref,
                step,
                reason=reason,
                severity=severity,
                replacement=replacement,
                expected=expected,
                change=change,
            )

    def history(
        self, kind: str, key: str, *, limit: int = 50, after: str = ""
    ) -> Listed[Remembered]:
        """Return the states that an object had, the newest first.

        The ``key`` of a dataset is its name or URN, that of a version ends with ``@`` and its
        number; of everything else it is the name or id.
        """
        check_limit(limit)
        with self._door.reading() as db:
            who, now = self._door.who(db), self._door.clock()
            return remembered.remembered(db, who, kind, key, limit=limit, after=after, now=now)

    def plan(self, desired: Governance) -> list[GovernanceStep]:
        """Return what applying ``desired`` would do, step by step, with what it would undo."""
        with self._door.reading() as db:
            return governance.plan(db, self._door.who(db), desired, now=self._door.clock())

    def apply(
        self, desired: Governance, *, overwrite: bool = False, expected: str | None = None
    ) -> list[GovernanceStep]:
        """Return the steps of the plan, taken; what others changed since is undone only if told.

        ``expected`` is the digest of the plan that was looked at; None: nobody looked.
        """
        with self._door.writing(Action.GOVERN) as (db, change):
            who = self._door.who(db)
            return governance.apply(
                db, who, desired, overwrite=overwrite, expected=expected, change=change
            )

    def declare(
        self, value: Declared, *, expected: int | None = None, reason: str = ""
    ) -> GovernanceStep:
        """Return the step that declares one object beside what catalog/ declares."""
        with self._door.writing(Action.GOVERN) as (db, change):
            who = self._door.who(db)
            return governance.declare(
                db, who, value, expected=expected, reason=reason, change=change
            )

    def withdraw(
        self, kind: str, name: str, *, expected: int | None = None, reason: str = ""
    ) -> GovernanceStep:
        """Return the step that takes one declared object away."""
        with self._door.writing(Action.GOVERN) as (db, change):
            who = self._door.who(db)
            return governance.withdraw(
                db, who, kind, name, expected=expected, reason=reason, change=change
            )

    def governance(self, *, as_of: datetime | None = None, datasets: bool = True) -> Governance:
        """Return what is in force, or was at ``as_of``.

        Of datasets those the actor may discover, if wanted.
        """
        with self._door.reading() as db:
            who, now = self._door.who(db), self._door.clock()
            if as_of is not None:
                return hindsight.governance(db, who, as_of=as_of, datasets=datasets, now=now)
            return governance.seen(db, who, datasets=datasets, now=now)

    def contract(self, ref: DatasetRef, *, as_of: datetime | None = None) -> ContractText:
        """Return the contract of a dataset, in force now or at ``as_of``."""
        with self._door.reading() as db:
            who, now = self._door.who(db), self._door.clock()
            return contracts.attached(db, who, ref, as_of=as_of, now=now)

    def attach(self, ref: DatasetRef, raw: bytes, *, expected: int | None) -> ContractText:
        """Let the contract ``raw``, kept byte for byte, judge the versions published from now on.

        It is read before anything is written: that may take seconds, and others write meanwhile.
        """
        with self._door.reading() as db:
            who = self._door.who(db)
            name = contracts.may_attach(db, who, ref, now=self._door.clock()).name
        odcs.read(raw, (name,))
        with self._door.writing(Action.STEWARD) as (db, change):
            who = self._door.who(db)
            return contracts.attach(db, who, ref, raw, expected=expected, change=change)

    def inbox(self, *, kind: str = "", limit: int = 50, after: str = "") -> Listed[Task]:
        """Return what waits for the actor, the most urgent kind first; of one ``kind``, if given."""
        check_limit(limit)
        with self._door.reading() as db:
            who, now = self._door.who(db), self._door.clock()
            return inbox.inbox(db, who, kind=kind, limit=limit, after=after, now=now)

    def settle(self, task: str, *, expected: int | None) -> None:
        """Let a task wait no more, as long as it is about the same."""
        with self._door.writing(Action.STEWARD) as (db, change):
            inbox.settle(db, self._door.who(db), task, expected=expected, change=change)

    def retention(
        self,
        ref: DatasetRef,
        rule: Retention | None,
        *,
        expected: int | None,
        dry_run: bool,
    ) -> list[Due]:
        """Return for each version whose data is there whether it goes, and why.

        With a ``rule`` that is in force from now on, and nothing goes yet; without one, the one
        in force is followed, and what is due is marked as gone. With ``dry_run`` nothing is
        written: that is what would be.
        """
        if dry_run:
            with self._door.reading() as db:
                who, now = self._door.who(db), self._door.clock()
                return retention.forecast(db, who, ref, rule, now=now)
        with self._door.writing(Action.STEWARD) as (db, change):
            who = self._door.who(db)
            if rule is None:
                return retention.expire(db, who, ref, change=change)
            return retention.set_rule(db, who, ref, rule, expected=expected, change=change)
