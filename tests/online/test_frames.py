from typing import Any
from zlib import crc32

import hiredis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provender.core.errors import InvalidInput
from provender.online.arrow import BatchEncoder, Framed
from provender.online.codec import KeyCodec, RowCodec
from provender.online.packer import LONG_TAIL, checksums
from provender.online.sender import Written
from provender.online.store import OnlineStore
from tests.online.views import T0, TICK, view

VIEW = view({"n": "int64", "text": "string"}, keys={"id": "int64"}, created_timestamp="created")


def batch_of(texts: list[str | None], first: int = 0) -> pa.RecordBatch:
    size = len(texts)
    return pa.record_batch(
        {
            "id": pa.array(range(first, first + size), pa.int64()),
            "n": pa.array([None if n % 5 == 4 else n for n in range(size)], pa.int64()),
            "text": pa.array(texts, pa.string()),
            "event_timestamp": pa.array([T0] * size, pa.timestamp("us", tz="UTC")),
            "created": pa.array(
                [(None, T0, T0 - TICK)[n % 3] for n in range(size)], pa.timestamp("us", tz="UTC")
            ),
        }
    )


def parsed(arguments: bytes, count: int) -> list[bytes]:
    reader = hiredis.Reader()
    reader.feed(b"*%d\r\n%b" % (count, arguments))
    answer: list[bytes] = reader.gets()
    return answer


@given(
    st.lists(
        st.none() | st.text(max_size=3) | st.just('"' * 256) | st.just("x" * 5000), max_size=9
    ),
    st.integers(1, 4),
)
@settings(deadline=None)
def test_arguments_are_keys_and_rows_as_redis_reads_them(texts: Any, chunk: int) -> None:
    batch = batch_of(texts)
    encoder = BatchEncoder("p", VIEW)
    encoded, framed = encoder.encode(batch), encoder.frame(batch)
    keys: list[bytes] = []
    rows: list[bytes] = []
    for part in framed.resp(chunk):
        assert 0 < part.size <= chunk
        keys += parsed(bytes(part.keys), part.size)
        rows += parsed(bytes(part.rows), part.size)
    assert (keys, rows) == (encoded.keys, encoded.rows)
    both = [one for size, text in framed.pairs(chunk) for one in parsed(bytes(text), 2 * size)]
    assert (both[::2], both[1::2]) == (keys, rows)
    assert framed.count == len(texts)
    codec = RowCodec(VIEW)
    assert rows == [
        codec.encode(key, values, values["event_timestamp"], values["created"])
        for key, values in zip(keys, batch.to_pylist(), strict=True)
    ]


def test_what_is_framed_is_sent_as_it_is(store: OnlineStore) -> None:
    encoder = BatchEncoder("p", VIEW)
    first, second = encoder.frame(batch_of(["a"] * 7)), encoder.frame(batch_of(['"'] * 9, 100))
    with store.writer() as writer:
        writer.send(first)
        for part in second.resp(9):
            writer.send_arguments(part.size, bytes(part.keys), bytes(part.rows))
        assert writer.settle() == Written(16, 0)
        writer.send(first)
        assert writer.settle() == Written(7, 0)
    for framed in (first, second):
        assert store.read(framed.keys.to_pylist()) == framed.rows.to_pylist()


def test_some_rows_can_be_taken() -> None:
    framed = BatchEncoder("p", VIEW).frame(batch_of(["a", "b", "c"]))
    taken = framed.take(np.array([2, 0]))
    assert taken.rows.to_pylist() == [framed.rows[2].as_py(), framed.rows[0].as_py()]
    (part,) = taken.resp(10)
    assert parsed(bytes(part.keys), 2) == taken.keys.to_pylist()


def test_no_rows_are_no_arguments() -> None:
    empty = BatchEncoder("p", VIEW).frame(batch_of([]))
    assert (empty.count, list(empty.resp(5)), list(empty.pairs(5))) == (0, [], [])
    assert isinstance(empty, Framed)


@pytest.mark.parametrize("longest", [0, 1, LONG_TAIL, LONG_TAIL + 1, 300])
def test_checksums_in_bulk_are_crc32(longest: int) -> None:
    keys = [b"abcdefgh{" + b"x" * size + bytes([size % 256]) for size in range(longest + 1)]
    found = checksums(pa.array(keys, pa.large_binary()), b"abcdefgh{")
    assert found.tolist() == [crc32(key) for key in keys]


def test_a_float_that_32_bits_cannot_hold_is_refused_both_ways() -> None:
    served = view({"x": "float32"}, keys={"id": "int64"})
    batch = pa.record_batch({"id": [1, 2], "x": [float("inf"), 1e300], "event_timestamp": [T0, T0]})
    (key,) = KeyCodec("p", served).keys([[1]], 1)
    with pytest.raises(InvalidInput, match="does not fit float32"):
        BatchEncoder("p", served).frame(batch)
    with pytest.raises(InvalidInput, match="is float32"):
        RowCodec(served).encode(key, {"x": 1e300}, T0)
    kept = BatchEncoder("p", served).frame(batch.slice(0, 1)).rows[0].as_py()
    assert kept == RowCodec(served).encode(key, {"x": float("inf")}, T0)
