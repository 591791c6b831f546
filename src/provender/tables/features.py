"""Columns of features as Arrow, of every type that is served: some are none that rows are stored in.

Sets are lists. Maps and structs whose insides nobody declared are JSON text, keys sorted.
"""

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from provender.core import typewords as words
from provender.core.typewords import Word
from provender.tables.arrow import arrow_type

OBJECTS = ("map<string,json>", "struct<json>")
MANY = ("list<", "set<")


def feature_type(word: str) -> pa.DataType:
    """Return the Arrow type of features of the type ``word``.

    Raises:
        InvalidInput: ``word`` is not a type word.
    """
    if word in OBJECTS:
        return pa.string()
    if word.startswith(MANY):
        return pa.list_(feature_type(_inner(word)))
    return arrow_type(word)


def feature_array(values: Sequence[Any], word: str) -> pa.Array:
    """Return ``values`` of the type ``word``, None where null.

    Raises:
        pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, OverflowError, TypeError: a value is none.
    """
    return pa.array(_flat(values, word), feature_type(word))


def _flat(values: Sequence[Any], word: str) -> Sequence[Any]:
    if word in OBJECTS:
        return [
            value if value is None or isinstance(value, str) else object_text(value)
            for value in values
        ]
    if word.startswith(MANY):
        inner = _inner(word)
        return [None if value is None else _flat(list(value), inner) for value in values]
    return _paired(values, words.parse(word)) if "map<" in word else values


def _paired(values: Sequence[Any], word: Word) -> Sequence[Any]:
    """Return ``values`` with the pairs of maps in place of dicts, at any depth, as Arrow takes them."""
    if word.kind == "map":
        item = word.parts[1][1]
        return [
            None
            if value is None
            else list(zip(value, _paired([*value.values()], item), strict=True))
            for value in values
        ]
    if word.kind == "list":
        item = word.parts[0][1]
        return [None if value is None else _paired(list(value), item) for value in values]
    if word.kind == "struct":
        return [
            None
            if value is None
            else {name: _paired([value[name]], part)[0] for name, part in word.parts}
            for value in values
        ]
    return values


def _inner(word: str) -> str:
    return word.partition("<")[2][:-1]


def object_text(value: Any) -> str:
    """Return the JSON text of a value of one of `OBJECTS`."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
