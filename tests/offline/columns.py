"""Random Arrow columns where it hurts: instants that nearly coincide, keys and values at the edges."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pyarrow as pa

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MINUTE, DAY = 60_000_000, 86_400_000_000
FIRST, LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The years 1 to 9999, as microseconds since 1970."""
NANO_LIMIT = 9_200_000_000_000_000

UNITS = {"s": (1, 1_000_000), "ms": (1, 1000), "us": (1, 1), "ns": (1000, 1)}
"""How many of a unit a microsecond is, as (factor, divisor)."""
STORAGES = {
    "us utc": pa.timestamp("us", tz="UTC"),
    "us naive": pa.timestamp("us"),
    "us berlin": pa.timestamp("us", tz="Europe/Berlin"),
    "us offset": pa.timestamp("us", tz="+05:30"),
    "ms utc": pa.timestamp("ms", tz="UTC"),
    "ms naive": pa.timestamp("ms"),
    "s utc": pa.timestamp("s", tz="UTC"),
    "ns utc": pa.timestamp("ns", tz="UTC"),
    "ns naive": pa.timestamp("ns"),
    "date": pa.date32(),
}
TEXTS = ("text z", "text naive", "text offset")


@dataclass(frozen=True)
class Clock:
    """Instants around which everything happens: ``base``, and ``spread`` more, ``step`` apart."""

    base: int
    step: int
    spread: int

    def draw(self, rng, storage):
        """Return an instant in microseconds; one in ten is a microsecond beside the others."""
        chance = rng.random()
        if chance < 0.02:
            return rng.choice(_edges(storage))
        beside = rng.choice((-1, 1)) if chance < 0.12 else 0
        return self.base + self.step * rng.randrange(self.spread) + beside


def instants(rng, storage, clock, count, *, nulls=0.05):
    """Return ``count`` instants as an Arrow column of type ``storage``, some of them null."""
    drawn = [None if rng.random() < nulls else clock.draw(rng, storage) for _ in range(count)]
    if storage in TEXTS:
        return pa.array([None if v is None else _text(v, storage) for v in drawn], pa.string())
    kind = STORAGES[storage]
    if kind == pa.date32():
        days = [None if v is None else v // DAY for v in drawn]
        return pa.array(days, pa.int32()).cast(kind)
    factor, divisor = UNITS[kind.unit]
    stored = [None if v is None else v * factor // divisor for v in drawn]
    return pa.array(stored, pa.int64()).cast(kind)


def _edges(storage):
    """The far past and the far future that a column can hold."""
    if storage.startswith("ns"):
        return (-NANO_LIMIT, NANO_LIMIT)
    return (FIRST + DAY, LAST - DAY)


def _text(micros, storage):
    moment = EPOCH + micros * MICROSECOND
    if storage == "text z":
        return moment.isoformat().replace("+00:00", "Z")
    if storage == "text naive":
        return moment.replace(tzinfo=None).isoformat(sep=" ")
    return moment.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()


@dataclass(frozen=True)
class KeyKind:
    """Keys as a spine and as a source may hold them, and ``pool``: the n-th key of all."""

    spine: tuple
    source: tuple
    pool: object
    most: int = 10_000


def _integer(number):
    edges = (0, 1, -1, 2**31 - 1, -(2**31))
    return edges[number] if number < len(edges) else number


def _long(number):
    edges = (2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, 0, -(2**62))
    return edges[number] if number < len(edges) else number


def _word(number):
    edges = ("a", "A", "", "é", "e\u0301", "漢😀", "a ", "a\x00b", "NULL", "nan", "'", '"')
    return edges[number] if number < len(edges) else f"k{number}"


def _day(number):
    return date(1969, 12, 31) + timedelta(days=number)


def _instant(number):
    return EPOCH + timedelta(seconds=number - 1)


def _wall(number):
    return _instant(number).replace(tzinfo=None)


def _amount(number):
    return Decimal(number - 1) / 4


def _whole(number):
    return Decimal(_integer(number))


WORDS = (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()))
KEYS = {
    "int64": KeyKind((pa.int64(),), (pa.int64(),), _long),
    "int32 and int64": KeyKind((pa.int64(), pa.int32()), (pa.int64(), pa.int32()), _integer),
    "small integers": KeyKind((pa.int8(), pa.int16(), pa.uint8()), (pa.int64(), pa.int16()), abs, 100),
    "floats of pandas": KeyKind((pa.float64(),), (pa.int64(), pa.int32()), _integer),
    "string": KeyKind(WORDS, WORDS, _word),
    "date": KeyKind((pa.date32(),), (pa.date32(),), _day),
    "bool": KeyKind((pa.bool_(),), (pa.bool_(),), bool, 2),
    "timestamp": KeyKind(
        (STORAGES["us utc"], STORAGES["ms utc"], STORAGES["us berlin"]),
        (STORAGES["us utc"], STORAGES["ms utc"], STORAGES["us offset"]),
        _instant,
    ),
    "wall clock": KeyKind((STORAGES["us naive"],), (STORAGES["us naive"],), _wall),
    "decimal": KeyKind(
        (pa.decimal128(10, 2), pa.decimal128(12, 4)), (pa.decimal128(10, 2), pa.decimal128(18, 6)), _amount
    ),
    "decimal and int64": KeyKind((pa.decimal128(20, 0),), (pa.int64(),), _whole),
}  # fmt: skip


def keys(numbers, kind, pool):
    """Return the keys with ``numbers`` as an Arrow column; None is null."""
    cells = [None if number is None else pool(number) for number in numbers]
    if pa.types.is_dictionary(kind):
        return pa.array(cells, kind.value_type).dictionary_encode().cast(kind)
    if pa.types.is_floating(kind):
        cells = [None if cell is None else float(cell) for cell in cells]
    if pa.types.is_integer(kind):
        cells = [None if cell is None else int(cell) for cell in cells]
    return pa.array(cells, kind)


VALUES = {
    "int64": (pa.int64(), (0, 1, -1, 2**53 + 1, 2**53 + 2, -(2**53) - 1, 2**63 - 1, -(2**63))),
    "int32": (pa.int32(), (0, 1, 2, -(2**31))),
    "float64": (pa.float64(), (float("nan"), float("inf"), float("-inf"), 1.5, -1.5, 5e-324)),
    "float32": (pa.float32(), (float("nan"), float("inf"), 1.5, -1.5)),
    "string": (pa.string(), ("", "a", "A", "é", "z" * 40, "漢😀", "\uffff", "NULL", "a\x00b")),
    "bool": (pa.bool_(), (False, True)),
    "decimal": (
        pa.decimal128(18, 4),
        tuple(map(Decimal, ("0", "0.0001", "-0.0001", "99999999999999.9999"))),
    ),
    "date": (pa.date32(), (date(1900, 1, 1), date(1970, 1, 1), date(2026, 3, 1), date(9999, 12, 31))),
    "timestamp": (
        STORAGES["us utc"],
        (EPOCH, EPOCH - MICROSECOND, datetime(2026, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)),
    ),
    "wall clock": (
        STORAGES["us naive"],
        (datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(2026, 3, 29, 2, 30)),  # noqa: DTZ001
    ),
    "list": (pa.list_(pa.int64()), ([], [1], [1, None], [1, 2], [2**53 + 1], [None])),
    "words": (pa.list_(pa.string()), ([], ["a", "b"], ["a"], ["b"])),
    "struct": (
        pa.struct({"a": pa.int64(), "b": pa.string()}),
        ({"a": 2**53 + 1, "b": "x"}, {"a": 1, "b": "x"}, {"a": 1, "b": None}, {"a": None, "b": ""}),
    ),
    "uint64": (pa.uint64(), (0, 1, 2**63, 2**64 - 1)),
    "time": (pa.time64("us"), (time(0), time(23, 59, 59, 999999), time(12))),
    "category": (pa.dictionary(pa.int32(), pa.string()), ("", "a", "é")),
    "map": (pa.map_(pa.string(), pa.int64()), ([], [("a", 1)], [("a", 2), ("b", None)])),
    "structs": (
        pa.list_(pa.struct({"at": pa.timestamp("us", tz="UTC"), "x": pa.list_(pa.float64())})),
        ([], [{"at": EPOCH, "x": [1.5, None]}], [{"at": None, "x": None}, None]),
    ),
    "ns": (pa.timestamp("ns", tz="UTC"), (EPOCH, EPOCH + MICROSECOND, datetime(2200, 1, 1, tzinfo=UTC))),
    "binary": (pa.binary(), (b"", b"\x00", b"\x00\x01", b"\x7f", b"\xff")),
}  # fmt: skip
"""Types of features and values that they take; null comes on top."""
RARE = frozenset({"uint64", "time", "category", "map", "structs", "ns"})
"""Types that not every engine has."""
ZEROS = {"float64": (0.0, -0.0), "float32": (0.0,)}
"""One per column: zeros are equal, so of two rows that differ in the sign only either may answer.

DuckDB 2.0 gives back a FLOAT -0.0 that it sorted by as 0.0, and a DOUBLE as it was.
"""


def values(rng, kind, count):
    """Return ``count`` values of ``kind`` as an Arrow column: a few distinct ones, nulls, ties."""
    arrow, edges = VALUES[kind]
    few = [None, *rng.sample(edges, rng.randint(1, len(edges)))]
    if kind in ZEROS:
        few.append(rng.choice(ZEROS[kind]))
    return pa.array([rng.choice(few) for _ in range(count)], arrow)
