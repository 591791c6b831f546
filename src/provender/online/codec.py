"""Keys and rows of the online store as bytes, written one by one. No clock, no connection.

A key, ``<8 characters>{<entity>}``: the characters are of the digest of project and view, so
that no project's or view's keys can be taken for another's; the entity is the hash tag, so
that all views of one entity lie on one cluster node. Join keys come in order of their names,
joined by commas: whole numbers as ``<decimal>``, text as ``s<bytes>:<UTF-8>``, and so on
(`KEY_PARTS`); where entity ids are hashed, a keyed digest of that stands in its place. How a row lies is told in `online.layout`; `online.blocks` reads rows in bulk.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zlib import crc32

from provender.core.digest import digest_bytes, keyed
from provender.core.errors import InvalidInput
from provender.core.features import FieldSpec
from provender.core.serving import ServedView
from provender.online.blocks import PRESENT, ViewReader
from provender.online.kinds import (
    FIRST_US,
    INTEGERS,
    LAST_US,
    Kind,
    from_micros,
    is_null,
    kind_of,
    micros,
)
from provender.online.layout import (
    SIGN,
    Head,
    check_of,
    created_part,
    layout_of,
)
from provender.online.nesting import shown
from provender.online.order import NO_CREATED_US, order_of
from provender.online.secrets import HASHED, KEYRING

KEY_VERSION = b"v2"
PREFIX_SIZE = 8
NO_END = b"-}"
"""The end of a key that no row ever has: stands for an entity with a null join key."""


def key_prefix(project: str, view: str) -> bytes:
    """Return the 8 characters that the keys of all rows of a view begin with: 48 bits of a digest."""
    named = b"\0".join((KEY_VERSION, project.encode(), view.encode()))
    digits = digest_bytes(named).removeprefix("sha256:")
    return base64.urlsafe_b64encode(bytes.fromhex(digits[:12]))


def _number(value: Any) -> bytes:
    return b"%d" % value


def _bytes(value: Any) -> bytes:
    return b"s%d:%b" % (len(value), value)


KEY_PARTS: dict[str, Callable[[Any], bytes]] = {
    **dict.fromkeys(INTEGERS, _number),
    "string": _bytes,
    "binary": lambda value: b"b%d:%b" % (len(value), value),
    "bool": lambda value: b"t" if value else b"f",
    "date": lambda value: b"d%d" % value,
    "timestamp": lambda value: b"u%d" % value,
}
"""How a join key of each type is written in a key; no other type can be a join key online."""


class KeyCodec:
    """The keys of one view of one project, compiled once."""

    def __init__(self, project: str, view: ServedView) -> None:
        self.view = view
        self.prefix = key_prefix(project, view.name) + b"{"
        self._secret = KEYRING.secret(project) if view.entity_ids == HASHED else None
        self._parts = [_part(view, field) for field in view.join_keys]

    def key(self, values: Sequence[Any]) -> bytes | None:
        """Return the key of the entity with these join key values, in the view's order.

        None if one of them is null: no row has such a key.

        Raises:
            InvalidInput: a value is not of the join key's type.
        """
        texts = [part(value) for part, value in zip(self._parts, values, strict=True)]
        if None in texts:
            return None
        return self._whole(b"%b}" % b",".join(text for text in texts if text is not None))

    def _whole(self, tail: bytes) -> bytes:
        return self.prefix + self._ending(tail)

    def _ending(self, tail: bytes) -> bytes:
        return tail if self._secret is None else hashed_tag(self._secret, tail[:-1]) + b"}"

    def keys(self, columns: Sequence[Sequence[Any]], rows: int) -> list[bytes]:
        """Return the key of each of ``rows`` rows; one that ends with `NO_END` where a join key is null.

        ``columns`` holds the values of each join key, in the view's order.
        """
        return self.after_prefix(self.tails(columns, rows))

    def tails(self, columns: Sequence[Sequence[Any]], rows: int) -> list[bytes | None]:
        """Return what follows the prefix: the same for all views with the same join keys."""
        if not columns:
            return [b"}"] * rows
        if len(columns) == 1:
            part = self._parts[0]
            texts = [part(value) for value in columns[0]]
            return [None if text is None else text + b"}" for text in texts]
        parts = [
            [part(value) for value in column]
            for part, column in zip(self._parts, columns, strict=True)
        ]
        return [
            None if None in texts else b"%b}" % b",".join(texts)
            for texts in zip(*parts, strict=True)
        ]

    def after_prefix(self, tails: Sequence[bytes | None]) -> list[bytes]:
        """Return the keys with these tails; where entity ids are hashed, it is done here."""
        prefix = self.prefix
        return [prefix + (tail or NO_END) for tail in self.endings(tails)]

    def endings(self, tails: Sequence[bytes | None]) -> Sequence[bytes | None]:
        """Return the tails as they stand in keys: hashed, where entity ids are."""
        if self._secret is None:
            return tails
        return [None if tail is None else self._ending(tail) for tail in tails]


def hashed_tag(secret: bytes, tag: bytes) -> bytes:
    """Return what stands for an entity's tag where ids are hashed: ``h`` and 22 characters."""
    return b"h" + base64.urlsafe_b64encode(keyed(secret, tag)).rstrip(b"=")


def _part(view: ServedView, field: FieldSpec) -> Callable[[Any], bytes | None]:
    write = KEY_PARTS.get(field.type)
    if write is None:
        raise InvalidInput(
            f"feature view {view.name}: join key {field.name} is {field.type}, which has no exact text",
            hint=f"join keys online are one of {', '.join(KEY_PARTS)}",
        )
    kind, is_text = kind_of(field.type), field.type == "string"
    low, high = INTEGERS.get(field.type, (1, 0))

    def part(value: Any) -> bytes | None:
        if type(value) is str and is_text and value.isascii():
            return _bytes(value.encode())
        if type(value) is int and low <= value <= high:
            return b"%d" % value
        if is_null(value):
            return None
        if is_text and isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        return write(_checked(kind, value, field, f"join key {field.name}"))

    return part


@dataclass(frozen=True, slots=True)
class Row:
    """A decoded row; ``values`` in the order of the view's columns."""

    event_timestamp: datetime
    created_timestamp: datetime | None
    values: tuple[Any, ...]


class RowCodec:
    """The rows of one view, compiled once."""

    def __init__(self, view: ServedView) -> None:
        self.view = view
        self.layout = layout_of(view)
        self._check = check_of(view)
        self._whole = ViewReader(view, [column.name for column in view.columns])

    def encode(
        self,
        key: bytes,
        values: Mapping[str, Any],
        event_timestamp: datetime,
        created_timestamp: datetime | None = None,
    ) -> bytes:
        """Return the bytes of the row of ``key``; a column that ``values`` does not hold is null.

        Raises:
            InvalidInput: a value is not of its column's type.
        """
        written = [self._written(at, values) for at in range(len(self.layout.kinds))]
        event = _positive(event_timestamp)
        created = None if is_null(created_timestamp) else _positive(created_timestamp)
        head = Head(self._check ^ crc32(key), event, *created_part(event, created))
        return self.layout.join(head, written)

    def _written(self, at: int, values: Mapping[str, Any]) -> Any:
        column = self.view.columns[at]
        value = values.get(column.name)
        if is_null(value):
            return None
        what = f"feature {self.view.name}:{column.name}"
        return _checked(self.layout.kinds[at], value, column, what)

    def decode(self, key: bytes, row: bytes) -> Row | None:
        """Return what ``row`` holds; None if it is of another layout or key, or damaged."""
        block = self._whole.block([key], [row])
        if block.statuses != [PRESENT]:
            return None
        _, created = order_of(row)
        if created != NO_CREATED_US and not FIRST_US <= created <= LAST_US:
            return None
        return Row(
            event_timestamp=from_micros(block.event_us[0]),
            created_timestamp=None if created == NO_CREATED_US else from_micros(created),
            values=tuple(block.python(at)[0] for at in range(len(self.view.columns))),
        )


def _positive(instant: datetime | None) -> int:
    if instant is None or is_null(instant):
        raise InvalidInput("a row has no event timestamp", hint="leave such rows out")
    return micros(instant) + SIGN


def _checked(kind: Kind, value: Any, field: FieldSpec, what: str) -> Any:
    try:
        return kind.write(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(
            f"{what} is {field.type}, and {shown(value)} is not: {error}",
            hint=f"give a value of type {field.type}",
        ) from None
