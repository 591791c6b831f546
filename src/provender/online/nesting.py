"""JSON that rows hold as it came: read, written, and refused where no answer could tell it. Pure.

What writes answers stops at 254 levels and at numbers of 64 bits. Such a value must not get into
a row, and one that is there anyway must not keep the other rows from being told.
"""

import json
import re
from collections.abc import Callable
from typing import Any

DEPTH = 100
"""How many objects and lists may lie in one another."""
LEAST, GREATEST = -(1 << 63), (1 << 64) - 1
SUSPECT = re.compile(rb"[0-9]{19}|\\u[dD]")
"""Where none of these is, no number is too large, and no text is half a pair of surrogates."""
TOO_DEEP = f"it is nested more than {DEPTH} levels deep"
SHOWN = 80
"""Characters of a value that errors show."""


def loads(text: str | bytes) -> Any:
    """Return what the JSON ``text`` says.

    Raises:
        ValueError: it is no JSON, or nested deeper than can be read.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def dumps(value: Any, default: Callable[[Any], Any] | None = None) -> bytes:
    """Return ``value`` as rows hold it, keys sorted; ``default`` gives what JSON has no word for.

    Raises:
        TypeError, ValueError, OverflowError: there is no JSON of it, or none that could be told.
    """
    try:
        text = json.dumps(
            value, separators=(",", ":"), ensure_ascii=False, sort_keys=True, default=default
        )
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    data = text.encode()
    _check(data, value)
    return data


def stored(data: bytes) -> Any:
    """Return the value that a row holds as ``data``.

    Raises:
        ValueError, OverflowError: they are no JSON, or none that could be told.
    """
    value = loads(data)
    _check(data, value)
    return value


def shown(value: object) -> str:
    """Return ``value`` as errors show it, which is never long."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # ValueError: a number of more than 4,300 digits
        return f"a {type(value).__name__} that is too large to show"
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}…"


def _check(data: bytes, value: Any) -> None:
    """Refuse ``value``, whose JSON is ``data``, if it cannot be told; most are not even looked into."""
    if data.count(b"[") + data.count(b"{") > DEPTH or SUSPECT.search(data):
        _look_into(value, DEPTH)


def _look_into(value: Any, levels: int) -> None:
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, int):
        if not LEAST <= value <= GREATEST:
            raise OverflowError(f"it has a number that is not between {LEAST} and {GREATEST}")
    elif isinstance(value, dict | list | tuple):
        if not levels:
            raise ValueError(TOO_DEEP)
        parts = (*value, *value.values()) if isinstance(value, dict) else value
        for part in parts:
            _look_into(part, levels - 1)
