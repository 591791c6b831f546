"""Objects whose insides are declared, such as ``map<string,binary>``, as the JSON that rows hold.

Each value inside is checked and written by its own type: numbers, instants, dates and times as the
number that a column of that type holds; text as such; bytes in base64; decimals as text; floats
that JSON has no numbers for as ``NaN``, ``Infinity``, ``-Infinity``. Keys are sorted. Pure.
"""

import base64
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from provender.core.errors import InvalidInput
from provender.core.typewords import Word
from provender.online import nesting

NON_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
"""How JSON writes the floats it has no numbers for."""
FLOATS = ("float32", "float64")


class Leaf(Protocol):
    """How values of a type without insides are written in a column of it, and read; a `Kind`."""

    @property
    def write(self) -> Callable[[Any], Any]: ...

    @property
    def read(self) -> Callable[[Any], Any] | None: ...


class Codec:
    """Writes and reads values of one type. ``leaf`` gives how those without insides are written.

    Raises:
        InvalidInput: a map has keys that are neither text nor whole numbers.
    """

    def __init__(self, word: Word, leaf: Callable[[str], Leaf]) -> None:
        self._write, self._read = _part(word, leaf)

    def write(self, value: Any) -> bytes:
        """Return the bytes of ``value``: of an object, or of JSON text of one.

        Raises:
            TypeError, ValueError, OverflowError: it is none of the type.
        """
        given = nesting.loads(value) if isinstance(value, str) else value
        return nesting.dumps(self._write(given))

    def read(self, data: bytes) -> Any:
        """Return the value whose bytes ``data`` are.

        Raises:
            ValueError: they are those of none of the type.
        """
        try:
            return self._read(nesting.stored(data))
        except (TypeError, LookupError, AttributeError, OverflowError) as error:
            raise ValueError(f"the object has other insides: {error}") from None


Convert = Callable[[Any], Any]


def _part(word: Word, leaf: Callable[[str], Leaf]) -> tuple[Convert, Convert]:
    match word.kind:
        case "struct":
            return _struct({name: _part(part, leaf) for name, part in word.parts})
        case "map":
            return _map(str(word.parts[0][1]), _part(word.parts[1][1], leaf), leaf)
        case "list":
            return _list(_part(word.parts[0][1], leaf))
        case _:
            return _leaf(str(word), leaf(str(word)))


def _struct(parts: Mapping[str, tuple[Convert, Convert]]) -> tuple[Convert, Convert]:
    def write(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise TypeError("write an object")
        if unknown := [name for name in value if name not in parts]:
            raise ValueError(f"it has no field {unknown[0]!r}")
        return {name: _unless_null(parts[name][0], value.get(name)) for name in parts}

    def read(found: dict[str, Any]) -> dict[str, Any]:
        return {name: _unless_null(parts[name][1], found[name]) for name in parts}

    return write, read


def _map(
    word: str, item: tuple[Convert, Convert], leaf: Callable[[str], Leaf]
) -> tuple[Convert, Convert]:
    if word != "string" and "int" not in word:
        raise InvalidInput(
            f"maps with keys of type {word} cannot be served online",
            hint="make the keys text or whole numbers",
        )
    check, key_of = leaf(word).write, str if word == "string" else int

    def write(value: Any) -> dict[str, Any]:
        pairs = value.items() if isinstance(value, Mapping) else value
        written: dict[str, Any] = {}
        for key, inside in pairs:  # Arrow's maps are pairs
            checked = check(key)
            name = checked.decode() if isinstance(checked, bytes) else str(checked)
            if name in written:
                raise ValueError(f"it has the key {name!r} twice")
            written[name] = _unless_null(item[0], inside)
        return written

    def read(found: dict[str, Any]) -> dict[Any, Any]:
        return {key_of(key): _unless_null(item[1], inside) for key, inside in found.items()}

    return write, read


def _list(item: tuple[Convert, Convert]) -> tuple[Convert, Convert]:
    def write(value: Any) -> list[Any]:
        if isinstance(value, str | bytes | Mapping):
            raise TypeError("write a list")
        return [_unless_null(item[0], inside) for inside in value]

    def read(found: list[Any]) -> list[Any]:
        return [_unless_null(item[1], inside) for inside in found]

    return write, read


def _leaf(word: str, kind: Leaf) -> tuple[Convert, Convert]:
    back = kind.read or (lambda packed: packed)
    if word == "binary":
        return (
            lambda value: base64.b64encode(kind.write(value)).decode(),
            lambda text: base64.b64decode(text, validate=True),
        )
    if word == "string" or word.startswith("decimal("):
        return lambda value: kind.write(value).decode(), lambda text: back(text.encode())
    if word in FLOATS:
        return lambda value: _told(kind.write(value)), lambda found: NON_FINITE.get(found, found)
    return kind.write, back


def _told(number: float) -> float | str:
    if number != number:
        return "NaN"
    return number if abs(number) != float("inf") else ("Infinity" if number > 0 else "-Infinity")


def _unless_null(convert: Convert, value: Any) -> Any:
    """Return ``value`` converted; None where it is None or pandas' NaT."""
    if value is None or (isinstance(value, datetime) and value != value):
        return None
    return convert(value)
