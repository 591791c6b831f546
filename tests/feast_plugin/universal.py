"""A repository like that of Feast's own suite, on its generated data: of files, or of datasets."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from feast import (
    Entity,
    FeatureService,
    FeatureView,
    Field,
    FileSource,
    PushSource,
    RequestSource,
    ValueType,
    driver_test_data,
)
from feast.data_source import DataSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float32, Float64, Int32, Int64, Json, Map, String, Struct

from provender import bootstrap
from provender.core.datasets import Dataset, Format
from provender.core.governance import Domain, Governance
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.feast_plugin.source import CatalogSource
from provender.settings import Settings
from provender.tables.arrow import Naive
from provender.tables.versions import write_version
from tests.feast_plugin.plain import NOON, store, write
from tests.oracle.asof import asof

END, START = NOON, NOON - timedelta(days=3)
DRIVERS, CUSTOMERS, LOCATIONS = [5001, 5002, 5003], [1001, 1002, 1003], [1, 2, 3, 4]
ANA, SAM = "person:ana", "person:sam"
PURPOSES = {"research": "To learn.", "serving": "To serve."}
TTL = timedelta(days=2)
NAMES = ("customer", "driver", "location", "orders", "world", "mapped", "stats")
Make = Callable[[str, pd.DataFrame, dict[str, str]], DataSource]

DRIVER = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
CUSTOMER = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
LOCATION = Entity(name="location", join_keys=["location_id"], value_type=ValueType.INT64)


def data() -> dict[str, pd.DataFrame]:
    make = driver_test_data
    return {
        "customer": make.create_customer_daily_profile_df(CUSTOMERS, START, END),
        "driver": make.create_driver_hourly_stats_df(DRIVERS, START, END),
        "location": make.create_location_stats_df(LOCATIONS, START, END),
        "orders": make.create_orders_df(
            customers=CUSTOMERS,
            drivers=DRIVERS,
            locations=LOCATIONS,
            start_date=START,
            end_date=END,
            order_count=40,
        ),
        "world": make.create_global_daily_stats_df(START, END),
        "mapped": make.create_field_mapping_df(START, END),
    }


def in_files(folder: Path) -> Make:
    def make(name: str, frame: pd.DataFrame, mapping: dict[str, str]) -> DataSource:
        return FileSource(
            name=name,
            path=write(folder / f"{name}.parquet", frame),
            timestamp_field="event_timestamp",
            created_timestamp_column="created" if "created" in frame else "",
            field_mapping=mapping,
        )

    return make


def in_catalog(settings: Settings) -> Make:
    refs = {name: DatasetRef("uni", name) for name in NAMES}
    datasets = {
        name: Dataset(
            ref=ref,
            description=name,
            owner="team:all",
            stewards=(SAM,),
            format=Format.PARQUET,
            event_timestamp="event_timestamp",
        )
        for name, ref in refs.items()
    }
    with bootstrap.catalog(settings) as catalog:
        catalog.desk.apply(
            Governance(
                domains=(Domain(name="uni", owner="team:all"),),
                teams=("team:all",),
                people=(Person(id=ANA, teams=("team:all",)), Person(id=SAM, teams=("team:all",))),
                tags=(),
                purposes=PURPOSES,
                rules=(
                    Rule(id="govern", actors=("team:all",), actions=(Action.GOVERN,)),
                    Rule(id="discover", actors=("anyone",), actions=(Action.DISCOVER,)),
                    Rule(
                        id="read",
                        actors=("team:all",),
                        actions=(Action.READ,),
                        purposes=("research",),
                    ),
                    Rule(
                        id="serve",
                        actors=("team:all",),
                        actions=(Action.SERVE,),
                        purposes=("serving",),
                    ),
                ),
                datasets=tuple(datasets.values()),
            )
        )

    def make(name: str, frame: pd.DataFrame, mapping: dict[str, str]) -> DataSource:
        steward = settings.model_copy(update={"actor": SAM})
        table = pa.Table.from_pandas(frame, preserve_index=False)
        manifest = write_version(settings.lake, datasets[name], table, naive=Naive.UTC)
        with bootstrap.catalog(steward) as catalog:
            catalog.publish(refs[name], manifest)
        return CatalogSource(
            dataset=f"uni.{name}",
            timestamp_field="event_timestamp",
            created_timestamp_column="created" if "created" in frame else None,
            field_mapping=mapping,
        )

    return make


class World:
    """A store with all views on sources of one kind, and the data that they are of."""

    def __init__(self, folder: Path, make: Make, **options: Any) -> None:
        self.make = make
        self.data = data()
        mapping = {"mapped": {"column_name": "feature_name"}}
        self.sources = {
            name: make(name, frame, mapping.get(name, {})) for name, frame in self.data.items()
        }
        self.store = store(folder / "repo", **options)
        self.store.apply([DRIVER, CUSTOMER, LOCATION, *self._views()])

    def _views(self) -> Iterator[Any]:
        driver = self._view(
            "driver_stats", "driver", [DRIVER], timedelta(hours=2),
            conv_rate=Float32, acc_rate=Float32, avg_daily_trips=Int32, driver_metadata=Map,
            driver_config=Json, driver_profile=Struct({"name": String, "age": String}),
        )  # fmt: skip
        location = self._view("location_stats", "location", [LOCATION], TTL, temperature=Int32)
        yield from (driver, location)
        yield self._view(
            "customer_profile", "customer", [CUSTOMER], TTL, current_balance=Float32,
            avg_passenger_count=Float32, lifetime_trip_count=Int32,
        )  # fmt: skip
        yield self._view("order", "orders", [CUSTOMER, DRIVER], TTL, order_is_success=Int32)
        yield self._view("world", "world", [], TTL, num_rides=Int32, avg_ride_length=Float32)
        yield self._view("field_mapping", "mapped", [], TTL, feature_name=Int32)
        pushed = PushSource(name="pushed", batch_source=self.sources["location"])
        yield FeatureView(
            name="pushed_stats",
            entities=[LOCATION],
            ttl=TTL,
            schema=[Field(name="location_id", dtype=Int64), Field(name="temperature", dtype=Int32)],
            source=pushed,
        )
        wanted = RequestSource(name="wanted", schema=[Field(name="val_to_add", dtype=Int32)])

        def plus(inputs: pd.DataFrame) -> pd.DataFrame:
            made = pd.DataFrame()
            made["plus_100"] = inputs["conv_rate"] + 100
            made["plus_value"] = inputs["conv_rate"] + inputs["val_to_add"]
            made["rounded"] = made["plus_100"].astype("float").round().astype(pd.Int32Dtype())
            return made

        yield on_demand_feature_view(
            name="plus",
            sources=[driver[["conv_rate"]], wanted],
            schema=[
                Field(name="plus_100", dtype=Float64),
                Field(name="plus_value", dtype=Float64),
                Field(name="rounded", dtype=Int32),
            ],
            mode="pandas",
        )(plus)
        yield FeatureService(
            name="both_ends",
            features=[
                location.with_name("origin").with_join_key_map({"location_id": "origin_id"}),
                location.with_name("destination").with_join_key_map(
                    {"location_id": "destination_id"}
                ),
            ],
        )

    def _view(
        self, name: str, source: str, entities: list[Entity], ttl: timedelta, **kinds: Any
    ) -> FeatureView:
        keys = [Field(name=entity.join_key, dtype=Int64) for entity in entities]
        features = [Field(name=feature, dtype=kind) for feature, kind in kinds.items()]
        return FeatureView(
            name=name,
            entities=entities,
            ttl=ttl,
            schema=[*keys, *features],
            source=self.sources[source],
        )

    def spine(self, *more: str) -> pd.DataFrame:
        kept = ["customer_id", "driver_id", "event_timestamp", *more]
        return self.data["orders"][kept].assign(val_to_add=range(len(self.data["orders"])))

    def expected(
        self, spine: pd.DataFrame, source: str, keys: dict[str, str], ttl: timedelta, feature: str
    ) -> list[Any]:
        """By the oracle: ``keys`` are source columns under the spine's names."""
        frame = self.data[source]
        created = frame["created"] if "created" in frame else [None] * len(frame)
        rows = [
            (key, micros(event), micros(made), (value,))
            for key, event, made, value in zip(
                keyed(frame, keys.values()), frame["event_timestamp"], created, frame[feature],
                strict=True,
            )
        ]  # fmt: skip
        asked = list(zip(keyed(spine, keys), map(micros, spine["event_timestamp"]), strict=True))
        answers = asof(asked, rows, ttl=ttl // timedelta(microseconds=1))
        return [answer and answer[0] for answer in answers]


def keyed(frame: pd.DataFrame, names: Any) -> list[tuple[Any, ...]]:
    names = list(names)
    return list(frame[names].itertuples(index=False, name=None)) if names else [()] * len(frame)


def micros(instant: Any) -> int | None:
    return None if instant is None or pd.isna(instant) else pd.Timestamp(instant).value // 1000


def rounded(values: list[Any]) -> list[Any]:
    return [value if value is None else round(float(value), 6) for value in values]
