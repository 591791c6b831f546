"""A plan's masks and filters, put on what is read and on what comes out.

A filter is an expression over the columns of a relation, with its values bound: no text of
anybody's becomes SQL. Keys are masked beside the rows, so that a masked spine finds them; other
values where they come out, of rows that were chosen by what they are.
"""

import functools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count

import duckdb
import pyarrow as pa
from duckdb import ConstantExpression as Constant
from duckdb import Expression, SQLExpression
from duckdb import FunctionExpression as Function
from duckdb.func import FunctionNullHandling, PythonUDFType

from provender.core.effects import Mask
from provender.core.filters import Filter
from provender.core.filtertext import Among, And, Compare, IsNull, Not, Or, Tree, Value
from provender.offline.answer import Answer
from provender.offline.masks import Key, Masking
from provender.tables.arrow import quote

NUMBERS = count()
"""For the names of functions that mask keys."""
FLOATS = ("FLOAT", "DOUBLE")
MEANS = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt,
    "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def kept(relation: duckdb.DuckDBPyRelation, rows: Filter | None) -> duckdb.DuckDBPyRelation:
    """Return the rows of ``relation`` that pass the filter ``rows``; all, where there is none."""
    if rows is None:
        return relation
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    return relation.filter(_expression(rows.tree, types))


def with_masked(
    session: duckdb.DuckDBPyConnection,
    relation: duckdb.DuckDBPyRelation,
    named: Mapping[str, tuple[str, Mask]],
    key: Key,
) -> duckdb.DuckDBPyRelation:
    """Return ``relation`` with more columns, or others in their place: each by its name, and what is masked how."""
    if not named:
        return relation
    types = dict(zip(relation.columns, relation.types, strict=True))
    kinds = relation.limit(0).to_arrow_table().schema
    columns = {name: _column(name) for name in relation.columns}
    for name, (column, mask) in named.items():
        function = f"mask_{next(NUMBERS)}"
        session.create_function(
            function, _in_chunks(Masking(mask, kinds.field(column).type, key)),
            [types[column]], types[column], type=PythonUDFType.ARROW, null_handling=FunctionNullHandling.SPECIAL,
        )  # fmt: skip
        columns[name] = Function(function, _column(column)).alias(name)
    return relation.project(*columns.values())


def masked_answer(answer: Answer, masks: Mapping[str, Mask], key: Key) -> Answer:
    """Return ``answer`` with columns masked, by name."""
    if not masks:
        return answer
    changes = {
        answer.schema.get_field_index(name): Masking(mask, answer.schema.field(name).type, key)
        for name, mask in masks.items()
    }
    return Answer(answer.schema, Masked(answer, changes), answer.known_later)


class Masked(Iterator[pa.RecordBatch]):
    """The batches of an answer, masked; closing them closes it."""

    def __init__(self, answer: Answer, changes: Mapping[int, Masking]) -> None:
        self._answer, self._changes = answer, changes

    def __next__(self) -> pa.RecordBatch:
        batch = next(self._answer.batches)
        columns = list(batch.columns)
        for number, change in self._changes.items():
            columns[number] = change(columns[number])
        return pa.RecordBatch.from_arrays(columns, schema=self._answer.schema)

    def close(self) -> None:
        """End what the batches come from."""
        self._answer.close()


def _column(name: str) -> Expression:
    """A column by its quoted name: `ColumnExpression` takes one called ``*`` for all of them."""
    return SQLExpression(quote(name))


def _in_chunks(masking: Masking) -> Callable[[pa.Array | pa.ChunkedArray], pa.Array]:
    def change(column: pa.Array | pa.ChunkedArray) -> pa.Array:
        return masking(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)

    return change


def _expression(tree: Tree, types: Mapping[str, str]) -> Expression:
    match tree:
        case IsNull(column):
            return _column(column).isnull()
        case Compare(column, sign, value):
            return _compared(column, sign, value, types[column])
        case Among(column, values):
            return _among(column, values, types[column])
        case Not(part):
            return ~_expression(part, types)
        case And(parts):
            return functools.reduce(operator.and_, (_expression(part, types) for part in parts))
        case Or(parts):
            return functools.reduce(operator.or_, (_expression(part, types) for part in parts))


def _compared(column: str, sign: str, value: Value, kind: str) -> Expression:
    """The comparison. NaN, which DuckDB takes for the greatest number, only differs from another."""
    found: Expression = MEANS[sign](_column(column), Constant(value))
    if kind not in FLOATS:
        return found
    return found | _is_nan(column) if sign == "!=" else found & ~_is_nan(column)


def _among(column: str, values: Sequence[Value], kind: str) -> Expression:
    found: Expression = _column(column).isin(*map(Constant, values))
    return found & ~_is_nan(column) if kind in FLOATS else found


def _is_nan(column: str) -> Expression:
    """Whether it is NaN, asked of each value: what is added to it is nothing, which DuckDB cannot foresee.

    Else it asks Parquet's least and greatest value, which leave NaN out, and believes it of all.
    """
    nothing = Function("least", Function("random"), Constant(0.0))
    return Function("isnan", _column(column) + nothing)
