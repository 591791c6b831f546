"""Whether two frames say the same, whatever their order and whoever wrote them.

Cells are compared as values of the type the feature has in its source; a float's NaN is a null,
because pandas has no other. Rows are recognised by ``row_id``.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

from benchmarks.tables import session
from benchmarks.workload import Workload

Digest = tuple[int, ...]


def types(workload: Workload) -> dict[str, str]:
    """Return the DuckDB type of every feature, as its source has it."""
    with session() as connection:
        return {
            name: kind
            for view in workload.views
            for name, kind in _types(connection, Path(view.path)).items()
            if name in view.features
        }


def digest(frame: Path, features: Mapping[str, str]) -> Digest:
    """Return the row count and, per feature, the sum of the hashes of (row, value)."""
    with _session() as connection:
        cells = _cells(connection, frame, features)
        sums = ", ".join(f"sum(hash(row_id, {cell})::HUGEINT)" for cell in cells)
        found = connection.execute(f"SELECT count(*), {sums} FROM '{frame}'").fetchone()
    return tuple(value or 0 for value in found or ())


def differing(one: Path, other: Path, features: Mapping[str, str]) -> int:
    """Return how many cells differ; a row that only one frame has differs in all of them."""
    with _session() as connection:
        for name, frame in (("a", one), ("b", other)):
            columns = zip(_cells(connection, frame, features), features, strict=True)
            chosen = ", ".join(f'{cell} AS "{feature}"' for cell, feature in columns)
            connection.execute(f"CREATE VIEW {name} AS SELECT row_id, {chosen} FROM '{frame}'")
        return sum(_differing(connection, feature) for feature in features)


def total(frame: Path, feature: str) -> int:
    """Return the sum of an integer feature over all rows."""
    with session() as connection:
        found = connection.execute(f"SELECT sum(\"{feature}\")::HUGEINT FROM '{frame}'").fetchone()
    return int(found[0] or 0) if found else 0


@contextmanager
def _session() -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB 2.0 takes a file's minimum and maximum, which leave NaN out, for proof that there is none."""
    with session() as connection:
        connection.execute("SET disabled_optimizers = 'statistics_propagation'")
        yield connection


def _differing(connection: duckdb.DuckDBPyConnection, feature: str) -> int:
    found = connection.execute(
        f"""
        SELECT count(*) FROM a FULL JOIN b USING (row_id)
        WHERE a."{feature}" IS DISTINCT FROM b."{feature}" OR a.row_id IS NULL OR b.row_id IS NULL
        """
    ).fetchone()
    return int(found[0]) if found else 0


def _cells(
    connection: duckdb.DuckDBPyConnection, frame: Path, features: Mapping[str, str]
) -> Iterable[str]:
    found = _types(connection, frame)
    for name, kind in features.items():
        cell = f'"{name}"'
        if found[name] != "DOUBLE":
            yield f"{cell}::{kind}"
        elif kind == "DOUBLE":
            yield f"CASE WHEN isnan({cell}) THEN NULL ELSE {cell} END"
        else:
            yield f"TRY_CAST(CASE WHEN {cell} = trunc({cell}) THEN {cell} END AS {kind})"


def _types(connection: duckdb.DuckDBPyConnection, frame: Path) -> dict[str, str]:
    described = connection.execute(f"DESCRIBE SELECT * FROM '{frame}'").fetchall()
    return {name: kind for name, kind, *_ in described}
