"""The views of a plan as DuckDB sees them: registered, checked against the spine, and measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from provender.core.errors import InvalidInput
from provender.core.training import PointInTimePlan, ViewJoin
from provender.offline import asof
from provender.offline.keys import check_key, must_be_exact
from provender.offline.numbered import Numbered, plain_type
from provender.tables import format_for
from provender.tables.arrow import literal
from provender.tables.sources import escape

MICROS = 3
"""Columns that matching reads beside the keys: two instants and the row's number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One join of a plan, registered as ``source_<position>``.

    ``features`` has the outputs and their types. ``numbered`` is None unless it is plain Parquet.
    ``exact`` are spine columns whose floats must be whole numbers.
    """

    join: ViewJoin
    position: int
    features: pa.Schema
    numbered: Numbered | None
    exact: tuple[str, ...]

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
        needed = dict.fromkeys([*keys, *self.feature_columns, *self.join.tie_breakers])
        return self.numbered.width(list(needed)) + 8 * MICROS

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

    def arrange(self, rows: pa.Table) -> pa.Table:
        """Return columns of the source as the features they are."""
        columns = [rows.column(source) for source, _ in self.join.features]
        return pa.table(columns, names=list(self.join.outputs)) if columns else rows.select([])


def register(session: duckdb.DuckDBPyConnection, join: ViewJoin, position: int, lake: Path) -> None:
    """Make the source of ``join`` the view ``source_<position>``.

    Raises:
        InvalidInput: it lacks a column that the join needs.
        Corrupt: a file of a dataset's version is gone or changed; it is named.
    """
    relation = format_for(join.table.format).relation(join.table, lake, session)
    missing = sorted(set(needed_columns(join)) - set(relation.columns))
    if missing:
        raise InvalidInput(
            f"the source of feature view {join.view} has no column {', '.join(missing)}; "
            f"it has {', '.join(relation.columns)}",
            hint="correct the feature view, or pin a version of the dataset that has it",
        )
    relation.create_view(asof.table_name(position))


def register_numbered(
    session: duckdb.DuckDBPyConnection, position: int, numbered: Numbered
) -> None:
    """Make the rows of plain Parquet files the view ``numbered_<position>``, with file and place."""
    listed = ", ".join(literal(escape(path)) for path in numbered.paths)
    session.execute(
        f"CREATE OR REPLACE VIEW {asof.numbered_name(position)} AS "
        "SELECT *, file_index AS file_index, file_row_number AS file_row_number "
        f"FROM read_parquet([{listed}], hive_partitioning=false)"
    )


def needed_columns(join: ViewJoin) -> list[str]:
    """Return the columns of the source that a join reads, each once."""
    names = [source for _, source in join.keys] + [source for source, _ in join.features]
    names += [*join.tie_breakers, join.event_timestamp]
    return list(dict.fromkeys(names + ([join.created_timestamp] if join.created_timestamp else [])))


def open_source(
    session: duckdb.DuckDBPyConnection, plan: PointInTimePlan, position: int, lake: Path
) -> Source:
    """Return a registered source of ``plan`` after checking its keys against the table ``spine``.

    Raises:
        InvalidInput: a key cannot be compared, a column is missing, a file is broken.
    """
    join = plan.joins[position]
    register(session, join, position, lake)
    found = _types(session, asof.table_name(position))
    asked, short = _types(session, asof.SPINE), asof.spine_columns(plan)
    exact = []
    for name, column in join.keys:
        check_key(
            join.view,
            name=name,
            asked=asked[short[name]],
            source_column=column,
            found=found[column],
        )
        if must_be_exact(asked[short[name]], found[column]):
            exact.append(name)
    paths = format_for(join.table.format).files(join.table, lake)
    numbered = Numbered.open(paths) if paths else None
    if numbered is not None and not set(needed_columns(join)) <= set(numbered.schema.names):
        numbered = None
    if numbered is not None:
        register_numbered(session, position, numbered)
    features = _features(session, join, position, numbered)
    return Source(
        join=join, position=position, features=features, numbered=numbered, exact=tuple(exact)
    )


def _features(
    session: duckdb.DuckDBPyConnection, join: ViewJoin, position: int, numbered: Numbered | None
) -> pa.Schema:
    if numbered is not None:
        of = {field.name: plain_type(field.type) for field in numbered.schema}
    else:
        nothing = session.sql(f"SELECT * FROM {asof.table_name(position)} LIMIT 0").to_arrow_table()
        of = {field.name: field.type for field in nothing.schema}
    return pa.schema([pa.field(output, of[source]) for source, output in join.features])


def _types(session: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    rows: Sequence[tuple[Any, ...]] = session.execute(f"DESCRIBE {table}").fetchall()
    return {str(row[0]): str(row[1]) for row in rows}


def _width(kind: pa.DataType) -> float:
    try:
        return float(kind.bit_width) / 8
    except ValueError:
        return 48.0
