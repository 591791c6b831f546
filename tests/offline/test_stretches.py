"""Spines that are matched a piece at a time, finished rows that wait on the disk: the same answers.

Real pieces have half a million rows, more than the oracle likes; here they have a few.
"""

import tempfile
from pathlib import Path

import pytest

from provender.offline import retrieval
from tests.offline.comparison import ask
from tests.offline.configurations import NOW, build
from tests.offline.engines import ENGINES
from tests.offline.options import random_options
from tests.stress import times

PIECES = ((100, 100), (100, 7), (64, 1000), (10_000, 33))
"""Spine rows matched at a time, and finished rows held at a time."""
QUESTIONS = 12
SEED = 6_400


@pytest.mark.parametrize("name", ["duckdb", "slots"])
@pytest.mark.parametrize(("chunk", "held"), PIECES)
def test_pieces_change_no_cell(tmp_path, monkeypatch, name, chunk, held):
    monkeypatch.setattr(retrieval, "chunk_rows", lambda budget, **sizes: chunk)
    monkeypatch.setattr(retrieval, "bin_rows", lambda budget, *, chunk, **sizes: min(chunk, held))
    for number in range(times(QUESTIONS)):
        with tempfile.TemporaryDirectory(dir=tmp_path) as place:
            question = build(random_options(SEED + number, 500), tmp_path, Path(place).name)
            outcome = ask(ENGINES[name].make(tmp_path), question, now=NOW)
            assert not outcome.problems, "\n".join([*outcome.problems, question.describe()])
