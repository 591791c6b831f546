"""What is asked of search, and what it answers."""

from dataclasses import dataclass, field
from datetime import datetime

from provender.core.lineage import Node

KINDS = (
    "dataset",
    "feature-view",
    "feature-service",
    "on-demand-view",
    "entity",
    "saved-dataset",
)
"""What can be found; of two equally good hits the earlier kind comes first. Add at the end only."""
PARTS = ("column", "feature")
"""What a hit may be found by; as a type: hits that have such a part."""
FACETS = ("type", "project", "domain", "owner", "format", "tag", "freshness", "state")
"""What hits are counted and narrowed by. Add at the end only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Words, and which values each facet may have; ``typing``: the last word may not be whole.

    With ``facets`` what is found is counted by facet as well, from one reading of the words.
    """

    text: str = ""
    filters: dict[str, tuple[str, ...]] = field(default_factory=dict)
    as_of: datetime | None = None
    explain: bool = False
    typing: bool = False
    facets: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """A part of a score, and what it is for."""

    because: str
    points: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A column or feature that made its dataset or view a hit."""

    kind: str
    name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Something found, with the reason in words. ``node`` is where it belongs in the lineage.

    ``state`` is that of its latest version, or of its newest if readers get none; ``fresh`` is
    None where nobody promised how old it may be.
    """

    kind: str
    name: str
    node: Node
    description: str
    owner: str
    project: str
    score: float
    why: str
    parts: tuple[Part, ...] = ()
    explain: tuple[Points, ...] = ()
    state: str = ""
    fresh: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetValue:
    """How many documents have a value; ``approximate``: that many or more."""

    value: str
    documents: int
    approximate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Hits, best first; ``missing`` words are in none of them, others were ``read_as`` known ones.

    So many words at the end of a long question were ``ignored``.
    """

    hits: tuple[Hit, ...]
    total: int
    approximate: bool = False
    missing: int = 0
    read_as: dict[str, tuple[str, ...]] = field(default_factory=dict)
    facets: dict[str, tuple[FacetValue, ...]] = field(default_factory=dict)
    next: str | None = None
    ignored: int = 0
