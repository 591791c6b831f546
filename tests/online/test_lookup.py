import asyncio
import math
import time
import timeit
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from provender.core.errors import Denied, InvalidInput, NotFound, ProvenderError, Stale
from provender.core.features import OnDemandSpec
from provender.core.freshness import OnStale, Staleness
from provender.core.names import FeatureRef
from provender.core.serving import ServedView, ServingManifest
from provender.online.columns import ColumnEncoder
from provender.online.folio import BulkQuestion, Folios
from provender.online.kinds import micros
from provender.online.lookup import Lookup, Lookups, compile_plan
from provender.online.plan import LookupPlan
from provender.online.store import OnlineStore
from tests.online.views import T0, TICK, field, manifest, view

HOUR = timedelta(hours=1)
CLOCK_SKEW = timedelta(minutes=1)
WEATHER = view({"gusts": "int64", "temp": "float64", "word": "string"}, ttl=2 * HOUR)
ROUTE = view(
    {"delay": "float64", "temp": "float64"},
    name="route",
    keys={"dest": "string", "origin": "string"},
)
GLOBAL = ServedView(name="world", join_keys=(), columns=(field("season", "string"),))
DEPARTURE = OnDemandSpec(
    name="departure",
    inputs=(FeatureRef("weather", "temp"), FeatureRef("route", "delay")),
    request=(field("hour", "int64"),),
    features=(field("warm", "float64"), field("late", "bool")),
    module="transforms",
    function="departure",
    code_digest="sha256:0",
)
MANIFEST = manifest(WEATHER, ROUTE, GLOBAL, on_demand=(DEPARTURE,))
NOW = T0 + HOUR


def departure(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    pairs = list(zip(columns["temp"], columns["route__delay"], columns["hour"], strict=True))
    return {
        "warm": [None if temp is None else int(temp) + hour for temp, _, hour in pairs],
        "late": [delay is not None and delay > 15 for _, delay, _ in pairs],
    }


def ask(
    store: OnlineStore,
    features: str,
    entities: dict[str, list[Any]],
    *,
    now: datetime = NOW,
    served: ServingManifest = MANIFEST,
    **more: Any,
) -> Lookups:
    refs = [FeatureRef.parse(text) for text in features.split()]
    plan = compile_plan(served, refs, transforms={"departure": departure}, **more)
    bulk = told(lambda: in_bulk(store, plan, entities, now))
    found = told(lambda: Lookup(store, plan).columns(entities, now))
    assert repr(bulk) == repr(found)  # NaN is like NaN in text
    if isinstance(found, Exception):
        raise found
    return found


def in_bulk(
    store: OnlineStore, plan: LookupPlan, entities: dict[str, list[Any]], now: datetime
) -> Lookups:
    """Return what the lookup that numpy answers tells."""
    question = BulkQuestion(Folios(plan), entities, now)
    return Lookups.of(question.judge(store.read(question.keys)))


def told(lookup: Callable[[], Lookups]) -> Lookups | Exception:
    try:
        return lookup()
    except ProvenderError as error:
        return error


@pytest.fixture
def filled(store: OnlineStore) -> OnlineStore:
    rows = {
        WEATHER: {
            "origin": ["JFK", "LGA"],
            "temp": [1.5, math.nan],
            "gusts": [7, None],
            "word": ["windy ✈", ""],
            "event_timestamp": [T0, T0 - HOUR],
        },
        ROUTE: {
            "origin": ["JFK"],
            "dest": ["SFO"],
            "temp": [-1.0],
            "delay": [16.0],
            "event_timestamp": [T0],
        },
        GLOBAL: {"season": ["winter"], "event_timestamp": [T0]},
    }
    for served, columns in rows.items():
        store.write(ColumnEncoder("flights", served).encode(columns))
    return store


def test_statuses_tell_values_nulls_and_missing_rows_apart(filled: OnlineStore) -> None:
    answer = ask(filled, "weather:gusts weather:word", {"origin": ["JFK", "LGA", "EWR", None]})
    assert answer.names == ("origin", "gusts", "word")
    assert answer.values == (
        ["JFK", "LGA", "EWR", None],
        [7, None, None, None],
        ["windy ✈", "", None, None],
    )
    assert answer.statuses[0] == ["PRESENT", "PRESENT", "PRESENT", "NULL_VALUE"]
    assert answer.statuses[1] == ["PRESENT", "NULL_VALUE", "NOT_FOUND", "NOT_FOUND"]
    assert answer.statuses[2] == ["PRESENT", "PRESENT", "NOT_FOUND", "NOT_FOUND"]
    assert answer.event_timestamps[1] == [T0, T0 - HOUR, None, None]
    assert answer.event_timestamps[0] == [None] * 4


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (T0 + 2 * HOUR - TICK, "PRESENT"),
        (T0 + 2 * HOUR, "PRESENT"),
        (T0 + 2 * HOUR + TICK, "OUTSIDE_MAX_AGE"),
        (T0 - CLOCK_SKEW, "PRESENT"),
        (T0 - CLOCK_SKEW - TICK, "NOT_FOUND"),
    ],
)
def test_a_row_serves_from_its_instant_until_its_ttl_both_inclusive(
    filled: OnlineStore, now: datetime, status: str
) -> None:
    answer = ask(filled, "weather:temp weather:gusts", {"origin": ["JFK"]}, now=now)
    value = ([1.5], [7]) if status == "PRESENT" else ([None], [None])
    assert (answer.statuses[1], answer.statuses[2]) == ([status], [status])
    assert answer.values[1:] == value
    assert answer.event_timestamps[1] == [None if status == "NOT_FOUND" else T0]


def test_a_view_without_ttl_never_ages(filled: OnlineStore) -> None:
    entities = {"origin": ["JFK"], "dest": ["SFO"]}
    answer = ask(filled, "route:delay", entities, now=T0 + timedelta(days=9999))
    assert answer.to_dict()["delay"] == [16.0]


def test_features_come_in_the_asked_order_after_the_entities_as_given(filled: OnlineStore) -> None:
    asked = "route:delay weather:word world:season weather:gusts"
    answer = ask(filled, asked, {"dest": ["SFO"], "noise": [1], "origin": ["JFK"]})
    assert answer.names == ("dest", "origin", "delay", "word", "season", "gusts")
    assert list(answer.rows()) == [
        {
            "dest": "SFO",
            "origin": "JFK",
            "delay": 16.0,
            "word": "windy ✈",
            "season": "winter",
            "gusts": 7,
        }
    ]


def test_full_names_keep_equal_features_of_two_views_apart(filled: OnlineStore) -> None:
    entities = {"origin": ["JFK"], "dest": ["SFO"]}
    with pytest.raises(InvalidInput, match="'temp' comes from both weather:temp and route:temp"):
        ask(filled, "weather:temp route:temp", entities)
    answer = ask(filled, "weather:temp route:temp", entities, full_feature_names=True)
    assert answer.to_dict() == {**entities, "weather__temp": [1.5], "route__temp": [-1.0]}


def test_on_demand_features_get_inputs_and_request_columns(filled: OnlineStore) -> None:
    entities = {"origin": ["JFK", "EWR"], "dest": ["SFO", "SFO"], "hour": ["5", 6]}
    answer = ask(filled, "departure:warm weather:gusts departure:late", entities)
    assert answer.names == ("origin", "dest", "warm", "gusts", "late")
    assert answer.values[2:] == ([6.0, None], [7, None], [True, False])
    assert isinstance(answer.values[2][0], float)
    assert answer.statuses[2] == ["PRESENT", "NULL_VALUE"]
    assert answer.event_timestamps[2] == [None, None]


def test_expired_inputs_reach_the_function_as_nulls(filled: OnlineStore) -> None:
    entities = {"origin": ["JFK"], "dest": ["SFO"], "hour": [5]}
    answer = ask(filled, "departure:warm departure:late", entities, now=T0 + 9 * HOUR)
    assert answer.values[2:] == ([None], [True])


def test_a_row_of_an_older_schema_is_not_found(filled: OnlineStore) -> None:
    changed = manifest(view({"gusts": "float64", "temp": "float64", "word": "string"}))
    answer = ask(filled, "weather:gusts", {"origin": ["JFK"]}, served=changed)
    assert (answer.values[1], answer.statuses[1]) == ([None], ["NOT_FOUND"])


def test_another_project_finds_nothing(filled: OnlineStore) -> None:
    answer = ask(
        filled, "weather:gusts", {"origin": ["JFK"]}, served=manifest(WEATHER, project="flight")
    )
    assert answer.statuses[1] == ["NOT_FOUND"]


def test_closed_features_are_refused_with_the_reason(filled: OnlineStore) -> None:
    closed = manifest(WEATHER, ROUTE, on_demand=(DEPARTURE,), closed={"weather:temp": "tagged"})
    entities = {"origin": ["JFK"], "dest": ["SFO"], "hour": [1]}
    for asked in ("weather:temp", "departure:late"):
        with pytest.raises(Denied, match="weather:temp is closed for serving: tagged"):
            ask(filled, asked, entities, served=closed)
    assert ask(filled, "weather:gusts", entities, served=closed).values[-1] == [7]


def test_a_permission_ends_at_the_instant_it_names(filled: OnlineStore) -> None:
    served = manifest(WEATHER, open_until={"weather:temp": NOW})
    entities = {"origin": ["JFK"]}
    assert ask(filled, "weather:temp", entities, served=served, now=NOW - TICK).values[1] == [1.5]
    with pytest.raises(Denied, match="open for serving until 2013-01-01T06:00:00"):
        ask(filled, "weather:temp", entities, served=served, now=NOW)
    assert ask(filled, "weather:gusts", entities, served=served, now=NOW).values[1] == [7]


@pytest.mark.parametrize(
    ("features", "error", "message"),
    [
        ("wether:temp", NotFound, "did you mean weather"),
        ("weather:tmp", NotFound, "did you mean temp"),
        ("departure:cold", NotFound, "feature of view departure"),
        ("weather:temp weather:temp", InvalidInput, "comes from both"),
        ("", InvalidInput, "no features"),
    ],
)
def test_what_is_not_served_is_refused(
    filled: OnlineStore, features: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ask(filled, features, {"origin": ["JFK"], "dest": ["x"], "hour": [1]})


@pytest.mark.parametrize(
    ("entities", "message"),
    [
        ({}, "no join key 'origin', no join key 'dest', no request column 'hour'"),
        ({"orign": ["JFK"], "dest": ["x"], "hour": [1]}, "there are orign, dest, hour"),
        ({"origin": ["JFK"], "dest": ["x", "y"], "hour": [1]}, "different lengths"),
        ({"origin": "JFK", "dest": ["x"], "hour": [1]}, "'origin' is not a list"),
        ({"origin": [1.5], "dest": ["x"], "hour": [1]}, "join key origin is string"),
        ({"origin": ["JFK"], "dest": ["x"], "hour": ["noon"]}, "request column 'hour' is int64"),
    ],
)
def test_entities_that_do_not_fit_are_refused(
    filled: OnlineStore, entities: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        ask(filled, "departure:late", entities)
    assert message in str(caught.value)


def test_no_entities_are_no_rows(filled: OnlineStore) -> None:
    entities: dict[str, list[Any]] = {"origin": [], "dest": [], "hour": []}
    answer = ask(filled, "departure:late weather:temp", entities)
    assert answer.values == ([], [], [], [])


def test_a_view_without_entities_answers_without_any(filled: OnlineStore) -> None:
    assert ask(filled, "world:season", {}).values == (["winter"],)
    assert ask(filled, "world:season", {"origin": ["a", "b"]}).values[1] == ["winter", "winter"]


def test_both_twins_answer_the_same(filled: OnlineStore) -> None:
    plan = compile_plan(MANIFEST, [FeatureRef("weather", "gusts"), FeatureRef("route", "delay")])
    lookup = Lookup(filled, plan, now=lambda: NOW)
    entities = {"origin": ["JFK", "LGA"], "dest": ["SFO", "SFO"]}

    async def twin() -> Lookups:
        reader = filled.reader()
        try:
            return await lookup.columns_async(entities, reader)
        finally:
            await reader.close()

    assert asyncio.run(twin()) == lookup.columns(entities)


def test_values_shared_between_columns_are_the_functions_own(filled: OnlineStore) -> None:
    def vandal(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
        columns["temp"][0] = 99.0
        return {"warm": [1], "late": [True]}

    refs = [FeatureRef("departure", "warm"), FeatureRef("weather", "temp")]
    plan = compile_plan(MANIFEST, refs, transforms={"departure": vandal})
    entities = {"origin": ["JFK"], "dest": ["SFO"], "hour": [1]}
    assert Lookup(filled, plan).columns(entities, NOW).to_dict()["temp"] == [1.5]


def staleness_of(store: OnlineStore, on_stale: OnStale, now: datetime, **more: Any) -> Lookups:
    served = view({"temp": "float64"}, max_staleness=HOUR, on_stale=on_stale, **more)
    rows = {"origin": ["JFK"], "temp": [1.5], "event_timestamp": [T0]}
    store.write(ColumnEncoder("flights", served).encode(rows))
    asked = {"origin": ["JFK", "LGA"]}
    return ask(store, "weather:temp", asked, now=now, served=manifest(served))


@pytest.mark.parametrize("on_stale", OnStale)
def test_a_row_is_not_stale_at_the_instant_of_its_limit(
    store: OnlineStore, on_stale: OnStale
) -> None:
    answer = staleness_of(store, on_stale, T0 + HOUR)
    assert (answer.values[1], answer.statuses[1]) == ([1.5, None], ["PRESENT", "NOT_FOUND"])
    assert answer.freshness == {"weather": Staleness(3600.0, 0, on_stale)}


def test_a_tick_later_it_is_served_withheld_or_refused_as_its_view_says(store: OnlineStore) -> None:
    later = T0 + HOUR + TICK
    warned = staleness_of(store, OnStale.WARN, later)
    assert (warned.values[1], warned.statuses[1]) == ([1.5, None], ["PRESENT", "NOT_FOUND"])
    assert warned.freshness == {"weather": Staleness(3600.000001, 1, OnStale.WARN)}
    nulled = staleness_of(store, OnStale.NULL, later)
    assert (nulled.values[1], nulled.statuses[1]) == ([None] * 2, ["OUTSIDE_MAX_AGE", "NOT_FOUND"])
    assert nulled.freshness == {"weather": Staleness(3600.000001, 1, OnStale.NULL)}
    with pytest.raises(Stale, match="1 row of feature view weather"):
        staleness_of(store, OnStale.REFUSE, later)


def test_the_shorter_of_ttl_and_staleness_withholds(store: OnlineStore) -> None:
    within = staleness_of(store, OnStale.NULL, T0 + HOUR, ttl=HOUR / 2)
    assert within.statuses[1] == ["OUTSIDE_MAX_AGE", "NOT_FOUND"]
    assert within.freshness["weather"].stale_rows == 0
    longer = staleness_of(store, OnStale.NULL, T0 + HOUR + TICK, ttl=2 * HOUR)
    assert longer.statuses[1] == ["OUTSIDE_MAX_AGE", "NOT_FOUND"]


def test_views_that_declare_nothing_tell_nothing(filled: OnlineStore) -> None:
    assert ask(filled, "weather:temp", {"origin": ["JFK"]}).freshness == {}


def test_what_is_computed_is_as_old_as_its_oldest_input(filled: OnlineStore) -> None:
    columns = {"temp": [2.0], "gusts": [1], "word": [""]}
    newer = {"origin": ["JFK"], "event_timestamp": [T0 + TICK], **columns}
    filled.write(ColumnEncoder("flights", WEATHER).encode(newer))
    entities = {"origin": ["JFK", "JFK", "X"], "dest": ["SFO", "X", "X"], "hour": [1, 2, 3]}
    answer = ask(filled, "departure:warm weather:temp", entities)
    oldest = dict(zip(answer.names, answer.oldest_us, strict=True))
    event = dict(zip(answer.names, answer.event_us, strict=True))
    assert oldest["warm"] == [micros(T0), micros(T0 + TICK), 0]
    assert event["warm"] == [0, 0, 0]
    assert oldest["temp"] == event["temp"] == [micros(T0 + TICK), micros(T0 + TICK), 0]


@pytest.mark.parametrize(
    "keys",
    [
        {"b": "int64", "c": "int64"},
        {"b": "int64", "a": "int32"},
        {"x": "int64", "y": "int64"},
    ],
)
def test_rows_of_another_key_are_never_found_though_their_bytes_are_equal(
    store: OnlineStore, keys: dict[str, str]
) -> None:
    before = view({"temp": "float64"}, keys={"a": "int64", "b": "int64"})
    rows = {"a": [1], "b": [2], "temp": [42.0], "event_timestamp": [T0]}
    store.write(ColumnEncoder("flights", before).encode(rows))
    after = view({"temp": "float64"}, keys=keys)
    entities = dict(zip(keys, ([1], [2]), strict=True))
    answer = ask(store, "weather:temp", entities, served=manifest(after))
    assert (answer.values[-1], answer.statuses[-1]) == ([None], ["NOT_FOUND"])


def test_a_given_column_that_is_called_like_a_feature_does_not_come_back_beside_it(
    store: OnlineStore,
) -> None:
    seats = view({"seats": "int64"}, name="plane")
    other = view({"y": "int64"}, name="cabin", keys={"seats": "int64"})
    rows = {"origin": ["J"], "seats": [100], "event_timestamp": [T0]}
    store.write(ColumnEncoder("flights", seats).encode(rows))
    entities = {"origin": ["J"], "seats": [7]}
    answer = ask(store, "plane:seats", entities, served=manifest(seats, other))
    assert answer.names == ("origin", "seats")
    assert answer.values == (["J"], [100])


def test_compiling_takes_time_by_the_number_of_features_and_not_by_its_square() -> None:
    def seconds(count: int) -> float:
        names = [f"f{number:05d}" for number in range(count)]
        served = manifest(view(dict.fromkeys(names, "float64"), name="wide"))
        compiling = partial(compile_plan, served, [FeatureRef("wide", name) for name in names])
        return min(timeit.repeat(compiling, timer=time.process_time, number=1))

    seconds(10)
    assert seconds(2000) < 40 * max(seconds(250), 0.001)
