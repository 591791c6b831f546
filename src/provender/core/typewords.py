"""Type words as trees. ``struct<id:int64,"odd name":list<string>>`` is parsed here and only here."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from provender.core.bounds import LEVELS, NESTED
from provender.core.errors import InvalidInput
from provender.core.schema import TYPES

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
LISTS = frozenset({"list", "map"})
DECIMAL = re.compile(r"decimal\((\d{1,2}),(\d{1,2})\)")


@dataclass(frozen=True, slots=True)
class Word:
    """A type: ``kind`` is one of `TYPES`, or decimal, list, map or struct.

    ``parts`` are named types: one called ``item`` for a list, ``key`` and ``value`` for a map,
    the fields for a struct. ``numbers`` are a decimal's precision and scale.
    """

    kind: str
    parts: tuple[tuple[str, "Word"], ...] = ()
    numbers: tuple[int, int] = (0, 0)

    @property
    def kinds(self) -> frozenset[str]:
        """Every kind that occurs in the type, at any depth."""
        return frozenset({self.kind}).union(*(part.kinds for _, part in self.parts))

    @property
    def lists(self) -> int:
        """How many lists and maps the type has, at any depth."""
        return (self.kind in LISTS) + sum(part.lists for _, part in self.parts)

    @property
    def nested(self) -> int:
        """How many lists and maps are within one another."""
        return (self.kind in LISTS) + max((part.nested for _, part in self.parts), default=0)

    @property
    def levels(self) -> int:
        """How many types are within one another."""
        return 1 + max((part.levels for _, part in self.parts), default=0)

    def __str__(self) -> str:
        match self.kind:
            case "decimal":
                return f"decimal({self.numbers[0]},{self.numbers[1]})"
            case "list" | "map":
                return f"{self.kind}<{','.join(str(part) for _, part in self.parts)}>"
            case "struct":
                fields = (f"{_write_name(name)}:{part}" for name, part in self.parts)
                return f"struct<{','.join(fields)}>"
        return self.kind


def decimal(precision: int, scale: int) -> Word:
    """Return the type of decimals with ``precision`` digits, ``scale`` of them after the point."""
    return Word("decimal", numbers=(precision, scale))


def list_of(item: Word) -> Word:
    """Return the type of lists of ``item``.

    Raises:
        InvalidInput: it is nested too deeply.
    """
    return _shallow(Word("list", (("item", item),)))


def map_of(key: Word, value: Word) -> Word:
    """Return the type of maps from ``key`` to ``value``.

    Raises:
        InvalidInput: it is nested too deeply.
    """
    return _shallow(Word("map", (("key", key), ("value", value))))


def struct_of(fields: Iterable[tuple[str, Word]]) -> Word:
    """Return the type of structs with ``fields``, in their order.

    Raises:
        InvalidInput: it is nested too deeply.
    """
    return _shallow(Word("struct", tuple(fields)))


def parse(text: str) -> Word:
    """Return the type that ``text`` says.

    Raises:
        InvalidInput: ``text`` is not a type word, or is nested too deeply.
    """
    try:
        word, end = _word(text, 0)
    except RecursionError:
        raise _too_deep() from None
    except (ValueError, IndexError):
        end = -1
    if end != len(text):
        raise InvalidInput(
            f"{text!r} is not a type",
            hint=f"types are {', '.join(TYPES)}, list<…>, struct<name:…>, map<…,…>, decimal(p,s)",
        )
    return word


def _shallow(word: Word) -> Word:
    if word.nested > NESTED or word.levels > LEVELS:
        raise _too_deep()
    return word


def _too_deep() -> InvalidInput:
    return InvalidInput(
        f"a type has more than {NESTED} lists and maps within one another, or {LEVELS} levels",
        hint="keep what is within as text, such as JSON, or as rows of its own",
    )


def _word(text: str, at: int) -> tuple[Word, int]:
    """Read one type from position ``at``; return it and where it ends."""
    if match := DECIMAL.match(text, at):
        return decimal(int(match[1]), int(match[2])), match.end()
    match = NAME.match(text, at)
    if match is None:
        raise ValueError(text)
    kind, at = match[0], match.end()
    if kind in TYPES:
        return Word(kind), at
    at = _expect(text, at, "<")
    match kind:
        case "list":
            item, at = _word(text, at)
            return list_of(item), _expect(text, at, ">")
        case "map":
            key, at = _word(text, at)
            value, at = _word(text, _expect(text, at, ","))
            return map_of(key, value), _expect(text, at, ">")
        case "struct":
            return _struct(text, at)
    raise ValueError(text)


def _struct(text: str, at: int) -> tuple[Word, int]:
    fields: list[tuple[str, Word]] = []
    while True:
        name, at = _name(text, at)
        part, at = _word(text, _expect(text, at, ":"))
        fields.append((name, part))
        if text[at] == ">":
            return struct_of(fields), at + 1
        at = _expect(text, at, ",")


def _name(text: str, at: int) -> tuple[str, int]:
    if match := QUOTED.match(text, at):
        return str(json.loads(match[0])), match.end()
    if match := NAME.match(text, at):
        return match[0], match.end()
    raise ValueError(text)


def _write_name(name: str) -> str:
    return name if NAME.fullmatch(name) else json.dumps(name)


def _expect(text: str, at: int, mark: str) -> int:
    if text[at] != mark:
        raise ValueError(text)
    return at + 1
