"""Values with insides, and decimals: kept by their types, told alike by every way, or refused."""

import json
import math
from datetime import date, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from provender.core.errors import InvalidInput
from provender.online.arrow import BatchEncoder
from provender.online.codec import KeyCodec, RowCodec
from provender.online.columns import ColumnEncoder
from provender.online.kinds import UNDECLARED, kind_of
from provender.online.spelling import plain
from provender.tables.features import feature_array
from tests.online.views import T0, TICK, view

CASES: list[tuple[str, Any, pa.DataType, Any]] = [
    ("struct<a:float64>", {"a": math.inf}, pa.struct([("a", pa.float64())]), {"a": "Infinity"}),
    (
        "struct<a:timestamp,b:binary>",
        {"a": T0 + TICK, "b": b"\x00\xff"},
        pa.struct([("a", pa.timestamp("us", "UTC")), ("b", pa.binary())]),
        {"a": 1357016400, "b": "AP8="},
    ),
    (
        "struct<d:date,t:time,x:decimal(5,2),s:string>",
        {"d": date(2013, 1, 1), "t": time(5, 30), "x": Decimal("1.50"), "s": "ü"},
        pa.struct(
            [
                ("d", pa.date32()),
                ("t", pa.time64("us")),
                ("x", pa.decimal128(5, 2)),
                ("s", pa.string()),
            ]
        ),
        {"d": "2013-01-01", "t": "05:30:00", "x": "1.50", "s": "ü"},
    ),
    (
        "struct<l:list<struct<a:int64>>,n:int64>",
        {"l": [{"a": 1}, None], "n": None},
        pa.struct(
            [("l", pa.list_(pa.struct([("a", pa.int64())]))), ("n", pa.int64())],
        ),
        {"l": [{"a": 1}, None], "n": None},
    ),
    ("map<string,int64>", {"b": 2, "a": None}, pa.map_(pa.string(), pa.int64()), None),
    ("map<int64,binary>", {-7: b"x"}, pa.map_(pa.int64(), pa.binary()), {"-7": "eA=="}),
    (
        "list<map<string,float64>>",
        [{"a": -math.inf}],
        pa.list_(pa.map_(pa.string(), pa.float64())),
        [{"a": "-Infinity"}],
    ),
    ("map<string,json>", {"a": [1.5, None]}, pa.map_(pa.string(), pa.list_(pa.float64())), None),
    (
        "decimal(38,10)",
        Decimal("1234567890123456789012345678.0123456789"),
        pa.decimal128(38, 10),
        "1234567890123456789012345678.0123456789",
    ),
    ("decimal(38,0)", Decimal("-" + "9" * 38), pa.decimal128(38, 0), "-" + "9" * 38),
]


@pytest.mark.parametrize(("word", "value", "arrow", "told"), CASES)
def test_a_value_is_the_same_pushed_materialised_and_told(
    word: str, value: Any, arrow: pa.DataType, told: Any
) -> None:
    served = view({"x": word})
    columns = {"origin": ["a"], "x": [value], "event_timestamp": [T0]}
    ((key, pushed),) = ColumnEncoder("p", served).encode(columns)
    batch = pa.record_batch(
        {
            "origin": pa.array(["a"]),
            "x": pa.array([value], arrow),
            "event_timestamp": pa.array([T0], pa.timestamp("us", "UTC")),
        }
    )
    materialised = BatchEncoder("p", served).encode(batch)
    assert (materialised.keys, materialised.rows) == ([key], [pushed])
    row = RowCodec(served).decode(key, pushed)
    assert row is not None
    assert row.values == (value,)
    (spelled,) = plain(row.values, word)
    assert spelled == (value if told is None else told)
    json.dumps(spelled, allow_nan=False)
    if word not in UNDECLARED:
        array = feature_array([value, None], word)
        assert array.type == arrow
        assert array.to_pylist(maps_as_pydicts="strict") == [value, None]


def test_what_is_no_number_inside_comes_back_as_such() -> None:
    kind = kind_of("struct<a:float64>")
    assert kind.read is not None
    assert kind.write({"a": math.nan}) == b'{"a":"NaN"}'
    assert math.isnan(kind.read(b'{"a":"NaN"}')["a"])
    assert plain([{"a": math.nan}], "struct<a:float64>") == [{"a": "NaN"}]
    assert plain([{"a": [math.nan]}], "struct<json>") == [{"a": ["NaN"]}]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("struct<a:int64>", {"a": 1.5}),
        ("struct<a:int64>", {"b": 1}),
        ("struct<a:int64>", [1]),
        ("struct<a:timestamp>", {"a": object()}),
        ("struct<json>", {"a": object()}),
        ("struct<json>", 7),
        ("struct<json>", "{"),
        ("map<string,int64>", {"a": "x"}),
        ("map<string,int64>", {1: 1}),
        ("map<string,int64>", [("a", 1), ("a", 2)]),
        ("map<int64,int64>", {"a": 1}),
        ("map<string,int64>", 5),
        ("decimal(5,2)", "99999999.99"),
        ("decimal(5,2)", "1000"),
        ("decimal(5,2)", "1_0"),
        ("decimal(5,2)", " 1"),
        ("decimal(5,2)", "٣"),
        ("decimal(5,2)", "NaN"),
        ("decimal(5,2)", Decimal("Infinity")),
        ("decimal(5,2)", "0.001"),
        ("int64", "1_000"),
        ("int64", " 7 "),
        ("int64", "٣"),
        ("int64", "7\n"),
    ],
)
def test_what_is_none_of_the_type_is_refused_with_the_features_name(word: str, value: Any) -> None:
    columns = {"origin": ["a"], "x": [value], "event_timestamp": [T0]}
    with pytest.raises(InvalidInput, match=r"feature weather:x is "):
        ColumnEncoder("p", view({"x": word})).encode(columns)


@pytest.mark.parametrize("text", ["1_000", " 7 ", "٣", "7\n", "0x7", ""])
def test_a_key_is_a_number_in_ascii_digits_only(text: str) -> None:
    keys = KeyCodec("p", view({}, keys={"id": "int64"}))
    assert keys.key(["-7"]) == keys.key([-7])
    assert keys.key(["+7"]) == keys.key([7])
    with pytest.raises(InvalidInput, match="join key id is int64"):
        keys.key([text])


def test_an_arrow_column_with_insides_that_do_not_fit_is_refused_by_name() -> None:
    batch = pa.record_batch(
        {
            "origin": pa.array(["a"]),
            "x": pa.array([{"a": "text"}]),
            "event_timestamp": pa.array([T0], pa.timestamp("us", "UTC")),
        }
    )
    with pytest.raises(InvalidInput, match="column 'x' of feature view weather does not fit"):
        BatchEncoder("p", view({"x": "struct<a:int64>"})).encode(batch)


@pytest.mark.parametrize("word", ["map<float64,int64>", "struct<a:unheard>", "struct<a>"])
def test_types_that_no_row_can_hold_are_refused(word: str) -> None:
    with pytest.raises(InvalidInput):
        kind_of(word)


@pytest.mark.parametrize("data", [b'{"b":1}', b"[1]", b"7", b"{", b'{"a":"x"}'])
def test_damaged_insides_are_no_value(data: bytes) -> None:
    kind = kind_of("struct<a:timestamp>")
    assert kind.read is not None
    with pytest.raises(ValueError, match=r"."):
        kind.read(data)
