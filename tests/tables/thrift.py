"""Parquet footers written by hand, in Thrift's compact protocol, to say what no writer would.

Source: parquet.thrift of Apache Parquet.
"""

I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def zigzag(number: int) -> bytes:
    return varint(number * 2 if number >= 0 else -number * 2 - 1)


def field(step: int, kind: int, value: bytes) -> bytes:
    return bytes([step << 4 | kind]) + value


def items(kind: int, count: int, content: bytes) -> bytes:
    head = bytes([count << 4 | kind]) if count < 15 else bytes([15 << 4 | kind]) + varint(count)
    return head + content


def group(children: int) -> bytes:
    """A schema element with ``children``."""
    return field(4, BINARY, varint(1) + b"g") + field(1, I32, zigzag(children)) + b"\x00"


def leaf(name: str, *, declared: int | None = None) -> bytes:
    """A column of 64-bit integers, whose name ``declared`` that many bytes."""
    length = len(name) if declared is None else declared
    text = varint(length) + name.encode()
    return field(1, I32, zigzag(2)) + field(2, I32, zigzag(1)) + field(1, BINARY, text) + b"\x00"


def footer_of(schema: list[bytes], *, rows: int = 1, row_groups: int = 1) -> bytes:
    """A whole file that has only a footer; its row groups are empty structs."""
    footer = field(1, I32, zigzag(2))
    footer += field(1, LIST, items(STRUCT, len(schema), b"".join(schema)))
    footer += field(1, I64, zigzag(rows))
    footer += field(1, LIST, items(STRUCT, row_groups, b"\x00" * row_groups)) + b"\x00"
    return _closed(b"PAR1", footer)


def with_footer(content: bytes, *, rows: int) -> bytes:
    """The file ``content`` with another number of rows in its footer, and nothing else changed."""
    length = int.from_bytes(content[-8:-4], "little")
    footer = content[-8 - length : -8]
    at = _rows_at(footer)
    old = _varint_length(footer, at)
    return _closed(content[: -8 - length], footer[:at] + zigzag(rows) + footer[at + old :])


def _rows_at(footer: bytes) -> int:
    """Where the number of rows is: behind the schema, which here is of 1000 rows."""
    mark = bytes([1 << 4 | I64]) + zigzag(1000) + bytes([1 << 4 | LIST])
    return footer.index(mark) + 1


def _varint_length(data: bytes, at: int) -> int:
    length = 1
    while data[at + length - 1] & 128:
        length += 1
    return length


def _closed(before: bytes, footer: bytes) -> bytes:
    return before + footer + len(footer).to_bytes(4, "little") + b"PAR1"
