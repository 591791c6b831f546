"""Answers as bytes: of any size they say the same, and what clients choose leaves nothing behind."""

import gc
import json
import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from provender.core.names import FeatureRef
from provender.online.lookup import Question
from provender.online.plan import LookupPlan, compile_plan
from provender.serving.results import KEPT_ROWS, render
from tests.online.views import T0, manifest, view

FLOOR = view({"x": "float64"})
WIDE = view({f"feature_{number}": "float64" for number in range(120)}, name="wide")


def plan_of(*refs: str) -> LookupPlan:
    return compile_plan(manifest(FLOOR, WIDE), [FeatureRef.parse(ref) for ref in refs])


def answered(plan: LookupPlan, size: int) -> bytes:
    question = Question(plan, {"origin": ["a"] * size}, T0)
    return render(plan, question.judge([None] * len(question.keys)))


@pytest.mark.parametrize("size", [0, 1, 2, KEPT_ROWS, KEPT_ROWS + 1, 3 * KEPT_ROWS])
def test_an_answer_of_any_size_has_a_status_and_an_instant_for_each_row(size: int) -> None:
    told: dict[str, Any] = json.loads(answered(plan_of("weather:x"), size))
    epoch = ["1970-01-01T00:00:00Z"] * size
    assert told["metadata"] == {"feature_names": ["origin", "x"]}
    assert told["results"] == [
        {"values": ["a"] * size, "statuses": ["PRESENT"] * size, "event_timestamps": epoch},
        {"values": [None] * size, "statuses": ["NOT_FOUND"] * size, "event_timestamps": epoch},
    ]


def test_names_are_told_as_they_are() -> None:
    odd = view({'a"b\\č✈': "float64"})
    plan = compile_plan(manifest(odd), [FeatureRef("weather", 'a"b\\č✈')])
    told = json.loads(answered(plan, 1))
    assert told["metadata"]["feature_names"] == ["origin", 'a"b\\č✈']


def test_answers_of_many_sizes_leave_nothing_behind() -> None:
    plan = plan_of("weather:x")
    assert kept(lambda number: answered(plan, 20_000 + number), 6) < 300 << 10


def test_lists_of_features_in_many_orders_leave_nothing_behind() -> None:
    names = [f"wide:{column.name}" for column in WIDE.columns]
    shuffled = random.Random(1)

    def ask(number: int) -> None:
        shuffled.shuffle(names)
        answered(plan_of(*names), 1)

    assert kept(ask, 60, first=260) < 400 << 10


def kept(work: Callable[[int], object], times: int, *, first: int = 1) -> int:
    """Return how many bytes more are in use after ``work`` was done so many times, after the first."""
    tracemalloc.start()
    try:
        for number in range(first):
            work(number)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for number in range(first, first + times):
            work(number)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        return after - before
    finally:
        tracemalloc.stop()
