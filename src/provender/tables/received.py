"""Arrow streams that somebody else sent: nothing in them is believed before it was checked.

They are mapped, not loaded, so that what they take is on the disk. Compressed ones could grow to
anything when they are read, and run-end encoded ones have rows that take no bytes: both are refused.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from provender.core.bounds import SPINE_COLUMNS, SPINE_LISTS
from provender.core.errors import InvalidInput
from provender.core.typewords import parse
from provender.tables.arrow import schema_of, without_null_types
from provender.tables.piped import END

HEADER, COMPRESSION, DICTIONARY = 2, 3, 1
"""Fields of Arrow's flatbuffers: a message's header, a batch's compression, a dictionary's batch."""
HINT = "send Arrow's stream format, uncompressed: pyarrow.ipc.new_stream(sink, table.schema)"


def received_table(file: Path) -> pa.Table:
    """Return the rows of the stream in ``file``, which has to stay while they are used.

    Raises:
        InvalidInput: it is no whole stream, is compressed, has more rows than bytes, or columns
            that are too many or nested too deeply.
    """
    size = file.stat().st_size
    if not size:
        raise InvalidInput("no rows were sent", hint=HINT)
    try:
        with pa.memory_map(str(file)) as mapped:
            if any(map(_is_compressed, _messages(mapped))):
                raise InvalidInput("the rows that were sent are compressed", hint=HINT)
            if mapped.size() < len(END) or _end(mapped) != END:
                raise InvalidInput("the rows that were sent break off", hint=HINT)
            mapped.seek(0)
            reader = pa.ipc.open_stream(mapped)
            _check_columns(reader.schema)
            table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, struct.error) as error:
        raise InvalidInput(
            f"the rows that were sent are no stream of Arrow: {error}", hint=HINT
        ) from error
    if table.num_rows > size or any(_has_runs(field.type) for field in table.schema):
        raise InvalidInput(
            f"the rows that were sent are {table.num_rows:,} in {size:,} bytes, or run-end encoded",
            hint="send every value by itself",
        )
    return table


def _check_columns(schema: pa.Schema) -> None:
    """Check them before anything plans a query of them: that takes its time and memory."""
    if len(schema) > SPINE_COLUMNS:
        raise InvalidInput(
            f"the rows that were sent have {len(schema):,} columns, {SPINE_COLUMNS:,} at most are taken",
            hint="send those that are needed",
        )
    columns = schema_of(without_null_types(schema)).columns
    lists = sum(parse(column.type).lists for column in columns)
    if lists > SPINE_LISTS:
        raise InvalidInput(
            f"the rows that were sent have {lists:,} lists and maps, {SPINE_LISTS} at most are taken",
            hint="leave out the columns that are not needed",
        )


def _end(mapped: pa.MemoryMappedFile) -> bytes:
    mapped.seek(mapped.size() - len(END))
    return bytes(mapped.read(len(END)))


def _messages(mapped: pa.MemoryMappedFile) -> Iterator[pa.Message]:
    reader = pa.ipc.MessageReader.open_stream(mapped)
    while True:
        try:
            yield reader.read_next_message()
        except StopIteration:
            return


def _is_compressed(message: pa.Message) -> bool:
    if message.type not in ("record batch", "dictionary"):
        return False
    data = memoryview(message.metadata)
    (root,) = struct.unpack_from("<I", data, 0)
    batch = _table(data, _field(data, root, HEADER))
    if message.type == "dictionary":
        batch = _table(data, _field(data, batch, DICTIONARY))
    return _field(data, batch, COMPRESSION) != 0


def _table(data: memoryview, place: int) -> int:
    """Where the table is that ``place`` leads to."""
    return place + int(struct.unpack_from("<I", data, place)[0])


def _field(data: memoryview, table: int, number: int) -> int:
    """Where field ``number`` of ``table`` is; 0 if it has none."""
    start = table - int(struct.unpack_from("<i", data, table)[0])
    (length,) = struct.unpack_from("<H", data, start)
    entry = 4 + 2 * number
    offset = int(struct.unpack_from("<H", data, start + entry)[0]) if entry < length else 0
    return table + offset if offset else 0


def _has_runs(kind: pa.DataType) -> bool:
    if pa.types.is_run_end_encoded(kind):
        return True
    return any(_has_runs(kind.field(n).type) for n in range(kind.num_fields))
