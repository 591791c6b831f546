"""What requests carry. Every key is known, every type is meant: nothing is read into a value."""

import json
from dataclasses import dataclass, field, fields, make_dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from fastapi import Depends
from pydantic import AfterValidator, ConfigDict, Field, JsonValue
from pydantic_core import PydanticCustomError

from provender.api.parameters import DATASET, DatasetName
from provender.api.reading import Reader
from provender.api.shapes import LARGE, ORDINARY, WIDE_ONE, Size, at_most
from provender.core.audit import EventKind
from provender.core.bounds import CHECKS, COLUMNS, DATASETS, LONG, MANY, WORD
from provender.core.datasets import NO_EVIDENCE, Evidence, Manifest
from provender.core.editing import Edit
from provender.core.effects import Effect
from provender.core.erasure import Dropped, Found
from provender.core.features import RepoSpec
from provender.core.governance import Governance
from provender.core.lifecycle import Severity, Step
from provender.core.limits import NO_LIMITS, Limits
from provender.core.lineage import Node
from provender.core.models import Trained
from provender.core.policy import EVERY, Action, ColumnRef
from provender.core.requests import RequestStep, Wanted
from provender.core.retention import Retention
from provender.core.tally import Batch
from provender.core.training import TrainingSetManifest, pinned

B = TypeVar("B", bound="Body")
Word = Annotated[str, Field(max_length=WORD)]
Short = Annotated[str, Field(max_length=LONG)]

VersionName = Annotated[str, Field(pattern=DATASET.replace("$", "(@[1-9][0-9]{0,8})?$"))]
ActorName = Annotated[str, Field(pattern=r"^(person|team|service):[a-z0-9][a-z0-9._-]{0,62}$")]


def _brief(detail: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(detail, allow_nan=False)) > LONG:
        raise PydanticCustomError("brief", f"it is longer than {LONG} characters")
    return detail


def _askable(columns: tuple[ColumnRef, ...]) -> tuple[ColumnRef, ...]:
    if len({column.dataset for column in columns}) > DATASETS:
        raise PydanticCustomError("datasets", f"they are of more than {DATASETS} datasets")
    if not all(0 < len(name) <= WORD for one in columns for name in (one.dataset, one.column)):
        raise PydanticCustomError("names", f"names have 1 to {WORD} characters")
    return columns


Asked = Annotated[
    tuple[ColumnRef, ...], Field(min_length=1, max_length=MANY), AfterValidator(_askable)
]
"""Columns that something is decided about, of all datasets together."""


Publishable = Annotated[
    Manifest,
    at_most(MANY, "inputs", lambda it: it.inputs),
    at_most(COLUMNS, "columns", lambda it: it.schema.columns),
]


class Body:
    """A body; core values within it are read as strictly.

    Bodies are dataclasses, not pydantic's models, whose own validators would be used as they
    were built, and not as `shapes` tightens them. ``size`` is how large one may be.
    """

    size: ClassVar[Size] = ORDINARY
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True)


class LargeBody(Body):
    """A body with a manifest, definitions, or all of the governance."""

    size: ClassVar[Size] = LARGE


class WideBody(Body):
    """A body that says all there is to say of each column of a dataset."""

    size: ClassVar[Size] = WIDE_ONE


def taken(kind: type[B]) -> Any:
    """Return the dependency that reads a body of ``kind``."""
    return Depends(Reader(kind, kind.size))


def declaration_of(kind: type[Any]) -> type[Any]:
    """Return the body that declares one object of ``kind``: its ``value``, and a ``reason``."""
    parts: list[tuple[str, Any] | tuple[str, Any, Any]] = [("value", kind), ("reason", Short, "")]
    name = f"{kind.__name__}Declared"
    return make_dataclass(
        name,
        parts,
        bases=(WideBody,),
        frozen=True,
        kw_only=True,
        namespace={"__doc__": f"A {kind.__name__.lower()}, and why."},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish(LargeBody):
    """A version to publish, with what was measured of it."""

    manifest: Publishable
    parent: Annotated[int, Field(ge=0)] | None = None
    breaking_reason: Short = ""
    note: Short = ""
    evidence: Annotated[Evidence, at_most(CHECKS, "checks", lambda it: it.checks)] = NO_EVIDENCE
    draft: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Represent(LargeBody):
    """The same rows in another format."""

    manifest: Publishable


@dataclass(frozen=True, slots=True, kw_only=True)
class EditWanted(Edit, Body):
    """What changes, and why; of at most 1,000 columns at once."""

    reason: Short = ""

    @property
    def edit(self) -> Edit:
        """What changes, alone."""
        return Edit(**{part.name: getattr(self, part.name) for part in fields(Edit)})


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameWanted(Body):
    """What to call a dataset."""

    to: DatasetName


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionWanted(Body):
    """How long the data of versions is to be kept."""

    rule: Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionAsked(Body):
    """A rule to try; none: the one in force."""

    rule: Retention | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepWanted(Body):
    """A step of a version, with what its readers are told."""

    step: Step
    reason: Short = ""
    severity: Severity = Severity.WARN
    replacement: Annotated[int, Field(ge=1)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions(LargeBody):
    """What a feature repository defines."""

    definitions: RepoSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet(Body):
    """What a training set was made of."""

    training_set: Annotated[TrainingSetManifest, AfterValidator(pinned)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTrained(Body):
    """What a model was made of."""

    model: Trained


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitWanted(Body):
    """What somebody wants to do to which columns, what for, and with which versions."""

    action: Action
    columns: Asked
    purpose: Word = ""
    versions: Annotated[tuple[VersionName, ...], Field(max_length=DATASETS)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionWanted(Body):
    """A question about the policy; ``actor`` None is the caller."""

    action: Action
    columns: Asked
    purpose: Word = ""
    actor: ActorName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantWanted(Body):
    """Whom to let do what; without ``columns`` to all that no protected tag closes.

    ``effect`` and ``mask`` say what they get of them, ``through`` the project they have to be in.
    """

    dataset: DatasetName
    grantee: ActorName
    action: Action = Action.READ
    columns: Annotated[tuple[Word, ...], Field(max_length=MANY)] = ()
    purposes: Annotated[tuple[Word, ...], Field(min_length=1, max_length=MANY)] = (EVERY,)
    until: datetime | None = None
    reason: Short = ""
    effect: Effect = Effect.SEE
    mask: Short = ""
    through: Short = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenWanted(Body):
    """A token to make; ``actor`` None is the caller, ``until`` None the usual 90 days."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    actor: ActorName | None = None
    limits: Limits = NO_LIMITS
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessWanted(Body):
    """What somebody asks for; ``grantee`` of "" is the caller."""

    about: Node
    grantee: ActorName | Literal[""] = ""
    columns: Annotated[tuple[Word, ...], Field(max_length=MANY)] = ()
    action: Action = Action.READ
    purpose: Word = ""
    until: datetime | None = None
    reason: Short = ""

    @property
    def wanted(self) -> Wanted:
        """What is asked for, as the core has it."""
        return Wanted(**{part.name: getattr(self, part.name) for part in fields(Wanted)})


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerWanted(Body):
    """An answer to a request for access, or that it is withdrawn."""

    step: RequestStep
    reason: Short = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassBroken(Body):
    """What somebody takes without asking, for how many hours, and why."""

    dataset: DatasetName
    columns: Annotated[tuple[Word, ...], Field(max_length=MANY)] = ()
    action: Action = Action.READ
    purpose: Word = ""
    hours: Annotated[float, Field(gt=0, le=1_000)] = 1.0
    reason: Short = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewWanted(Body):
    """Whether what was taken was justified, and what was looked at."""

    justified: bool
    note: Short


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureForeseen(Body):
    """Of which join key a subject would be a value; in ``datasets`` only, where some are named."""

    join_key: Annotated[str, Field(min_length=1, max_length=200)]
    datasets: Annotated[tuple[DatasetName, ...], Field(max_length=MANY)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadersForeseen(Body):
    """Versions that may go."""

    versions: Annotated[tuple[VersionName, ...], Field(min_length=1, max_length=MANY)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureWanted(Body):
    """Whom to erase, by keyed digests of the value, made with the key that is called ``key``."""

    join_key: Annotated[str, Field(min_length=1, max_length=200)]
    sought: Annotated[tuple[Word, ...], Field(min_length=1, max_length=LONG)]
    key: Word
    reason: Annotated[str, Field(min_length=1, max_length=LONG)]
    datasets: Annotated[tuple[DatasetName, ...], Field(max_length=MANY)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionsErased(LargeBody):
    """Versions of a dataset that hold the subject, and what comes after them."""

    found: Found


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureFinished(Body):
    """Which keys went from the online store."""

    online: Annotated[tuple[Dropped, ...], Field(max_length=LONG)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalWanted(Body):
    """Until when a grant is to hold; None: for ever."""

    until: datetime | None
    reason: Short = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Body):
    """Something that happened outside of the catalog."""

    kind: EventKind
    subject: Annotated[str, Field(min_length=1, max_length=500)]
    detail: Annotated[dict[str, JsonValue], AfterValidator(_brief)] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedUp(WideBody):
    """Lookups that were decided elsewhere."""

    batch: Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired(LargeBody):
    """Everything that should be in force."""

    desired: Governance


@dataclass(frozen=True, slots=True, kw_only=True)
class Supposed(LargeBody):
    """Everything that might be in force, and since when decisions are decided again by it."""

    desired: Governance
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Application(LargeBody):
    """Everything that should be in force from now on."""

    desired: Governance
    overwrite: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal(Body):
    """An object to take away."""

    kind: Word
    name: Word
    reason: Short = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """The identity of something, alone."""

    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """When a version was published, and the note that came with it."""

    published_at: datetime
    note: str
