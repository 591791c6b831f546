"""What Spark reads of a retrieval: the spine, and of each view's source the columns that count.

Parquet files that Spark reads as DuckDB does are left where they are. All else (other formats,
types that Spark does not have, files that differ from each other) is read by DuckDB and staged as
Parquet in the retrieval's own folder. The spine always is: DuckDB reads its instants and brings
its keys to the types of the sources, so that equal means the same for every engine.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from provender.core.training import PointInTimePlan, ViewJoin
from provender.offline.asof import micros
from provender.offline.masks import Key, no_key
from provender.offline.refusals import needed, refuse_keys, refuse_years
from provender.offline.sources import shielded
from provender.offline.sparksql import Asked, Column, Source, earliest_reached
from provender.offline.sparktypes import spark_reads, wire_type
from provender.offline.spine import Spine
from provender.tables import format_for
from provender.tables.arrow import quote

BATCH_ROWS = 122_880
SPINE = "spine"
MICROS = pa.int64()
PATTERN_MARKS = frozenset("*?[]{}\\,^")
"""In a path these make Spark look for other files than the one that is meant."""


@dataclass(frozen=True)
class SourceTable:
    """A view's source as DuckDB sees it, and how Spark is to read it."""

    join: ViewJoin
    relation: duckdb.DuckDBPyRelation
    types: dict[str, str]
    """DuckDB's types of all columns."""
    answered: dict[str, pa.DataType]
    """The types in which DuckDB gives the columns that are read: those of the answer."""
    files: tuple[Path, ...] = ()
    kinds: dict[str, pa.DataType] = field(default_factory=dict)

    @classmethod
    def of(
        cls, join: ViewJoin, lake: Path, session: duckdb.DuckDBPyConnection, key: Key = no_key
    ) -> "SourceTable":
        """Return the source of ``join``, if it has every column.

        Raises:
            InvalidInput: a column is missing, or has a type that Spark cannot carry.
            NotFound: there are no rows at its place.
            Corrupt: a file of a governed table is gone.
        """
        relation = shielded(session, join, lake, key)
        types = dict(zip(relation.columns, map(str, relation.types), strict=True))
        answered = _arrow_types(relation, needed(join))
        files = _parquet_files(join, lake)
        kinds = _common_kinds(files, answered)
        if kinds is None or not all(_is_instant(kinds[name]) for name in join.times):
            for name, kind in answered.items():
                wire_type(kind, name)
            return cls(join, relation, types, answered)
        return cls(join, relation, types, answered, tuple(files), kinds)

    @property
    def is_direct(self) -> bool:
        """Whether Spark reads the files themselves."""
        return bool(self.files)

    @property
    def source(self) -> Source:
        """The columns as Spark's SQL is to name them."""
        join, created = self.join, self.join.created_timestamp
        if self.is_direct:
            columns = {name: Column(name, kind) for name, kind in self.kinds.items()}
            return Source(
                columns, columns[join.event_timestamp], columns[created] if created else None
            )
        columns = {
            name: Column(alias, wire_type(kind, name))
            for (name, kind), alias in zip(self.answered.items(), self._aliases, strict=True)
        }
        at = Column("event_at", MICROS)
        return Source(columns, at, Column("created_at", MICROS) if created else None)

    @property
    def _aliases(self) -> list[str]:
        return [f"c{number}" for number in range(len(needed(self.join)))]

    def stage(self, file: Path, asked: Asked) -> None:
        """Write what Spark needs, as far as the spine can reach it, to ``file``."""
        join, names = self.join, needed(self.join)
        columns = [
            f"{quote(name)} AS {alias}" for name, alias in zip(names, self._aliases, strict=True)
        ]
        columns.append(f"{micros(quote(join.event_timestamp))} AS event_at")
        if join.created_timestamp:
            columns.append(f"{micros(quote(join.created_timestamp))} AS created_at")
        reachable = f"event_at BETWEEN {earliest_reached(join, asked)} AND {asked.latest}"
        write(self.relation.project(", ".join(columns)).filter(reachable), file)


@dataclass(frozen=True)
class SpineTable:
    """The part of the spine that is matched, with its keys in the types of the sources."""

    spine: Spine
    plan: PointInTimePlan
    session: duckdb.DuckDBPyConnection
    keys: dict[tuple[str, str], str]
    """The short name of each (spine column, type that it is needed in)."""
    types: dict[str, str]

    @classmethod
    def of(
        cls,
        spine: Spine,
        plan: PointInTimePlan,
        tables: Iterable[SourceTable],
        session: duckdb.DuckDBPyConnection,
    ) -> "SpineTable":
        """Return the spine for these sources.

        Raises:
            InvalidInput: a key is of another kind than the source's.
        """
        types = _types(spine.schema, session)
        keys: dict[tuple[str, str], str] = {}
        for table in tables:
            refuse_keys(table.join, spine, types, table.types)
            for name, column in table.join.keys:
                keys.setdefault((name, table.types[column]), f"s{len(keys)}")
        return cls(spine, plan, session, keys, types)

    def names(self, table: SourceTable) -> tuple[str, ...]:
        """Return the short names of the keys of one join."""
        return tuple(self.keys[name, table.types[column]] for name, column in table.join.keys)

    def relation(self) -> duckdb.DuckDBPyRelation:
        """Return rows with ``rid``, the instant ``t`` as microseconds, and the keys; to be read once."""
        schema = pa.schema(
            [
                ("rid", pa.int64()),
                *((short, self.spine.schema.field(name).type) for name, short in self._raw.items()),
            ]
        )
        reader = pa.RecordBatchReader.from_batches(schema, self._batches(schema))
        columns = ["rid", f"{micros(self._raw[self.plan.event_timestamp])} AS t"]
        columns += [
            f"{self._key(name, kind)} AS {short}" for (name, kind), short in self.keys.items()
        ]
        return self.session.from_arrow(reader).project(", ".join(columns))

    @property
    def _raw(self) -> dict[str, str]:
        names = dict.fromkeys([self.plan.event_timestamp, *(name for name, _ in self.keys)])
        return {name: f"raw{number}" for number, name in enumerate(names)}

    def _batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        first = 0
        for batch in self.spine.batches(list(self._raw), rows=BATCH_ROWS):
            rids = pa.array(range(first, first + batch.num_rows), pa.int64())
            first += batch.num_rows
            yield pa.RecordBatch.from_arrays([rids, *batch.columns], schema=schema)

    def _key(self, name: str, kind: str) -> str:
        raw = self._raw[name]
        if self.types[name] == kind:
            return raw
        cast = f"TRY_CAST({raw} AS {kind})"
        return f"CASE WHEN {cast} = {raw} THEN {cast} END"


def write(relation: duckdb.DuckDBPyRelation, file: Path) -> None:
    """Write the rows of ``relation`` for Spark; a type that it does not have is replaced by one it has."""
    reader = relation.to_arrow_reader(BATCH_ROWS)
    schema = pa.schema(
        [(column.name, wire_type(column.type, column.name)) for column in reader.schema]
    )
    with pq.ParquetWriter(file, schema) as writer:
        for batch in reader:
            columns = [
                array.cast(kind) for array, kind in zip(batch.columns, schema.types, strict=True)
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def reach(instants: Iterable[pa.RecordBatch]) -> tuple[int, int]:
    """Return the earliest and latest ``t`` of ``instants``, as microseconds; 1970 if there is none.

    Raises:
        InvalidInput: one is outside of the years 1 to 9999.
    """
    bounds = [pc.min_max(batch.column("t")).as_py() for batch in instants]
    known = [bound for bound in bounds if bound["min"] is not None]
    low = min((bound["min"] for bound in known), default=0)
    high = max((bound["max"] for bound in known), default=0)
    refuse_years(low, high)
    return low, high


def _types(schema: pa.Schema, session: duckdb.DuckDBPyConnection) -> dict[str, str]:
    relation = session.from_arrow(schema.empty_table())
    return dict(zip(schema.names, map(str, relation.types), strict=True))


def _arrow_types(relation: duckdb.DuckDBPyRelation, names: list[str]) -> dict[str, pa.DataType]:
    listed = ", ".join(quote(name) for name in names)
    schema = relation.project(listed).limit(0).to_arrow_table().schema
    return {column.name: column.type for column in schema}


def _parquet_files(join: ViewJoin, lake: Path) -> list[Path]:
    """The Parquet files that are exactly the rows of a table; none where something else is needed."""
    if join.shield.rows is not None or join.masked_keys:
        return []
    return format_for(join.table.format).files(join.table, lake) or []


def _common_kinds(
    files: list[Path], answered: dict[str, pa.DataType]
) -> dict[str, pa.DataType] | None:
    """The types of the columns, if every file has the same, and Spark reads in them what DuckDB does."""
    found: dict[str, pa.DataType] | None = None
    for file in files:
        kinds = _kinds(file, answered) if _is_plain_path(file, answered) else None
        if kinds is None or (found is not None and kinds != found):
            return None
        found = kinds
    return found


def _is_plain_path(file: Path, names: Iterable[str]) -> bool:
    """Whether Spark takes the path for this file, and no column comes from its folders' names."""
    hidden = file.name.startswith((".", "_"))
    in_folders = {part.partition("=")[0] for part in file.parts if "=" in part}
    return not (hidden or PATTERN_MARKS.intersection(str(file)) or in_folders.intersection(names))


def _kinds(file: Path, answered: dict[str, pa.DataType]) -> dict[str, pa.DataType] | None:
    try:
        with pq.ParquetFile(file) as opened:
            schema, old = opened.schema_arrow, _int96_columns(opened.schema)
    except (OSError, pa.ArrowException):
        return None
    if any(schema.names.count(name) != 1 or name in old for name in answered):
        return None
    kinds = {name: schema.field(name).type for name in answered}
    agreed = all(spark_reads(kind, as_=answered[name]) for name, kind in kinds.items())
    return kinds if agreed else None


def _int96_columns(schema: pq.ParquetSchema) -> set[str]:
    """Columns with instants as Parquet had them before it had a type for them."""
    leaves = [schema.column(number) for number in range(len(schema))]
    return {leaf.path.split(".")[0] for leaf in leaves if leaf.physical_type == "INT96"}


def _is_instant(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date32(kind))
