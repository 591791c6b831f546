"""Who acts: people, services and the teams they belong to."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from provender.core.errors import InvalidInput
from provender.core.limits import NO_LIMITS, Limits

PROJECT = "project:"
"""What the name of a project begins with where it is meant as an actor."""
PROJECT_ID = re.compile(rf"{PROJECT}[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}\Z")
SERVICE = "service:"
"""What the name of a service begins with."""
UNNAMED = "person:me"
"""Who asks where nobody says who."""
SAME_PERSON = "the same person has made tokens of both, or one a token of the other"
"""Why two actors do not count as two people."""
NO_PERSON = "it is a service, and whoever has its token may be anybody"
"""Why a service does not count where people have to look."""
ACTOR_ID = re.compile(r"(person|team|service):[a-z0-9][a-z0-9._-]{0,62}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who can act or own: ``person:…`` or ``service:…``, with the teams they are in.

    ``attributes`` are what rules may ask for, such as a region or a clearance.
    """

    id: str
    name: str = ""
    teams: tuple[str, ...] = ()
    contact: str = ""
    attributes: dict[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        check_actor_id(self.id)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: an id, the teams and projects that the catalog knows it to be in, its attributes.

    ``limits`` are those of the token that they ask with.
    """

    id: str
    teams: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()
    attributes: frozenset[tuple[str, str]] = frozenset()
    limits: Limits = NO_LIMITS

    @property
    def is_service(self) -> bool:
        return is_service(self.id)

    @property
    def names(self) -> tuple[str, ...]:
        """What may be written where the actor is meant: their id, a team or project, ``anyone``."""
        projects = (f"{PROJECT}{name}" for name in sorted(self.projects))
        return (self.id, *sorted(self.teams), *projects, "anyone")

    def is_one_of(self, names: tuple[str, ...]) -> bool:
        """Return whether the actor, a team or project of theirs or ``anyone`` is among ``names``."""
        return (
            "anyone" in names
            or self.id in names
            or not self.teams.isdisjoint(names)
            or (bool(self.projects) and any(f"{PROJECT}{name}" in names for name in self.projects))
        )

    def __str__(self) -> str:
        return self.id


class Role(StrEnum):
    """What an owner is there for."""

    ACCOUNTABLE = "accountable"  # answers for the dataset; there is one
    STEWARD = "steward"  # decides who reads it
    DEPUTY = "deputy"  # decides when the others cannot


@dataclass(frozen=True, slots=True, order=True)
class Owner:
    """An actor with an office over a dataset."""

    id: str
    role: Role = Role.ACCOUNTABLE


def check_party_id(identity: str) -> str:
    """Return ``identity`` if it is an actor's, or ``project:…``, who is in it.

    Raises:
        InvalidInput: it is neither.
    """
    return identity if PROJECT_ID.match(identity) else check_actor_id(identity)


def check_actor_id(identity: str) -> str:
    """Return ``identity`` if it is ``person:…``, ``team:…`` or ``service:…``.

    Raises:
        InvalidInput: it is not.
    """
    if not ACTOR_ID.match(identity):
        raise InvalidInput(
            f"{identity!r} is not an actor",
            hint="write person:name, team:name or service:name in lower case",
        )
    return identity


def is_service(identity: str) -> bool:
    """Return whether an actor is a service, and no person."""
    return identity.startswith(SERVICE)
