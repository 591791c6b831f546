"""The source that names a dataset: what Feast stores of it, and what it says when it is wrong."""

import pytest
from feast import FileSource
from feast.data_source import DataSource

from provender.core.errors import InvalidInput, NotFound
from provender.feast_plugin.source import CatalogSource
from provender.settings import Settings


def source(dataset: str = "shop.trips", **options: object) -> CatalogSource:
    return CatalogSource(dataset=dataset, **({"timestamp_field": "event_timestamp"} | options))


def test_feast_gives_back_what_it_was_given() -> None:
    given = source(
        "shop.trips@2",
        name="mine",
        created_timestamp_column="created_timestamp",
        field_mapping={"v": "value"},
        description="Trips.",
        tags={"a": "b"},
        owner="team:trips",
    )
    returned = DataSource.from_proto(given.to_proto())
    assert returned == given
    assert hash(returned) == hash(given)
    assert isinstance(returned, CatalogSource)
    assert (returned.dataset, returned.ref.version) == ("shop.trips@2", 2)
    assert (returned.name, returned.owner) == ("mine", "team:trips")


def test_sources_differ_by_dataset_version_and_kind() -> None:
    assert source() == source()
    assert source() != source("shop.trips@1", name="shop.trips")
    assert source() != source(name="other")
    assert source() != FileSource(path="f.parquet", name="shop.trips")
    assert source().name == "shop.trips"


def test_a_name_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(InvalidInput, match="not a dataset name"):
        source("trips.parquet.gz")


def test_the_catalog_says_columns_types_and_event_timestamp(settings: Settings) -> None:
    assert settings
    bare = CatalogSource(dataset="shop.trips")
    assert bare.timestamp_field == "event_timestamp"
    assert dict(bare.get_table_column_names_and_types(None)) == {
        "driver_id": "int64",
        "event_timestamp": "timestamp",
        "created_timestamp": "timestamp",
        "value": "int64",
        "rating": "float64",
        "home_address": "string",
    }
    bare.validate(None)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"dataset": "shop.trip"}, "did you mean shop.trips"),
        ({"dataset": "shop.trips@7"}, "7"),
        ({"dataset": "shop.trips", "created_timestamp_column": "created"}, "did you mean"),
        (
            {"dataset": "shop.trips", "timestamp_field": "event_time"},
            "did you mean event_timestamp",
        ),
    ],
)
def test_what_the_catalog_does_not_have_is_told_with_a_near_name(
    settings: Settings, wrong: dict[str, str], said: str
) -> None:
    assert settings
    with pytest.raises((NotFound, InvalidInput), match=said):
        source(**wrong).validate(None)
