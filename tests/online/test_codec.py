import math
import re
import struct
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provender.core.errors import InvalidInput
from provender.online.codec import NO_END, PREFIX_SIZE, KeyCodec, RowCodec, key_prefix
from provender.online.kinds import micros
from provender.online.order import NO_CREATED_US, order_of
from tests.online.views import EVERY_TYPE, FEAST_TYPES, INSTANTS, T0, TICK, view

KEY = b"KEYKEYKE{1}"
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
    decoded = codec.decode(KEY, codec.encode(KEY, row, event, created))
    assert decoded is not None
    assert (decoded.event_timestamp, decoded.created_timestamp) == (event, created)
    for value, kind in zip(decoded.values, VALUES, strict=True):
        assert same(value, row[kind]), kind


def test_every_type_has_its_golden_bytes(golden: Path) -> None:
    names = [f"c{index:02d}" for index in range(len(EVERY_TYPE))]
    codec = RowCodec(view(dict(zip(names, EVERY_TYPE, strict=True))))
    values = dict(zip(names, EVERY_TYPE.values(), strict=True))
    long = {**values, "c11": 'a "quoted" word ' * 20}
    rows = [
        codec.encode(KEY, values, T0, T0 + TICK),
        codec.encode(KEY, {}, T0),
        codec.encode(KEY, long, T0, T0 - TICK),
    ]
    written = (golden / "row_v2.hex").read_text().split()
    assert [row.hex() for row in rows] == written
    decoded = codec.decode(KEY, bytes.fromhex(written[0]))
    assert decoded is not None
    assert list(decoded.values) == list(EVERY_TYPE.values())


def test_every_type_of_features_has_its_golden_bytes(golden: Path) -> None:
    names = [f"c{index:02d}" for index in range(len(FEAST_TYPES))]
    codec = RowCodec(view(dict(zip(names, FEAST_TYPES, strict=True))))
    row = codec.encode(KEY, dict(zip(names, FEAST_TYPES.values(), strict=True)), T0)
    assert row.hex() == (golden / "row_v2_features.hex").read_text().strip()
    decoded = codec.decode(KEY, row)
    assert decoded is not None
    assert list(decoded.values) == list(FEAST_TYPES.values())


NAN = float("nan")


@pytest.mark.parametrize(
    ("word", "given", "kept"),
    [
        ("set<int64>", [3, 1, 3, None, 2], [1, 2, 3]),
        ("set<int64>", {10, 9}, [9, 10]),
        ("set<string>", ["ü", "b", "a", "b"], ["a", "b", "ü"]),
        ("set<float64>", [NAN, 2, NAN, 1], [1.0, 2.0, NAN]),
        ("set<binary>", [b"b", "Yg=="], [b"b"]),
        ("set<int64>", [], []),
    ],
)
def test_a_set_has_each_element_once_in_order(word: str, given: Any, kept: list[Any]) -> None:
    codec = RowCodec(view({"x": word}))
    decoded = codec.decode(KEY, codec.encode(KEY, {"x": given}, T0))
    assert decoded is not None
    assert same(decoded.values[0], kept)


def test_an_object_holds_what_json_has_no_words_for_as_feast_writes_it() -> None:
    codec = RowCodec(view({"x": "struct<json>"}))
    given = {"at": T0 + TICK, "raw": b"\xff", "price": Decimal("1.50")}
    decoded = codec.decode(KEY, codec.encode(KEY, {"x": given}, T0))
    assert decoded is not None
    assert decoded.values[0] == {"at": 1357016400, "raw": "/w==", "price": "1.50"}


@pytest.mark.parametrize("wrong", ["[1]", [1], 1, '"a"', "{", {"a": object()}])
def test_a_map_is_an_object_and_nothing_else(wrong: Any) -> None:
    with pytest.raises(InvalidInput, match=r"is map<string,json>, and .* is not"):
        RowCodec(view({"x": "map<string,json>"})).encode(KEY, {"x": wrong}, T0)


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
    assert keys == [bytes.fromhex(line) for line in (golden / "key_v2.hex").read_text().split()]


@given(event=INSTANTS, created=st.none() | INSTANTS)
def test_the_order_of_a_row_is_told_by_its_bytes(event: Any, created: Any) -> None:
    row = RowCodec(view(MIXED)).encode(KEY, {}, event, created)
    assert order_of(row) == (micros(event), NO_CREATED_US if created is None else micros(created))


@given(event=INSTANTS, after=st.integers(-3, 3) | st.integers(2**32 - 3, 2**32 + 3))
def test_a_created_timestamp_is_spelled_short_wherever_it_fits(event: Any, after: int) -> None:
    try:
        created = event + after * TICK
    except OverflowError:
        return
    codec = RowCodec(view(MIXED))
    none, row = codec.encode(KEY, {}, event), codec.encode(KEY, {}, event, created)
    assert len(row) - len(none) == (4 if 0 <= after < 2**32 else 8)


def test_bytes_of_event_timestamps_compare_as_the_instants_do() -> None:
    codec = RowCodec(view(MIXED))
    instants = [T0.replace(year=year) for year in (1, 1600, 1969, 1970, 1971, 9999)]
    written = [codec.encode(KEY, {}, instant)[5:13] for instant in instants]
    assert written == sorted(written)


def test_rows_of_the_first_format_are_not_found(golden: Path) -> None:
    names = [f"c{index:02d}" for index in range(len(EVERY_TYPE))]
    codec = RowCodec(view(dict(zip(names, EVERY_TYPE, strict=True))))
    for line in (golden / "row_v1.hex").read_text().split():
        assert codec.decode(KEY, bytes.fromhex(line)) is None


def test_the_row_of_the_benchmark_has_the_size_that_its_memory_was_measured_with() -> None:
    columns = dict.fromkeys("abcdef", "float64") | dict.fromkeys("gh", "int64")
    served = view({**columns, "ok": "bool", "text": "string"}, keys={"id": "int64"})
    key = KeyCodec("bench", served).key([9_999_999])
    assert key is not None
    values = {**dict.fromkeys("abcdef", 0.5), "g": 1, "h": -(2**63), "ok": True, "text": "word"}
    row = RowCodec(served).encode(key, values, T0, T0 + timedelta(hours=1))
    assert (len(key), len(row)) == (17, 88)


@pytest.mark.parametrize(
    "changed",
    [{**MIXED, "n": "int32"}, {k: v for k, v in MIXED.items() if k != "n"}, {**MIXED, "o": "bool"}],
)
def test_a_row_of_another_layout_is_not_read(changed: dict[str, str]) -> None:
    row = RowCodec(view(MIXED)).encode(KEY, {"n": 1}, T0)
    assert RowCodec(view(MIXED)).decode(KEY, row) is not None
    assert RowCodec(view(changed)).decode(KEY, row) is None
    assert RowCodec(view(MIXED)).decode(KEY, b"\x03" + row[1:]) is None


def test_a_row_of_another_key_is_not_read() -> None:
    codec = RowCodec(view(MIXED))
    assert codec.decode(b"KEYKEYKE{2}", codec.encode(KEY, {"n": 1}, T0)) is None


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
    owners = [
        (project, name)
        for project in ("risk", "fraud_risk", "risk2", "ris*", "risk:x", "r")
        for name in ("weather", "weather2", "w", "eather")
    ]
    prefixes = {key_prefix(project, name) for project, name in owners}
    assert len(prefixes) == len(owners)
    assert all(re.fullmatch(rb"[A-Za-z0-9_-]{8}", prefix) for prefix in prefixes)
    key = KeyCodec("risk", view({})).key(["x"])
    assert key is not None
    assert key[:PREFIX_SIZE] == key_prefix("risk", "weather")


def test_one_entity_has_one_hash_tag_in_all_views() -> None:
    keys = [KeyCodec("p", view({}, name=name, keys={"k": "int64"})).key([7]) for name in ("a", "b")]
    assert [key and key[key.index(b"{") :] for key in keys] == [b"{7}"] * 2


def test_keys_take_what_means_the_same() -> None:
    number = KeyCodec("p", view({}, keys={"id": "int64"}))
    text = KeyCodec("p", view({}, keys={"id": "string"}))
    assert {number.key([value]) for value in (7, "7", 7.0)} == {number.key([7])}
    assert text.key([7]) == text.key(["7"])
    assert text.key([7]) != number.key([7])
    assert number.key([None]) is None
    assert number.keys([[None, 7]], 2) == [number.prefix + NO_END, number.key([7])]
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
        RowCodec(view({"x": kind})).encode(KEY, {"x": value}, T0)


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
    decoded = codec.decode(KEY, codec.encode(KEY, {"x": given}, T0))
    assert decoded is not None
    assert same(decoded.values[0], stored)


def test_sixty_five_columns_have_a_bit_each() -> None:
    columns = {f"c{index}": "int64" for index in range(65)}
    codec = RowCodec(view(columns))
    row = codec.decode(KEY, codec.encode(KEY, {"c0": 1, "c64": 2}, T0, T0 + timedelta(days=1)))
    assert row is not None
    assert (row.values[0], row.values[1], row.values[64]) == (1, None, 2)
