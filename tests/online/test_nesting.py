"""JSON that rows hold as it came: what no answer could tell is refused, or told as damaged."""

import json
from typing import Any

import orjson
import pytest

from provender.core.errors import InvalidInput
from provender.online.blocks import ViewReader
from provender.online.codec import KeyCodec, RowCodec
from provender.online.columns import ColumnEncoder
from provender.online.kinds import kind_of
from provender.online.nesting import DEPTH
from provender.online.spelling import plain
from tests.online.views import T0, view

OBJECTS = view({"x": "map<string,json>"})


def nested(levels: int) -> Any:
    """Return a list of lists, so many in one another."""
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def stored(text: str, raw: str, project: str = "p") -> tuple[bytes, bytes]:
    """Return key and row of an object whose JSON is ``raw``, which nobody would write today."""
    key = KeyCodec(project, OBJECTS).key(["a"])
    assert key is not None
    row = RowCodec(OBJECTS).encode(key, {"x": json.loads(text)}, T0)
    assert len(raw) == len(text)
    assert text.encode() in row
    return key, row.replace(text.encode(), raw.encode())


BIG = stored('{"a":"' + "9" * 23 + '"}', '{"a":' + "9" * 25 + "}")
DEEP = stored('{"a":"' + "x" * 598 + '"}', '{"a":' + "[" * 300 + "]" * 300 + "}")
HALF = stored('{"a":"xxxxxx"}', '{"a":"\\ud800"}')


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("map<string,json>", {"a": nested(DEPTH)}),
        ("map<string,json>", json.dumps({"a": nested(DEPTH)})),
        ("struct<json>", "[" * 100_000),
        ("struct<json>", '{"a":' * 100_000),
        ("struct<json>", {"a": {"b": nested(900)}}),
        ("list<map<string,json>>", [{"a": nested(400)}]),
        ("list<map<string,json>>", "[" * 100_000),
        ("struct<a:int64>", "[" * 100_000),
        ("struct<a:int64>", {"a": nested(400)}),
        ("map<string,string>", "[" * 100_000),
        ("map<string,json>", {"a": 2**64}),
        ("map<string,json>", f'{{"a": [{-(2**63) - 1}]}}'),
        ("struct<json>", {"a": {"b": [2**80]}}),
        ("struct<json>", '{"a": "\\ud800"}'),
        ("string", nested(990)),
        ("int64", nested(990)),
        ("decimal(5,2)", nested(990)),
        ("timestamp", nested(990)),
    ],
)
def test_what_no_answer_could_tell_is_refused_with_the_features_name(word: str, value: Any) -> None:
    columns = {"origin": ["a"], "x": [value], "event_timestamp": [T0]}
    with pytest.raises(InvalidInput, match=r"feature weather:x is ") as refusal:
        ColumnEncoder("p", view({"x": word})).encode(columns)
    assert len(refusal.value.message) < 300


def test_an_instant_that_cannot_even_be_shown_is_refused() -> None:
    columns = {"origin": ["a"], "x": [{}], "event_timestamp": [nested(990)]}
    with pytest.raises(InvalidInput, match=r"row 0 of feature view weather: .* is no timestamp"):
        ColumnEncoder("p", OBJECTS).encode(columns)


@pytest.mark.parametrize(
    "value",
    [
        {"a": nested(DEPTH - 1)},
        {"a": [2**64 - 1, -(2**63), 1e300, True, None]},
        {"a": "9" * 5000, "9" * 30: "[" * 500 + "é\\ud800"},
        {"a": [[{}] * 3] * 500},
    ],
)
def test_what_is_just_within_the_bounds_is_kept_and_told(value: Any) -> None:
    kind = kind_of("map<string,json>")
    assert kind.read is not None
    read = kind.read(kind.write(value))
    assert read == value
    assert json.loads(orjson.dumps(plain([read], "map<string,json>"))) == [value]


@pytest.mark.parametrize("damaged", [BIG, DEEP, HALF])
def test_what_is_stored_and_cannot_be_told_is_told_as_damaged_and_keeps_no_other_out(
    damaged: tuple[bytes, bytes],
) -> None:
    good = KeyCodec("p", OBJECTS).key(["b"])
    assert good is not None
    row = RowCodec(OBJECTS).encode(good, {"x": {"a": 1}}, T0)
    block = ViewReader(OBJECTS, ["x"]).block([good, damaged[0]], [row, damaged[1]])
    assert block.statuses == ["PRESENT", "NOT_FOUND"]
    assert block.json(0) == b'[{"a":1},null]'
    assert RowCodec(OBJECTS).decode(*damaged) is None
