"""The rows of every view, and the type of every column: what Feast has and what Parquet has.

Drivers: 1 ordinary, 2 and 3 extreme, 4 null where Feast survives one, 5 odd. Nobody has 404.
"""

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal as PyDecimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from feast.types import (
    Array,
    Bool,
    Bytes,
    Decimal,
    Float32,
    Float64,
    ImageBytes,
    Int32,
    Int64,
    Json,
    Map,
    PdfBytes,
    Set,
    String,
    Struct,
    TimeUuid,
    UnixTimestamp,
    Uuid,
)

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
INSTANT = pa.timestamp("us", "UTC")
TEXT = pa.string()
ONE, TWO = str(uuid.UUID(int=1)), "f47ac10b-58cc-4372-a567-0e02b2c3d479"
TIMED = "c232ab00-9414-11ec-b3c8-9f6bdeced846"
LOW, HIGH = -(2**63), 2**63 - 1
EARLY = datetime(1901, 12, 13, 20, 45, 51, 500000, tzinfo=UTC)
LATE = datetime(2200, 1, 1, 0, 0, 0, 999999, tzinfo=UTC)
TINY, HUGE = 5e-324, 1.7976931348623157e308
ODD = 'naïve ✈ "quoted" \\ \u0000\u001f\u2028 𝄞'
NESTED = '{"b":[1,2],"x":[2.5],"s":["ü"],"t":true,"n":null,"a":{"c":{"d":-9007199254740993}}}'

DRIVERS = [1, 2, 3, 4, 5]
KINDS = {
    # Feast's type, Parquet's type, and the values of drivers 1 to 5.
    "truth": (Bool, pa.bool_(), [True, False, True, None, False]),
    "small": (Int32, pa.int32(), [7, -(2**31), 2**31 - 1, None, 0]),
    "whole": (Int64, pa.int64(), [7, LOW, HIGH, 2**53 + 1, 0]),
    "whole_or_null": (Int64, pa.int64(), [7, -(2**53) - 1, 2**53 + 1, None, 0]),
    "single": (Float32, pa.float32(), [0.1, 1.4e-45, 3.4028234663852886e38, None, float("inf")]),
    "ratio": (Float64, pa.float64(), [0.1, TINY, HUGE, None, 1.0]),
    "not_finite": (Float64, pa.float64(), [1.5, float("-inf"), float("inf"), None, float("nan")]),
    "text": (String, TEXT, ["plain", "", "x" * 300, None, ODD]),
    "raw": (Bytes, pa.binary(), [b"plain", b"", bytes(range(256)) * 2, None, b"\x00\xff"]),
    "instant": (
        UnixTimestamp,
        INSTANT,
        [NOON, EARLY, LATE, None, datetime(1970, 1, 1, tzinfo=UTC)],
    ),
    "identity": (Uuid, TEXT, [ONE, TWO, TWO, None, ONE]),
    "timed_identity": (TimeUuid, TEXT, [TIMED, TIMED, TIMED, None, TIMED]),
    "price": (Decimal, TEXT, ["12.50", "-0.1", "123456789012345678901234567890.5", None, "0"]),
    "exact_price": (
        Decimal,
        pa.decimal128(20, 2),
        [
            None if price is None else PyDecimal(price)
            for price in ("1.50", "-0.10", "99.99", None, "0.00")
        ],
    ),
    "document": (Json, TEXT, ['{"a": [9007199254740993, null]}', "[]", "3.0", None, '"ü"']),
    "scan": (PdfBytes, pa.binary(), [b"%PDF-1.7", b"", b"\x00", None, b"\xff"]),
    "photo": (ImageBytes, pa.binary(), [b"\x89PNG", b"", b"\x00", None, b"\xff"]),
    "mapping": (Map, TEXT, ['{"a":1}', "{}", NESTED, None, '{"ü":"","":null}']),
    "record": (
        Struct({"n": Int64, "s": String, "l": Array(Int64)}),
        pa.struct([("n", pa.int64()), ("s", TEXT), ("l", pa.list_(pa.int64()))]),
        [
            {"n": 1, "s": "a", "l": [1]},
            {"n": LOW, "s": "", "l": [LOW]},
            {"n": HIGH, "s": ODD, "l": [1, 2]},
            {"n": 0, "s": None, "l": [3]},
            {"n": 0, "s": "", "l": [0]},
        ],
    ),
    "truths": (Array(Bool), pa.list_(pa.bool_()), [[True, False], [], [True], None, [False, None]]),
    "smalls": (Array(Int32), pa.list_(pa.int32()), [[1, -1], [], [-(2**31)], None, [0]]),
    "wholes": (Array(Int64), pa.list_(pa.int64()), [[1, 1], [], [LOW, HIGH], None, [0]]),
    "singles": (Array(Float32), pa.list_(pa.float32()), [[0.1], [], [-0.0], None, [float("nan")]]),
    "ratios": (
        Array(Float64),
        pa.list_(pa.float64()),
        [[0.1, 1.0], [], [TINY, HUGE], None, [float("inf"), float("nan"), None]],
    ),
    "texts": (Array(String), pa.list_(TEXT), [["a", ""], [], ["x" * 300], None, [ODD, None]]),
    "raws": (Array(Bytes), pa.list_(pa.binary()), [[b"a"], [], [b"\x00\xff", b""], None, [b""]]),
    "instants": (
        Array(UnixTimestamp),
        pa.list_(INSTANT),
        [[NOON], [], [EARLY, LATE], None, [NOON, None]],
    ),
    "identities": (Array(Uuid), pa.list_(TEXT), [[ONE, TWO], [], [TWO, TWO], None, [ONE]]),
    "timed_identities": (
        Array(TimeUuid),
        pa.list_(TEXT),
        [[TIMED], [], [TIMED] * 2, None, [TIMED]],
    ),
    "prices": (Array(Decimal), pa.list_(TEXT), [["1.50", "-1"], [], ["1E+3"], None, ["0"]]),
    "documents": (Array(Json), pa.list_(TEXT), [['{"a":1}', "2"], [], [NESTED], None, ['"ü"']]),
    "mappings": (Array(Map), TEXT, ['[{"a":1},{}]', "[]", f"[{NESTED}]", None, '[{"ü":""}]']),
    "records": (
        Array(Struct({"n": Int64})),
        pa.list_(pa.struct([("n", pa.int64())])),
        [[{"n": 1}, {"n": 2}], [], [{"n": LOW}, {"n": HIGH}], None, [{"n": 0}]],
    ),
    "lists": (
        Array(Array(Int64)),
        pa.list_(pa.list_(pa.int64())),
        [[[1, 2], [3]], [], [[LOW], [HIGH, HIGH]], None, [[], [0]]],
    ),
    "text_lists": (
        Array(Array(String)),
        pa.list_(pa.list_(TEXT)),
        [[["a"], ["b", ""]], [], [[ODD]], None, [["ü"]]],
    ),
    "sets_of_instants": (
        Array(Set(UnixTimestamp)),
        pa.list_(pa.list_(INSTANT)),
        [[[NOON, NOON]], [], [[EARLY], [LATE]], None, [[NOON]]],
    ),
    "set_of_lists": (
        Set(Array(Float64)),
        pa.list_(pa.list_(pa.float64())),
        [[[0.1], [0.1]], [], [[TINY, HUGE]], None, [[float("inf")]]],
    ),
    "deep": (
        Array(Array(Array(Int64))),
        pa.list_(pa.list_(pa.list_(pa.int64()))),
        [[[[1, 2], [3]], [[4]]], [], [[[LOW]]], None, [[[0]]]],
    ),
    "truth_set": (
        Set(Bool),
        pa.list_(pa.bool_()),
        [[True, True], [], [True, False], None, [False]],
    ),
    "small_set": (Set(Int32), pa.list_(pa.int32()), [[3, 1, 3], [], [-(2**31)], None, [0]]),
    "whole_set": (Set(Int64), pa.list_(pa.int64()), [[3, 1, 3], [], [LOW, HIGH], None, [0]]),
    "single_set": (Set(Float32), pa.list_(pa.float32()), [[0.5, 0.5], [], [0.1], None, [1.0]]),
    "ratio_set": (
        Set(Float64),
        pa.list_(pa.float64()),
        [[0.5, 0.1, 0.5], [], [TINY, HUGE], None, [float("inf")]],
    ),
    "text_set": (Set(String), pa.list_(TEXT), [["b", "a", "b"], [], ["x" * 300], None, [ODD]]),
    "raw_set": (Set(Bytes), pa.list_(pa.binary()), [[b"b", b"b"], [], [b"\xff"], None, [b""]]),
    "instant_set": (
        Set(UnixTimestamp),
        pa.list_(INSTANT),
        [[NOON, NOON], [], [EARLY, LATE], None, [NOON]],
    ),
    "identity_set": (Set(Uuid), pa.list_(TEXT), [[TWO, ONE, TWO], [], [ONE], None, [TWO]]),
    "timed_identity_set": (
        Set(TimeUuid),
        pa.list_(TEXT),
        [[TIMED] * 2, [], [TIMED], None, [TIMED]],
    ),
    "price_set": (Set(Decimal), pa.list_(TEXT), [["1.5", "1.5"], [], ["-1"], None, ["0"]]),
}


def _kinds() -> pa.Table:
    """One row per driver at noon, and an older one of driver 1 that must not win."""
    columns = {name: pa.array(values, kind) for name, (_, kind, values) in KINDS.items()}
    table = pa.table(
        {
            "driver_id": pa.array(DRIVERS, pa.int64()),
            "event_timestamp": pa.array([NOON] * len(DRIVERS), INSTANT),
            **columns,
        }
    )
    older = table.slice(1, 1).set_column(0, "driver_id", pa.array([1], pa.int64()))
    older = older.set_column(1, "event_timestamp", pa.array([NOON - HOUR], INSTANT))
    return pa.concat_tables([older, table])


def _table(at: list[datetime], **columns: pa.Array) -> pa.Table:
    return pa.table({"event_timestamp": pa.array(at, INSTANT), **columns})


def write_all(folder: Path) -> None:
    """Write the Parquet file of every view."""
    tables = {
        "kinds": _kinds(),
        "pairs": _table(
            [NOON - timedelta(microseconds=n) for n in (0, 1500, 2000, 1)],
            place=pa.array(["JFK", "ü}{,", "", "JFK"]),
            customer_id=pa.array([1, 2, -(2**63), 2], pa.int64()),
            spent=pa.array([1.0, -0.5, None, 3.25]),
        ),
        "world": _table([NOON], rides=pa.array([9], pa.int64())),
        "aged": _table(
            [NOON, NOON - 2 * HOUR], driver_id=pa.array([1, 2], pa.int64()), level=pa.array([1.5, 2.5])
        ),
        "grown": _table(
            [NOON, NOON],
            driver_id=pa.array([1, 2], pa.int64()),
            first=pa.array([1, 2], pa.int64()),
            second=pa.array(["a", None]),
        ),
        "pushed": _table(
            [NOON - HOUR],
            driver_id=pa.array([1], pa.int64()),
            count=pa.array([1], pa.int64()),
            share=pa.array([0.5]),
            word=pa.array(["old"]),
        ),
    }  # fmt: skip
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
