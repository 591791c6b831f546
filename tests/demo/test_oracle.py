"""The oracle of flights against golden values, and against the definition read aloud."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.model import WEATHER
from tests.oracle.asof import asof
from tests.oracle.flights import HOUR, answers

GOLDEN = json.loads((Path(__file__).parent / "golden" / "weather_at_departure.json").read_text())
TO_HOUR = timedelta(minutes=51)
INSTANT = pa.timestamp("us", tz="UTC")
instants = st.integers(0, 6)
rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]),
        instants,
        st.none() | instants,
        st.none() | st.integers(0, 1),
    ),
    max_size=12,
)


@pytest.mark.parametrize("meaning", ["H", "O", "K"])
def test_weather_at_departure_is_the_golden_one(derived_2013, meaning):
    """H: stamped by the hour, which leaks. O: by minute 51. K: and readable by then."""
    weather = derived_2013["weather_hourly"]
    if meaning == "H":
        early = pc.subtract(weather.column("event_timestamp"), pa.scalar(TO_HOUR))
        weather = weather.set_column(1, "event_timestamp", early)
    cases = GOLDEN["rows"]
    asked = [datetime.fromisoformat(case["ts"]) for case in cases]
    spine = pa.table(
        {
            "origin": [case["origin"] for case in cases],
            "event_timestamp": pa.array(asked, INSTANT),
        }
    )
    found = weather.take(
        answers(spine, weather, ("origin",), 3 * HOUR, known_by_then=meaning == "K")
    ).to_pylist()
    assert len(cases) == 16
    for case, row in zip(cases, found, strict=True):
        hour = case[f"{meaning}_hour"]
        stamp = row["created_timestamp"] and row["created_timestamp"] - HOUR
        assert stamp == (hour and datetime.fromisoformat(hour)), case["case"]
        for name in WEATHER:
            assert row[name] == case[f"{meaning}_{name}"], (case["case"], name)


def when(number):
    return None if number is None else datetime(2013, 1, 1, tzinfo=UTC) + timedelta(minutes=number)


@settings(max_examples=200, deadline=None)
@given(
    spine=st.lists(st.tuples(st.sampled_from(["a", "b", None]), instants), min_size=1, max_size=5),
    rows=rows,
    ttl=st.none() | st.integers(0, 4),
    known_by_then=st.booleans(),
)
def test_bisection_agrees_with_the_definition_read_aloud(spine, rows, ttl, known_by_then):
    table = pa.table(
        {
            "k": pa.array([row[0] for row in rows], pa.string()),
            "event_timestamp": pa.array([when(row[1]) for row in rows], INSTANT),
            "created_timestamp": pa.array([when(row[2]) for row in rows], INSTANT),
            "x": pa.array([row[3] for row in rows], pa.int64()),
        }
    )
    asked = pa.table(
        {
            "k": pa.array([key for key, _ in spine], pa.string()),
            "event_timestamp": pa.array([when(t) for _, t in spine], INSTANT),
        }
    )
    age = None if ttl is None else timedelta(minutes=ttl)
    found = answers(asked, table, ("k",), age, known_by_then=known_by_then)
    values = [None if row is None else table.column("x")[row].as_py() for row in found.to_pylist()]
    expected = asof(
        [((key,), t) for key, t in spine],
        [((key,), event, created, (x,)) for key, event, created, x in rows],
        ttl=ttl,
        known_by_then=known_by_then,
    )
    assert values == [None if answer is None else answer[0] for answer in expected]
