"""Row filters: which rows of a dataset somebody gets. A small language of its own, and no SQL.

    filter     = and {"or" and}
    and        = not {"and" not}
    not        = "not" not | "(" filter ")" | condition
    condition  = column ("=" | "!=" | "<" | "<=" | ">" | ">=") value
               | column ["not"] "in" "(" value {"," value} ")"
               | column "is" ["not"] "null"
    column     = name | "name in double quotes"
    value      = 12 | 1.5 | 'text' | true | false | date '2026-01-31'
               | timestamp '2026-01-31T12:00:00Z' | actor.attribute

What is compared to null is neither true nor false, as in SQL; a row is shown where the filter is
true. Text goes in, a frozen tree comes out, and writes back what reads equal: engines render the
tree and never see the text. Pure.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache

from provender.core.errors import InvalidInput

LONGEST = 4_000
"""Characters of a filter."""
DEEPEST = 32
"""Parentheses and negations within each other."""
LEAST, GREATEST = -(2**63), 2**64 - 1
"""The integers that a column can have."""
OPERATORS = ("=", "!=", "<", "<=", ">", ">=")
WORDS = frozenset(["and", "or", "not", "in", "is", "null"])
"""What no column is called without quotes."""
TOKEN = re.compile(
    r"""\s*(?:
      (?P<attribute>actor\.[a-z][a-z0-9_-]{0,62}(?![\w.-]))
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?![\w.]))
    | (?P<quoted>"(?:[^"]|"")+")
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<text>'(?:[^']|'')*')
    | (?P<sign><=|>=|!=|[=<>(),])
    )""",
    re.VERBOSE | re.ASCII,
)
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of who asks, written ``actor.region``."""

    name: str

    def __str__(self) -> str:
        return f"actor.{self.name}"


Value = bool | int | float | str | date | datetime | Attribute
"""What a column is compared to; instants are in UTC."""


@dataclass(frozen=True, slots=True)
class Compare:
    """That a column stands to a value as the operator says."""

    column: str
    operator: str
    value: Value


@dataclass(frozen=True, slots=True)
class Among:
    """That a column is one of the values."""

    column: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class IsNull:
    """That a column is null."""

    column: str


@dataclass(frozen=True, slots=True)
class Not:
    """That the condition is false."""

    part: "Tree"


@dataclass(frozen=True, slots=True)
class And:
    """That every condition is true; there are two or more."""

    parts: "tuple[Tree, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """That a condition is true; there are two or more."""

    parts: "tuple[Tree, ...]"


Tree = Compare | Among | IsNull | Not | And | Or


@lru_cache(maxsize=1024)
def parse(text: str) -> Tree:
    """Return the tree of a filter that is written as ``text``.

    Raises:
        InvalidInput: it is not one; the message says where.
    """
    if len(text) > LONGEST:
        raise InvalidInput(
            f"a filter of {len(text):,} characters is too long", hint=f"at most {LONGEST:,}"
        )
    parser = _Parser(text)
    found = parser.any_of(0)
    if parser.kind:
        raise parser.unexpected("and, or, or the end")
    return found


def write(tree: Tree) -> str:
    """Return the one text of ``tree``, that `parse` reads as an equal one."""
    match tree:
        case Compare(column, operator, value):
            return f"{_name(column)} {operator} {written(value)}"
        case Among(column, values):
            return f"{_name(column)} in ({', '.join(map(written, values))})"
        case IsNull(column):
            return f"{_name(column)} is null"
        case Not(Among(column, values)):
            return f"{_name(column)} not in ({', '.join(map(written, values))})"
        case Not(IsNull(column)):
            return f"{_name(column)} is not null"
        case Not(part):
            return f"not {_inner(part, And, Or)}"
        case And(parts):
            return " and ".join(_inner(part, And, Or) for part in parts)
        case Or(parts):
            return " or ".join(_inner(part, Or) for part in parts)


class _Parser:
    """Reads one filter, a token at a time: ``kind`` is that of the next one, empty at the end."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.kind = self.token = ""
        self.advance()

    def advance(self) -> str:
        """Go on to the next token; return the one before it."""
        before, self.start = self.token, self.at
        found = TOKEN.match(self.text, self.at)
        if found is None:
            rest = self.text[self.at :].strip()
            self.kind, self.token = ("unread", rest[:20]) if rest else ("", "")
            return before
        kind = found.lastgroup or ""
        self.kind, self.token, self.at = kind, found[kind], found.end()
        if kind == "name" and self.token.lower() in WORDS:
            self.kind = "word"
        return before

    def unexpected(self, wanted: str) -> InvalidInput:
        there = repr(self.token) if self.kind else "the end"
        return InvalidInput(
            f"filter {self.text!r}: {there} at character {self.start + 1}, not {wanted}",
            hint="see docs/reference/policies.md; text is in 'single', odd column names in \"double\" quotes",
        )

    def takes(self, token: str) -> bool:
        """Return whether the next token is that word or sign; then it is passed."""
        if self.kind in ("word", "name", "sign") and self.token.lower() == token:
            self.advance()
            return True
        return False

    def wants(self, token: str) -> None:
        if not self.takes(token):
            raise self.unexpected(repr(token))

    def any_of(self, depth: int) -> Tree:
        parts = [self.all_of(depth)]
        while self.takes("or"):
            parts.append(self.all_of(depth))
        return Or(tuple(parts)) if parts[1:] else parts[0]

    def all_of(self, depth: int) -> Tree:
        parts = [self.negated(depth)]
        while self.takes("and"):
            parts.append(self.negated(depth))
        return And(tuple(parts)) if parts[1:] else parts[0]

    def negated(self, depth: int) -> Tree:
        if depth > DEEPEST:
            raise InvalidInput(
                f"a filter is nested more than {DEEPEST} deep", hint="leave parentheses out"
            )
        if self.takes("not"):
            return Not(self.negated(depth + 1))
        if self.takes("("):
            inside = self.any_of(depth + 1)
            self.wants(")")
            return inside
        return self.condition()

    def condition(self) -> Tree:
        column = self.column()
        if self.takes("is"):
            negated = self.takes("not")
            self.wants("null")
            return Not(IsNull(column)) if negated else IsNull(column)
        if self.kind == "sign" and self.token in OPERATORS:
            return Compare(column, self.advance(), self.value())
        negated = self.takes("not")
        if not self.takes("in"):
            raise self.unexpected("'in'" if negated else "an operator, in, not in or is")
        among = Among(column, self.values())
        return Not(among) if negated else among

    def column(self) -> str:
        if self.kind == "name":
            return self.advance()
        if self.kind == "quoted":
            return self.advance()[1:-1].replace('""', '"')
        raise self.unexpected("a column")

    def values(self) -> tuple[Value, ...]:
        self.wants("(")
        values = [self.value()]
        while self.takes(","):
            values.append(self.value())
        self.wants(")")
        return tuple(values)

    def value(self) -> Value:
        if self.kind == "number":
            return self.number()
        if self.kind == "text":
            return _unquoted(self.advance())
        if self.kind == "attribute":
            return Attribute(self.advance().removeprefix("actor."))
        for word, value in (("true", True), ("false", False)):
            if self.takes(word):
                return value
        if self.takes("date"):
            return self.read(date.fromisoformat)
        if self.takes("timestamp"):
            return self.read(_instant)
        raise self.unexpected("a value; null is asked for by is null")

    def number(self) -> int | float:
        whole = self.token.lstrip("-").isdecimal()
        found = int(self.token) if whole else float(self.token)
        if not (LEAST <= found <= GREATEST if whole else math.isfinite(found)):
            raise self.unexpected("a number that a column can have")
        self.advance()
        return found

    def read(self, reader: Callable[[str], date]) -> date:
        if self.kind != "text":
            raise self.unexpected("a text in ISO 8601")
        try:
            found = reader(_unquoted(self.token))
        except (ValueError, OverflowError):
            raise self.unexpected("a text in ISO 8601, an instant with its zone") from None
        self.advance()
        return found


def _unquoted(token: str) -> str:
    return token[1:-1].replace("''", "'")


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found.astimezone(UTC)


def _name(column: str) -> str:
    if PLAIN.match(column) and column.lower() not in WORDS:
        return column
    return '"' + column.replace('"', '""') + '"'


def written(value: Value) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float() | Attribute():
            return str(value)
        case str():
            return "'" + value.replace("'", "''") + "'"
        case datetime():
            return f"timestamp '{value.isoformat()}'"
        case date():
            return f"date '{value.isoformat()}'"


def _inner(tree: Tree, *enclosed: type) -> str:
    return f"({write(tree)})" if isinstance(tree, enclosed) else write(tree)
