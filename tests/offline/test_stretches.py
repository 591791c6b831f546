"""Spines that are matched a piece at a time, finished rows that wait on the disk: the same answers.

Real pieces have half a million rows, more than the oracle likes; here they have a few.
"""

import random
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from provender.core.datasets import Format
from provender.core.training import PointInTimePlan, Table, ViewJoin
from provender.offline import matching, shape
from provender.offline.duck import DuckEngine
from provender.offline.shape import Join
from provender.offline.spine import Spine
from tests.offline.comparison import ask
from tests.offline.configurations import NOW, build
from tests.offline.options import random_options
from tests.offline.test_asof import NOTHING_GOVERNED
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
            options = random_options(SEED + number, 500, without={"jsonl"})  # takes 32 MiB a thread
            question = build(options, tmp_path, Path(place).name)
            outcome = ask(engine, question, now=NOW)
            assert not outcome.problems, "\n".join([*outcome.problems, question.describe()])


def test_of_more_ties_than_are_held_the_greatest_values_win(tmp_path, monkeypatch):
    """What is settled before the last row tied stands against the rows that come after it."""
    monkeypatch.setattr(matching, "TIES_HELD", 100)
    monkeypatch.setattr(matching, "BATCH_ROWS", 512)
    dice, count = random.Random(3), 6_000
    instant = pa.timestamp("us", tz="UTC")
    keys = [f"k{dice.randrange(3)}" for _ in range(count)]
    p, q = ([dice.choice([None, *range(40)]) for _ in range(count)] for _ in range(2))
    path = tmp_path / "view.parquet"
    event = pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * count, instant)
    pq.write_table(pa.table({"k": keys, "event": event, "p": p, "q": q}), path)
    join = ViewJoin(
        view="v", table=Table(format=Format.PARQUET, location=str(path)), keys=(("k", "k"),),
        features=(("p", "p"), ("q", "q")), event_timestamp="event", ranked_by=("p", "q"),
    )  # fmt: skip
    plan = PointInTimePlan(event_timestamp="t", joins=(join,))
    spine = pa.table({"k": ["k0", "k1", "k2"], "t": event[:3]})
    engine = DuckEngine(tmp_path, join=Join.SLOTS)
    found = engine.run(plan, Spine(spine), NOTHING_GOVERNED, now=datetime.now(UTC)).table()

    def best(key):
        rows = [(a, b) for k, a, b in zip(keys, p, q, strict=True) if k == key]
        return max(rows, key=lambda row: [-1 if value is None else value for value in row])

    assert [(row["p"], row["q"]) for row in found.to_pylist()] == [
        best(k) for k in ("k0", "k1", "k2")
    ]
