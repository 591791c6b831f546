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
from provender.core.errors import Conflict
from provender.core.training import PointInTimePlan, Table, ViewJoin
from provender.offline import matching, retrieval, shape
from provender.offline.duck import DuckEngine
from provender.offline.shape import Join
from provender.offline.spine import Spine
from tests.offline.comparison import ask
from tests.offline.configurations import NOW, build
from tests.offline.options import random_options
from tests.offline.test_asof import NOTHING_GOVERNED
from tests.stress import times

QUESTIONS = times(4, calm=1)
SEED = 6_400


@pytest.mark.parametrize("join", list(Join))
@pytest.mark.parametrize("rows", [7, 33, 100])
def test_pieces_change_no_cell(tmp_path, monkeypatch, join, rows):
    """With next to no memory, spines are matched and rows handed on ``rows`` at a time."""
    monkeypatch.setattr(shape, "LEAST_ROWS", rows)
    engine = DuckEngine(tmp_path, memory_limit="1KB", join=join)
    for number in range(QUESTIONS):
        with tempfile.TemporaryDirectory(dir=tmp_path) as place:
            seed = SEED + number + rows
            options = random_options(seed, 500, without={"jsonl"})  # takes 32 MiB a thread
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


@pytest.mark.parametrize("join", list(Join))
@pytest.mark.parametrize("which", ["spine", "source"])
def test_a_file_that_is_replaced_in_the_midst_is_refused(tmp_path, monkeypatch, join, which):
    """Else features would stand beside other rows than those that they were matched for."""
    monkeypatch.setattr(shape, "LEAST_ROWS", 100)
    paths = {name: tmp_path / f"{name}.parquet" for name in ("spine", "source")}
    event = pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * 1_000, pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table({"k": range(1_000), "t": event}), paths["spine"])
    pq.write_table(pa.table({"k": range(1_000), "t": event, "x": range(1_000)}), paths["source"])

    def replace(what, done):
        if done > 0.3 and not (tmp_path / "done").exists():
            (tmp_path / "done").touch()
            rows = pq.read_table(paths[which])
            pq.write_table(rows.take(pa.array(range(999, -1, -1))), tmp_path / "other")
            (tmp_path / "other").replace(paths[which])

    table = Table(format=Format.PARQUET, location=str(paths["source"]))
    view = ViewJoin(
        view="v", table=table, keys=(("k", "k"),), features=(("x", "x"),), event_timestamp="t"
    )
    plan = PointInTimePlan(event_timestamp="t", joins=(view,))
    engine = DuckEngine(tmp_path / "lake", memory_limit="1KB", join=join, temp_directory=tmp_path)
    answer = engine.run(
        plan, Spine((paths["spine"],)), NOTHING_GOVERNED, now=datetime.now(UTC), progress=replace
    )
    with pytest.raises(Conflict, match=f"{which}.parquet was changed while it was read"):
        answer.table()
    assert (tmp_path / "done").exists()


def test_rows_that_wait_on_the_disk_take_one_file_a_view(tmp_path, monkeypatch):
    monkeypatch.setattr(shape, "LEAST_ROWS", 5)
    event = pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * 4_000, pa.timestamp("us", tz="UTC"))
    path = tmp_path / "view.parquet"
    pq.write_table(pa.table({"k": range(4_000), "t": event, "x": range(4_000)}), path)
    views = tuple(
        ViewJoin(
            view=f"v{n}", table=Table(format=Format.PARQUET, location=str(path)), keys=(("k", "k"),),
            features=(("x", f"x{n}"),), event_timestamp="t",
        )
        for n in range(3)
    )  # fmt: skip
    plan = PointInTimePlan(event_timestamp="t", joins=views)
    monkeypatch.setattr(shape, "MOST_ROWS", 4_000)
    monkeypatch.setattr(retrieval, "chunk_rows", lambda budget, key_sets: 4_000)
    opened = []
    engine = DuckEngine(tmp_path, memory_limit="1KB", join=Join.SLOTS, temp_directory=tmp_path)
    answer = engine.run(
        plan, Spine(pa.table({"k": range(4_000), "t": event})), NOTHING_GOVERNED,
        now=datetime.now(UTC), progress=lambda *_: opened.append(len([*Path("/proc/self/fd").iterdir()])),
    )  # fmt: skip
    assert answer.table().column("x2").to_pylist() == list(range(4_000))
    assert max(opened) - min(opened) < 30
