"""The governed taxonomy of tags, and which of them protect a column."""

from collections.abc import Iterable
from dataclasses import dataclass

from provender.core.names import suggest


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One allowed tag, ``group.name``. A protected tag closes a column until it is named in a rule or grant."""

    name: str
    description: str = ""
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """All tags there are."""

    tags: tuple[Tag, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(tag.name for tag in self.tags)

    @property
    def protected(self) -> frozenset[str]:
        return frozenset(tag.name for tag in self.tags if tag.protected)

    def problems(self, used: Iterable[str], *, where: str) -> list[str]:
        """Return a sentence for each tag of ``used`` that the taxonomy does not have."""
        return [
            f"{where}: tag {tag!r} is not in the taxonomy ({suggest(tag, self.names)})"
            for tag in sorted(set(used) - self.names)
        ]
