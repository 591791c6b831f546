"""The head of a Parquet footer, read without trusting it: columns, depth, rows, row groups.

Nothing is built in memory and nothing recurses on what the file says, so a file cannot hurt
before it is known to be sane. Source: parquet.thrift of Apache Parquet (structs FileMetaData
and SchemaElement), and Thrift's compact protocol.
"""

from collections.abc import Iterator
from dataclasses import dataclass

FIXED = {0: 1, 1: 4, 2: 8, 3: 12, 4: 4, 5: 8, 6: 16}
"""Bytes of a value in memory by physical type; text by its reference alone."""
FIXED_LENGTH = 7
INTEGERS = (3, 4, 5, 6)
BINARY, LISTS, MAP, STRUCT = 8, (9, 10), 11, 12
DEEPEST = 16
"""How deep structs of a footer's schema elements go at most."""


class BadFooter(ValueError):
    """The bytes are no footer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """What a footer declares; ``row_bytes`` is the least that a row has in memory."""

    rows: int
    columns: int
    depth: int
    row_bytes: int
    row_groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Element:
    physical: int | None = None
    length: int = 0
    children: int = 0


def read_footer(data: bytes, *, most_columns: int, most_depth: int) -> Footer:
    """Return what the footer ``data`` declares. Reading ends at what is more than allowed.

    Raises:
        BadFooter: it cannot be read.
    """
    try:
        return _read(_Reader(data), most_columns, most_depth)
    except IndexError:
        raise BadFooter("it ends too early") from None


def _read(reader: "_Reader", most_columns: int, most_depth: int) -> Footer:
    columns = depth = row_bytes = rows = 0
    for number, kind in reader.fields():
        if number == 2 and kind in LISTS:
            columns, depth, row_bytes = _schema(reader, most_columns, most_depth)
            if columns > most_columns or depth > most_depth:
                return Footer(
                    rows=0, columns=columns, depth=depth, row_bytes=row_bytes, row_groups=0
                )
        elif number == 3 and kind in INTEGERS:
            rows = reader.integer()
        elif number == 4 and kind in LISTS:
            return Footer(
                rows=rows,
                columns=columns,
                depth=depth,
                row_bytes=row_bytes,
                row_groups=reader.list_head()[0],
            )
        else:
            reader.skip(kind)
    raise BadFooter("it has no row groups")


def _schema(reader: "_Reader", most_columns: int, most_depth: int) -> tuple[int, int, int]:
    """Return leaves, depth and the bytes of a row; the root does not count."""
    count, kind = reader.list_head()
    if kind != STRUCT or count < 1:
        raise BadFooter("it has no schema")
    open_groups = [_element(reader).children]
    leaves = deepest = row_bytes = 0
    for _ in range(count - 1):
        while open_groups and open_groups[-1] == 0:
            open_groups.pop()
        if not open_groups:
            raise BadFooter("its schema is no tree")
        open_groups[-1] -= 1
        found = _element(reader)
        deepest = max(deepest, len(open_groups))
        if found.children:
            open_groups.append(found.children)
        else:
            leaves += 1
            row_bytes += _width(found) if len(open_groups) == 1 else 0
        if leaves > most_columns or deepest > most_depth:
            break
    return leaves, deepest, row_bytes


def _width(element: _Element) -> int:
    if element.physical == FIXED_LENGTH:
        return max(element.length, 0)
    return FIXED.get(element.physical, 0) if element.physical is not None else 0


def _element(reader: "_Reader") -> _Element:
    physical: int | None = None
    length = children = 0
    for number, kind in reader.fields():
        if number not in (1, 2, 5) or kind not in INTEGERS:
            reader.skip(kind)
            continue
        value = reader.integer()
        if number == 1:
            physical = value
        elif number == 2:
            length = value
        else:
            children = value
    if children < 0:
        raise BadFooter("its schema is no tree")
    return _Element(physical=physical, length=length, children=children)


class _Reader:
    """Reads Thrift's compact protocol from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield number and type of each field of a struct; its value is to be read or skipped."""
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self.integer()
            yield number, head & 15

    def list_head(self) -> tuple[int, int]:
        """Return how many items a list has, and their type."""
        head = self._byte()
        return (self._varint() if head >> 4 == 15 else head >> 4), head & 15

    def integer(self) -> int:
        found = self._varint()
        return (found >> 1) ^ -(found & 1)

    def skip(self, kind: int, depth: int = 0) -> None:
        """Read over a value of type ``kind``."""
        if depth > DEEPEST:
            raise BadFooter("it is nested too deeply")
        if kind in (1, 2):
            return
        if kind == 3:
            self._byte()
        elif kind in INTEGERS:
            self._varint()
        elif kind == 7:
            self._forward(8)
        elif kind == BINARY:
            self._forward(self._varint())
        elif kind in LISTS:
            count, item = self.list_head()
            for _ in range(count):
                self.skip(item if item not in (1, 2) else 3, depth + 1)
        elif kind == STRUCT:
            for _, inner in self.fields():
                self.skip(inner, depth + 1)
        else:
            raise BadFooter(f"it has a value of type {kind}")

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _forward(self, count: int) -> None:
        self._at += count
        if self._at > len(self._data):
            raise BadFooter("it ends too early")

    def _varint(self) -> int:
        found = shift = 0
        while True:
            byte = self._byte()
            found |= (byte & 127) << shift
            if byte < 128:
                return found
            shift += 7
            if shift > 63:
                raise BadFooter("it has a number of more than 64 bits")
