"""The few seams: what is asked of a catalog, a table format and an engine.

A catalog is asked by five kinds of callers, each with a Protocol of its own: data planes
(`Catalog`), whoever looks for something (`Finder`), stewards (`Desk`), whoever needs access or
gives it (`core.access.Access`), and whoever looks things up by their ids (`Records`). The actor
is the catalog's, not the caller's: each is for one. What ``expected`` is the revision that a
caller had looked at; None says that nobody looked.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from provender.core.access import Access
from provender.core.audit import AuditEvent, ChangeRecord, EventKind, Outcome, Remembered
from provender.core.checkpoints import Checkpoint
from provender.core.contracts import ContractText
from provender.core.datasets import (
    NO_EVIDENCE,
    Dataset,
    DatasetSummary,
    DatasetVersion,
    Entry,
    Evidence,
    Format,
    Listed,
    Manifest,
    Release,
)
from provender.core.editing import Edit
from provender.core.effects import Effect
from provender.core.erasure import Erasures
from provender.core.features import RepoSpec
from provender.core.finding import FACETS, FacetValue, Found, Hit, Question
from provender.core.governance import Declared, Governance
from provender.core.governance import Step as GovernanceStep
from provender.core.leases import Leasing
from provender.core.lifecycle import Severity, Step
from provender.core.lineage import Consumer, Neighbourhood, Node
from provender.core.models import Models
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef, Decision, Grant, Permit
from provender.core.retention import Due, Retention
from provender.core.serving import ServingManifest
from provender.core.tally import Batch
from provender.core.tasks import Task
from provender.core.tokens import Keyring
from provender.core.trail import Progress, Proof
from provender.core.training import PointInTimePlan, Table, TrainingSetManifest
from provender.core.travel import ColumnTag


class Catalog(Protocol):
    """What training, publishing and applying ask."""

    def dataset(self, ref: DatasetRef) -> Dataset:
        """Return what people say about a dataset."""
        ...

    def resolve(
        self, ref: DatasetRef, *, as_of: datetime | None = None, max_age: timedelta | None = None
    ) -> DatasetVersion:
        """Return the version ``ref`` names, else the latest (as it was at ``as_of``).

        Raises:
            Stale: its data is older than ``max_age``.
            Recalled: it was recalled, and is refused to readers.
        """
        ...

    def release(
        self,
        ref: DatasetRef,
        *,
        as_of: datetime | None = None,
        max_age: timedelta | None = None,
        format: Format | None = None,  # noqa: A002 - the word of the field
    ) -> Release:
        """Return what `resolve` does, where it stands, and its manifest in ``format``."""
        ...

    def publish(
        self,
        ref: DatasetRef,
        manifest: Manifest,
        *,
        parent: int | None = None,
        breaking_reason: str = "",
        note: str = "",
        evidence: Evidence = NO_EVIDENCE,
        draft: bool = False,
        key: str = "",
    ) -> DatasetVersion:
        """Return the version that ``manifest`` makes, or the one that it is already."""
        ...

    def represent(self, ref: DatasetRef, manifest: Manifest, *, key: str = "") -> Release:
        """Write down that the rows of a version can be had in another format too."""
        ...

    def permit(
        self,
        action: Action,
        columns: Sequence[ColumnRef],
        *,
        purpose: str,
        versions: Sequence[DatasetRef] = (),
    ) -> Permit:
        """Return proof that the actor may; raise Denied, and write the denial down, if not."""
        ...

    def compile_serving(self, repo: RepoSpec) -> ServingManifest:
        """Return what servers would get if ``repo`` were recorded now; nothing is written."""
        ...

    def record(
        self,
        fact: TrainingSetManifest | RepoSpec,
        *,
        expected: int | None = None,
        key: str = "",
    ) -> None:
        """Write a fact down. Definitions are recorded with the serving manifest they give.

        ``expected`` is of definitions; what a training set was made of never changes. ``key`` is
        of training sets: definitions that are sent again are there already.
        """
        ...

    def repo(self, project: str) -> RepoSpec:
        """Return the definitions applied last to ``project``, as far as the actor may know them."""
        ...


class Finder(Protocol):
    """What is there, and where it comes from."""

    def search(self, question: Question, *, limit: int = 20, after: str = "") -> Found: ...

    def suggest(self, text: str, *, limit: int = 8) -> tuple[Hit, ...]: ...

    def facets(
        self, question: Question, *, among: Collection[str] = FACETS
    ) -> dict[str, tuple[FacetValue, ...]]: ...

    def entry(self, ref: DatasetRef, *, as_of: datetime | None = None) -> Entry: ...

    def entries(
        self,
        filters: Mapping[str, tuple[str, ...]],
        *,
        as_of: datetime | None = None,
        limit: int = 50,
        after: str = "",
    ) -> Listed[DatasetSummary]: ...

    def releases(self, ref: DatasetRef, *, limit: int = 50, after: str = "") -> Listed[Release]: ...

    def evidence(self, ref: DatasetRef) -> Evidence: ...

    def lineage(
        self, node: Node, *, depth: int = 3, columns: bool = False, as_of: datetime | None = None
    ) -> Neighbourhood: ...

    def tags(self, node: Node) -> tuple[ColumnTag, ...]: ...

    def consumers(
        self, ref: DatasetRef, *, limit: int = 50, after: str = ""
    ) -> Listed[Consumer]: ...

    def changes(self, *, after: int = 0, limit: int = 100) -> Listed[ChangeRecord]: ...


class Desk(Protocol):
    """What stewards do."""

    def edit(
        self,
        ref: DatasetRef,
        edit: Edit,
        *,
        expected: int | None,
        reason: str = "",
        key: str = "",
    ) -> Entry: ...

    def rename(self, ref: DatasetRef, to: str, *, expected: int | None) -> Entry: ...

    def step(
        self,
        ref: DatasetRef,
        step: Step,
        *,
        reason: str,
        severity: Severity = Severity.WARN,
        replacement: int | None = None,
        expected: int | None = None,
    ) -> Release: ...

    def history(
        self, kind: str, key: str, *, limit: int = 50, after: str = ""
    ) -> Listed[Remembered]: ...

    def plan(self, desired: Governance) -> list[GovernanceStep]: ...

    def apply(
        self, desired: Governance, *, overwrite: bool = False, expected: str | None = None
    ) -> list[GovernanceStep]:
        """Take the steps of the plan; ``expected`` is the `plan_digest` of the one looked at."""
        ...

    def declare(
        self, value: Declared, *, expected: int | None = None, reason: str = ""
    ) -> GovernanceStep: ...

    def withdraw(
        self, kind: str, name: str, *, expected: int | None = None, reason: str = ""
    ) -> GovernanceStep: ...

    def governance(self, *, as_of: datetime | None = None, datasets: bool = True) -> Governance: ...

    def contract(self, ref: DatasetRef, *, as_of: datetime | None = None) -> ContractText: ...

    def attach(self, ref: DatasetRef, raw: bytes, *, expected: int | None) -> ContractText: ...

    def inbox(self, *, kind: str = "", limit: int = 50, after: str = "") -> Listed[Task]: ...

    def settle(self, task: str, *, expected: int | None) -> None: ...

    def retention(
        self,
        ref: DatasetRef,
        rule: Retention | None,
        *,
        expected: int | None,
        dry_run: bool,
    ) -> list[Due]: ...


class Records(Leasing, Protocol):
    """What is known by its id: projects, training sets, versions, grants, audit events."""

    def serving_manifest(self, project: str) -> ServingManifest: ...

    def serving_digest(self, project: str) -> str: ...

    def projects(self) -> list[str]: ...

    def training_set(self, identity: str) -> TrainingSetManifest: ...

    def training_sets(self, *, limit: int = 50, after: str = "") -> Listed[TrainingSetManifest]: ...

    def every_version(
        self, *, of: DatasetRef | None = None, limit: int = 200, after: str = ""
    ) -> Listed[Release]:
        """Return every version in each of its formats, to who governs; ``of`` one, to its stewards."""
        ...

    def notes(
        self, ref: DatasetRef, *, above: int = 0, since: datetime
    ) -> list[tuple[datetime, str]]:
        """Return when versions after ``above`` were published, from ``since`` on, and their notes."""
        ...

    def note(
        self, kind: EventKind, subject: str, detail: Mapping[str, object], *, key: str = ""
    ) -> None: ...

    def tell_lookups(self, batch: Batch) -> None:
        """Write into the audit trail what lookups were decided elsewhere; a batch counts once."""
        ...

    def decide(
        self,
        action: Action,
        columns: Iterable[ColumnRef],
        *,
        purpose: str = "",
        actor: str | None = None,
    ) -> Decision: ...

    def grant(
        self,
        ref: DatasetRef,
        *,
        grantee: str,
        action: Action = Action.READ,
        columns: Sequence[str] = (),
        purposes: Sequence[str] = ("*",),
        until: datetime | None = None,
        reason: str = "",
        effect: Effect = Effect.SEE,
        mask: str = "",
        through: str = "",
        key: str = "",
    ) -> Grant: ...

    def revoke(self, identity: str) -> Grant: ...

    def granted(self, identity: str) -> Grant: ...

    def grants(
        self, dataset: DatasetRef | None = None, *, limit: int = 50, after: str = ""
    ) -> Listed[Grant]: ...

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
    ) -> list[AuditEvent]: ...

    def verify_audit(self) -> int: ...

    def audit_proof(self, *, progress: Progress | None = None) -> Proof: ...

    def audit_bundle(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[bytes]: ...

    def checkpoints(self, *, limit: int = 50, after: str = "") -> Listed[Checkpoint]: ...


class Library(Catalog, Protocol):
    """A catalog with all that can be asked of it, for the actor it speaks for."""

    @property
    def actor(self) -> Actor: ...

    @property
    def finder(self) -> Finder: ...

    @property
    def desk(self) -> Desk: ...

    @property
    def records(self) -> Records: ...

    @property
    def keyring(self) -> Keyring: ...

    @property
    def access(self) -> Access: ...

    @property
    def erasures(self) -> Erasures: ...

    @property
    def models(self) -> Models: ...

    def governance(self, *, datasets: bool = True) -> Governance:
        """Return what is in force, of datasets those that the actor may discover, if wanted."""
        ...

    def at_once(self) -> "AbstractContextManager[Library]":
        """Return the same catalog, for many questions by one thread: at one instant, if it can."""
        ...

    def close(self) -> None: ...


class TableFormat(Protocol):
    """One way of keeping tables. Arrow and DuckDB types are `Any` here: the core knows neither."""

    def write(self, rows: Any, root: Path, location: str) -> Any: ...

    def relation(self, table: Table, root: Path, connection: Any) -> Any: ...

    def files(self, table: Table, root: Path) -> list[Path] | None:
        """Return the local Parquet files that ``table`` is, whole and in the order of `relation`.

        None where something comes on top of them: partitions in their paths, deleted rows,
        columns by another name; and where the table is of other files, or elsewhere.
        """
        ...


class Engine(Protocol):
    """Runs a point-in-time plan."""

    def run(self, plan: PointInTimePlan, spine: Any, permit: Permit, *, now: datetime) -> Any: ...
