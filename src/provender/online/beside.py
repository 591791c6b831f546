"""What lies in the store beside a project's rows and goes when they go: manifest, coverage, epoch."""

from dataclasses import dataclass
from datetime import datetime

PROJECTS = "provender:projects"
LOOK_SECONDS = 1.0
"""How long a look at all this may take: a server that starts waits no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What the rows of a view hold: those of ``source``, in ``layout``, from the first until ``end``.

    ``source`` is a dataset version; empty: a file. Kept beside the rows, so that it goes when they go.
    """

    source: str
    layout: str
    end: datetime


@dataclass(frozen=True, slots=True)
class Covered:
    """The views of a project whose rows are known to be there; ``epoch`` is as in `State`."""

    epoch: str
    views: frozenset[str]


@dataclass(frozen=True, slots=True)
class Beside:
    """What was seen of one project in one look; ``word`` is the one that `Epoch` compares."""

    digest: str | None
    covered: Covered
    word: bytes | None


def manifest_key(project: str) -> str:
    return f"provender:manifest:{project}"


def coverage_key(project: str) -> str:
    return f"provender:coverage:{project}"


def run_key(project: str) -> str:
    """Return where runs that did not end yet are kept, by view; see `online.runs`."""
    return f"provender:run:{project}"


def epoch_key(project: str) -> str:
    return f"provender:epoch:{project}"
