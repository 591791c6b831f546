"""Many retrievals at once with one engine over the same files: each has the answer it has alone."""

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import pytest

from tests.offline.comparison import by_hand, compare
from tests.offline.configurations import NOW, build
from tests.offline.engines import ENGINES
from tests.offline.options import random_options
from tests.offline.thresholds import Thresholds
from tests.stress import times

THREADS = 16
RETRIEVALS = {"duckdb": times(4, calm=2), "slots": times(2, calm=1)}
"""Of each thread."""
QUESTIONS = 10
SEED = 16_040


PICKING = Thresholds(
    picked_from="any", picked_share=0, ties_held=1, whole_group_bytes=2_000,
    batch_rows=512, least_share=1, memory_limit="",
)  # fmt: skip


@pytest.mark.parametrize("name", RETRIEVALS)
def test_sixteen_threads_of_many_retrievals_each_are_right_in_every_cell(tmp_path, name):
    questions = [
        build(random_options(SEED + number, 200), tmp_path, f"question-{number}")
        for number in range(QUESTIONS)
    ]
    turns = RETRIEVALS[name]
    expected = [by_hand(question) for question in questions]
    with (
        PICKING.around(ENGINES[name].make(tmp_path), questions[0].options) as engine,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        of_threads = list(
            pool.map(_retrieve, repeat(engine), repeat(questions), range(THREADS), repeat(turns))
        )
    answers = [answer for found in of_threads for answer in found]
    assert len(answers) == THREADS * turns
    for number, table, known_later in answers:
        outcome = compare(questions[number], expected[number], table, known_later)
        assert not outcome.problems, questions[number].describe()


def _retrieve(engine, questions, thread, turns):
    """Ask the questions in an order of the thread's own; the answers come with their numbers."""
    found = []
    for turn in range(turns):
        number = (thread + turn * 3) % len(questions)
        asked = questions[number]
        answer = engine.run(asked.plan, asked.spine, asked.permit, now=NOW)
        found.append((number, answer.table(), answer.known_later))
    return found
