"""On-demand features of a training set: the function that serving calls, on the columns of a batch."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from provender.core.errors import InvalidInput
from provender.core.features import FieldSpec, OnDemandSpec, RepoSpec, resolve
from provender.core.training import TrainingSetSpec, output_name
from provender.offline.answer import Answer
from provender.tables.features import feature_array, feature_type
from provender.transforms import Transform, load_transform


def with_on_demand(
    answer: Answer, spine: Sequence[str], repo: RepoSpec, spec: TrainingSetSpec, *, folder: Path
) -> Answer:
    """Return the ``spine``'s columns, then the features that ``spec`` asks for, in its order.

    ``answer`` has the spine's columns and the stored features; modules of on-demand functions
    are in ``folder``. They are called once per batch, and so must not look across rows. Inputs
    go by ``feature`` and by ``view__feature``, as when serving.

    Raises:
        InvalidInput: a request column is not in the spine, or a function does not give what
            its view declares.
    """
    full = spec.full_feature_names
    views = resolve(repo, spec.own_features).on_demand
    kinds = {field.name: field.type for field in answer.schema}
    functions: list[tuple[OnDemandSpec, Transform]] = []
    for view in views:
        _check_request(view, kinds)
        functions.append((view, load_transform(view, folder)))
        for field in view.features:
            kinds[output_name(view.name, field.name, full=full)] = feature_type(field.type)
    sources = _sources(spine, repo, spec)
    schema = pa.schema([(name, kinds[source]) for name, source in sources.items()])
    batches = _computed(answer, functions, schema, list(sources.values()), full=full)
    return Answer(schema, batches, answer.known_later)


def _sources(spine: Sequence[str], repo: RepoSpec, spec: TrainingSetSpec) -> dict[str, str]:
    """Return the names of the answer's columns, and those of the columns that they are.

    Stored features are joined under the names asked for, and on-demand ones computed under their own.

    Raises:
        InvalidInput: an on-demand feature has the name of another column.
    """
    full = spec.full_feature_names
    sources = {name: name for name in spine}
    first = dict.fromkeys(spine, "the spine")
    for ref, own in zip(spec.features, spec.own_features, strict=True):
        name = output_name(ref.view, ref.feature, full=full)
        if first.setdefault(name, str(ref)) != str(ref):
            raise InvalidInput(
                f"feature name {name!r} comes from both {first[name]} and {ref}",
                hint="ask with full_feature_names=True, or rename the column of the spine",
            )
        is_computed = repo.on_demand_view(own.view) is not None
        sources[name] = output_name(own.view, own.feature, full=full) if is_computed else name
    return sources


def _computed(
    answer: Answer,
    functions: Sequence[tuple[OnDemandSpec, Transform]],
    schema: pa.Schema,
    sources: Sequence[str],
    *,
    full: bool,
) -> Iterator[pa.RecordBatch]:
    try:
        for batch in answer.batches:
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            for view, compute in functions:
                computed = compute(_inputs(view, columns, full=full))
                for field in view.features:
                    name = output_name(view.name, field.name, full=full)
                    columns[name] = _typed(computed[field.name], field, view.name)
            yield pa.RecordBatch.from_arrays([columns[name] for name in sources], schema=schema)
    finally:
        answer.close()


def _check_request(view: OnDemandSpec, columns: Mapping[str, object]) -> None:
    missing = [field.name for field in view.request if field.name not in columns]
    if missing:
        raise InvalidInput(
            f"on-demand view {view.name} needs {', '.join(missing)}, which the spine does not have",
            hint="add the columns to the spine; at serving they come with the request",
        )


def _inputs(
    view: OnDemandSpec, columns: Mapping[str, pa.Array], *, full: bool
) -> dict[str, list[Any]]:
    inputs = {}
    for ref in view.inputs:
        values = columns[output_name(ref.view, ref.feature, full=full)].to_pylist()
        inputs[output_name(ref.view, ref.feature, full=False)] = values
        inputs[output_name(ref.view, ref.feature, full=True)] = values
    for field in view.request:
        inputs[field.name] = columns[field.name].to_pylist()
    return inputs


def _typed(values: Sequence[Any], field: FieldSpec, view: str) -> pa.Array:
    try:
        return feature_array(values, field.type)
    except (ValueError, TypeError, OverflowError, AttributeError, LookupError) as error:
        raise InvalidInput(
            f"on-demand view {view}: {field.name} is declared {field.type}, and a value is not",
            hint="make the function return values of the declared type, or declare another",
        ) from error
