"""The views of a plan as DuckDB sees them: registered, checked against the spine, and measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from provender.core.filters import Filter
from provender.core.training import PointInTimePlan, ViewJoin
from provender.offline import asof
from provender.offline.masks import Key, no_key
from provender.offline.numbered import Numbered, plain_type
from provender.offline.refusals import needed, refuse_keys, refuse_missing
from provender.offline.shield import kept, with_masked
from provender.offline.spine import Spine
from provender.tables import format_for
from provender.tables.arrow import literal
from provender.tables.sources import escape

MICROS = 3
"""Columns that matching reads beside the keys: two instants and the row's number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One join of a plan, registered as ``source_<position>``.

    ``features`` has the outputs and their types. ``numbered`` is None unless it is plain Parquet.
    ``changed_by_sql`` are features whose type DuckDB does not have, so that its answer is of another.
    """

    join: ViewJoin
    position: int
    features: pa.Schema
    numbered: Numbered | None
    changed_by_sql: tuple[str, ...] = ()

    @property
    def feature_columns(self) -> list[str]:
        """The source's columns that features are of, each once."""
        return list(dict.fromkeys(source for source, _ in self.join.features))

    @property
    def row_bytes(self) -> float | None:
        """Bytes a row with all columns that are needed."""
        if self.numbered is None:
            return None
        keys = [source for _, source in self.join.keys]
        columns = dict.fromkeys([*keys, *self.feature_columns, *self.join.tie_breakers])
        return self.numbered.width(list(columns)) + 8 * MICROS

    def output_width(self) -> float:
        """Bytes a row of the features takes in the answer."""
        if self.numbered is not None:
            return self.numbered.width([source for source, _ in self.join.features])
        return sum(_width(field.type) for field in self.features)

    def rows_within(self, reach: asof.Reach, keys: Mapping[str, tuple[Any, Any]]) -> int | None:
        """Return how many rows statistics leave within the spine's instants and ``keys``."""
        if self.numbered is None:
            return None
        floor = asof.floor_of(reach.earliest, self.join.ttl)
        earliest = floor or datetime.min.replace(tzinfo=reach.latest.tzinfo)
        bounds = {source: keys[name] for name, source in self.join.keys if name in keys}
        return self.numbered.rows_within(
            bounds | {self.join.event_timestamp: (earliest, reach.latest)}
        )

    def arrange(self, rows: pa.Table | pa.RecordBatch) -> pa.Table:
        """Return columns of the source as the features they are."""
        columns = [rows.column(source) for source, _ in self.join.features]
        return pa.table(columns, names=list(self.join.outputs)) if columns else rows.select([])


def shielded(
    session: duckdb.DuckDBPyConnection, join: ViewJoin, lake: Path, key: Key
) -> duckdb.DuckDBPyRelation:
    """Return the rows of ``join`` that there are for who asks, with keys masked beside them.

    Raises:
        InvalidInput: it lacks a column that the join needs.
        Corrupt: a file of a dataset's version is gone or changed; it is named.
    """
    found = kept(
        format_for(join.table.format).relation(join.table, lake, session), join.shield.rows
    )
    refuse_missing(join, [*found.columns, *join.masked_keys])
    return with_masked(session, found, join.masked_keys, key)


def register(
    session: duckdb.DuckDBPyConnection,
    join: ViewJoin,
    position: int,
    lake: Path,
    key: Key = no_key,
) -> None:
    """Make the source of ``join`` the view ``source_<position>``; see `shielded`."""
    shielded(session, join, lake, key).create_view(asof.table_name(position))


def register_numbered(
    session: duckdb.DuckDBPyConnection,
    position: int,
    numbered: Numbered,
    rows: Filter | None = None,
) -> None:
    """Make those ``rows`` of plain Parquet files the view ``numbered_<position>``, with file and place."""
    listed = ", ".join(literal(escape(path)) for path in numbered.paths)
    relation = session.sql(
        "SELECT *, file_index AS file_index, file_row_number AS file_row_number "
        f"FROM read_parquet([{listed}], hive_partitioning=false)"
    )
    kept(relation, rows).create_view(asof.numbered_name(position), replace=True)


def open_source(
    session: duckdb.DuckDBPyConnection,
    plan: PointInTimePlan,
    position: int,
    spine: Spine,
    lake: Path,
    key: Key = no_key,
) -> Source:
    """Return a registered source of ``plan`` after checking its keys against the table ``spine``.

    Raises:
        InvalidInput: a key cannot be compared, a column is missing, a file is broken or a bomb.
        Corrupt: a file of a dataset's version is gone or changed.
    """
    join = plan.joins[position]
    paths = format_for(join.table.format).files(join.table, lake)
    register(session, join, position, lake, key)
    short = asof.spine_columns(plan)
    types = _types(session, asof.SPINE)
    asked = {name: types[column] for name, column in short.items()}
    refuse_keys(join, spine, asked, _types(session, asof.table_name(position)))
    numbered = Numbered.open(paths) if paths else None
    if numbered is not None and not set(_read(join)) <= set(numbered.schema.names):
        numbered = None
    if numbered is not None:
        register_numbered(session, position, numbered, join.shield.rows)
    known = (
        session.sql(f"SELECT * FROM {asof.table_name(position)} LIMIT 0").to_arrow_table().schema
    )
    kinds = numbered.schema if numbered is not None else known
    features = pa.schema(
        [pa.field(output, plain_type(kinds.field(source).type)) for source, output in join.features]
    )
    changed = [
        output
        for (source, output), field in zip(join.features, features, strict=True)
        if not _keeps(known.field(source).type, field.type)
    ]
    return Source(
        join=join, position=position, features=features, numbered=numbered,
        changed_by_sql=tuple(changed),
    )  # fmt: skip


def _read(join: ViewJoin) -> list[str]:
    """The columns that a join reads: keys as they are masked are none of a file's."""
    return [*needed(join), *(join.shield.rows.columns if join.shield.rows else ())]


def _keeps(found: pa.DataType, kind: pa.DataType) -> bool:
    """Whether values that DuckDB gives as ``found`` can be cast to ``kind`` and be what they were."""
    if found == kind:
        return True
    if pa.types.is_timestamp(kind) and pa.types.is_timestamp(found):
        return bool(found.unit == kind.unit or kind.unit in ("s", "ms"))
    if pa.types.is_nested(kind):
        return True
    texts = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_binary,
        pa.types.is_large_binary,
    )
    return any(one(found) for one in texts) and any(one(kind) for one in texts)


def _types(session: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    rows: Sequence[tuple[Any, ...]] = session.execute(f"DESCRIBE {table}").fetchall()
    return {str(row[0]): str(row[1]) for row in rows}


def _width(kind: pa.DataType) -> float:
    try:
        return float(kind.bit_width) / 8
    except ValueError:
        return 48.0
