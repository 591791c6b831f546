"""What lies in the store beside a project's rows and goes when they go: manifest, coverage, epoch."""

from collections.abc import Mapping
from dataclasses import dataclass

PROJECTS = "provender:projects"
LOOK_SECONDS = 1.0
"""How long a look at all this may take: a server that starts waits no longer."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What was seen of one project in one look; ``word`` is the one that `Epoch` compares.

    ``covered`` tells of each view whose rows are known to be there who can read them. ``leased``
    is the word that says which policy lease is in force.
    """

    digest: str | None
    covered: Mapping[str, str]
    word: bytes | None
    leased: bytes | None = None


def manifest_key(project: str) -> str:
    return f"provender:manifest:{project}"


def coverage_key(project: str) -> str:
    return f"provender:coverage:{project}"


def run_key(project: str) -> str:
    """Return where runs that did not end yet are kept, by view; see `online.runs`."""
    return f"provender:run:{project}"


def epoch_key(project: str) -> str:
    return f"provender:epoch:{project}"
