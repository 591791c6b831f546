"""One call of `get_online_features`: Feast's entity rows in, keys to read, a response out of the rows.

Values are converted as Feast converts them, a column at a time; those that are of the right
Python type already are left alone. Rows that Feast would complain of are left to it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from feast.metrics import track_feature_statuses
from feast.protos.feast.types.Value_pb2 import RepeatedValue
from feast.type_map import feast_value_type_to_python_type, python_values_to_proto_values
from feast.value_type import ValueType

from provender.feast_plugin.resolution import Computed, FeastPlan, Unplanned
from provender.feast_plugin.responses import Column, ColumnsResponse, stored_column
from provender.feast_plugin.values import to_python
from provender.online.lookup import NOT_FOUND, NULL_VALUE, PRESENT, Lookups, Question

PLAIN: dict[ValueType, type] = {
    ValueType.INT32: int,
    ValueType.INT64: int,
    ValueType.STRING: str,
}
"""Join key types whose Python values need no conversion."""
BOUNDS = {ValueType.INT32: 1 << 31, ValueType.INT64: 1 << 63}

EntityRows = list[dict[str, Any]] | Mapping[str, Sequence[Any] | RepeatedValue]


@dataclass(frozen=True, slots=True)
class Given:
    """One entity column: as keys are made from it, and as it comes back."""

    keys: list[Any]
    column: Column


class FeastQuestion:
    """A lookup between its halves: read ``keys``, then `answer` from the rows.

    Raises:
        Unplanned: Feast's own code has to answer, or to complain.
    """

    def __init__(self, plan: FeastPlan, entity_rows: EntityRows, now: datetime) -> None:
        self._plan = plan
        columns = _columns(entity_rows)
        sizes = {len(values) for values in columns.values()}
        known = plan.join_keys | plan.request
        needed = plan.plan.join_keys.keys() | plan.request
        if len(sizes) != 1 or not needed <= columns.keys() or plan.entity_names & columns.keys():
            raise Unplanned
        self._size = sizes.pop()
        if not self._size:
            raise Unplanned
        self._given = {
            name: _given(name, values, plan.key_types.get(name, ValueType.UNKNOWN))
            for name, values in columns.items()
            if name in known
        }
        keys = {name: self._given[name].keys for name in plan.plan.join_keys}
        # A view without entities has as many rows as there are entities, whatever they are.
        size = {"": [None] * self._size} if not keys else {}
        self._question = Question(plan.plan, keys | size, now)

    @property
    def size(self) -> int:
        """How many entities are asked for."""
        return self._size

    @property
    def keys(self) -> Sequence[bytes]:
        """The keys of the rows to read."""
        return self._question.keys

    def answer(self, rows: Sequence[bytes | None], *, with_versions: bool) -> ColumnsResponse:
        """Return the response out of the stored rows, which come in the order of `keys`."""
        plan = self._plan
        found = self._question.answer(rows)
        self._count(found)
        stored = {column.name: column for column in self._stored(found)}
        known = stored | {name: given.column for name, given in self._given.items()}
        computed = {
            name: column for view in plan.computed for name, column in _compute(view, known)
        }
        echoed = [given.column for name, given in self._given.items() if name in plan.join_keys]
        columns = stored | computed
        versions = {
            view.name: getattr(view.view, "current_version_number", 0) or 0 for view in plan.stored
        }
        return ColumnsResponse(
            [*echoed, *(columns[name] for name in plan.names if name in columns)],
            plan.types,
            versions if with_versions else None,
        )

    def _stored(self, found: Lookups) -> Iterator[Column]:
        for name, values, statuses, event_us in zip(
            found.names, found.values, found.statuses, found.event_us, strict=True
        ):
            yield stored_column(name, self._plan.types[name], values, statuses, event_us)

    def _count(self, found: Lookups) -> None:
        """Tell Feast's metrics what was there, by view."""
        outputs = self._plan.plan.outputs
        counts: dict[str, list[int]] = {}
        for output, statuses in zip(outputs, found.statuses, strict=True):
            if output.source is None:
                continue
            count = counts.setdefault(self._plan.stored[output.source.read].view.name, [0, 0])
            missing = statuses.count(NOT_FOUND)
            count[0] += len(statuses) - missing
            count[1] += missing
        for name, (present, missing) in counts.items():
            track_feature_statuses(name, present, missing)


def _columns(entity_rows: EntityRows) -> dict[str, list[Any]]:
    """Return the entity rows by column, in the order of the first row."""
    if not isinstance(entity_rows, list):
        return {
            name: list(values.val) if isinstance(values, RepeatedValue) else list(values)
            for name, values in entity_rows.items()
        }
    if not entity_rows:
        raise Unplanned
    names = list(entity_rows[0])
    if any(row.keys() != entity_rows[0].keys() for row in entity_rows):
        raise Unplanned
    return {name: [row[name] for row in entity_rows] for name in names}


def _given(name: str, values: list[Any], kind: ValueType) -> Given:
    if _is_plain(values, kind):
        return Given(
            values,
            _timeless(name, values, lambda: python_values_to_proto_values(values, kind)),
        )
    protos = python_values_to_proto_values(values, kind)
    shown = [feast_value_type_to_python_type(value) for value in protos]
    return Given([to_python(value) for value in protos], _timeless(name, shown, lambda: protos))


def _is_plain(values: list[Any], kind: ValueType) -> bool:
    """Whether Feast's protobuf would give each of the values back as it is."""
    wanted = PLAIN.get(kind)
    if wanted is None or any(type(value) is not wanted for value in values):
        return False
    bound = BOUNDS.get(kind)
    return bound is None or (min(values) >= -bound and max(values) < bound)


def _compute(computed: Computed, known: Mapping[str, Column]) -> Iterator[tuple[str, Column]]:
    """Yield the columns that an on-demand view makes of what is stored or given and not hidden."""
    results = computed.view.transform_dict(
        {name: list(column.values) for name, column in known.items() if name not in computed.hidden}
    )
    for feature, name in computed.names.items():
        values = results.get(name, results.get(feature))
        if values is not None:
            yield name, _computed_column(name, values, computed.types[feature])


def _computed_column(name: str, values: Any, kind: ValueType) -> Column:
    """Return what a function made, as Feast's protobuf keeps values of that type."""
    listed = values if isinstance(values, list) else [values]
    protos = python_values_to_proto_values(listed, kind)
    shown = [feast_value_type_to_python_type(value) for value in protos]
    return _timeless(name, shown, lambda: protos)


def _timeless(name: str, values: list[Any], protos: Any) -> Column:
    """Return a column without event timestamps: of an entity, or computed."""
    statuses = [NULL_VALUE if value is None else PRESENT for value in values]
    return Column(name, values, statuses, [0] * len(values), protos)
