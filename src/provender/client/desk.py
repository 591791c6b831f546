"""What stewards do, asked over HTTP."""

from dataclasses import fields, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from provender.client.wire import Wire, matching
from provender.core.audit import Remembered
from provender.core.contracts import ContractText
from provender.core.datasets import Dataset, Entry, Listed, Release
from provender.core.editing import Edit
from provender.core.glossary import Term
from provender.core.governance import Declared, Domain, Drift, Governance
from provender.core.governance import Step as GovernanceStep
from provender.core.lifecycle import Severity, Step
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.policy import Rule
from provender.core.retention import Due, Retention
from provender.core.tags import Tag
from provender.core.tasks import Task
from provender.values import from_json, to_json

KINDS: dict[str, Any] = {
    "dataset": Dataset,
    "domain": Domain,
    "person": Person,
    "rule": Rule,
    "tag": Tag,
    "term": Term,
}
"""What the values of steps are, where they are more than a name and a text."""
PLURALS: dict[type[Any], str] = {
    Domain: "domains",
    Person: "people",
    Rule: "rules",
    Tag: "tags",
    Term: "terms",
}


class HttpDesk:
    """`core.protocols.Desk` over a wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def edit(
        self,
        ref: DatasetRef,
        edit: Edit,
        *,
        expected: int | None,
        reason: str = "",
        key: str = "",
    ) -> Entry:
        """Return the dataset after ``edit`` of its revision ``expected``."""
        body = {part.name: getattr(edit, part.name) for part in fields(edit)} | {"reason": reason}
        headers = {"idempotency-key": key or uuid4().hex} | matching(expected)
        parts = ("datasets", ref.dataset)
        return self._wire.send("PATCH", Entry, *parts, body=body, headers=headers, again=True)

    def rename(self, ref: DatasetRef, to: str, *, expected: int | None) -> Entry:
        """Return the dataset under its new name; the old one leads to it."""
        headers = matching(expected)
        parts = ("datasets", ref.dataset, "rename")
        return self._wire.send("POST", Entry, *parts, body={"to": to}, headers=headers)

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
        """Return the version after ``step``."""
        number = ref.version or self._wire.get(Release, "resolve", name=ref.dataset).version.number
        parts = ("datasets", ref.dataset, "versions", number, "state")
        body = {"step": step, "reason": reason, "severity": severity, "replacement": replacement}
        headers = matching(expected)
        return self._wire.send("POST", Release, *parts, body=body, headers=headers)

    def history(
        self, kind: str, key: str, *, limit: int = 50, after: str = ""
    ) -> Listed[Remembered]:
        """Return what the catalog said about an object, the latest first."""
        return self._wire.listed(
            Remembered, "history", limit=limit, after=after, kind=kind, key=key
        )

    def plan(self, desired: Governance) -> list[GovernanceStep]:
        """Return the steps from what is in force to ``desired``; nothing is written."""
        body = {"desired": desired}
        parts = ("governance", "plan")
        return _steps(
            self._wire.send("POST", Listed[GovernanceStep], *parts, body=body, again=True)
        )

    def apply(self, desired: Governance, *, overwrite: bool = False) -> list[GovernanceStep]:
        """Take those steps."""
        body = {"desired": desired, "overwrite": overwrite}
        parts = ("governance", "apply")
        return _steps(self._wire.send("POST", Listed[GovernanceStep], *parts, body=body))

    def declare(
        self, value: Declared, *, expected: int | None = None, reason: str = ""
    ) -> GovernanceStep:
        """Return the step that declares one object beside what catalog/ declares."""
        if isinstance(value, Dataset):
            parts: tuple[str, ...] = ("datasets", value.ref.dataset, "declaration")
        else:
            name = value.id if isinstance(value, Person | Rule) else value.name
            parts = (PLURALS[type(value)], name)
        body = {"value": value, "reason": reason}
        headers = matching(expected)
        again = expected is None
        return _step(
            self._wire.send("PUT", GovernanceStep, *parts, body=body, headers=headers, again=again)
        )

    def withdraw(
        self, kind: str, name: str, *, expected: int | None = None, reason: str = ""
    ) -> GovernanceStep:
        """Return the step that takes one declared object away."""
        body = {"kind": kind, "name": name, "reason": reason}
        parts = ("governance", "withdraw")
        headers = matching(expected)
        return _step(self._wire.send("POST", GovernanceStep, *parts, body=body, headers=headers))

    def governance(self, *, as_of: datetime | None = None, datasets: bool = True) -> Governance:
        """Return what is in force, or was at ``as_of``, with datasets if wanted."""
        wanted = str(datasets).lower()
        return self._wire.get(Governance, "governance", as_of=as_of, datasets=wanted)

    def contract(self, ref: DatasetRef, *, as_of: datetime | None = None) -> ContractText:
        """Return the contract of a dataset, in force now or at ``as_of``."""
        parts = ("datasets", ref.dataset, "contract", "promises")
        return self._wire.get(ContractText, *parts, as_of=as_of)

    def attach(self, ref: DatasetRef, raw: bytes, *, expected: int | None) -> ContractText:
        """Let the contract ``raw``, kept byte for byte, judge the versions published from now on."""
        headers = matching(expected) | {"content-type": "application/yaml"}
        parts = ("datasets", ref.dataset, "contract")
        return self._wire.send("PUT", ContractText, *parts, body=raw, headers=headers)

    def inbox(self, *, kind: str = "", limit: int = 50, after: str = "") -> Listed[Task]:
        """Return what waits for a steward."""
        return self._wire.listed(Task, "inbox", limit=limit, after=after, kind=kind or None)

    def settle(self, task: str, *, expected: int | None) -> None:
        """Let a task wait no more, as long as it is about the same."""
        parts = ("inbox", task, "settle")
        self._wire.tell("POST", *parts, body=None, headers=matching(expected))

    def retention(
        self,
        ref: DatasetRef,
        rule: Retention | None,
        *,
        expected: int | None,
        dry_run: bool,
    ) -> list[Due]:
        """Return for each version whose data is there whether it goes, and why."""
        parts = ("datasets", ref.dataset, "retention")
        if dry_run:
            return self._due("POST", *parts, "plan", body={"rule": rule}, again=True)
        if rule is None:
            return self._due("POST", *parts, "expire", again=True)
        return self._due("PUT", *parts, body={"rule": rule}, headers=matching(expected))

    def _due(self, method: str, *parts: object, **more: Any) -> list[Due]:
        return list(self._wire.send(method, Listed[Due], *parts, **more).items)


def _steps(found: Listed[GovernanceStep]) -> list[GovernanceStep]:
    return [_step(step) for step in found.items]


def _step(told: GovernanceStep) -> GovernanceStep:
    """Return a step with its values as what they are."""

    def typed(value: Any) -> Any:
        if value is None or told.kind not in KINDS:
            return value
        return from_json(KINDS[told.kind], to_json(value))

    drift = told.drift and Drift(
        base=typed(told.drift.base),
        theirs=typed(told.drift.theirs),
        yours=typed(told.drift.yours),
    )
    return replace(told, value=typed(told.value), drift=drift)
