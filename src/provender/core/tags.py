"""The governed taxonomy of tags, and which of them protect a column."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from provender.core.names import suggest
from provender.core.people import Actor

TARGETS = ("dataset", "column")
"""What a tag may be put on."""


class Way(StrEnum):
    """How values can be anonymised: what came out does not tell what went in."""

    HASH = "hash"  # the same for the same, and nobody without the key can go back
    TRUNCATE = "truncate"  # a beginning is left
    BUCKET = "bucket"  # only which range it is in
    AGGREGATE = "aggregate"  # of many together


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One allowed tag, ``group.name``. A protected tag closes a column until it is named in a rule or grant.

    ``values`` are those it may have, none: it has no value. ``on`` says what it may be put on,
    ``assigners`` who may put it there, none: whoever stewards the dataset. What is made from a
    tagged column has the tag too if it ``travels``, except past what anonymises in a way that it
    ``stops_at``.
    Access to what has a tag of ``four_eyes`` takes two people's approval; who governs takes it away.
    """

    name: str
    description: str = ""
    protected: bool = False
    values: tuple[str, ...] = ()
    on: tuple[str, ...] = TARGETS
    assigners: tuple[str, ...] = ()
    travels: bool = True
    stops_at: tuple[Way, ...] = ()
    four_eyes: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Assignment:
    """A tag on a dataset, or on one of its columns; written ``group.name`` or ``group.name=value``."""

    tag: str
    value: str = ""
    column: str = ""

    @classmethod
    def parse(cls, text: str, *, column: str = "") -> "Assignment":
        """Return the assignment that is written as ``text``."""
        tag, _, value = text.partition("=")
        return cls(tag, value, column)

    def __str__(self) -> str:
        return f"{self.tag}={self.value}" if self.value else self.tag


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

    @property
    def four_eyes(self) -> frozenset[str]:
        return frozenset(tag.name for tag in self.tags if tag.four_eyes)

    def of(self, name: str) -> Tag | None:
        """Return the tag called ``name``, if there is one."""
        return next((tag for tag in self.tags if tag.name == name), None)

    def problems(self, used: Iterable[str], *, where: str) -> list[str]:
        """Return a sentence for each tag of ``used`` that the taxonomy does not have."""
        return [
            f"{where}: tag {tag!r} is not in the taxonomy ({suggest(tag, self.names)})"
            for tag in sorted(set(used) - self.names)
        ]

    def misnamed(self, named: Iterable[str], *, where: str) -> list[str]:
        """Return a sentence for each tag of ``named`` that there is not, or not with that value."""
        written = [Assignment.parse(text) for text in named]
        unknown = self.problems((one.tag for one in written), where=where)
        return unknown + [
            f"{where}: {problem}"
            for one in written
            if one.value and (tag := self.of(one.tag)) is not None
            for problem in _misvalued(tag, one, "")
        ]

    def misuses(self, put: Iterable[Assignment], *, where: str) -> list[str]:
        """Return a sentence for each of ``put`` that names no tag, or not as it may be put there."""
        assignments = list(put)
        unknown = self.problems((one.tag for one in assignments), where=where)
        return unknown + [
            f"{where}: {problem}"
            for one in assignments
            if (tag := self.of(one.tag)) is not None
            for problem in _misuse(tag, one)
        ]


def tag_name(written: str) -> str:
    """Return the name of a tag that is ``written`` with a value or without."""
    return written.partition("=")[0]


def may_put(tag: Tag, by: Actor) -> bool:
    """Return whether ``by``, who stewards the dataset, may put ``tag`` on it or take it off."""
    return not tag.assigners or by.is_one_of(tag.assigners)


def _misuse(tag: Tag, put: Assignment) -> Iterator[str]:
    target = "column" if put.column else "dataset"
    place = f"column {put.column!r}" if put.column else "the dataset"
    if target not in tag.on:
        yield f"tag {tag.name!r} on {place}: it is for a {' or a '.join(tag.on)}"
    yield from _misvalued(tag, put, f" on {place}")


def _misvalued(tag: Tag, put: Assignment, place: str) -> Iterator[str]:
    if put.value and not tag.values:
        yield f"tag {str(put)!r}{place}: {tag.name} has no value"
    elif put.value not in tag.values and tag.values:
        allowed = ", ".join(f"{tag.name}={value}" for value in tag.values)
        yield f"tag {str(put)!r}{place}: write one of {allowed}"
