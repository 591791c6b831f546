import time
from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given

from provender.core import typewords as words
from provender.core.bounds import NESTED
from provender.core.errors import InvalidInput
from provender.core.schema import TYPES, Column, Schema
from provender.tables.arrow import (
    Naive,
    arrow_schema,
    arrow_type,
    literal,
    quote,
    schema_of,
    stored_schema,
    to_stored,
    type_word,
)
from tests.core.test_typewords import WORDS

Nest = Callable[[pa.DataType], pa.DataType]


@pytest.mark.parametrize("word", TYPES)
def test_every_type_word_has_an_arrow_type_and_is_its_word(word: str) -> None:
    assert type_word(arrow_type(word)) == word


@given(WORDS.filter(lambda word: "decimal" not in word.kinds))
def test_nested_types_go_to_arrow_and_back(word: words.Word) -> None:
    assert type_word(arrow_type(str(word))) == str(word)


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (pa.dictionary(pa.int8(), pa.large_string()), "string"),
        (pa.string_view(), "string"),
        (pa.large_binary(), "binary"),
        (pa.binary(4), "binary"),
        (pa.float16(), "float32"),
        (pa.date64(), "date"),
        (pa.time32("s"), "time"),
        (pa.timestamp("s", "America/New_York"), "timestamp"),
        (pa.timestamp("ns", "UTC"), "timestamp_ns"),
        (pa.timestamp("ns"), "timestamp_local"),
        (pa.decimal64(10, 2), "decimal(10,2)"),
        (pa.large_list(pa.int8()), "list<int8>"),
        (pa.list_(pa.float32(), 3), "list<float32>"),
        (pa.uuid(), "binary"),
    ],
)
def test_encodings_of_the_same_values_have_one_word(kind: pa.DataType, word: str) -> None:
    assert type_word(kind) == word


@pytest.mark.parametrize(
    "kind",
    [pa.null(), pa.duration("us"), pa.time64("ns"), pa.decimal256(50, 2), pa.decimal128(5, -2),
     pa.struct([]), pa.month_day_nano_interval()],
)  # fmt: skip
def test_an_arrow_type_without_a_word_is_refused_with_its_column(kind: pa.DataType) -> None:
    with pytest.raises(InvalidInput, match="column 'odd': the Arrow type"):
        schema_of(pa.schema([("odd", kind)]))


@pytest.mark.parametrize("text", ["decimal(39,0)", "decimal(0,0)", "decimal(5,6)"])
def test_a_decimal_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a type"):
        arrow_type(text)


def test_a_schema_goes_to_arrow_and_back() -> None:
    schema = Schema(
        (Column(name="a", type="int64", nullable=False), Column(name="b", type="list<string>"))
    )
    assert schema_of(arrow_schema(schema)) == schema


@pytest.mark.parametrize("names", [["a", "A"], ["a", "a"], ["a", ""], []])
def test_names_that_sql_cannot_tell_apart_are_refused(names: list[str]) -> None:
    with pytest.raises(InvalidInput):
        schema_of(pa.schema([(name, pa.int64()) for name in names]))


def stored(kind: pa.DataType, naive: Naive = Naive.UTC) -> str:
    return (
        stored_schema(pa.schema([("t", kind)]), event_timestamp=None, naive=naive).columns[0].type
    )


def test_what_a_timestamp_without_a_zone_means_is_the_publishers_choice() -> None:
    assert stored(pa.timestamp("us")) == "timestamp"
    assert stored(pa.timestamp("us"), Naive.LOCAL) == "timestamp_local"
    with pytest.raises(InvalidInput, match="without a time zone: t"):
        stored(pa.timestamp("us"), Naive.REFUSE)


def test_an_event_timestamp_is_never_null() -> None:
    schema = pa.schema([("t", pa.timestamp("ns", "UTC")), ("x", pa.int8())])
    columns = stored_schema(schema, event_timestamp="t", naive=Naive.UTC).columns
    assert [(c.type, c.nullable) for c in columns] == [("timestamp", False), ("int8", True)]


def test_naive_and_zoned_timestamps_become_microseconds_in_utc() -> None:
    batch = pa.record_batch(
        {
            "naive": pa.array([datetime(2013, 7, 1, 12)], pa.timestamp("ns")),  # noqa: DTZ001
            "zoned": pa.array(
                [datetime(2013, 7, 1, 12, tzinfo=UTC)], pa.timestamp("ms", "America/New_York")
            ),
        }
    )
    utc = pa.timestamp("us", "UTC")
    rows = to_stored(batch, pa.schema([("naive", utc), ("zoned", utc)])).to_pylist()
    noon = datetime(2013, 7, 1, 12, tzinfo=UTC)
    assert rows == [{"naive": noon, "zoned": noon}]


def test_nanoseconds_that_would_be_cut_off_are_refused() -> None:
    batch = pa.record_batch({"t": pa.array([1], pa.timestamp("ns", "UTC"))})
    with pytest.raises(InvalidInput, match="column 't' cannot be kept as timestamp"):
        to_stored(batch, pa.schema([("t", pa.timestamp("us", "UTC"))]))


def test_sql_quoting_survives_quotes() -> None:
    assert quote('a"b') == '"a""b"'
    assert literal("it's") == "'it''s'"


@pytest.mark.parametrize(
    "nest",
    [pa.list_, lambda kind: pa.map_(pa.string(), kind), pa.list_view],
    ids=["list", "map", "view"],
)
def test_rows_with_lists_in_lists_without_end_are_refused(nest: Nest) -> None:
    kind = pa.int64()
    for _ in range(NESTED + 1):
        kind = nest(kind)
    with pytest.raises(InvalidInput, match="column 'x': a type has more than 4 lists and maps"):
        stored_schema(pa.schema({"x": kind}), event_timestamp=None, naive=Naive.UTC)


def test_names_of_very_many_columns_are_told_apart_at_once() -> None:
    began = time.process_time()
    many = pa.schema({f"c{n}": pa.int8() for n in range(20_000)})
    assert len(schema_of(many).columns) == len(many)
    assert time.process_time() - began < 2
