"""Bodies of requests that write rows: what is taken, and what is no request."""

import json
from typing import Any

import pytest

from provender.serving.wire import Malformed, parse_rows


def parsed(columns: Any) -> dict[str, list[Any]]:
    body = json.dumps({"push_source_name": "s", "df": columns}).encode()
    return parse_rows(body, "push_source_name").columns


def test_values_by_index_are_put_together_by_index() -> None:
    columns = {"origin": {"0": "P", "1": "Q"}, "count": {"1": 11, "0": 10}, "day": ["a", "b"]}
    assert parsed(columns) == {"origin": ["P", "Q"], "count": [10, 11], "day": ["a", "b"]}


@pytest.mark.parametrize("other", [{"1": 11, "2": 10}, {"1": 11}, {"0": 1, "1": 2, "2": 3}])
def test_columns_with_different_indexes_are_refused(other: dict[str, int]) -> None:
    with pytest.raises(Malformed, match="the same index") as caught:
        parsed({"origin": {"0": "P", "1": "Q"}, "count": other})
    assert caught.value.where == ("body", "df", "count")


def test_columns_that_are_no_lists_are_refused() -> None:
    with pytest.raises(Malformed, match="valid list"):
        parsed({"origin": "JFK"})
