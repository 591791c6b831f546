"""docs/reference/online-bytes.md says what the code does."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provender.core.schema import TYPES
from provender.online.codec import KEY_PARTS, KeyCodec, RowCodec
from provender.online.kinds import INTEGERS, kind_of
from provender.online.layout import (
    CREATED_AFTER,
    CREATED_WHOLE,
    HAS_LONG,
    HAS_NULLS,
    JSON_SAFE,
    Layout,
)
from tests.online.views import T0, view

PAGE = (Path(__file__).parents[2] / "docs/reference/online-bytes.md").read_text()
TABLES = re.findall(r"((?:^\|.*\n)+)", PAGE, re.MULTILINE)


def rows_of(first: str) -> list[list[str]]:
    """Return the cells of the table whose first heading is ``first``, from its third line on."""
    (table,) = [t for t in TABLES if t.startswith(f"| {first} |")]
    return [
        [cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines()[2:]
    ]


def widths() -> dict[str, str]:
    (table,) = [t for t in TABLES if t.startswith("| type | bytes |")]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return {word: row[1] for row in cells for word in re.findall(r"`([^`]+)`", row[0])}


@pytest.mark.parametrize(
    "word", [*TYPES, "decimal(p,s)", "list<T>", "set<T>", "struct<…>", "map<…>"]
)
def test_every_type_is_listed_with_its_bytes(word: str) -> None:
    real = {
        "decimal(p,s)": "decimal(9,2)",
        "list<T>": "list<int8>",
        "set<T>": "set<int8>",
        "struct<…>": "struct<a:int8>",
        "map<…>": "map<string,int8>",
    }.get(word, word)
    kind = kind_of(real)
    told = "a bit" if word == "bool" else "variable" if kind.variable else str(kind.width)
    assert widths()[word] == told


def test_every_flag_is_listed() -> None:
    told = [int(row[0]) for row in rows_of("flag") if row[0].isdigit()]
    assert told == [CREATED_AFTER, CREATED_WHOLE, HAS_NULLS, HAS_LONG, JSON_SAFE]


def test_the_head_is_where_the_page_says() -> None:
    told = [row[:2] for row in rows_of("at") if row[0]]
    assert told == [["0", "1"], ["1", "4"], ["5", "8"], ["13", "1"], ["14", "0, 4 or 8"]]
    shape = Layout(["int64"] * 9 + ["bool", "string"]).shape(HAS_NULLS | CREATED_WHOLE)
    assert shape is not None
    assert (shape.nulls_at, shape.bools_at, shape.fixed_at, shape.lengths_at) == (22, 24, 25, 97)


def test_join_keys_are_written_as_the_page_says() -> None:
    (table,) = [t for t in TABLES if t.startswith("| type | written |")]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    values = {
        "integers": ("int64", -7),
        "string": ("string", "N14228"),
        "binary": ("binary", b"ab"),
        "bool": ("bool", True),
        "date": ("date", T0.date()),
        "timestamp": ("timestamp", T0),
    }
    for word, _, example in cells:
        kind, value = values.pop(word.strip("`"))
        key = KeyCodec("p", view({}, keys={"k": kind})).key([value])
        assert key is not None
        assert key[8:].decode() == f"{{{example.strip('`')}}}"
    assert not values
    assert set(KEY_PARTS) == {*INTEGERS, "string", "binary", "bool", "date", "timestamp"}


def test_the_row_that_is_taken_apart_is_the_row() -> None:
    served = view(
        {"gust": "int64", "ok": "bool", "temp": "float64", "word": "string"},
        keys={"tailnum": "string"},
    )
    key = KeyCodec("flights", served).key(["N14228"])
    assert key is not None
    assert f"`{key.decode()}`" in PAGE
    at = datetime(2013, 1, 1, 5, tzinfo=UTC)
    values = {"ok": True, "temp": 1.5, "word": "windy"}
    row = RowCodec(served).encode(key, values, at, at + timedelta(microseconds=1))
    told = PAGE.partition("One taken apart")[2].partition("```")[2].partition("```")[0]
    assert "".join(line.split()[0] for line in told.strip().splitlines()) == row.hex()
