"""On-demand features of a training set: the function that serving calls, on whole columns."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from provender.core.errors import InvalidInput
from provender.core.features import FieldSpec, RepoSpec, resolve
from provender.core.training import TrainingSetSpec, output_name
from provender.tables.arrow import arrow_type
from provender.transforms import load_transform


def with_on_demand(
    answer: pa.Table, spine: pa.Table, repo: RepoSpec, spec: TrainingSetSpec, *, folder: Path
) -> pa.Table:
    """Return the spine's columns, then the features that ``spec`` asks for, in its order.

    ``answer`` has the spine's columns and the stored features; modules of on-demand functions
    are in ``folder``. Inputs go by ``feature`` and by ``view__feature``, as when serving.

    Raises:
        InvalidInput: a request column is not in the spine, or a function does not give what
            its view declares.
    """
    full = spec.full_feature_names
    columns = {name: answer.column(name) for name in answer.column_names}
    for view in resolve(repo, spec.features).on_demand:
        missing = [field.name for field in view.request if field.name not in columns]
        if missing:
            raise InvalidInput(
                f"on-demand view {view.name} needs {', '.join(missing)}, which the spine does not have",
                hint="add the columns to the spine; at serving they come with the request",
            )
        inputs = {}
        for ref in view.inputs:
            values = columns[output_name(ref.view, ref.feature, full=full)].to_pylist()
            inputs[output_name(ref.view, ref.feature, full=False)] = values
            inputs[output_name(ref.view, ref.feature, full=True)] = values
        for field in view.request:
            inputs[field.name] = columns[field.name].to_pylist()
        computed = load_transform(view, folder)(inputs)
        for field in view.features:
            name = output_name(view.name, field.name, full=full)
            columns[name] = _typed(computed[field.name], field, view.name)
    asked = [output_name(ref.view, ref.feature, full=full) for ref in spec.features]
    return pa.table({name: columns[name] for name in [*spine.column_names, *asked]})


def _typed(values: list[Any], field: FieldSpec, view: str) -> pa.ChunkedArray:
    try:
        return pa.chunked_array([pa.array(values, arrow_type(field.type))])
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise InvalidInput(
            f"on-demand view {view}: {field.name} is declared {field.type}, and a value is not: {error}",
            hint="make the function return values of the declared type, or declare another",
        ) from error
