from datetime import timedelta
from typing import Any

import pytest

from provender.core.errors import InvalidInput
from provender.core.features import FieldSpec
from provender.core.serving import ServedView
from provender.online.codec import KeyCodec, RowCodec
from provender.online.columns import ColumnEncoder
from tests.online.views import T0, view

VIEW = view({"x": "float64"}, created_timestamp="loaded_at")


def encoded(columns: dict[str, list[Any]], served: ServedView = VIEW) -> list[Any]:
    pairs = ColumnEncoder("p", served).encode(columns)
    return [(key, RowCodec(served).decode(key, row)) for key, row in pairs]


def test_pushed_columns_become_rows() -> None:
    later = T0 + timedelta(hours=1)
    rows = encoded(
        {
            "origin": ["JFK", "LGA"],
            "x": [1, None],
            "event_timestamp": ["2013-01-01T05:00:00", T0],
            "loaded_at": [later, None],
            "noise": [object(), object()],
        }
    )
    keys = KeyCodec("p", VIEW)
    assert [key for key, _ in rows] == [keys.key(["JFK"]), keys.key(["LGA"])]
    assert [row.values for _, row in rows] == [(1.0,), (None,)]
    assert [row.event_timestamp for _, row in rows] == [T0, T0]
    assert [row.created_timestamp for _, row in rows] == [later, None]


@pytest.mark.parametrize("created", ["loaded_at", "created", "created_timestamp"])
def test_the_names_that_feasts_client_sends_are_understood(created: str) -> None:
    served = view({"x": "float64"}, event_timestamp="at", created_timestamp="loaded_at")
    columns = {"origin": ["a"], "x": [1.0], "event_timestamp": ["2013-01-01T05:00:00"]}
    columns[created] = ["2013-01-01T05:00:00"]
    (_, row) = encoded(columns, served)[0]
    assert (row.event_timestamp, row.created_timestamp) == (T0, T0)


def test_features_may_have_the_names_of_their_sources() -> None:
    served = ServedView(
        name="v",
        join_keys=(FieldSpec(name="id", type="int64", column="pk"),),
        columns=(FieldSpec(name="x", type="int64", column="raw"),),
    )
    (key, row) = encoded({"pk": [1], "raw": [2], "event_timestamp": [T0]}, served)[0]
    assert (key, row.values) == (KeyCodec("p", served).key([1]), (2,))


GOOD: dict[str, list[Any]] = {"origin": ["a", "b"], "x": [1.0, 2.0], "event_timestamp": [T0, T0]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": [1.0]}, "columns are of different lengths: origin 2, x 1"),
        ({"origin": ["a", None]}, "row 1 of feature view weather has a null join key"),
        ({"event_timestamp": [None, T0]}, "row 0 of feature view weather has a null event"),
        ({"event_timestamp": ["noon", T0]}, "'noon' is no timestamp"),
        ({"x": [1.0, "hot"]}, "feature weather:x is float64, and 'hot' is not"),
    ],
)
def test_rows_that_cannot_be_stored_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        encoded({**GOOD, **change})


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_column_is_named(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"column '{name}' is missing"):
        encoded({column: values for column, values in GOOD.items() if column != name})


def test_no_rows_are_no_rows() -> None:
    assert encoded({name: [] for name in GOOD}) == []


def test_rows_from_after_now_are_refused_but_a_minute_is_allowed() -> None:
    encoder = ColumnEncoder("p", VIEW)
    assert len(encoder.encode(GOOD, now=T0 - timedelta(minutes=1))) == 2
    early = T0 - timedelta(minutes=1, microseconds=1)
    with pytest.raises(InvalidInput, match="a row of feature view weather is from 2013-01-01T05"):
        encoder.encode(GOOD, now=early)


@pytest.mark.parametrize("created", [T0, "2013-01-01T05:00:00", "2013-01-01T06:00:00+01:00"])
def test_rows_that_say_they_were_created_after_now_are_refused(created: Any) -> None:
    encoder = ColumnEncoder("p", VIEW)
    rows = {
        "origin": ["a"],
        "x": [1.0],
        "event_timestamp": [T0 - timedelta(days=9)],
        "loaded_at": [created],
    }
    assert len(encoder.encode(rows, now=T0 - timedelta(minutes=1))) == 1
    early = T0 - timedelta(minutes=1, microseconds=1)
    with pytest.raises(InvalidInput, match="of feature view weather was created at 2013-01-01T05"):
        encoder.encode(rows, now=early)
