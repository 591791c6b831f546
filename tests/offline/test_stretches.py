"""Spines that are matched a piece at a time, finished rows that wait on the disk: the same answers.

Real pieces have half a million rows, more than the oracle likes; here they have a few.
"""

import tempfile
from pathlib import Path

import pytest

from provender.offline import shape
from provender.offline.duck import DuckEngine
from provender.offline.shape import Join
from tests.offline.comparison import ask
from tests.offline.configurations import NOW, build
from tests.offline.options import random_options
from tests.stress import times

QUESTIONS = 12
SEED = 6_400


@pytest.mark.parametrize("join", list(Join))
@pytest.mark.parametrize("rows", [7, 33, 100])
def test_pieces_change_no_cell(tmp_path, monkeypatch, join, rows):
    """With next to no memory, spines are matched and rows handed on ``rows`` at a time."""
    monkeypatch.setattr(shape, "LEAST_ROWS", rows)
    engine = DuckEngine(tmp_path, memory_limit="1KB", join=join)
    for number in range(times(QUESTIONS)):
        with tempfile.TemporaryDirectory(dir=tmp_path) as place:
            question = build(random_options(SEED + number, 500), tmp_path, Path(place).name)
            outcome = ask(engine, question, now=NOW)
            assert not outcome.problems, "\n".join([*outcome.problems, question.describe()])
