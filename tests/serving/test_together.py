"""Lookups that are judged together are each answered as if they had come alone."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from provender.core.errors import Stale
from provender.core.features import ServiceSpec
from provender.core.freshness import OnStale
from provender.core.names import FeatureRef
from provender.online.columns import ColumnEncoder
from provender.online.lookup import Question
from provender.online.plan import LookupPlan, compile_plan
from provender.online.store import OnlineStore
from provender.serving.results import render
from provender.serving.steps import Steps
from provender.serving.together import Together
from tests.online.views import T0, manifest, view
from tests.serving.conftest import Running, Start, flights
from tests.serving.wires import Wire, lookup

WORN = view(
    {"temp": "float64"}, name="worn", max_staleness=timedelta(minutes=1), on_stale=OnStale.REFUSE
)
AGED = view({"temp": "float64", "word": "string"}, name="aged", ttl=timedelta(minutes=5))
PLAIN = view({"temp": "float64", "word": "string"}, name="plain")
SERVED = manifest(WORN, AGED, PLAIN)
ORIGINS = ["fresh", "old", "nan", "null", "damaged", "nowhere"]
TEMPS = {"fresh": 1.5, "old": 2.5, "nan": float("nan"), "null": None, "damaged": 3.5}


def plan_of(*features: str) -> LookupPlan:
    return compile_plan(
        SERVED, [FeatureRef.parse(text) for text in features], full_feature_names=True
    )


PLANS = [
    plan_of("worn:temp"),
    plan_of("aged:word", "aged:temp"),
    plan_of("plain:temp", "aged:temp"),
]


def rows_of(question: Question) -> list[bytes | None]:
    """Return the rows that a store would have: those of `TEMPS`, one of them damaged."""
    found: dict[bytes, bytes] = {}
    for served in (WORN, AGED, PLAIN):
        columns: dict[str, Any] = {
            "origin": list(TEMPS),
            "temp": list(TEMPS.values()),
            "word": [f"ü{name}" for name in TEMPS],
            "event_timestamp": [T0 - timedelta(hours=name == "old") for name in TEMPS],
        }
        pairs = ColumnEncoder("flights", served).encode(columns)
        found |= {key: row[:-1] if b"damaged" in key else row for key, row in pairs}
    return [found.get(key) for key in question.keys]


def questions() -> list[Question]:
    given = [[name] for name in ORIGINS] + [["fresh", "null"], ["nowhere", "old"], []]
    return [Question(plan, {"origin": origins}, T0) for plan in PLANS for origins in given]


async def written(question: Question, together: Together) -> bytes | str:
    try:
        answer, bodies = await together.judge(question, rows_of(question))
    except Stale as error:
        return error.message
    return render(question.plan, answer, bodies)


def written_alone(question: Question) -> bytes | str:
    try:
        answer = question.judge(rows_of(question))
    except Stale as error:
        return error.message
    return render(question.plan, answer)


def judged(some: Sequence[Question]) -> list[bytes | str]:
    """Return what each is answered, all of them judged in one turn of a loop."""

    async def run() -> list[bytes | str]:
        together, found = Together(), dict[int, bytes | str]()
        for number, question in enumerate(some):
            Steps(written(question, together), lambda text, at=number: found.update({at: text}))  # type: ignore[misc]
        assert not found
        await asyncio.sleep(0)
        return [found[number] for number in range(len(some))]

    return asyncio.run(run())


def test_each_answer_is_the_one_it_would_be_alone() -> None:
    some = questions()
    expected = [written_alone(question) for question in some]
    assert sum(isinstance(text, str) for text in expected) == 2
    assert len(set(expected)) > len(expected) / 2
    assert judged(some) == expected
    shuffled = random.Random(1)
    for _ in range(20):
        picked = shuffled.sample(range(len(some)), shuffled.randrange(1, 17))
        assert judged([some[at] for at in picked]) == [expected[at] for at in picked]


def test_a_lookup_that_breaks_what_is_judged_together_is_the_only_one_that_fails() -> None:
    good = questions()[:4]

    async def run() -> tuple[list[Any], Any]:
        together = Together()
        waiting = [together.judge(question, rows_of(question)) for question in good]
        broken = together.judge(good[0], [5])  # type: ignore[list-item]  # what no store has
        await asyncio.sleep(0)
        return [one.found for one in waiting], broken.found

    found, broken = asyncio.run(run())
    assert isinstance(broken, AttributeError | TypeError)
    assert not any(isinstance(one, AttributeError | TypeError) for one in found)


def test_a_function_that_ends_the_process_fails_its_own_lookup_only() -> None:
    def exits(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
        raise SystemExit(3)

    asked = [FeatureRef("departure", "warm")]
    plan = compile_plan(flights(), asked, transforms={"departure": exits})
    leaving = Question(plan, {"origin": ["JFK"], "hour": [1]}, T0)
    good = questions()[0]

    async def run() -> tuple[Any, Any]:
        together = Together()
        both = [together.judge(leaving, [None]), together.judge(good, rows_of(good))]
        await asyncio.sleep(0)
        return both[0].found, both[1].found

    failed, answered = asyncio.run(run())
    assert isinstance(failed, SystemExit)
    assert not isinstance(answered, BaseException)


def test_pipelined_lookups_are_answered_as_one_by_one(start: Start, store: OnlineStore) -> None:
    served = flights()
    more = (ServiceSpec(name="mixed", features=(FeatureRef("also", "temp"),)),)
    store.publish_manifest(replace(served, services=(*served.services, *more)))
    also = next(one for one in served.views if one.name == "also")
    rows = {"origin": ["JFK", "LGA"], "temp": [1.5, None], "event_timestamp": [T0, T0]}
    store.write(ColumnEncoder("flights", also).encode(rows))
    asked = [
        b'{"feature_service": "mixed", "entities": {"origin": ["JFK"]}}',
        b'{"feature_service": "mixed", "entities": {"origin": ["LGA"]}}',
        b'{"features": ["also:temp"], "entities": {"origin": ["nowhere", "JFK"]}}',
        b'{"features": ["also:temp", "weather:count"], "entities": {"origin": ["JFK"]}}',
        b'{"features": ["departure:warm"], "entities": {"origin": ["JFK"], "hour": ["x"]}}',
        b'{"features": ["departure:warm"], "entities": {"origin": ["JFK"], "hour": [3]}}',
        b'{"features": ["also:temp"], "entities": {"dest": ["JFK"]}}',
        b'{"features": ["also:temp"], "entities": {"origin": []}}',
    ]
    wire = Wire(start().address)
    alone = []
    for body in asked:
        wire.send(lookup(body=body))
        alone.append(wire.answer()[::2])
    assert {status for status, _ in alone} == {200, 422}
    for _ in range(20):
        wire.send(b"".join(lookup(body=body) for body in asked * 2))
        assert [wire.answer()[::2] for _ in asked * 2] == alone * 2
    wire.close()


@pytest.mark.parametrize("keys", [1, 15, 16, 17, 200])
def test_lookups_of_any_size_are_answered_alike(
    shared: Running, filled: OnlineStore, keys: int
) -> None:
    origins = (["JFK", "LGA", "x"] * keys)[:keys]
    answer = shared.features({"origin": origins}, features=["weather:temp"])
    temps = {"JFK": 1.0, "LGA": "NaN", "x": None}
    assert answer["results"][1]["values"] == [temps[origin] for origin in origins]
