"""Columns of features as JSON, as Feast's wire writes them: for the server only, brings orjson.

Floats that JSON has no numbers for are texts; instants are whole seconds since 1970; bytes are
base64; dates, times and decimals are texts.
"""

import base64
import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache, partial
from typing import Any

import orjson

from provender.core.typewords import Word, parse
from provender.online.blocks import Writer
from provender.online.kinds import EPOCH, UNDECLARED, kind_of

NON_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}
SECOND = timedelta(seconds=1)
TICKS = {"timestamp": 1_000_000, "timestamp_local": 1_000_000, "timestamp_ns": 1_000_000_000}
"""How many of what is packed are a second."""


def plain(values: Sequence[Any], word: str) -> Sequence[Any]:
    """Return values of the type ``word`` as what orjson writes; of no type: as they are given."""
    if word in ("float32", "float64"):
        return values if _all_finite(values) else [_float(value) for value in values]
    if not word:
        return [_float(value) if isinstance(value, float) else value for value in values]
    convert = _converter(word)
    if convert is None:
        return values
    return [None if value is None else convert(value) for value in values]


def numbers(columns: list[Sequence[Any]]) -> list[bytes]:
    """Return the JSON of columns of finite numbers and truth values, less the brackets.

    None of their texts has a bracket in it, so that all are written at once, and cut apart.
    """
    return orjson.dumps(columns)[2:-2].split(b"],[") if columns else []


def quoted(texts: Sequence[bytes | None]) -> bytes:
    """Return the JSON array of texts that stand between quotes as they are."""
    if None not in texts:
        return b'["%b"]' % b'","'.join(texts) if texts else b"[]"  # type: ignore[arg-type]
    return b"[%b]" % b",".join([b"null" if text is None else b'"%b"' % text for text in texts])


@cache
def writer(word: str) -> Writer:
    """Return what writes the JSON array of a column of the type ``word`` as it is packed."""
    if word in ("float32", "float64"):
        return _floats
    if word == "string":
        return _texts
    if word in TICKS:
        return partial(_seconds, ticks=TICKS[word])
    if _converter(word) is None:
        return _as_it_is
    kind = kind_of(word)
    return partial(_converted, word=word, read=None if kind.variable else kind.read)


def _floats(raw: Sequence[Any], *, json_safe: bool) -> bytes:
    return orjson.dumps(raw if _all_finite(raw) else [_float(value) for value in raw])


def _texts(raw: Sequence[bytes | None], *, json_safe: bool) -> bytes:
    if json_safe:
        return quoted(raw)
    return orjson.dumps([None if text is None else text.decode() for text in raw])


def _seconds(raw: Sequence[int | None], *, json_safe: bool, ticks: int) -> bytes:
    return orjson.dumps([None if at is None else at // ticks for at in raw])


def _as_it_is(raw: Sequence[Any], *, json_safe: bool) -> bytes:
    return orjson.dumps(raw)


def _converted(
    raw: Sequence[Any], *, json_safe: bool, word: str, read: Callable[[Any], Any] | None
) -> bytes:
    if read is not None:
        raw = [None if value is None else read(value) for value in raw]
    return orjson.dumps(plain(raw, word))


def _all_finite(values: Sequence[Any]) -> bool:
    """Whether no NaN or infinity is among the values: then neither is one in their sum."""
    if None in values:
        return False
    return math.isfinite(sum(values))


def _float(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return value
    return NON_FINITE.get(value, "NaN")


def _finite(value: Any) -> Any:
    """Return what JSON was read to, its NaNs and infinities as texts."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return _float(value) if isinstance(value, float) else value


@cache
def _converter(word: str) -> Callable[[Any], Any] | None:
    """Return how a value that is not null is written; None: as it is."""
    if word.startswith(("list<", "set<")):
        inner = word.partition("<")[2][:-1]
        return lambda values: plain(list(values), inner)
    if word in UNDECLARED:
        return _finite
    if word.startswith(("map<", "struct<")):
        return _inside(parse(word))
    if word in TICKS:
        return _epoch_seconds
    if word.startswith("decimal("):
        return lambda value: format(value, "f") if isinstance(value, Decimal) else value
    return {
        "binary": lambda value: base64.b64encode(value).decode(),
        "date": date.isoformat,
        "time": time.isoformat,
    }.get(word)


def _inside(word: Word) -> Callable[[Any], Any]:
    """Return how objects are written whose insides are declared: each value by its type."""
    if word.kind == "map":
        (_, (_, item)) = word.parts
        inner = str(item)
        return lambda found: dict(
            zip(map(str, found), plain(list(found.values()), inner), strict=True)
        )
    parts = [(name, str(part)) for name, part in word.parts]
    return lambda found: {name: plain([found[name]], inner)[0] for name, inner in parts}


def _epoch_seconds(instant: datetime) -> int:
    """Return whole seconds since 1970, as Feast writes instants; without a zone it is UTC."""
    zoned = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return (zoned - EPOCH) // SECOND
