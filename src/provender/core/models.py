"""Models: which training set a version was made of, and which bytes it is.

The end of lineage. The catalog keeps no model, only the word of its maker: what a file is, is
told by its digest, and where it lies by an address. Stages, promotion and serving are not here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import isfinite
from numbers import Real
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from provender.core.datasets import Listed
from provender.core.errors import Conflict, InvalidInput
from provender.core.lineage import Node, NodeKind

NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
SECRET = re.compile(
    r"token|secret|signature|passw|passphrase|credential|apikey|accesskey|authori[sz]ation"
    r"|(?<![a-z])(?:key|sig|pass|pwd|auth|code|sas|jwt|session)(?![a-z])"
)
"""What a parameter of an address is called that lets in whoever has it."""
MOST_METRICS = 100
LONGEST_NAME = 200
LONGEST_TEXT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What its maker says of a model: ``artifact`` is the digest of its bytes, ``sha256:<hex>``.

    ``uri`` is where they lie, ``training_set`` the id of what it was made of, and ``name`` a name in
    the project of that: ``name``, or ``project/name``, as it is kept.
    """

    name: str
    training_set: str
    artifact: str
    uri: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One version of a model; ``number`` counts from 1, given out by the catalog. It never changes."""

    number: int
    trained: Trained
    created_by: str
    created_at: datetime

    @property
    def id(self) -> str:
        """``project/name@number``."""
        return f"{self.trained.name}@{self.number}"

    @property
    def node(self) -> Node:
        """What it is in the lineage."""
        return Node(NodeKind.MODEL, self.id)


class Models(Protocol):
    """Which models were made of training sets."""

    def record(self, trained: Trained) -> ModelVersion:
        """Return the version that a model is: a new one, or the one that it is already."""
        ...

    def version(self, name: str, number: int | None = None) -> ModelVersion:
        """Return a version of the model ``name``, the newest if no ``number`` is said.

        ``name`` is a ``project/name``, or a name that models of one project only have.
        """
        ...

    def versions(self, name: str, *, limit: int = 50, after: str = "") -> Listed[ModelVersion]:
        """Return the versions of the model ``name``, the newest first."""
        ...

    def models(self, *, limit: int = 50, after: str = "") -> Listed[ModelVersion]:
        """Return the newest version of every model, by name."""
        ...


def parse_name(text: str) -> tuple[str, int | None]:
    """Return the model and the version that ``name``, ``project/name`` or either ``@number`` says.

    Raises:
        InvalidInput: ``text`` is not of that form.
    """
    project, slash, own = text.rpartition("/")
    name, at, number = own.partition("@")
    is_number = not at or re.fullmatch(r"[1-9][0-9]{0,8}", number)
    if not NAME.match(name) or "/" in project or bool(project) != bool(slash) or not is_number:
        raise InvalidInput(
            f"{text[:LONGEST_NAME]!r} is not the name of a model",
            hint="write name, project/name or name@version, for example fare-model@2",
        )
    return f"{project}{slash}{name}", int(number) if at else None


def whole_name(project: str, name: str) -> str:
    """Return ``project/name``; only ``name``, if no project is said."""
    return f"{project}/{name}" if project else name


def parts(name: str) -> tuple[str, str]:
    """Return the project and the own name that ``project/name`` says; no project is empty."""
    project, _, own = name.rpartition("/")
    return project, own


def in_project(project: str, name: str) -> str:
    """Return ``name`` as it is kept: ``project/name``; ``name`` may be that already.

    Raises:
        InvalidInput: ``name`` is in another project.
    """
    said, own = parts(name)
    if said not in ("", project):
        raise InvalidInput(
            f"the training set is of project {project}, and {name[:LONGEST_NAME]!r} would be of {said}",
            hint=f"call the model {own!r}: a model is in the project of its training set",
        )
    return whole_name(project, own)


def check(trained: Trained) -> Trained:
    """Return what is said of a model, its metrics as floats.

    Raises:
        InvalidInput: something of it cannot be; all of that is named.
    """
    wrong = list(_wrong(trained))
    if wrong:
        raise InvalidInput(
            f"the model cannot be recorded: {'; '.join(wrong)}",
            hint='for example name "fare-model", artifact "sha256:…" of its file, metrics {"auc": 0.8}',
        )
    return replace(trained, metrics={name: float(n) for name, n in trained.metrics.items()})


def _wrong(trained: Trained) -> Iterator[str]:
    _, own = parts(trained.name)
    if not NAME.match(own):
        yield (
            f"{own[:LONGEST_NAME]!r} is no name for one (a letter, then at most 62 "
            "lower-case letters, digits, - and _)"
        )
    if not DIGEST.match(trained.artifact):
        yield f"{trained.artifact[:LONGEST_NAME]!r} is no digest of an artifact"
    yield from _wrong_address(trained.uri)
    for what, text in (("address", trained.uri), ("description", trained.description)):
        if len(text) > LONGEST_TEXT:
            yield f"its {what} has {len(text):,} characters, {LONGEST_TEXT:,} are kept"
    if len(trained.metrics) > MOST_METRICS:
        yield f"it has {len(trained.metrics):,} metrics, {MOST_METRICS} are kept"
    for name, value in trained.metrics.items():
        if not name.strip() or len(name) > LONGEST_NAME:
            yield f"{name[:LONGEST_NAME]!r} is no name for a metric"
        if not _is_finite(value):
            yield f"the metric {name[:LONGEST_NAME]} is {value!r}, which is no finite number"


def _wrong_address(uri: str) -> Iterator[str]:
    """Whoever may discover a model reads its address: it lets nobody in. Nothing of it is repeated."""
    try:
        said = urlsplit(uri)
        parts = f"{said.query}&{said.fragment}&{said.path.partition(';')[2]}".replace(";", "&")
        asked = parse_qsl(parts, keep_blank_values=True)
    except ValueError:
        yield "its address is none"
        return
    if "@" in said.netloc:
        yield "its address has a user, token or password before the @: leave that out"
    for name, _ in asked:
        if SECRET.search(re.sub(r"([a-z])([A-Z])", r"\1-\2", name).lower()):
            yield f"its address has a parameter {name[:LONGEST_NAME]!r}: leave it out"


def _is_finite(value: object) -> bool:
    """Also of numbers that libraries have, and of whole ones that no float is as great as."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return isfinite(value)
    except OverflowError:
        return False


def found_again(there: ModelVersion, said: Trained) -> ModelVersion:
    """Return the version that is ``there`` for what is ``said`` of the same artifact and set.

    Raises:
        Conflict: something else was said of it, and what was said stays.
    """
    parts = ("uri", "metrics", "description")
    others = [part for part in parts if getattr(there.trained, part) != getattr(said, part)]
    if others:
        raise Conflict(
            f"{there.id} is of the same training set and artifact, with other "
            f"{' and '.join(others)}",
            hint=f"say of it what was said (provender model show {there.id}): a version never "
            "changes; or record it under another name",
        )
    return there
