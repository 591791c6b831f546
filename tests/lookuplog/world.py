"""A catalog in which a service over two datasets is logged, one of them with a protected column."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from provender.core.datasets import Dataset, Format
from provender.core.features import FieldSpec, OnDemandSpec, RepoSpec, ServiceSpec, ViewSpec
from provender.core.governance import Domain, Governance
from provender.core.lookuplog import LoggedFeature, LogShape, log_dataset
from provender.core.names import DatasetRef, FeatureRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.core.projections import ProjectionSpec
from provender.core.tags import Tag
from provender.online.spool import Segment, SpoolFolder
from provender.settings import Settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOON_US = int(NOON.timestamp()) * 1_000_000
SAM = "person:sam"
PEOPLE = DatasetRef("shop", "people")
ORDERS = DatasetRef("shop", "orders")


def field(name: str, kind: str, **more: Any) -> FieldSpec:
    return FieldSpec(name=name, type=kind, **more)


def declared(ref: DatasetRef, **more: Any) -> Dataset:
    return Dataset(ref=ref, description="Rows.", owner="team:shop", format=Format.PARQUET, **more)


DATASETS = {
    "shop.people": declared(
        PEOPLE,
        tags=("kind.master",),
        column_tags={"pid": ("personal.id",), "age_years": ("personal.age",)},
        event_timestamp="at",
    ),
    "shop.orders": declared(ORDERS, event_timestamp="at"),
}
VIEWS = (
    ViewSpec(
        name="people",
        entities=("person",),
        join_keys=(field("person", "int64", column="pid"),),
        features=(field("age", "int64", column="age_years"), field("city", "string")),
        dataset=PEOPLE,
        event_timestamp="at",
        owner="team:shop",
    ),
    ViewSpec(
        name="orders",
        entities=("shop",),
        join_keys=(field("shop", "string"),),
        features=(field("total", "float64", tags=("quality.gold",)),),
        dataset=ORDERS,
        event_timestamp="at",
        owner="team:shop",
    ),
)
SENIOR = OnDemandSpec(
    name="senior",
    inputs=(FeatureRef("people", "age"), FeatureRef("orders", "total")),
    request=(field("hour", "int64"),),
    features=(field("is_senior", "bool"),),
    module="m",
    function="f",
    code_digest="sha256:0",
    owner="team:shop",
)
PLAIN = ServiceSpec(name="totals", features=(FeatureRef("orders", "total"),), owner="team:shop")
MIXED = ServiceSpec(
    name="mixed",
    features=(
        FeatureRef("buyer", "age"),
        FeatureRef("buyer", "city"),
        FeatureRef("orders", "total"),
        FeatureRef("senior", "is_senior"),
    ),
    projections=(
        ProjectionSpec(alias="buyer", view="people", join_keys=(("person", "buyer_id"),)),
    ),
    owner="team:shop",
)
REPO = RepoSpec(project="shop", views=VIEWS, on_demand=(SENIOR,), services=(PLAIN, MIXED))


def governance(*logs: Dataset) -> Governance:
    return Governance(
        domains=(Domain(name="shop", owner="team:shop"), Domain(name="serving_log")),
        teams=("team:shop",),
        people=(Person(id=SAM, teams=("team:shop",)), Person(id="person:max")),
        tags=(
            Tag(name="kind.master"),
            Tag(name="quality.gold"),
            Tag(name="personal.id", protected=True),
            Tag(name="personal.age", protected=True),
        ),
        purposes={"skew": "To compare."},
        rules=(
            Rule(id="all-discover", actors=("anyone",), actions=(Action.DISCOVER,)),
            Rule(
                id="shop",
                actors=("team:shop",),
                actions=(Action.GOVERN, Action.DEFINE, Action.READ),
                tags=("personal.id", "personal.age"),
            ),
            Rule(id="max-reads", actors=("person:max",), actions=(Action.READ,)),
        ),
        datasets=(*DATASETS.values(), *logs),
    )


def log_of(service: ServiceSpec) -> Dataset:
    return log_dataset(REPO, service, DATASETS)


TOTALS = LogShape(
    project="shop",
    service="totals",
    manifest="sha256:1",
    given=(field("shop", "string"),),
    features=(LoggedFeature(view="orders", feature="total", type="float64"),),
)
MIXED_SHAPE = LogShape(
    project="shop",
    service="mixed",
    manifest="sha256:1",
    given=(
        field("buyer_id", "int64"),
        field("shop", "string"),
        field("person", "int64"),
        field("hour", "int64"),
    ),
    features=(
        LoggedFeature(view="buyer", feature="age", type="int64"),
        LoggedFeature(view="buyer", feature="city", type="string"),
        LoggedFeature(view="orders", feature="total", type="float64"),
        LoggedFeature(view="senior", feature="is_senior", type="bool"),
    ),
)


def record(identity: str, given: Sequence[list[Any]], values: Sequence[list[Any]]) -> bytes:
    """Return a line as the server writes it, answered at noon from rows of an hour before."""
    statuses = [["NULL_VALUE" if v is None else "PRESENT" for v in column] for column in values]
    hour_us = timedelta(hours=1) // timedelta(microseconds=1)
    return orjson.dumps(
        {
            "at_us": NOON_US,
            "id": identity,
            "rows": len(given[0]),
            "given": given,
            "values": values,
            "statuses": statuses,
            "event_us": [[NOON_US - hour_us] * len(column) for column in values],
        }
    )


def totals(*identities: str) -> list[bytes]:
    """Return lines of the service totals: one request each, for two shops."""
    return [record(i, [["a", "b"]], [[float(len(i)), None]]) for i in identities]


def spooled(settings: Settings, shape: LogShape, lines: list[bytes]) -> None:
    """Write a closed segment, as a server does."""
    folder = SpoolFolder(settings.home, shape.project)
    slot = folder.take_slot()
    segment = Segment(folder.of(shape.service), slot.number, shape)
    segment.append(lines)
    segment.close()
    slot.close()
