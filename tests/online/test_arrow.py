from datetime import timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provender.core.errors import InvalidInput
from provender.core.features import FieldSpec
from provender.core.serving import ServedView
from provender.online.arrow import BatchEncoder
from provender.online.codec import KeyCodec, RowCodec
from provender.online.kinds import from_micros
from provender.online.sender import Written
from provender.online.store import OnlineStore
from tests.online.views import INSTANTS, T0, TICK, view

ARROW = {
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "timestamp_ns": pa.timestamp("ns", tz="UTC"),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint64": pa.uint64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "timestamp_local": pa.timestamp("us"),
    "decimal(20,3)": pa.decimal128(20, 3),
    "list<int64>": pa.list_(pa.int64()),
    "list<string>": pa.list_(pa.string()),
    "struct<a:int64>": pa.struct([("a", pa.int64())]),
    "set<int64>": pa.list_(pa.int64()),
    "list<list<int64>>": pa.list_(pa.list_(pa.int64())),
    "map<string,json>": pa.map_(pa.string(), pa.int64()),
    "struct<json>": pa.struct([("a", pa.timestamp("us", tz="UTC"))]),
}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int8": st.integers(-128, 127),
    "int16": st.integers(-(2**15), 2**15 - 1),
    "uint8": st.integers(0, 255),
    "uint16": st.integers(0, 2**16 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "timestamp_ns": st.integers(-(2**62) // 1000, 2**62 // 1000).map(from_micros),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "float32": st.floats(width=32, allow_nan=False),
    "float64": st.floats(),
    "string": st.text(max_size=5),
    "binary": st.binary(max_size=5),
    "date": st.dates(),
    "time": st.times(),
    "timestamp": INSTANTS,
    "timestamp_local": st.datetimes(),
    "decimal(20,3)": st.decimals(-(10**9), 10**9, places=3),
    "list<int64>": st.lists(st.none() | st.integers(-9, 9), max_size=3),
    "list<string>": st.lists(st.none() | st.text(max_size=3), max_size=3),
    "struct<a:int64>": st.fixed_dictionaries({"a": st.none() | st.integers(-9, 9)}),
    "set<int64>": st.lists(st.none() | st.integers(-9, 9), max_size=5),
    "list<list<int64>>": st.lists(st.none() | st.lists(st.integers(-9, 9)), max_size=2),
    "map<string,json>": st.dictionaries(st.text(max_size=2), st.none() | st.integers(-9, 9)),
    "struct<json>": st.fixed_dictionaries({"a": st.none() | INSTANTS}),
}
ROW = st.fixed_dictionaries(
    {
        "k": st.text(max_size=6),
        "n": st.integers(-(2**63), 2**63 - 1),
        "event_timestamp": INSTANTS,
        "created": st.none() | INSTANTS,
        **{kind: st.none() | values for kind, values in VALUES.items()},
    }
)
WIDE = view(
    {kind: kind for kind in VALUES},
    keys={"k": "string", "n": "int64"},
    created_timestamp="created",
)


def batch_of(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    schema = pa.schema(
        [
            ("k", pa.string()),
            ("n", pa.int64()),
            ("event_timestamp", ARROW["timestamp"]),
            ("created", ARROW["timestamp"]),
            *((kind, ARROW[kind]) for kind in VALUES),
        ]
    )
    return pa.RecordBatch.from_pylist(rows, schema=schema)


@given(st.lists(ROW, max_size=6))
@settings(max_examples=60, deadline=None)
def test_bulk_bytes_are_those_of_the_row_codec(rows: list[dict[str, Any]]) -> None:
    encoded = BatchEncoder("flights", WIDE).encode(batch_of(rows))
    keys, codec = KeyCodec("flights", WIDE), RowCodec(WIDE)
    assert encoded.keys == [keys.key([row["k"], row["n"]]) for row in rows]
    assert encoded.rows == [
        codec.encode(key, row, row["event_timestamp"], row["created"])
        for key, row in zip(encoded.keys, rows, strict=True)
    ]


def test_slices_of_batches_are_encoded_as_themselves() -> None:
    narrow = view({"x": "float64", "text": "string"})
    whole = pa.record_batch(
        {
            "origin": ["a", "b", "c"],
            "x": pa.array([1.0, None, 3.0]),
            "text": ["1", None, "333"],
            "event_timestamp": pa.array([T0, T0, T0], ARROW["timestamp"]),
        }
    )
    encoder = BatchEncoder("p", narrow)
    assert encoder.encode(whole.slice(1)).rows == encoder.encode(whole).rows[1:]


def test_rows_without_key_or_event_timestamp_are_counted_and_left_out(store: OnlineStore) -> None:
    batch = pa.record_batch(
        {
            "origin": ["a", None, "c", "d"],
            "x": pa.array([1, 2, 3, 2**53 + 1], pa.int64()),
            "event_timestamp": pa.array([T0, T0, None, T0], pa.timestamp("ns")),
        }
    )
    narrow = view({"x": "int64"})
    encoded = BatchEncoder("p", narrow).encode(batch)
    assert encoded.skipped == 2
    assert store.write(zip(encoded.keys, encoded.rows, strict=True)) == Written(2, 0)
    (key,) = KeyCodec("p", narrow).keys([["d"]], 1)
    row = store.read([key])[0]
    assert row is not None
    decoded = RowCodec(narrow).decode(key, row)
    assert decoded is not None
    assert (decoded.values, decoded.event_timestamp) == ((2**53 + 1,), T0)


def test_columns_may_have_the_names_of_the_source() -> None:
    mapped = ServedView(
        name="v",
        join_keys=(FieldSpec(name="id", type="int64", column="pk"),),
        columns=(FieldSpec(name="x", type="float64", column="raw"),),
        event_timestamp="at",
    )
    batch = pa.record_batch({"pk": [1], "raw": pa.array([2], pa.int32()), "at": [T0]})
    encoded = BatchEncoder("p", mapped).encode(batch)
    row = RowCodec(mapped).decode(encoded.keys[0], encoded.rows[0])
    assert encoded.keys == [KeyCodec("p", mapped).key([1])]
    assert row is not None
    assert row.values == (2.0,)


def test_an_entity_less_view_has_one_key() -> None:
    alone = ServedView(name="v", join_keys=(), columns=(FieldSpec(name="x", type="int64"),))
    batch = pa.record_batch({"x": [1], "event_timestamp": [T0]})
    assert BatchEncoder("p", alone).encode(batch).keys == [KeyCodec("p", alone).key([])]


def test_keys_of_rarer_types_are_those_of_the_key_codec() -> None:
    rare = view({}, keys={"at": "timestamp", "b": "bool"})
    batch = pa.record_batch(
        {"at": pa.array([T0], ARROW["timestamp"]), "b": [True], "event_timestamp": [T0]}
    )
    assert BatchEncoder("p", rare).encode(batch).keys == [KeyCodec("p", rare).key([T0, True])]


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        ("int8", pa.array([300])),
        ("int64", pa.array([1.5])),
        ("float64", pa.array(["many"])),
        ("timestamp", pa.array(["soon"])),
        ("timestamp", pa.array([2**62], pa.timestamp("us", tz="UTC"))),
        ("uint64", pa.array([-1])),
    ],
)
def test_a_column_that_does_not_fit_is_refused_by_name(kind: str, column: pa.Array) -> None:
    batch = pa.record_batch({"origin": ["a"], "x": column, "event_timestamp": [T0]})
    with pytest.raises(InvalidInput, match="'x'"):
        BatchEncoder("p", view({"x": kind})).encode(batch)


def test_a_missing_column_is_named_with_a_near_one() -> None:
    batch = pa.record_batch({"origin": ["a"], "temperature": [1.0], "event_timestamp": [T0]})
    with pytest.raises(InvalidInput, match="did you mean temperature"):
        BatchEncoder("p", view({"temperatur": "float64"})).encode(batch)


def test_created_timestamps_order_what_has_one_event_timestamp(store: OnlineStore) -> None:
    served = view({"x": "decimal(5,1)"}, created_timestamp="created")
    batch = pa.record_batch(
        {
            "origin": ["a", "a", "a"],
            "x": [Decimal("1.0"), Decimal("3.0"), Decimal("2.0")],
            "event_timestamp": [T0] * 3,
            "created": [T0, T0 + timedelta(days=1), T0 + TICK],
        }
    )
    encoded = BatchEncoder("p", served).encode(batch)
    done = store.write(zip(encoded.keys, encoded.rows, strict=True))
    assert (done.written, done.kept) == (2, 1)
    (key,) = KeyCodec("p", served).keys([["a"]], 1)
    row = store.read([key])[0]
    assert row is not None
    decoded = RowCodec(served).decode(key, row)
    assert decoded is not None
    assert decoded.values == (Decimal("3.0"),)
