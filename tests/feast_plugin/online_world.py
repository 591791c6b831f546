"""A repository with views of all kinds in the online store, asked by our hook and by Feast's own code."""

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from feast import (
    Entity,
    FeatureService,
    FeatureView,
    Field,
    FileSource,
    RequestSource,
    ValueType,
)
from feast.infra.online_stores.online_store import OnlineStore as FeastOnlineStore
from feast.online_response import OnlineResponse
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values
from feast.types import (
    Array,
    Bool,
    Bytes,
    Decimal,
    Float32,
    Float64,
    Int32,
    Int64,
    Json,
    Map,
    Set,
    String,
    UnixTimestamp,
    Uuid,
)

from provender.feast_plugin.view_rows import explained, noting_oldest
from tests.feast_plugin.plain import CUSTOMER, DRIVER, HOUR, NOON, TICK, store, write
from tests.feast_plugin.test_on_demand import python_view

PLACE = Entity(name="place", join_keys=["place"], value_type=ValueType.STRING)
TYPES: dict[str, tuple[Any, list[Any]]] = {
    "truth": (Bool, [True, None]),
    "small": (Int32, [-(2**31), 7]),
    "whole": (Int64, [2**53 + 1, None]),
    "single": (Float32, [0.1, float("inf")]),
    "double": (Float64, [0.1, None]),
    "text": (String, ["naïve ✈", ""]),
    "raw": (Bytes, [b"\x00\xff", None]),
    "instant": (UnixTimestamp, [NOON + TICK, None]),
    "wholes": (Array(Int64), [[1, 2**62], []]),
    "texts": (Array(String), [["a", ""], None]),
    "document": (Json, ['{"a": [9007199254740993, null]}', '{"b": 7}']),
    "identity": (Uuid, [uuid.UUID(int=1), None]),
    "price": (Decimal, ["12.50", None]),
    "numbers": (Set(Int64), [{2, 1}, None]),
    "words": (Set(String), [{"b", "a"}, set()]),
    "identities": (Array(Uuid), [[uuid.UUID(int=1)], None]),
    "prices": (Array(Decimal), [["12.50", "-1"], None]),
    "unique_prices": (Set(Decimal), [{"12.50"}, None]),
    "pairs": (Map, [{"a": "1"}, None]),
}
WANTED = RequestSource(name="wanted", schema=[Field(name="factor", dtype=Float64)])


def twice(inputs: dict[str, list[Any]]) -> dict[str, list[Any]]:
    seen = sorted(inputs)
    return {
        "double_value": [None if v is None else 2 * v for v in inputs["value"]],
        "seen": [" ".join(seen)] * len(inputs["value"]),
    }


def scaled(inputs: dict[str, list[Any]]) -> dict[str, list[Any]]:
    pairs = zip(inputs["value"], inputs["factor"], strict=True)
    return {"product": [None if v is None else v * f for v, f in pairs]}


def by_frame(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"plus": inputs["value"] + 1.0})


class World:
    """A repository with views of all kinds, and rows at NOON, or two hours before it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = store(folder / "repo", project=f"p{uuid.uuid4().hex[:8]}")
        stats = self._view("stats", [DRIVER], 3 * HOUR, value=Int64, other=Int64)
        stale = self._view("stale", [DRIVER], HOUR, level=Float64)
        both = self._view("both", [PLACE, CUSTOMER], None, spent=Float64)
        world = self._view("world", [], None, rides=Int32)
        kinds = self._view("kinds", [DRIVER], None, **{n: k for n, (k, _) in TYPES.items()})
        renamed = stats.with_name("first").with_join_key_map({"driver_id": "first_id"})
        second = stats.with_name("second").with_join_key_map({"driver_id": "second_id"})
        doubled = python_view(
            [stats[["value"]]], {"double_value": Int64, "seen": String}, twice, name="doubled"
        )
        product = python_view([stats[["value"]], WANTED], {"product": Float64}, scaled, name="prod")
        framed = python_view(
            [stats[["value"]]], {"plus": Float64}, by_frame, name="framed", mode="pandas"
        )
        self.both_ends = FeatureService(name="both_ends", features=[renamed, second[["value"]]])
        self.mixed = FeatureService(name="mixed", features=[both, stats[["other"]], doubled])
        self.store.apply(
            [DRIVER, CUSTOMER, PLACE, stats, stale, both, world, kinds, doubled, product, framed,
             self.both_ends, self.mixed]
        )  # fmt: skip
        self._write("stats", driver_id=[1, 2, 4], value=[7, 8, None], other=[1, 2, 3])
        self._write("stale", at=NOON - 2 * HOUR, driver_id=[1], level=[0.5])
        self._write("stale", at=NOON + 2 * HOUR, driver_id=[4], level=[0.5])
        self._write("both", place=["a,b", "a"], customer_id=[1, 2], spent=[10.0, 20.0])
        self._write("world", rides=[9])
        self._write_protos(kinds)

    def _view(
        self, name: str, entities: list[Entity], ttl: timedelta | None, **kinds: Any
    ) -> FeatureView:
        frame = pd.DataFrame({"event_timestamp": [NOON]})
        path = write(self.folder / f"{name}.parquet", frame)
        keys = [Field(name=e.join_key, dtype=String if e is PLACE else Int64) for e in entities]
        return FeatureView(
            name=name,
            entities=entities,
            ttl=ttl,
            schema=[*keys, *(Field(name=n, dtype=kind) for n, kind in kinds.items())],
            source=FileSource(path=path, timestamp_field="event_timestamp"),
        )

    def _write(self, name: str, *, at: Any = NOON, **columns: list[Any]) -> None:
        size = len(next(iter(columns.values())))
        frame = pd.DataFrame({**{k: pd.Series(v, dtype=object) for k, v in columns.items()}})
        self.store.write_to_online_store(name, frame.assign(event_timestamp=[at] * size))

    def _write_protos(self, table: FeatureView) -> None:
        """Write a row of each type: Feast's way from frames does not know them all."""
        protos = {
            name: python_values_to_proto_values(values, kind.to_value_type())
            for name, (kind, values) in TYPES.items()
        }
        rows = [
            (
                EntityKey(join_keys=["driver_id"], entity_values=[Value(int64_val=driver)]),
                {name: values[index] for name, values in protos.items()},
                NOON,
                None,
            )
            for index, driver in enumerate((1, 2))
        ]
        self.store.provider.online_write_batch(self.store.config, table, rows, None)

    def ask(self, features: Any, rows: Any, **more: Any) -> OnlineResponse:
        return self.store.get_online_features(features, rows, **more)

    def feasts(self, features: Any, rows: Any, **more: Any) -> OnlineResponse:
        """What Feast's own code answers, with our statuses for its nulls."""
        with noting_oldest() as oldest:
            response = FeastOnlineStore.get_online_features(
                self.store.provider.online_store, self.store.config, features, rows,
                self.store.registry, self.store.project, **more,
            )  # fmt: skip
        return explained(response, oldest)
