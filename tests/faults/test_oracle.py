"""The oracle and the traffic see what is wrong: without that, no fault test says anything."""

import json
import time

import pytest

from tests.faults.oracle import FEATURES, Oracle, value
from tests.faults.traffic import MISSING, RIGHT, WRONG, Traffic


@pytest.fixture
def oracle():
    made = Oracle()
    made.begun = 5
    made.acknowledged(4)
    return made


def test_only_generations_between_the_acknowledged_and_the_begun_one_are_right(oracle):
    now = time.perf_counter()
    assert [oracle.right(7, value(7, g), now) for g in range(3, 7)] == [False, True, True, False]


def test_what_a_request_was_due_before_may_still_be_old(oracle):
    due = time.perf_counter()
    oracle.begun = 6
    oracle.acknowledged(6)
    assert oracle.right(7, value(7, 4), due)
    assert not oracle.right(7, value(7, 4), time.perf_counter())
    oracle.forget()
    assert oracle.right(7, value(7, 1), time.perf_counter())


@pytest.mark.parametrize("change", [(1, 0.0), (2, "8:4"), (0, 5), (1, None)])
def test_features_of_another_entity_or_generation_are_not_right(oracle, change):
    place, other = change
    found = value(7, 4)
    found[place] = other
    assert not oracle.right(7, found, time.perf_counter())


def answer(*rows, statuses="PRESENT"):
    names = ["entity", *FEATURES]
    results = [
        {"values": [row[place] for row in rows], "statuses": [statuses] * len(rows)}
        for place in range(len(names))
    ]
    return json.dumps({"metadata": {"feature_names": names}, "results": results}).encode()


def judged(oracle, entities, status, body):
    traffic = Traffic("http://127.0.0.1:1", oracle)
    traffic._seen(entities, status, body, time.perf_counter(), 0.0)
    return traffic.answers[0].kind


def test_answers_are_right_missing_or_wrong_and_no_other_status_passes(oracle):
    right, none = [7, *value(7, 4)], [7, None, None, None]
    assert judged(oracle, [7], 200, answer(right)) == RIGHT
    assert judged(oracle, [7], 200, answer(none, statuses="NOT_FOUND")) == MISSING
    assert judged(oracle, [7], 200, answer(none)) == WRONG
    assert judged(oracle, [7], 200, answer(right, statuses="NOT_FOUND")) == WRONG
    assert judged(oracle, [7, 8], 200, answer(right, [8, *value(7, 4)])) == WRONG
    assert judged(oracle, [8], 200, answer(right)) == WRONG
    assert judged(oracle, [7], 500, b"oops") == "status 500"
