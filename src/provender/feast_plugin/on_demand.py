"""On-demand features of a retrieval, computed batch by batch with the functions that Feast holds.

A function that looks at several rows at once, such as a mean, sees the rows of one batch. The
results have the types that their views declare.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc
from feast.feature_view import FeatureView
from feast.field import Field
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.types import from_feast_to_pyarrow_type

from provender.core.errors import InvalidInput
from provender.core.training import output_name
from provender.feast_plugin.errors import RequestLacksColumns
from provender.feast_plugin.joins import alias_of
from provender.offline.answer import Answer


@dataclass(frozen=True, slots=True)
class Asked:
    """What a retrieval needs: stored views, the references to them and to what is computed, in order."""

    views: tuple[FeatureView, ...]
    refs: tuple[str, ...]
    computed: tuple[OnDemandFeatureView, ...]


def asked_of(
    views: Sequence[FeatureView | OnDemandFeatureView],
    refs: Sequence[str],
    registry: BaseRegistry,
    project: str,
) -> Asked:
    """Return what ``refs`` need, with the inputs of on-demand views that other such views take.

    Feast hands these among the feature views, and without their own inputs.
    """
    known = {v.name: v for v in registry.list_on_demand_feature_views(project, allow_cache=True)}
    stored = {alias_of(v): v for v in views if not isinstance(v, OnDemandFeatureView)}
    wanted = dict.fromkeys(refs)
    order: dict[str, OnDemandFeatureView] = {}

    def add(view: OnDemandFeatureView) -> None:
        for source in view.source_feature_view_projections.values():
            wanted.update(dict.fromkeys(f"{source.name}:{f.name}" for f in source.features))
            if source.name in known:
                add(known[source.name])
            elif source.name not in stored:
                stored[source.name] = registry.get_feature_view(source.name, project)
        order.setdefault(view.name, view)

    for view in OnDemandFeatureView.get_requested_odfvs(list(refs), project, registry):
        add(view)
    return Asked(tuple(stored.values()), tuple(wanted), tuple(order.values()))


def with_on_demand(
    answer: Answer,
    views: Sequence[OnDemandFeatureView],
    refs: Sequence[str],
    *,
    full_feature_names: bool,
) -> Answer:
    """Return ``answer`` with the features that ``refs`` ask of ``views`` behind its columns.

    Raises:
        InvalidInput: a function does not give what its view declares.
    """
    if not views:
        return answer
    computed = (
        _computed(batch, views, refs, full=full_feature_names)
        for batch in answer.batches
        if batch.num_rows
    )
    first = next(computed)
    return Answer(first.schema, _closing(chain([first], computed), answer), answer.known_later)


def check_request(views: Sequence[OnDemandFeatureView], columns: Sequence[str]) -> None:
    """Return if a spine with ``columns`` has what the views take from the request.

    Raises:
        RequestLacksColumns: a column is missing; all that a view needs are named.
    """
    for view in views:
        missing = sorted(set(view.get_request_data_schema()) - set(columns))
        if missing:
            raise RequestLacksColumns(view.name, missing)


def _closing(batches: Iterator[pa.RecordBatch], answer: Answer) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    finally:
        answer.close()


def _computed(
    batch: pa.RecordBatch, views: Sequence[OnDemandFeatureView], refs: Sequence[str], *, full: bool
) -> pa.RecordBatch:
    table = pa.Table.from_batches([batch])
    for view in views:
        results = _results(view, _inputs(table, view, full=full), full=full)
        for name, kind in _wanted(view, refs, full=full).items():
            table = table.append_column(name, _typed(results, name, kind, view, len(table)))
    (one,) = table.combine_chunks().to_batches()
    return one


def _wanted(
    view: OnDemandFeatureView, refs: Sequence[str], *, full: bool
) -> dict[str, pa.DataType | None]:
    """The columns asked of ``view`` under their names in the output, with the declared types."""
    alias = alias_of(view)
    asked = {ref.partition(":")[2] for ref in refs if ref.partition(":")[0] in (alias, view.name)}
    return {
        output_name(alias, field.name, full=full): _declared(field)
        for field in view.features
        if field.name in asked
    }


def _inputs(table: pa.Table, view: OnDemandFeatureView, *, full: bool) -> pa.Table:
    """All columns; one of the spine gives way to an input feature with its short name."""
    if not full:
        return table
    hidden = {
        field.name
        for source in view.source_feature_view_projections.values()
        for field in source.features
    } - set(view.get_request_data_schema())
    return table.drop_columns([name for name in table.column_names if name in hidden])


def _results(view: OnDemandFeatureView, inputs: pa.Table, *, full: bool) -> pa.Table:
    if not view.singleton:
        return view.transform_arrow(inputs, full)
    rows = [view.transform_dict({k: [v] for k, v in row.items()}) for row in inputs.to_pylist()]
    alias = alias_of(view)
    return pa.table(
        {
            output_name(alias, field.name, full=full): pa.array([row[field.name] for row in rows])
            for field in view.features
        }
    )


def _typed(
    results: pa.Table, name: str, kind: pa.DataType | None, view: OnDemandFeatureView, rows: int
) -> pa.ChunkedArray:
    if name not in results.column_names or len(results) != rows:
        raise InvalidInput(
            f"on-demand view {view.name} gave {len(results):,} rows with the columns "
            f"{', '.join(results.column_names)}, not {rows:,} with {name}",
            hint="return a value per row for every feature that the view declares",
        )
    values = results.column(name)
    try:
        return _cast(values, kind)
    except pa.ArrowInvalid as error:
        raise InvalidInput(
            f"on-demand view {view.name}: {name} is declared {kind}, and a value is not",
            hint="make the function return values of the declared type, or declare another",
        ) from error


def _cast(values: pa.ChunkedArray, kind: pa.DataType | None) -> pa.ChunkedArray:
    if kind is None or values.type == kind:
        return values
    if pa.types.is_floating(values.type) and pa.types.is_integer(kind):
        values = pc.if_else(pc.is_nan(values), None, values)  # how pandas says null of a number
    return values.cast(kind)


def _declared(field: Field) -> pa.DataType | None:
    """The Arrow type of a number, text, instant or list; of a map or struct, whatever is given."""
    try:
        kind = from_feast_to_pyarrow_type(field.dtype)
    except ValueError:
        return None
    inner = kind.value_type if pa.types.is_list(kind) else kind
    return None if pa.types.is_nested(inner) else kind
