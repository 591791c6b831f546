"""What applying would change: the definitions recorded last against those of the repository. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum

from provender.core.digest import canonical
from provender.core.features import (
    EntitySpec,
    OnDemandSpec,
    RepoSpec,
    SavedDatasetSpec,
    ServiceSpec,
    ViewSpec,
)

Definition = EntitySpec | ViewSpec | OnDemandSpec | ServiceSpec | SavedDatasetSpec
KINDS = {
    "entity": "entities",
    "feature view": "views",
    "on-demand view": "on_demand",
    "feature service": "services",
    "saved dataset": "saved",
}


class Verb(StrEnum):
    """What happens to a definition."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class DefinitionChange:
    """One definition and what happens to it; ``what`` names the parts that differ."""

    verb: Verb
    kind: str
    name: str
    what: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = f" ({', '.join(self.what)})" if self.what else ""
        return f"{self.verb} {self.kind} {self.name}{said}"


def compare_repos(recorded: RepoSpec | None, desired: RepoSpec) -> tuple[DefinitionChange, ...]:
    """Return one change per definition of either, by kind and name."""
    return tuple(
        change
        for kind, attribute in KINDS.items()
        for change in _compare(kind, getattr(recorded, attribute, ()), getattr(desired, attribute))
    )


def _compare(
    kind: str, recorded: Iterable[Definition], desired: Iterable[Definition]
) -> list[DefinitionChange]:
    before = {definition.name: definition for definition in recorded}
    after = {definition.name: definition for definition in desired}
    return [
        DefinitionChange(*_verb(before.get(name), after.get(name), kind, name))
        for name in sorted(before | after)
    ]


def _verb(
    before: Definition | None, after: Definition | None, kind: str, name: str
) -> tuple[Verb, str, str, tuple[str, ...]]:
    if before is None:
        return Verb.ADD, kind, name, ()
    if after is None:
        return Verb.REMOVE, kind, name, ()
    differing = tuple(
        part.name.replace("_", " ")
        for part in fields(after)
        if canonical(getattr(before, part.name)) != canonical(getattr(after, part.name))
    )
    return (Verb.CHANGE if differing else Verb.KEEP), kind, name, differing
