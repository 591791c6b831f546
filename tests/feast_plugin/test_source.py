"""The source that names a dataset: what Feast stores of it, and what it says when it is wrong."""

import pytest
from feast import FileSource
from feast.data_source import DataSource
from feast.value_type import ValueType

from provender.core.errors import InvalidInput, NotFound
from provender.feast_plugin.source import CatalogSource
from provender.feast_plugin.value_types import WORDS, type_word, value_type
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


def test_every_type_word_that_feast_can_have_goes_there_and_back() -> None:
    for word in ("bool", "int32", "int64", "float32", "float64", "string", "binary", "timestamp"):
        assert type_word(value_type(word), where="x") == word
        assert type_word(value_type(f"list<{word}>"), where="x") == f"list<{word}>"
    assert (value_type("int8"), value_type("uint16")) == (ValueType.INT32, ValueType.INT32)
    assert value_type("date") is ValueType.UNIX_TIMESTAMP
    for word in ("decimal(10,2)", "time", "list<list<int64>>"):
        with pytest.raises(InvalidInput, match="no Feast type"):
            value_type(word)
    assert WORDS[ValueType.INT64_SET] == WORDS[ValueType.INT64_LIST] == "list<int64>"
    assert ValueType.VALUE_LIST not in WORDS
    with pytest.raises(InvalidInput, match="x has Feast's type VALUE_LIST"):
        type_word(ValueType.VALUE_LIST, where="x")
