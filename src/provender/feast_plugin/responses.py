"""An online response made of columns: Feast's protobuf is built only for those who touch it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

from feast.online_response import TIMESTAMP_POSTFIX, OnlineResponse
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus, GetOnlineFeaturesResponse
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import feast_value_type_to_python_type
from feast.value_type import ValueType

from provender.feast_plugin.values import to_protos

SECOND_US = 1_000_000
AS_THEY_ARE = frozenset(
    {
        ValueType.BOOL,
        ValueType.INT32,
        ValueType.INT64,
        ValueType.FLOAT,
        ValueType.DOUBLE,
        ValueType.STRING,
        ValueType.BYTES,
        ValueType.PDF_BYTES,
        ValueType.IMAGE_BYTES,
    }
)
"""Types whose values Feast hands out as we store them."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: ``values`` as Feast hands them out, ``protos`` makes its protobuf values."""

    name: str
    values: Sequence[Any]
    statuses: Sequence[str]
    event_us: Sequence[int]
    protos: Callable[[], Sequence[Value]]


class ColumnsResponse(OnlineResponse):
    """Feast's response; ``versions`` are those of the feature views, where they were asked for."""

    def __init__(
        self,
        columns: Sequence[Column],
        feature_types: Mapping[str, ValueType],
        versions: Mapping[str, int] | None = None,
    ) -> None:
        self._columns = columns
        self._feature_types = dict(feature_types)
        self._versions = versions or {}

    @cached_property
    def proto(self) -> GetOnlineFeaturesResponse:  # type: ignore[override]
        """The response as Feast's protobuf."""
        made = GetOnlineFeaturesResponse()
        for column in self._columns:
            made.metadata.feature_names.val.append(column.name)
            vector = made.results.add(
                values=column.protos(),
                statuses=[FieldStatus.Value(status) for status in column.statuses],
            )
            for us in column.event_us:
                seconds, rest = divmod(us, SECOND_US)
                vector.event_timestamps.add(seconds=seconds, nanos=rest * 1000)
        for name, version in self._versions.items():
            made.metadata.feature_view_metadata.add(name=name, version=version)
        return made

    def to_dict(self, include_event_timestamps: bool = False) -> dict[str, Any]:
        """Return the values by name; with event timestamps, in seconds, under ``<name>__ts``."""
        answer: dict[str, Any] = {}
        for column in self._columns:
            answer[column.name] = list(column.values)
            if include_event_timestamps:
                answer[column.name + TIMESTAMP_POSTFIX] = [
                    us // SECOND_US for us in column.event_us
                ]
        return answer


def stored_column(
    name: str,
    kind: ValueType,
    values: Sequence[Any],
    statuses: Sequence[str],
    event_us: Sequence[int],
) -> Column:
    """Return the column of stored values of the Feast type ``kind``."""
    return Column(
        name, handed_out(values, kind), statuses, event_us, lambda: to_protos(values, kind)
    )


def handed_out(values: Sequence[Any], kind: ValueType) -> Sequence[Any]:
    """Return stored ``values`` as Feast's ``to_dict`` gives values of that type."""
    if kind in AS_THEY_ARE:
        return values
    convert = CONVERSIONS.get(kind)
    if convert is None:
        return [feast_value_type_to_python_type(value, kind) for value in to_protos(values, kind)]
    return [None if value is None else convert(value) for value in values]


def _whole_seconds(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(microsecond=0)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _each(convert: Callable[[str], Any]) -> Callable[[list[Any]], list[Any]]:
    """Return what converts a list; Feast makes texts of its nulls, which it then cannot read."""
    return lambda items: [None if item is None else convert(item) for item in items]


CONVERSIONS: dict[ValueType, Callable[[Any], Any]] = {
    ValueType.UNIX_TIMESTAMP: _whole_seconds,
    ValueType.JSON: _parsed,
    ValueType.DECIMAL: Decimal,
    ValueType.DECIMAL_LIST: _each(Decimal),
    ValueType.UUID_LIST: _each(UUID),
    ValueType.TIME_UUID_LIST: _each(UUID),
}
"""How Feast hands out what it keeps in another form; other types go through its protobuf."""
