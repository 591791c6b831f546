"""What an actor gets of a column: as it is, masked, for computing only, or not at all.

A mask is a description: what it makes of a value is said by `masked`, one value at a time, and
engines that mask many at once are held to that. Pure: the key of a hash is handed in.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from provender.core.digest import hmac_sha256
from provender.core.errors import InvalidInput
from provender.core.schema import Column


class Effect(StrEnum):
    """What a rule or a grant gives of a column, the strictest last."""

    SEE = "see"  # as it is
    MASK = "mask"  # what a mask makes of it
    COMPUTE = "compute"  # may feed a feature, and is never returned
    DENY = "deny"  # nothing


class MaskKind(StrEnum):
    """How a value is made another one, the strictest first."""

    NULL = "null"  # nothing is left
    CONSTANT = "constant"  # the same for every row
    HASH = "hash"  # equal values stay equal, within a project
    TRUNCATE = "truncate"  # the beginning of a text; a date or an instant to its unit
    BUCKET = "bucket"  # the lower bound of the range that a number is in


Literal = bool | int | float | str
"""What a constant may be: dates and instants are written in ISO 8601."""

EFFECTS = tuple(Effect)
KINDS = tuple(MaskKind)
SIGNED = {f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)}
INTEGERS = SIGNED | {f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)}
"""The least and the greatest value of each type of integers."""
FLOATS = ("float32", "float64")
INSTANTS = ("timestamp", "timestamp_ns", "timestamp_local")
HASHED = ("string", "binary", "int64", "uint64")
"""Types that have room for a hash."""
UNITS = ("year", "month", "day", "hour", "minute")
LONGEST_CONSTANT = 200
WRITTEN = re.compile(r"(?P<kind>[a-z]+)(?:\((?P<argument>.*)\))?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """A description of what becomes of a column's values; `str` writes it, `parse` reads that.

    ``value`` is a constant's; ``keep`` how many characters of a text are left, ``unit`` to what
    a date or an instant is cut; ``width`` that of a bucket.
    """

    kind: MaskKind
    value: Literal | None = None
    keep: int | None = None
    unit: str = ""
    width: int | float | None = None

    def __post_init__(self) -> None:
        given = {
            name
            for name, said in (
                ("value", self.value is not None),
                ("keep", self.keep is not None),
                ("unit", bool(self.unit)),
                ("width", self.width is not None),
            )
            if said
        }
        if given not in ARGUMENTS[self.kind]:
            wanted = " or ".join(
                " and ".join(sorted(names)) or "nothing" for names in ARGUMENTS[self.kind]
            )
            raise InvalidInput(
                f"mask {self.kind} is given {', '.join(sorted(given)) or 'nothing'}",
                hint=f"it takes {wanted}",
            )
        for problem in _faults(self):
            raise InvalidInput(
                f"mask {self.kind}: {problem}", hint="see docs/reference/policies.md"
            )

    @classmethod
    def parse(cls, text: str) -> "Mask":
        """Return the mask that is written as ``text``: ``null``, ``hash``, ``truncate(3)``,
        ``truncate(month)``, ``bucket(10)`` or ``constant(text)``.

        Raises:
            InvalidInput: it is none of these.
        """
        found = WRITTEN.match(text.strip())
        if found is None or found["kind"] not in KINDS:
            raise InvalidInput(
                f"{text!r} is not a mask",
                hint="write null, constant(…), hash, truncate(3), truncate(month) or bucket(10)",
            )
        kind, argument = MaskKind(found["kind"]), found["argument"]
        if argument is None:
            return cls(kind=kind)
        match kind:
            case MaskKind.CONSTANT:
                return cls(kind=kind, value=argument)
            case MaskKind.TRUNCATE if argument in UNITS:
                return cls(kind=kind, unit=argument)
            case MaskKind.TRUNCATE:
                return cls(kind=kind, keep=_number(text, argument, int))
            case MaskKind.BUCKET:
                whole = argument.lstrip("-").isdecimal()
                return cls(kind=kind, width=_number(text, argument, int if whole else float))
        raise InvalidInput(f"mask {kind} takes nothing, not {argument!r}", hint=f"write {kind}")

    def __str__(self) -> str:
        arguments = (self.value, self.keep, self.unit or None, self.width)
        said = [str(argument) for argument in arguments if argument is not None]
        return f"{self.kind}({said[0]})" if said else self.kind.value

    @property
    def strictness(self) -> tuple[int, float]:
        """What masks are sorted by, the strictest first: by kind, then by how little is left."""
        units = UNITS.index(self.unit) if self.unit else 0
        left = self.keep if self.keep is not None else units
        return KINDS.index(self.kind), float(left) - float(self.width or 0)

    def unfit(self, column: Column) -> str:
        """Say why the mask cannot be put on ``column``; empty if it can."""
        fits = FITS[self.kind](self, column.type)
        return "" if fits else f"mask {self} does not fit {column.name}, which is {column.type}"


ARGUMENTS: dict[MaskKind, tuple[set[str], ...]] = {
    MaskKind.NULL: (set(),),
    MaskKind.CONSTANT: ({"value"},),
    MaskKind.HASH: (set(),),
    MaskKind.TRUNCATE: ({"keep"}, {"unit"}),
    MaskKind.BUCKET: ({"width"},),
}


def masked(mask: Mask, value: Any, type: str, *, key: bytes) -> Any:  # noqa: A002 - the word of schemas
    """Return what ``mask`` makes of ``value`` of a column of ``type``, which it fits.

    Null stays null, but that a constant takes its place. ``key`` is the project's, for hashes.
    """
    if mask.kind is MaskKind.CONSTANT:
        return constant(mask, type)
    if value is None or mask.kind is MaskKind.NULL:
        return None
    match mask.kind:
        case MaskKind.HASH:
            return _hashed(value, type, key)
        case MaskKind.TRUNCATE:
            return value[: mask.keep] if mask.keep is not None else _cut(value, mask.unit)
    return _lower_bound(value, mask.width, type)


def constant(mask: Mask, type: str) -> Any:  # noqa: A002 - the word of schemas
    """Return the constant of ``mask`` as a value of ``type``.

    Raises:
        ValueError, OverflowError: it is none.
    """
    said: Any = mask.value
    if type == "bool":
        return _one_of(said, {True: True, False: False, "true": True, "false": False})
    if type in INTEGERS:
        return _within(said, *INTEGERS[type])
    if type in FLOATS and not isinstance(said, bool):
        return float(said)
    if type == "string":
        return _one_of(said, {said: said}) if isinstance(said, str) else str(said)
    if type == "date":
        return date.fromisoformat(said)
    if type in INSTANTS:
        return _instant(said, local=type == "timestamp_local")
    raise ValueError(f"no constant is of type {type}")


NO_PROJECT = ".datasets"
"""Whose hashes are those of datasets that are read for no project: not those of any, whatever there is."""


def project_key(secret: bytes, project: str) -> bytes:
    """Return the key of a project's hashes: who has one can join nothing of another project."""
    return hmac_sha256(secret, b"provender mask\0" + project.encode())


def _hashed(value: Any, type: str, key: bytes) -> Any:  # noqa: A002 - as above
    """HMAC-SHA-256 of the bytes, of a text's UTF-8 or of a number's digits, as the column's type.

    A text becomes 64 hex digits; an integer the first 8 bytes, big endian.
    """
    if isinstance(value, bytes):
        return hmac_sha256(key, value)
    digest = hmac_sha256(key, str(value).encode())
    if isinstance(value, str):
        return digest.hex()
    return int.from_bytes(digest[:8], "big", signed=type == "int64")


def _cut(value: date, unit: str) -> date:
    """A date, or an instant by its clock (UTC, unless it is local), at the start of its unit."""
    kept = UNITS[: UNITS.index(unit) + 1]
    starts = {"month": 1, "day": 1, "hour": 0, "minute": 0, "second": 0, "microsecond": 0}
    if not isinstance(value, datetime):
        starts = {part: first for part, first in starts.items() if part in ("month", "day")}
    return value.replace(**{part: first for part, first in starts.items() if part not in kept})


def _lower_bound(value: Any, width: Any, type: str) -> Any:  # noqa: A002 - as above
    """The greatest multiple of the width that is not above the value, or the type's least value."""
    if type in INTEGERS:
        return max(value // width * width, INTEGERS[type][0])
    parts = value / width
    return math.floor(parts) * width if math.isfinite(parts) else parts


def _fits_constant(mask: Mask, type: str) -> bool:  # noqa: A002 - as above
    try:
        constant(mask, type)
    except (ValueError, TypeError, OverflowError):
        return False
    return True


def _fits_truncate(mask: Mask, type: str) -> bool:  # noqa: A002 - as above
    if mask.keep is not None:
        return type in ("string", "binary")
    return type in INSTANTS or (type == "date" and mask.unit in ("year", "month"))


def _fits_bucket(mask: Mask, type: str) -> bool:  # noqa: A002 - as above
    return type in FLOATS or (type in INTEGERS and isinstance(mask.width, int))


FITS: dict[MaskKind, Callable[[Mask, str], bool]] = {
    MaskKind.NULL: lambda _mask, _type: True,
    MaskKind.CONSTANT: _fits_constant,
    MaskKind.HASH: lambda _mask, type: type in HASHED,  # noqa: A006 - as above
    MaskKind.TRUNCATE: _fits_truncate,
    MaskKind.BUCKET: _fits_bucket,
}


def _faults(mask: Mask) -> list[str]:
    faults = []
    if mask.keep is not None and mask.keep < 0:
        faults.append(f"keep is {mask.keep}, and not a number of characters")
    if mask.unit and mask.unit not in UNITS:
        faults.append(f"unit {mask.unit!r} is none of {', '.join(UNITS)}")
    if mask.width is not None and not (mask.width > 0 and math.isfinite(mask.width)):
        faults.append(f"width is {mask.width}, and not more than nothing")
    if isinstance(mask.value, str) and len(mask.value) > LONGEST_CONSTANT:
        faults.append(f"value has {len(mask.value)} characters; at most {LONGEST_CONSTANT}")
    if isinstance(mask.value, float) and not math.isfinite(mask.value):
        faults.append(f"value is {mask.value}, and not a number")
    return faults


def _number(text: str, argument: str, kind: Callable[[str], Any]) -> Any:
    try:
        return kind(argument)
    except ValueError:
        raise InvalidInput(
            f"{text!r} is not a mask: {argument!r} is no number",
            hint="write, as an example, truncate(3)",
        ) from None


def _one_of(said: Any, values: dict[Any, Any]) -> Any:
    if not isinstance(said, bool | str) or said not in values:
        raise ValueError(said)
    return values[said]


def _within(said: Any, least: int, greatest: int) -> int:
    number = int(said) if isinstance(said, str) else said
    if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= greatest:
        raise ValueError(said)
    return number


def _instant(said: Any, *, local: bool) -> datetime:
    found = datetime.fromisoformat(said)
    if (found.tzinfo is None) is not local:
        raise ValueError(said)
    return found
