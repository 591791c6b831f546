"""The logical digest: which rows a table holds, whatever their order, files and format.

How it is computed, so that anybody can do it again:

1. Each value is written as text. Null is ``~``. Booleans are ``true;`` or ``false;``; integers
   their decimal digits and ``;``; decimals the integer that remains without the point, with
   all fractional digits of the type, and ``;``; floats the signed integer with the same
   IEEE 754 bits and ``;`` (every NaN is ``nan;``, both zeros are ``0;``). A date is its days,
   a time, timestamp or local timestamp its microseconds, a timestamp_ns its nanoseconds,
   since 1970-01-01 or midnight, and ``;``. A string is its length in UTF-8 bytes, ``:`` and
   itself; binary its length, ``:`` and upper-case hex. A list is ``[``, its length, ``:``,
   its items, ``]``; a map is ``{``, its length, ``:``, keys and values in turn in stored
   order, ``}``; a struct its fields between ``(`` and ``)``.
2. A row is the concatenation of its values, in column order; its hash is the SHA-256 of the
   UTF-8 text.
3. The four 64-bit words of all hashes, big-endian, are added up, each word by itself.
4. The digest is `core.digest.digest` of the column names and types, the row count and the
   four sums.

Rows that occur twice count twice. Values that SQL calls equal are equal: ``0.0`` and ``-0.0``
are. Memory is constant. The sum finds accidents, not attacks: who may choose very many rows
freely can find two sets with one sum (generalised birthday). Against tampering there is the
SHA-256 of every file in the manifest.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa

from provender.core import typewords as words
from provender.core.datasets import EventRange, Manifest
from provender.core.digest import digest
from provender.core.errors import InvalidInput
from provender.core.schema import Schema
from provender.core.typewords import Word
from provender.tables.arrow import quote, schema_of, without_null_types
from provender.tables.session import session

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LANES = 4
VIEW = "rows_to_digest"
ROWS_AT_ONCE = 491_520
BYTES_AT_ONCE = 128 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one pass over the rows tells."""

    row_count: int
    logical_digest: str
    event_range: EventRange | None = None
    sums: tuple[int, ...] = ()


def logical_digest(rows: pa.Table | pa.RecordBatchReader) -> str:
    """Return the digest of ``rows``; see the module for what it is of. A reader is used up.

    Columns of Arrow's null type count as strings.

    Raises:
        InvalidInput: a column has a type that cannot be stored.
    """
    schema = schema_of(without_null_types(rows.schema))
    with session() as connection:
        return inspect(connection.from_arrow(rows), schema, connection).logical_digest


def inspect(
    relation: duckdb.DuckDBPyRelation,
    schema: Schema,
    connection: duckdb.DuckDBPyConnection,
    *,
    event_timestamp: str | None = None,
) -> Facts:
    """Return the facts about ``relation``, whose columns are those of ``schema``.

    Raises:
        InvalidInput: the event timestamp is beyond the years 1 to 9999.
    """
    relation.create_view(VIEW, replace=True)
    answer = connection.execute(_query(schema, event_timestamp)).fetchone()
    if answer is None:
        raise RuntimeError("an aggregate without groups always has one row")
    count, earliest, latest, *lanes = answer
    sums = tuple(int(total or 0) for total in lanes)
    return Facts(
        row_count=count,
        logical_digest=_digest(schema, count, sums),
        event_range=_event_range(event_timestamp, earliest, latest),
        sums=sums,
    )


def recorded(manifest: Manifest) -> Facts | None:
    """Return the facts that ``manifest`` tells of its rows; None if its sums are not those of its digest."""
    known = len(manifest.sums) == LANES and manifest.logical_digest == _digest(
        manifest.schema, manifest.row_count, manifest.sums
    )
    if not known:
        return None
    return Facts(
        row_count=manifest.row_count,
        logical_digest=manifest.logical_digest,
        event_range=manifest.event_range,
        sums=manifest.sums,
    )


def together(some: Facts, more: Facts, schema: Schema) -> Facts:
    """Return the facts about the rows of both, which have the columns of ``schema``."""
    count = some.row_count + more.row_count
    sums = tuple(one + other for one, other in zip(some.sums, more.sums, strict=True))
    ranges = [facts.event_range for facts in (some, more) if facts.event_range]
    return Facts(
        row_count=count,
        logical_digest=_digest(schema, count, sums),
        event_range=EventRange(
            earliest=min(found.earliest for found in ranges),
            latest=max(found.latest for found in ranges),
        )
        if ranges
        else None,
        sums=sums,
    )


def _digest(schema: Schema, count: int, sums: Sequence[int]) -> str:
    return digest(
        {
            "columns": [(column.name, column.type) for column in schema.columns],
            "count": count,
            "sums": [str(total) for total in sums],
        }
    )


class RunningDigest:
    """The digest of rows that pass by: what `logical_digest` says of all that were added."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema_of(without_null_types(schema))
        self._query = _query(self._schema, None)
        self._sums = [0] * LANES
        self.row_count = 0

    def through(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield ``batches`` as they are; all are added when the last was taken.

        Some wait to be added together, so that all threads have work.
        """
        with session() as connection:
            waiting: list[pa.RecordBatch] = []
            for batch in batches:
                waiting.append(batch)
                rows, size = sum(b.num_rows for b in waiting), sum(b.nbytes for b in waiting)
                if rows >= ROWS_AT_ONCE or size >= BYTES_AT_ONCE:
                    self._add(connection, waiting)
                    waiting = []
                yield batch
            if waiting:
                self._add(connection, waiting)

    def _add(
        self, connection: duckdb.DuckDBPyConnection, batches: Sequence[pa.RecordBatch]
    ) -> None:
        connection.register(VIEW, pa.Table.from_batches(batches))
        ((count, _, _, *sums),) = connection.execute(self._query).fetchall()
        connection.unregister(VIEW)
        self.row_count += count
        self._sums = [was + (more or 0) for was, more in zip(self._sums, sums, strict=True)]

    @property
    def value(self) -> str:
        """The digest of the rows so far."""
        return _digest(self._schema, self.row_count, self._sums)


def _query(schema: Schema, event_timestamp: str | None) -> str:
    row = ", ".join(
        encode(words.parse(column.type), quote(column.name)) for column in schema.columns
    )
    lanes = ", ".join(f"sum(('0x' || substr(h, {1 + 16 * n}, 16))::UBIGINT)" for n in range(LANES))
    instant = "NULL::BIGINT"
    if event_timestamp is not None:
        cast = "::TIMESTAMP" if schema.column(event_timestamp).type == "date" else ""
        instant = f"epoch_us({quote(event_timestamp)}{cast})"
    return (
        f"SELECT count(*), min(t), max(t), {lanes} "
        f"FROM (SELECT sha256(concat({row})) AS h, {instant} AS t FROM {VIEW})"
    )


def encode(word: Word, value: str, depth: int = 0) -> str:
    """Return the SQL that writes ``value``, an SQL expression of type ``word``, as text."""
    return f"coalesce({_encode(word, value, depth)}, '~')"


def _encode(word: Word, value: str, depth: int) -> str:
    item = f"item{depth}"
    match word.kind:
        case "string":
            return f"strlen({value}::VARCHAR)::VARCHAR || ':' || {value}::VARCHAR"
        case "binary":
            return f"octet_length({value})::VARCHAR || ':' || hex({value})"
        case "float32":
            return _float(value, "FLOAT", "INTEGER", 0x7F80_0000)
        case "float64":
            return _float(value, "DOUBLE", "BIGINT", 0x7FF0_0000_0000_0000)
        case "decimal":
            return f"replace({value}::VARCHAR, '.', '')::HUGEINT::VARCHAR || ';'"
        case "date":
            return f"({value} - DATE '1970-01-01')::VARCHAR || ';'"
        case "timestamp_ns":
            return f"epoch_ns({value})::VARCHAR || ';'"
        case "timestamp_local":
            return f"epoch_us({value}::TIMESTAMP)::VARCHAR || ';'"
        case "time" | "timestamp":
            return f"epoch_us({value})::VARCHAR || ';'"
        case "list":
            items = _items(encode(word.parts[0][1], item, depth + 1), value, item)
            return f"'[' || len({value})::VARCHAR || ':' || {items} || ']'"
        case "map":
            pair = " || ".join(
                encode(part, f"{item}.{name}", depth + 1) for name, part in word.parts
            )
            return f"'{{' || cardinality({value})::VARCHAR || ':' || {_items(pair, f'map_entries({value})', item)} || '}}'"
        case "struct":
            fields = " || ".join(
                encode(
                    part, f"struct_extract({value}, '{name.replace(chr(39), chr(39) * 2)}')", depth
                )
                for name, part in word.parts
            )
            return f"CASE WHEN {value} IS NOT NULL THEN '(' || {fields} || ')' END"
    return f"{value}::VARCHAR || ';'"


def _float(value: str, kind: str, bits: str, infinity: int) -> str:
    """By the bits: DuckDB trusts a file's minimum and maximum, which say nothing of NaN."""
    whole = f"{value}::{kind}::BIT::{bits}"
    magnitude = f"{whole} & {infinity | (infinity - 1)}"
    return (
        f"CASE WHEN ({magnitude}) > {infinity} THEN 'nan;' WHEN ({magnitude}) = 0 THEN '0;' "
        f"ELSE {whole}::VARCHAR || ';' END"
    )


def _items(encoded: str, values: str, item: str) -> str:
    return f"array_to_string(list_transform({values}, lambda {item}: {encoded}), '')"


def _event_range(name: str | None, earliest: int | None, latest: int | None) -> EventRange | None:
    if earliest is None or latest is None:
        return None
    try:
        return EventRange(
            earliest=EPOCH + timedelta(microseconds=earliest),
            latest=EPOCH + timedelta(microseconds=latest),
        )
    except OverflowError as error:
        raise InvalidInput(
            f"the event timestamp {name!r} has values beyond the years 1 to 9999",
            hint="correct them; most often a unit was taken for another",
        ) from error
