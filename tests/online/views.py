"""Views and values that several tests of the online store use."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from provender.core.features import FieldSpec
from provender.core.serving import ServedView, ServingManifest
from provender.online.coverage import Coverage, readable_by

T0 = datetime(2013, 1, 1, 5, tzinfo=UTC)
TICK = timedelta(microseconds=1)
INSTANTS = st.datetimes(
    datetime(1, 1, 2),  # noqa: DTZ001 - bounds are given without a zone
    datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def field(name: str, kind: str) -> FieldSpec:
    return FieldSpec(name=name, type=kind)


def view(
    columns: dict[str, str],
    *,
    name: str = "weather",
    keys: dict[str, str] | None = None,
    ttl: timedelta | None = None,
    **more: Any,
) -> ServedView:
    return ServedView(
        name=name,
        join_keys=tuple(field(n, t) for n, t in (keys or {"origin": "string"}).items()),
        columns=tuple(field(n, t) for n, t in columns.items()),
        ttl=ttl,
        **more,
    )


def manifest(*views: ServedView, project: str = "flights", **more: Any) -> ServingManifest:
    return ServingManifest(
        project=project, repo_digest="sha256:0", compiled_at=T0, views=views, **more
    )


def covering(one: ServedView, *, end: datetime = T0) -> Coverage:
    """What is kept of rows that were materialised from the beginning."""
    return Coverage(source="a.b@1", layout="sha256:0", end=end, readable=readable_by(one))


EVERY_TYPE: dict[str, Any] = {
    "bool": True,
    "int8": -128,
    "int16": 32767,
    "int32": -(2**31),
    "int64": 2**63 - 1,
    "uint8": 255,
    "uint16": 65535,
    "uint32": 2**32 - 1,
    "uint64": 2**64 - 1,
    "float32": 0.5,
    "float64": 0.1,
    "string": "Čedok ✈",
    "binary": b"\x00\xff}",
    "date": date(2013, 1, 1),
    "time": time(23, 59, 59, 999999),
    "timestamp": T0 + TICK,
    "timestamp_ns": T0 + TICK,
    "timestamp_local": datetime(2013, 1, 1, 5, 30),  # noqa: DTZ001 - a wall-clock reading
    "decimal(10,2)": Decimal("-12.50"),
    "list<int64>": [1, None, -(2**63)],
    "list<string>": ["a", "", None, "ü"],
    "list<bool>": [],
    "list<list<float64>>": [[1.5], [], None],
    "struct<a:int64>": {"a": 1},
}
"""One value of each type, to the edge of what it holds."""
FEAST_TYPES: dict[str, Any] = {
    "set<int64>": [-(2**63), 2, 10],
    "set<float64>": [-1.5, 0.1],
    "set<string>": ["", "a", "ü"],
    "set<timestamp>": [T0, T0 + TICK],
    "list<list<int64>>": [[1, 1], [], None, [None]],
    "map<string,json>": {"a": {"b": [1, None, 1.5]}, "č": "✈", "z": None},
    "struct<json>": {"a": 1},
    "list<map<string,json>>": [{"a": "x"}, {}],
}
"""One value of each type that only features have, as it is read."""
