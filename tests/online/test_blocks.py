import math
import subprocess
import sys
from datetime import UTC, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provender.core.serving import ServedView
from provender.online.blocks import Asked, Block, ViewReader, json_bodies, read_blocks
from provender.online.codec import KeyCodec, RowCodec
from provender.online.kinds import micros
from provender.online.spelling import plain
from tests.online.test_codec import VALUES as SOME_VALUES
from tests.online.test_codec import same
from tests.online.views import EVERY_TYPE, INSTANTS, T0, TICK, view

VALUES: dict[str, st.SearchStrategy[Any]] = {
    **SOME_VALUES,
    "int8": st.integers(-128, 127),
    "uint16": st.integers(0, 65535),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "time": st.times(),
    "timestamp_ns": st.datetimes(
        T0.replace(year=1700, tzinfo=None),
        T0.replace(year=2200, tzinfo=None),
        timezones=st.just(UTC),
    ),
    "timestamp_local": st.datetimes(),
    "struct<a:int64>": st.fixed_dictionaries({"a": st.none() | st.integers(-9, 9)}),
    "set<int64>": st.sets(st.integers(-(2**63), 2**63 - 1)).map(sorted),
    "set<string>": st.sets(st.text(max_size=3)).map(lambda texts: sorted(texts, key=str.encode)),
    "map<string,json>": st.dictionaries(
        st.text(max_size=3), st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)
    ),
    "list<list<string>>": st.lists(st.none() | st.lists(st.text(max_size=2)), max_size=2),
}
EVERY = view({kind: kind for kind in sorted(VALUES)}, keys={"id": "int64"})
NARROW = view({"n": "int64", "text": "string", "x": "float64"}, keys={"id": "int64"})
NOW = micros(T0)
WRITTEN = st.fixed_dictionaries(
    {
        "values": st.fixed_dictionaries({k: st.none() | v for k, v in VALUES.items()}),
        "event": INSTANTS,
        "created": st.none() | INSTANTS,
    }
)


def keys_of(served: ServedView, size: int, project: str = "p") -> list[bytes]:
    return KeyCodec(project, served).keys([list(range(size))], size)


def block_of(served: ServedView, rows: list[bytes | None], now_us: int | None = None) -> Block:
    reader = ViewReader(served, [column.name for column in served.columns])
    return reader.block(keys_of(served, len(rows)), rows, now_us)


def narrow_rows(size: int, **more: Any) -> list[bytes]:
    codec = RowCodec(NARROW)
    values = [{"n": n, "text": f"text {n}", "x": n / 2, **more} for n in range(size)]
    return [
        codec.encode(key, one, T0) for key, one in zip(keys_of(NARROW, size), values, strict=True)
    ]


@given(st.lists(st.none() | WRITTEN, max_size=5))
@settings(max_examples=80, deadline=None)
def test_columns_of_a_block_are_what_was_written_in_all_three_forms(written: list[Any]) -> None:
    codec = RowCodec(EVERY)
    keys = keys_of(EVERY, len(written))
    rows = [
        one and codec.encode(key, one["values"], one["event"], one["created"])
        for key, one in zip(keys, written, strict=True)
    ]
    block = block_of(EVERY, rows)
    assert block.statuses == ["PRESENT" if one else "NOT_FOUND" for one in written]
    assert block.event_us == [micros(one["event"]) if one else 0 for one in written]
    bodies = json_bodies([block])[0]
    for index, column in enumerate(EVERY.columns):
        expected = [one and one["values"][column.name] for one in written]
        found = block.python(index)
        assert all(map(same, found, expected)), column.name
        assert block.json(index) == orjson.dumps(plain(found, column.type)), column.name
        assert b"[%b]" % bodies[index] == block.json(index)


@pytest.mark.parametrize("size", [0, 1, 65])
def test_views_of_any_number_of_columns_are_read(size: int) -> None:
    served = view({f"c{n:02d}": "bool" if n % 2 else "int16" for n in range(size)})
    codec = RowCodec(served)
    values = {c.name: bool(n % 3) if n % 2 else n for n, c in enumerate(served.columns)}
    key = b"k" * 8 + b"{s1:a}"
    rows = [codec.encode(key, values, T0), codec.encode(key, {}, T0)]
    reader = ViewReader(served, [column.name for column in served.columns])
    block = reader.block([key, key], rows)
    assert block.statuses == ["PRESENT", "PRESENT"]
    assert [block.python(n) for n in range(size)] == [[v, None] for v in values.values()]


def test_a_reader_gives_the_asked_columns_in_the_asked_order_even_twice() -> None:
    rows: list[bytes | None] = [*narrow_rows(2), None]
    reader = ViewReader(NARROW, ["text", "n", "text"])
    block = reader.block(keys_of(NARROW, 3), rows)
    assert block.python(0) == block.python(2) == ["text 0", "text 1", None]
    assert block.python(1) == [0, 1, None]


def test_views_of_the_same_types_are_read_together_each_as_its_own() -> None:
    served = [
        view({"n": "int64", "x": "float64"}, name=f"v{at}", keys={"id": "int64"}) for at in range(3)
    ]
    served.append(NARROW)
    asked = []
    for at, one in enumerate(served):
        keys = keys_of(one, 2)
        rows: list[bytes | None] = [
            RowCodec(one).encode(
                key, {"n": 10 * at + n, "x": math.nan if at == 1 else 0.5}, T0 + at * TICK
            )
            for n, key in enumerate(keys)
        ]
        asked.append(Asked(ViewReader(one, ["x", "n"]), keys, rows, NOW, max_age_us=None))
    asked[2].rows = [None, asked[2].rows[1]]
    blocks = read_blocks(asked)
    assert blocks[0].batch is blocks[1].batch is blocks[2].batch is not blocks[3].batch
    assert [block.python(1) for block in blocks] == [[0, 1], [10, 11], [None, 21], [30, 31]]
    assert blocks[2].statuses == ["NOT_FOUND", "PRESENT"]
    assert [block.event_us[1] - NOW for block in blocks] == [0, 1, 2, 3]
    assert json_bodies(blocks)[1] == [b'"NaN","NaN"', b"10,11"]
    assert [json_bodies(blocks)[at][0] for at in (0, 2)] == [b"0.5,0.5", b"null,0.5"]


@pytest.mark.parametrize(
    ("age", "status"), [(5, "PRESENT"), (6, "OUTSIDE_MAX_AGE"), (-60_000_001, "NOT_FOUND")]
)
def test_each_view_has_its_own_age(age: int, status: str) -> None:
    rows, keys = narrow_rows(1), keys_of(NARROW, 1)
    reader = ViewReader(NARROW, ["n"])
    old, any_age = read_blocks(
        [
            Asked(reader, keys, rows, NOW + age, max_age_us=5),
            Asked(reader, keys, rows, NOW + age, awaits=False),
        ]
    )
    assert (old.statuses, any_age.statuses) == ([status], ["PRESENT"])
    assert old.python(0) == ([0] if status == "PRESENT" else [None])
    assert old.event_us == ([0] if status == "NOT_FOUND" else [NOW])


def test_truncated_and_lengthened_rows_are_not_found() -> None:
    codec = RowCodec(EVERY)
    (key,) = keys_of(EVERY, 1)
    values = {kind: EVERY_TYPE.get(kind) for kind in VALUES}
    for row in (codec.encode(key, values, T0, T0), codec.encode(key, {}, T0)):
        assert block_of(EVERY, [row]).statuses == ["PRESENT"]
        damaged = [row[:size] for size in range(len(row))] + [row + b"\0"]
        assert {block_of(EVERY, [one]).statuses[0] for one in damaged} == {"NOT_FOUND"}


def test_a_row_with_a_bit_changed_never_breaks_its_neighbours_nor_the_reader() -> None:
    codec = RowCodec(EVERY)
    keys = keys_of(EVERY, 3)
    values = {kind: EVERY_TYPE.get(kind) for kind in VALUES}
    rows = [codec.encode(key, values, T0, T0) for key in keys]
    expected = [block_of(EVERY, list(rows)).python(index)[0] for index in range(len(VALUES))]
    for bit in range(8 * len(rows[1])):
        changed = bytearray(rows[1])
        changed[bit >> 3] ^= 1 << (bit & 7)
        block = block_of(EVERY, [rows[0], bytes(changed), rows[2]])
        assert (block.statuses[0], block.statuses[2]) == ("PRESENT", "PRESENT")
        assert bit >= 40 or block.statuses[1] == "NOT_FOUND"
        columns = [block.python(index) for index in range(len(VALUES))]
        assert [column[0] for column in columns] == [column[2] for column in columns] == expected
        if block.statuses[1] == "NOT_FOUND":
            assert {column[1] for column in columns} == {None}
        json_bodies([block])


def test_bytes_that_are_no_text_are_not_found() -> None:
    (row,) = narrow_rows(1)
    assert block_of(NARROW, [row.replace(b"text", b"te\xffx")]).statuses == ["NOT_FOUND"]


@pytest.mark.parametrize("text", ['"', "\\", "\n", "\x00", "\x1f", "é\x7f✈\u2028", "", "</script>"])
def test_text_is_escaped_where_json_needs_it(text: str) -> None:
    plain_row = narrow_rows(1)[0]
    row = RowCodec(NARROW).encode(keys_of(NARROW, 2)[1], {"text": text}, T0)
    assert orjson.loads(block_of(NARROW, [plain_row, row]).json(1)) == ["text 0", text]
    assert block_of(NARROW, [plain_row, row]).json(1) == orjson.dumps(["text 0", text])


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        ("float64", math.nan, b'["NaN"]'),
        ("float64", -math.inf, b'["-Infinity"]'),
        ("float64", -0.0, b"[-0.0]"),
        ("float64", 1e300, b"[1e+300]"),
        ("float32", 0.1, b"[0.10000000149011612]"),
        ("int64", -(2**63), b"[-9223372036854775808]"),
        ("uint64", 2**64 - 1, b"[18446744073709551615]"),
        ("timestamp", T0 - timedelta(microseconds=1), b"[1357016399]"),
        ("timestamp", T0.replace(year=1969) + TICK, b"[-31518000]"),
    ],
)
def test_numbers_at_the_edge_are_written_as_feast_writes_them(
    kind: str, value: Any, written: bytes
) -> None:
    served = view({"x": kind}, keys={"id": "int64"})
    row = RowCodec(served).encode(keys_of(served, 1)[0], {"x": value}, T0)
    block = block_of(served, [row])
    assert block.json(0) == written
    assert b"[%b]" % json_bodies([block])[0][0] == written


def test_reading_brings_neither_numpy_nor_orjson() -> None:
    program = "import sys, provender.online.blocks as b; assert not {'numpy', 'orjson', 'pyarrow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
