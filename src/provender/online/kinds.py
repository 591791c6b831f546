"""How a value of each type word lies in the online store: in 1 to 8 bytes, or in bytes of its own.

Pure. `kind_of` is the whole table. Writing accepts what Python, Arrow and JSON give for the
type and refuses the rest; reading gives the one Python type of the word.
"""

import base64
import binascii
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal, InvalidOperation
from functools import cache, partial
from typing import Any
from uuid import UUID

from provender.core.clock import to_utc
from provender.core.errors import InvalidInput
from provender.core.typewords import parse
from provender.online import nesting
from provender.online.objects import NON_FINITE, Codec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOCAL_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall-clock reading has no zone
MICROSECOND = timedelta(microseconds=1)
COUNT = struct.Struct("<I")
FLOAT32 = struct.Struct("<f")
WHOLE = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
"""Numbers as text. Python takes underscores, spaces and the digits of every script, too."""
EXACT = Context(prec=200)
"""Decimals have at most 99 digits; the context that Python begins with rounds to 28."""
UNDECLARED = ("struct<json>", "map<string,json>")
"""Objects of whose insides nothing is declared: they are kept as JSON."""
INTEGERS = {
    f"{sign}int{bits}": (0 if sign else -(1 << (bits - 1)), (1 << (bits if sign else bits - 1)) - 1)
    for sign in ("", "u")
    for bits in (8, 16, 32, 64)
}
"""The bounds of every integer type, both inclusive."""
INTEGER_CODES = {
    word: code.upper() if word.startswith("u") else code
    for size, code in (("8", "b"), ("16", "h"), ("32", "i"), ("64", "q"))
    for word in (f"int{size}", f"uint{size}")
}
FIRST_US = -62_135_596_800_000_000
"""The first microsecond of the year 1, in microseconds since 1970."""
LAST_US = 253_402_300_799_999_999
"""The last microsecond of the year 9999: Python's instants reach no further."""
INSTANTS = (FIRST_US, LAST_US)
DAYS = (FIRST_US // 86_400_000_000, LAST_US // 86_400_000_000)


@dataclass(frozen=True, slots=True)
class Kind:
    """One type: ``code`` is the struct code of its bytes, empty if they are of any number.

    ``write`` turns a value into what the code packs, or into the variable bytes; it raises
    TypeError, ValueError or OverflowError for a value that is none of the type. ``read`` is
    the way back; None where what the code unpacks is the value. ``bounds`` are the least and
    greatest numbers that ``read`` takes, where not all of the code are.
    """

    code: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any] | None = None
    bounds: tuple[int, int] | None = None

    @property
    def variable(self) -> bool:
        return not self.code

    @property
    def width(self) -> int:
        """The number of bytes; 0 if variable."""
        return struct.calcsize(f"<{self.code}")


def micros(instant: datetime) -> int:
    """Return the microseconds from 1970 to ``instant``, exactly; without a zone it is UTC."""
    return (to_utc(instant) - EPOCH) // MICROSECOND


def from_micros(value: int) -> datetime:
    """Return the instant ``value`` microseconds after 1970, in UTC."""
    return EPOCH + timedelta(microseconds=value)


@cache
def kind_of(word: str) -> Kind:
    """Return how values of the type ``word`` (see `core.schema.TYPES`) are stored.

    Raises:
        InvalidInput: the online store cannot hold values of that type.
    """
    if word in INTEGERS:
        low, high = INTEGERS[word]
        return Kind(INTEGER_CODES[word], partial(_integer, low=low, high=high))
    if word.startswith("list<") and word.endswith(">"):
        inner = kind_of(word[5:-1])
        pack = _pack_objects if word[5:].startswith(("struct<", "map<")) else _pack_list
        return Kind("", partial(pack, inner=inner), partial(_unpack_list, inner=inner))
    if word.startswith("set<") and word.endswith(">"):
        inner = kind_of(word[4:-1])
        return Kind("", partial(_pack_set, inner=inner), partial(_unpack_list, inner=inner))
    if word.startswith("decimal("):
        precision, scale = map(int, word[8:-1].split(","))
        write = partial(_decimal, precision=precision, scale=scale)
        return Kind("", write, lambda data: Decimal(data.decode()))
    if word in UNDECLARED:
        return Kind("", _json, nesting.stored)
    if word.startswith(("struct<", "map<")):
        codec = Codec(parse(word), kind_of)
        return Kind("", codec.write, codec.read)
    if word not in SIMPLE:
        raise InvalidInput(
            f"values of type {word!r} cannot be served online",
            hint=f"types are {', '.join((*INTEGERS, *SIMPLE))}, list<…>, set<…>, struct<…>, map<…>, decimal(p,s)",
        )
    return SIMPLE[word]


def is_null(value: object) -> bool:
    """Return whether ``value`` is None or pandas' NaT; a float NaN is a value."""
    return value is None or (isinstance(value, datetime) and value != value)


def _integer(value: Any, *, low: int, high: int) -> int:
    if isinstance(value, bool):
        raise TypeError("a truth value is no number")
    if isinstance(value, str):
        if not WHOLE.fullmatch(value):
            raise ValueError("write decimal digits, and a sign before them if need be")
        number = int(value)
    elif isinstance(value, float) or not hasattr(value, "__index__"):
        number = int(value)
        if number != value:
            raise ValueError("it has a fraction")
    else:
        number = value.__index__()
    if not low <= number <= high:
        raise OverflowError(f"it is not between {low} and {high}")
    return number


def _boolean(value: Any) -> bool:
    if isinstance(value, str) or value not in (0, 1):
        raise TypeError("write true or false")
    return bool(value)


def _float(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError("a truth value is no number")
    if isinstance(value, str):
        if value not in NON_FINITE:
            raise TypeError("text is no number")
        return NON_FINITE[value]
    return float(value)


def _float32(value: Any) -> float:
    rounded: float = FLOAT32.unpack(FLOAT32.pack(_float(value)))[0]
    return rounded


def _string(value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError("it is no text")
    return value.encode()


def _binary(value: Any) -> bytes:
    if isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error:
            raise ValueError("as text, bytes are written in base64") from None
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError("it is no bytes")
    return bytes(value)


def _instant(value: Any) -> int:
    if isinstance(value, datetime):
        return micros(value)
    if isinstance(value, str):
        return micros(datetime.fromisoformat(value))
    if isinstance(value, bool):
        raise TypeError("a truth value is no instant")
    if isinstance(value, int | float):  # epoch seconds, as Feast writes instants in JSON
        return micros(EPOCH + timedelta(seconds=value))
    raise TypeError("write an instant, ISO 8601 text or epoch seconds")


def _instant_ns(value: Any) -> int:
    nanoseconds = _instant(value) * 1000 + int(getattr(value, "nanosecond", 0))
    low, high = INTEGERS["int64"]
    if not low <= nanoseconds <= high:
        raise OverflowError("nanoseconds reach from 1677 to 2262")
    return nanoseconds


def _local(value: Any) -> int:
    reading = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(reading, datetime) or reading.tzinfo is not None:
        raise TypeError("write a date and time without a zone")
    return (reading - LOCAL_EPOCH) // MICROSECOND


def _date(value: Any) -> int:
    day = date.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(day, datetime):
        day = day.date()
    if not isinstance(day, date):
        raise TypeError("write a date")
    return (day - EPOCH.date()).days


def _time(value: Any) -> int:
    reading = time.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(reading, time) or reading.tzinfo is not None:
        raise TypeError("write a time of day without a zone")
    return (datetime.combine(LOCAL_EPOCH, reading) - LOCAL_EPOCH) // MICROSECOND


def _decimal(value: Any, *, precision: int, scale: int) -> bytes:
    if isinstance(value, bool | list | dict):
        raise TypeError("it is no number")
    text = str(value)
    try:
        number = Decimal(text)
        exact = number.quantize(Decimal(1).scaleb(-scale), context=EXACT)
    except InvalidOperation:
        raise ValueError("it is no decimal number of that size") from None
    if not number.is_finite() or (isinstance(value, str) and not NUMBER.fullmatch(value)):
        raise ValueError("it is no decimal number")
    if exact != number:
        raise ValueError(f"it has more than {scale} digits after the point")
    if exact.copy_abs() >= Decimal(1).scaleb(precision - scale):
        raise ValueError(f"it has more than {precision - scale} digits before the point")
    return format(exact, "f").encode()


def _json(value: Any) -> bytes:
    loaded = nesting.loads(value) if isinstance(value, str) else value
    if not isinstance(loaded, dict):
        raise TypeError("write an object, or JSON text of one")
    return nesting.dumps(loaded, _json_leaf)


def _json_leaf(value: Any) -> Any:
    """Return what JSON has no word for as Feast writes it: instants are whole seconds."""
    if isinstance(value, datetime):
        return micros(value) // 1_000_000
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, date | time | Decimal | UUID):
        return str(value)
    raise TypeError(f"JSON has no {type(value).__name__}")


def _pack_list(value: Any, *, inner: Kind) -> bytes:
    """Return count, null bitmap, then per element its bytes, before them their length if variable."""
    if isinstance(value, str | bytes | dict):
        raise TypeError("it is no list")
    items = list(value)
    nulls = bytearray((len(items) + 7) // 8)
    parts: list[bytes] = []
    slot = struct.Struct(f"<{inner.code}")
    for index, item in enumerate(items):
        if is_null(item):
            nulls[index >> 3] |= 1 << (index & 7)
            parts.append(bytes(slot.size))
        elif inner.variable:
            data = inner.write(item)
            parts += (COUNT.pack(len(data)), data)
        else:
            parts.append(slot.pack(inner.write(item)))
    return b"".join((COUNT.pack(len(items)), bytes(nulls), *parts))


def _pack_objects(value: Any, *, inner: Kind) -> bytes:
    """Do as `_pack_list`; a list of objects may be JSON text too."""
    return _pack_list(nesting.loads(value) if isinstance(value, str) else value, inner=inner)


def _pack_set(value: Any, *, inner: Kind) -> bytes:
    """Return the bytes of the list of the different elements in order. A null is no element."""
    if isinstance(value, str | bytes | dict):
        raise TypeError("it is no set")
    written = {inner.write(item) for item in value if not is_null(item)}
    numbers = sorted(item for item in written if item == item)
    odd = [item for item in written if item != item][:1]  # every NaN differs from every other
    read = inner.read or (lambda raw: raw)
    return _pack_list([read(item) for item in (*numbers, *odd)], inner=inner)


def _unpack_list(data: bytes, *, inner: Kind) -> list[Any]:
    """Return the elements.

    Raises:
        ValueError, struct.error: the bytes are not those of a list.
    """
    (count,) = COUNT.unpack_from(data)
    nulls = data[4 : 4 + (count + 7) // 8]
    if count > 8 * len(nulls):
        raise ValueError("the list has fewer bytes than elements")
    at = 4 + len(nulls)
    slot = struct.Struct(f"<{inner.code}")
    items: list[Any] = []
    for index in range(count):
        null = nulls[index >> 3] & (1 << (index & 7))
        if null:
            items.append(None)
            at += slot.size
            continue
        if inner.variable:
            (length,) = COUNT.unpack_from(data, at)
            raw: Any = data[at + 4 : at + 4 + length]
            at += 4 + length
        else:
            (raw,) = slot.unpack_from(data, at)
            at += slot.size
        items.append(inner.read(raw) if inner.read else raw)
    if at != len(data):
        raise ValueError("the list has other bytes than its elements need")
    return items


SIMPLE: dict[str, Kind] = {
    "bool": Kind("?", _boolean),
    "float32": Kind("f", _float32),
    "float64": Kind("d", _float),
    "string": Kind("", _string, bytes.decode),
    "binary": Kind("", _binary, bytes),
    "date": Kind("i", _date, lambda days: EPOCH.date() + timedelta(days=days), DAYS),
    "time": Kind(
        "q",
        _time,
        lambda us: (LOCAL_EPOCH + timedelta(microseconds=us)).time(),
        (0, 86_399_999_999),
    ),
    "timestamp": Kind("q", _instant, from_micros, INSTANTS),
    "timestamp_ns": Kind("q", _instant_ns, lambda ns: from_micros(ns // 1000)),
    "timestamp_local": Kind(
        "q", _local, lambda us: LOCAL_EPOCH + timedelta(microseconds=us), INSTANTS
    ),
}
"""The types without parameters that are no integers."""
