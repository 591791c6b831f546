"""Which of Feast's types are kept, as what, and what their values become on the way."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from feast import FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.type_map import feast_value_type_to_python_type, python_values_to_proto_values
from feast.types import (
    Array,
    Bytes,
    Decimal,
    Int64,
    Map,
    ScalarMap,
    Set,
    String,
    Struct,
    UnixTimestamp,
    ZonedTimestamp,
)
from feast.value_type import ValueType

from provender.core.errors import InvalidInput
from provender.feast_plugin.value_types import (
    SCALARS,
    UNFILLED,
    WORDS,
    field_word,
    type_word,
    value_type,
)
from provender.feast_plugin.values import to_protos, to_python
from tests.feast_plugin.plain import DRIVER, HOUR, NOON, write


def test_every_type_word_that_feast_can_have_goes_there_and_back() -> None:
    for word in ("bool", "int32", "int64", "float32", "float64", "string", "binary", "timestamp"):
        assert type_word(value_type(word), where="x") == word
        assert type_word(value_type(f"list<{word}>"), where="x") == f"list<{word}>"
    assert (value_type("int8"), value_type("uint16")) == (ValueType.INT32, ValueType.INT32)
    assert value_type("date") is ValueType.UNIX_TIMESTAMP
    for word in ("decimal(10,2)", "time", "list<list<int64>>"):
        with pytest.raises(InvalidInput, match="no Feast type"):
            value_type(word)
    assert WORDS[ValueType.INT64_LIST] == "list<int64>"
    assert WORDS[ValueType.INT64_SET] == "set<int64>"


@pytest.mark.parametrize(
    ("dtype", "word"),
    [
        (Array(Array(Int64)), "list<list<int64>>"),
        (Array(Set(String)), "list<list<string>>"),
        (Set(Array(Int64)), "list<list<int64>>"),
        (Array(Array(Array(Bytes))), "list<list<list<binary>>>"),
        (Array(Array(Map)), "list<list<map<string,json>>>"),
        (Set(UnixTimestamp), "set<timestamp>"),
        (Array(Struct({"a": Int64})), "list<struct<json>>"),
        (Decimal, "string"),
    ],
)
def test_a_field_s_type_word_says_what_lists_hold(dtype: Any, word: str) -> None:
    assert field_word(dtype, where="x") == word
    field = Field(name="x", dtype=dtype)
    assert field_word(Field.from_proto(field.to_proto()).dtype, where="x") == word


@pytest.mark.parametrize("kind", [ScalarMap, ZonedTimestamp])
def test_what_feast_itself_cannot_fill_is_refused_and_says_so(kind: Any) -> None:
    with pytest.raises(
        InvalidInput, match=r"x has Feast's type .*, which Feast 0\.67 itself cannot"
    ):
        field_word(kind, where="x")


def test_every_type_of_feast_is_known_one_way_or_another() -> None:
    told = {*WORDS, *UNFILLED, ValueType.VALUE_LIST, ValueType.VALUE_SET}
    assert set(ValueType) - told == {ValueType.UNKNOWN, ValueType.NULL}


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        (ScalarMap, pa.array([[(1, "a")]], pa.map_(pa.int64(), pa.string()))),
        (ZonedTimestamp, pa.array([NOON], pa.timestamp("us", "Europe/Berlin"))),
        (ZonedTimestamp, pa.array([NOON], pa.timestamp("us", "UTC"))),
    ],
)
def test_feast_itself_fills_neither(tmp_path: Path, dtype: Any, values: pa.Array) -> None:
    stamps = pa.array([NOON], pa.timestamp("us", "UTC"))
    table = pa.table({"driver_id": [1], "event_timestamp": stamps, "x": values})
    config = RepoConfig(
        project="feasts",
        provider="local",
        registry=str(tmp_path / "registry.db"),
        offline_store={"type": "dask"},
        online_store={"type": "sqlite", "path": str(tmp_path / "online.db")},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    view = FeatureView(
        name="odd",
        entities=[DRIVER],
        schema=[Field(name="driver_id", dtype=Int64), Field(name="x", dtype=dtype)],
        source=FileSource(
            path=write(tmp_path / "odd.parquet", table), timestamp_field="event_timestamp"
        ),
    )
    store.apply([DRIVER, view])
    with pytest.raises((TypeError, pa.ArrowInvalid)):
        store.materialize(NOON - HOUR, NOON + HOUR)
    value = {1: "a"} if dtype is ScalarMap else NOON
    frame = pd.DataFrame({"driver_id": [1], "event_timestamp": [NOON], "x": [value]})
    with pytest.raises((TypeError, pa.ArrowException)):
        store.write_to_online_store("odd", frame)


UUID_TEXT = "00000000-0000-0000-0000-00000000000a"
STORED: dict[ValueType, Any] = {
    ValueType.VALUE_LIST: [[1, 2], [], None, [3, None]],
    ValueType.VALUE_SET: [["a"], ["a"], [[b"x"]], [NOON]],
    ValueType.MAP: {
        "a": {}, "b": [], "c": [1, None], "d": None, "e": [{"x": 1}], "f": [[1]], "g": [1, "a"],
        "h": [True], "i": [1.5], "j": "text",
    },
    ValueType.STRUCT_LIST: [{"a": 1}, {}],
    ValueType.JSON_LIST: ['{"a":1}', "2"],
    ValueType.UUID_LIST: [UUID_TEXT],
    ValueType.DECIMAL_SET: ["1.50"],
    ValueType.UNIX_TIMESTAMP_SET: [NOON],
    ValueType.PDF_BYTES: b"%PDF",
}  # fmt: skip


@pytest.mark.parametrize("kind", STORED, ids=str)
def test_what_is_stored_goes_through_feast_s_protobuf_and_comes_back(kind: ValueType) -> None:
    (made,) = to_protos([STORED[kind]], kind)
    assert to_python(made) == STORED[kind]
    feast_value_type_to_python_type(made, kind)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ValueType.MAP, {"a": 1, "b": [1.5], "c": {"d": None}, "e": [{"f": True}], "g": ["x"]}),
        (ValueType.STRUCT, {"a": 2**40}),
        (ValueType.MAP_LIST, [{"a": "x"}]),
        (ValueType.VALUE_LIST, [[1, 2], ["a"], [[1.5]]]),
        (ValueType.VALUE_SET, [[b"a"], [datetime(2024, 6, 1, tzinfo=UTC)]]),
        (ValueType.IMAGE_BYTES, b"\x89PNG"),
    ],
)
def test_what_feast_can_write_is_written_as_it_does(kind: ValueType, value: Any) -> None:
    assert to_protos([value, None], kind) == python_values_to_proto_values([value, None], kind)


def test_the_page_of_types_says_what_each_is_kept_as() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/types.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| `([^`]+)` \|", page, re.MULTILINE))
    assert told == {kind.name: word for kind, word in SCALARS.items()}
    for kind in UNFILLED:
        assert f"`{kind.name}`" in page
