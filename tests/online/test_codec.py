import math
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provender.core.errors import InvalidInput
from provender.online.codec import NO_KEY, KeyCodec, RowCodec, key_prefix
from tests.online.views import EVERY_TYPE, INSTANTS, T0, TICK, view

MIXED = {"ok": "bool", "n": "int64", "x": "float64", "text": "string", "tags": "list<string>"}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "float32": st.floats(width=32),
    "float64": st.floats(),
    "string": st.text(),
    "binary": st.binary(),
    "timestamp": INSTANTS,
    "date": st.dates(),
    "decimal(20,3)": st.decimals(-(10**9), 10**9, places=3),
    "list<int64>": st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)),
    "list<float64>": st.lists(st.none() | st.floats()),
    "list<string>": st.lists(st.none() | st.text()),
}
ROWS = st.fixed_dictionaries({kind: st.none() | values for kind, values in VALUES.items()})


def same(one: Any, other: Any) -> bool:
    """Equal to the bit: NaN is NaN, and 0.0 is not -0.0."""
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("d", one) == struct.pack("d", other) or (one != one and other != other)
    return type(one) is type(other) and one == other


@given(row=ROWS, event=INSTANTS, created=st.none() | INSTANTS)
@settings(max_examples=200)
def test_what_is_encoded_is_decoded_exactly(row: dict[str, Any], event: Any, created: Any) -> None:
    codec = RowCodec(view({kind: kind for kind in VALUES}))
    decoded = codec.decode(codec.encode(row, event, created))
    assert decoded is not None
    assert (decoded.event_timestamp, decoded.created_timestamp) == (event, created)
    for value, kind in zip(decoded.values, VALUES, strict=True):
        assert same(value, row[kind]), kind


def test_every_type_has_its_golden_bytes(golden: Path) -> None:
    names = [f"c{index:02d}" for index in range(len(EVERY_TYPE))]
    codec = RowCodec(view(dict(zip(names, EVERY_TYPE, strict=True))))
    row = codec.encode(dict(zip(names, EVERY_TYPE.values(), strict=True)), T0, T0 + TICK)
    nulls = codec.encode({}, T0)
    written = (golden / "row_v1.hex").read_text().split()
    assert [row.hex(), nulls.hex()] == written
    decoded = codec.decode(bytes.fromhex(written[0]))
    assert decoded is not None
    assert list(decoded.values) == list(EVERY_TYPE.values())


def test_keys_have_their_golden_bytes(golden: Path) -> None:
    kinds = {
        "a": "int64",
        "b": "string",
        "c": "bool",
        "d": "binary",
        "e": "date",
        "f": "timestamp",
    }
    values = [-7, "N1}4,é", True, b"\x00}", T0.date(), T0]
    codecs = [
        (KeyCodec("flights", view({}, keys=kinds)), values),
        (KeyCodec("flights", view({}, keys={"tailnum": "string"})), ["N14228"]),
        (KeyCodec("a:b*", view({}, name="v:w", keys={"id": "uint64"})), [2**64 - 1]),
    ]
    keys = [codec.key(values) for codec, values in codecs]
    assert keys == [bytes.fromhex(line) for line in (golden / "key_v1.hex").read_text().split()]


@given(st.lists(st.tuples(INSTANTS, st.none() | INSTANTS), min_size=2, max_size=2))
def test_bytes_of_times_compare_as_the_times_do(pairs: list[Any]) -> None:
    codec = RowCodec(view(MIXED))
    one, other = (codec.encode({}, event, created)[5:21] for event, created in pairs)
    never = datetime(1, 1, 1, tzinfo=UTC)
    first, second = ((event, created or never) for event, created in pairs)
    assert (one < other) == (first < second)


@pytest.mark.parametrize(
    "changed",
    [{**MIXED, "n": "int32"}, {k: v for k, v in MIXED.items() if k != "n"}, {**MIXED, "o": "bool"}],
)
def test_a_row_of_another_layout_is_not_read(changed: dict[str, str]) -> None:
    row = RowCodec(view(MIXED)).encode({"n": 1}, T0)
    assert RowCodec(view(changed)).decode(row) is None
    assert RowCodec(view(MIXED)).decode(b"\x02" + row[1:]) is None
    assert RowCodec(view(MIXED)).decode(row[:20]) is None


def test_a_reader_gives_the_asked_columns_in_the_asked_order_even_twice() -> None:
    codec = RowCodec(view(MIXED))
    rows = [codec.encode({"n": 1, "text": "a", "x": 2.5}, T0), None, codec.encode({}, T0)]
    read = codec.reader(["text", "n", "text"]).read(rows)
    assert read.columns == [["a", None, None], [1, None, None], ["a", None, None]]
    assert read.found == [True, False, True]
    assert codec.reader(["text"]).read([]).columns == [[]]


@given(
    st.lists(
        st.tuples(st.text(max_size=4), st.text(max_size=4), st.text(max_size=4), st.integers(0, 9)),
        min_size=2,
        max_size=2,
        unique=True,
    )
)
def test_different_entities_views_and_projects_have_different_keys(names: list[Any]) -> None:
    one, other = (
        KeyCodec(project, view({}, name=name, keys={"k": "string", "n": "int64"})).key([text, n])
        for project, name, text, n in names
    )
    assert one != other


def test_no_project_matches_the_keys_of_another() -> None:
    fraud = KeyCodec("fraud_risk", view({})).key(["x"])
    assert fraud is not None
    assert not fraud.startswith(key_prefix("risk"))
    assert not fraud.startswith(key_prefix("fraud"))
    assert not fraud.startswith(key_prefix("fraud_risk", "weath"))
    assert fraud.startswith(key_prefix("fraud_risk", "weather"))


def test_one_entity_has_one_hash_tag_in_all_views() -> None:
    keys = [KeyCodec("p", view({}, name=name, keys={"k": "int64"})).key([7]) for name in ("a", "b")]
    assert [key and key[key.index(b"{") :] for key in keys] == [b"{i7}"] * 2


def test_keys_take_what_means_the_same() -> None:
    number = KeyCodec("p", view({}, keys={"id": "int64"}))
    text = KeyCodec("p", view({}, keys={"id": "string"}))
    assert {number.key([value]) for value in (7, "7", 7.0)} == {number.key([7])}
    assert text.key([7]) == text.key(["7"])
    assert text.key([7]) != number.key([7])
    assert number.key([None]) is None
    assert number.keys([[None, 7]], 2) == [NO_KEY, number.key([7])]
    assert KeyCodec("p", view({}, keys={"a": "int64"})).keys([], 0) == []


@pytest.mark.parametrize("value", [7.5, "seven", True, 2**63, "", [7], float("nan"), "\ud800"])
def test_a_value_that_is_no_key_is_refused_by_name(value: Any) -> None:
    with pytest.raises(InvalidInput, match="join key id is int64"):
        KeyCodec("p", view({}, keys={"id": "int64"})).key([value])


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(InvalidInput, match="join key origin is string"):
        KeyCodec("p", view({})).key(["\ud800"])


@pytest.mark.parametrize("kind", ["float64", "list<int64>", "timestamp_ns"])
def test_a_type_that_can_be_no_key_is_refused(kind: str) -> None:
    with pytest.raises(InvalidInput, match="which has no exact text"):
        KeyCodec("p", view({}, keys={"id": kind}))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int8", 128),
        ("uint8", -1),
        ("int64", 1.5),
        ("int64", True),
        ("bool", "yes"),
        ("bool", 2),
        ("float64", "1.5"),
        ("float64", False),
        ("float32", 1e300),
        ("string", 5),
        ("binary", "not base64!"),
        ("timestamp", "yesterday"),
        ("timestamp_local", T0),
        ("date", "2013-13-01"),
        ("timestamp_ns", "2300-01-01"),
        ("decimal(5,1)", "1.25"),
        ("decimal(5,1)", "many"),
        ("list<int64>", "12"),
        ("list<int64>", [1, "x"]),
    ],
)
def test_a_value_of_another_type_is_refused_by_feature(kind: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"feature weather:x is .*is not"):
        RowCodec(view({"x": kind})).encode({"x": value}, T0)


def test_a_type_nobody_knows_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cannot be served online"):
        RowCodec(view({"x": "interval"}))


@pytest.mark.parametrize(
    ("kind", "given", "stored"),
    [
        ("timestamp", "2013-01-01T05:00:00", T0),
        ("timestamp", "2013-01-01T00:00:00-05:00", T0),
        ("timestamp", T0.replace(tzinfo=None), T0),
        ("timestamp", 1357016400, T0),
        ("date", "2013-01-01", T0.date()),
        ("float64", "NaN", math.nan),
        ("float64", 1, 1.0),
        ("binary", "AAE=", b"\x00\x01"),
        ("int32", "12", 12),
    ],
)
def test_json_spellings_are_taken(kind: str, given: Any, stored: Any) -> None:
    codec = RowCodec(view({"x": kind}))
    decoded = codec.decode(codec.encode({"x": given}, T0))
    assert decoded is not None
    assert same(decoded.values[0], stored)


def test_sixty_five_columns_have_a_bit_each() -> None:
    columns = {f"c{index}": "int64" for index in range(65)}
    codec = RowCodec(view(columns))
    row = codec.decode(codec.encode({"c0": 1, "c64": 2}, T0, T0 + timedelta(days=1)))
    assert row is not None
    assert (row.values[0], row.values[1], row.values[64]) == (1, None, 2)
