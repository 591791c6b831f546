"""Masks on Arrow columns, many values at once: what `core.effects.masked` says of each.

Columns keep their types. A hash is computed once for each distinct value, so that a key
never goes into a query; values seen before are remembered, as many as memory bears.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from provender.core.effects import INTEGERS, Mask, MaskKind, constant, masked
from provender.core.errors import Denied
from provender.tables.arrow import type_word

Key = Callable[[], bytes]
"""Gives the key of a project's hashes, where one is needed."""
Change = Callable[[pa.Array], pa.Array]
REMEMBERED = 1 << 18
"""Values whose hashes are kept: some 50 MB."""


def no_key() -> bytes:
    """Refuse to hash: whoever asks has said no project.

    Raises:
        Denied: always.
    """
    raise Denied(
        "a column is masked by a hash, and nobody says of which project",
        hint="ask within a project: project=…",
    )


class Masking:
    """One mask on one column of Arrow type ``kind``; call it with each part of the column."""

    def __init__(self, mask: Mask, kind: pa.DataType, key: Key) -> None:
        self._kind = kind
        self._plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        self._change = CHANGES[mask.kind](mask, self._plain, key)

    def __call__(self, column: pa.Array) -> pa.Array:
        """Return what the mask makes of ``column``, in its type."""
        found = self._change(column if self._plain == column.type else column.cast(self._plain))
        if found.type == self._kind:
            return found
        coded = found.dictionary_encode()
        return pa.DictionaryArray.from_arrays(
            coded.indices.cast(self._kind.index_type), coded.dictionary
        )


def _null(_mask: Mask, kind: pa.DataType, _key: Key) -> Change:
    return lambda column: pa.nulls(len(column), kind)


def _constant(mask: Mask, kind: pa.DataType, _key: Key) -> Change:
    value = pa.array([constant(mask, type_word(kind))]).cast(kind)[0]
    return lambda column: pa.repeat(value, len(column))


def _hash(mask: Mask, kind: pa.DataType, key: Key) -> Change:
    known: dict[Any, Any] = {}
    secret, word = key(), type_word(kind)

    def change(column: pa.Array) -> pa.Array:
        coded = column.dictionary_encode()
        values = coded.dictionary.to_pylist()
        if len(known) > REMEMBERED:
            known.clear()
        for value in values:
            if value not in known:
                known[value] = masked(mask, value, word, key=secret)
        return pa.array([known[value] for value in values], kind).take(coded.indices)

    return change


def _truncate(mask: Mask, kind: pa.DataType, _key: Key) -> Change:
    if mask.unit:
        return lambda column: pc.floor_temporal(column, unit=mask.unit).cast(kind)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return lambda column: pc.binary_slice(column, 0, mask.keep).cast(kind)
    return lambda column: pc.utf8_slice_codeunits(column, 0, mask.keep).cast(kind)


def _bucket(mask: Mask, kind: pa.DataType, _key: Key) -> Change:
    width, word = mask.width or 1, type_word(kind)
    lower = _lower_float if word not in INTEGERS else _lower_integer

    def change(column: pa.Array) -> pa.Array:
        numbers = pc.fill_null(column, pa.scalar(0, kind)).to_numpy(zero_copy_only=False)
        found = lower(numbers, width, word)
        return pa.array(found, kind, mask=pc.is_null(column).to_numpy(zero_copy_only=False))

    return change


def _lower_float(numbers: Any, width: float, _word: str) -> Any:
    with np.errstate(over="ignore", invalid="ignore"):
        wide = numbers.astype(np.float64)
        found = np.floor(wide / width) * width + 0.0  # no negative zero
        return np.where(np.isfinite(wide), found, wide).astype(numbers.dtype)


def _lower_integer(numbers: Any, width: float, word: str) -> Any:
    least, _ = INTEGERS[word]
    wide = numbers.astype(np.uint64 if word == "uint64" else np.int64)
    if width > np.iinfo(wide.dtype).max:
        return np.where(wide >= 0, 0, least).astype(numbers.dtype)
    over = np.mod(wide, wide.dtype.type(width))
    room = wide.view(np.uint64) - np.uint64(
        least % 2**64
    )  # above the least value, without overflow
    within = room >= over.astype(np.uint64)
    return np.where(within, wide - np.where(within, over, 0), least).astype(numbers.dtype)


CHANGES: dict[MaskKind, Callable[[Mask, pa.DataType, Key], Change]] = {
    MaskKind.NULL: _null,
    MaskKind.CONSTANT: _constant,
    MaskKind.HASH: _hash,
    MaskKind.TRUNCATE: _truncate,
    MaskKind.BUCKET: _bucket,
}
