import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provender.core.digest import canonical, digest, digest_bytes, digest_stream, short

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


class Colour(StrEnum):
    RED = "red"


class Number(IntEnum):
    ONE = 1


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    tags: frozenset[str]


@given(JSON)
def test_the_order_of_keys_does_not_matter(value: Any) -> None:
    def turned(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: turned(item[key]) for key in reversed(item)}
        return [turned(part) for part in item] if isinstance(item, list) else item

    assert digest(turned(value)) == digest(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [None, True, 1.5]}, '{"a":[null,true,1.5],"b":1}'),
        (Point(1, frozenset({"b", "a"})), '{"tags":["a","b"],"x":1}'),
        ((Colour.RED, Number.ONE), '["red",1]'),
        (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), '"2026-01-02T03:04:05.000006+00:00"'),
        (date(2026, 1, 2), '"2026-01-02"'),
        (timedelta(minutes=1, milliseconds=1), "60.001"),
        (Path("a") / "b", '"a/b"'),
        ({"é": "漢"}, '{"é":"漢"}'),
        ({Colour.RED: 1}, '{"red":1}'),
        ({3, 1, 2}, "[1,2,3]"),
    ],
)
def test_the_canonical_text_is_fixed(value: Any, text: str) -> None:
    assert canonical(value) == text


def test_digests_never_change_between_releases() -> None:
    assert digest({"a": [1, "é", None]}) == (
        "sha256:e31712bc2533e049331631231b09c7aff1bb1dcde09d73e2e94096816f4844c6"
    )
    assert digest_bytes(b"") == (
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )


@given(st.lists(st.binary(max_size=20)))
def test_a_stream_has_the_digest_of_its_bytes(chunks: list[bytes]) -> None:
    assert digest_stream(chunks) == digest_bytes(b"".join(chunks))


@pytest.mark.parametrize("value", [b"bytes", object(), Point, 1j])
def test_what_has_no_agreed_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="no canonical JSON form"):
        digest(value)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_json_does_not_have_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        digest(value)


def test_a_short_digest_is_the_first_of_its_digits() -> None:
    assert short(digest_bytes(b""), length=4) == "e3b0"
