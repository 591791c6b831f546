"""What a retrieval may use: little memory gives the same rows, and whatever ends it, nothing stays behind."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from provender.core.datasets import Format
from provender.core.errors import Conflict, Corrupt, InvalidInput, ProvenderError
from provender.core.policy import Action, Permit
from provender.core.training import PointInTimePlan, Table, ViewJoin
from provender.offline.duck import DuckEngine
from provender.offline.session import connect, machine_memory
from provender.offline.shape import Join
from provender.offline.spine import Spine

START = datetime(2026, 1, 1, tzinfo=UTC)
PERMIT = Permit(
    decision="dec_test", actor="person:test", action=Action.READ, purpose="test",
    columns=frozenset(), decided_at=START,
)  # fmt: skip
SPINE_ROWS = 20_000
TINY = "1MB"


def instants(minutes):
    micros = np.int64(START.timestamp()) * 1_000_000 + minutes.astype(np.int64) * 60_000_000
    return pa.array(micros, pa.int64()).cast(pa.timestamp("us", "UTC"))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two views of 60,000 rows and a spine of 20,000."""
    folder = tmp_path_factory.mktemp("world")
    chance = np.random.default_rng(7)
    tables = []
    for number in range(2):
        count = 60_000
        tables.append(
            pa.table(
                {
                    "key": chance.integers(0, 3_000, count),
                    "at": instants(chance.integers(0, 5_000, count)),
                    "created": instants(chance.integers(0, 6_000, count)),
                    f"x{number}": chance.normal(size=count),
                    f"name{number}": [f"n{n}" * 80 for n in chance.integers(0, 100, count)],
                }
            )
        )
        pq.write_table(tables[-1], folder / f"view{number}.parquet", row_group_size=5_000)
        pacsv.write_csv(tables[-1], folder / f"view{number}.csv")
    spine = pa.table(
        {
            "key": chance.integers(0, 3_500, SPINE_ROWS),
            "t": instants(chance.integers(0, 6_000, SPINE_ROWS)),
            "label": chance.integers(0, 2, SPINE_ROWS),
        }
    )
    pq.write_table(spine.slice(0, 7_000), folder / "spine-0.parquet", row_group_size=900)
    pq.write_table(spine.slice(7_000), folder / "spine-1.parquet")
    return folder, spine


def plan(folder, *, suffix="parquet"):
    joins = tuple(
        ViewJoin(
            view=f"view{n}", table=Table(format=Format(suffix), location=str(folder / f"view{n}.{suffix}")),
            keys=(("key", "key"),), features=((f"x{n}", f"x{n}"), (f"name{n}", f"name{n}")),
            event_timestamp="at", created_timestamp="created", ttl=timedelta(days=1),
        )
        for n in range(2)
    )  # fmt: skip
    return PointInTimePlan(event_timestamp="t", joins=joins)


def answer(engine, asked, spine, **options):
    return engine.run(asked, Spine(spine), PERMIT, now=START, **options)


@pytest.fixture(scope="module")
def expected(world):
    folder, spine = world
    found = answer(DuckEngine(folder / "lake", join=Join.SQL), plan(folder), spine)
    return found.table(), found.known_later


@pytest.mark.parametrize("join", list(Join))
def test_a_spine_in_many_chunks_gives_the_same_rows(world, expected, tmp_path, join):
    folder, spine = world
    engine = DuckEngine(folder / "lake", memory_limit=TINY, temp_directory=tmp_path, join=join)
    found = answer(engine, plan(folder), spine)
    assert found.table() == expected[0]
    assert found.known_later == expected[1]


@pytest.mark.parametrize("join", list(Join))
def test_a_spine_of_parquet_files_gives_the_same_rows(world, expected, tmp_path, join):
    folder, _ = world
    files = (folder / "spine-0.parquet", folder / "spine-1.parquet")
    engine = DuckEngine(folder / "lake", memory_limit=TINY, temp_directory=tmp_path, join=join)
    assert answer(engine, plan(folder), files).table() == expected[0]


def test_rows_without_numbers_are_staged_and_give_the_same(world, expected, tmp_path):
    folder, spine = world
    engine = DuckEngine(folder / "lake", temp_directory=tmp_path, join=Join.SLOTS)
    found = answer(engine, plan(folder, suffix="csv"), spine).table()
    assert found.column("name1") == expected[0].column("name1")
    assert left_over(tmp_path) == []


def left_over(folder: Path):
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and not p.name.endswith(".lock"))


def test_nothing_is_left_when_the_answer_is_used_up(world, tmp_path):
    folder, spine = world
    engine = DuckEngine(
        folder / "lake", memory_limit=TINY, temp_directory=tmp_path, join=Join.SLOTS
    )
    answer(engine, plan(folder), spine).table()
    assert left_over(tmp_path) == []


def test_nothing_is_left_when_the_answer_is_closed_early(world, tmp_path):
    folder, spine = world
    engine = DuckEngine(
        folder / "lake", memory_limit=TINY, temp_directory=tmp_path, join=Join.SLOTS
    )
    found = answer(engine, plan(folder), spine)
    next(found.batches)
    assert left_over(tmp_path) != []  # the bins of the next rows are there
    found.close()
    assert left_over(tmp_path) == []


def test_who_is_told_of_progress_can_end_it(world, tmp_path):
    folder, spine = world
    heard = []

    def tell(what, share):
        heard.append((what, share))
        if share > 0.5:
            raise KeyboardInterrupt

    engine = DuckEngine(
        folder / "lake", memory_limit=TINY, temp_directory=tmp_path, join=Join.SLOTS
    )
    with pytest.raises(KeyboardInterrupt):
        answer(engine, plan(folder), spine, progress=tell).table()
    shares = [share for _, share in heard]
    assert shares == sorted(shares)
    assert ("matching view0", 0.0) in heard
    assert left_over(tmp_path) == []


def test_progress_ends_at_one(world):
    folder, spine = world
    heard = []
    engine = DuckEngine(folder / "lake", join=Join.SLOTS)
    answer(engine, plan(folder), spine, progress=lambda what, share: heard.append(share)).table()
    assert heard[-1] == pytest.approx(1.0)


def test_explain_tells_the_shape_and_why(world):
    folder, spine = world
    said = DuckEngine(folder / "lake").explain(plan(folder), Spine(spine))
    assert "-- view0: sql: 60,000 of 60,000 rows are within reach by statistics" in said
    assert "ASOF LEFT JOIN" in said
    forced = DuckEngine(folder / "lake", join=Join.SLOTS).explain(plan(folder), Spine(spine))
    assert "-- view1: slots: asked for" in forced


def test_statistics_of_row_groups_tell_what_is_within_reach(world, tmp_path):
    folder, _ = world
    rows = pq.read_table(folder / "view0.parquet").sort_by([("key", "ascending")])
    pq.write_table(rows, tmp_path / "view0.parquet", row_group_size=5_000)
    pq.write_table(pq.read_table(folder / "view1.parquet"), tmp_path / "view1.parquet")
    few = pa.table({"key": [1, 2, 3], "t": instants(np.array([5_000] * 3))})
    said = DuckEngine(tmp_path / "lake").explain(plan(tmp_path), Spine(few))
    assert "-- view0: sql: 5,000 of 60,000 rows are within reach by statistics" in said


@pytest.mark.parametrize("damage", ["cut", "flipped"])
@pytest.mark.parametrize("join", list(Join))
def test_a_damaged_file_is_said_and_nothing_is_left(world, tmp_path, damage, join):
    folder, spine = world
    for name in ("view0.parquet", "view1.parquet"):
        raw = bytearray((folder / name).read_bytes())
        if name == "view0.parquet":
            raw = raw[:-20] if damage == "cut" else raw
            if damage == "flipped":
                raw[1_000:60_000] = bytes(59_000)
        (tmp_path / name).write_bytes(raw)
    engine = DuckEngine(tmp_path / "lake", temp_directory=tmp_path / "spill", join=join)
    with pytest.raises((Corrupt, InvalidInput), match=r"view0\.parquet"):
        answer(engine, plan(tmp_path), spine).table()
    assert not (tmp_path / "spill").exists() or left_over(tmp_path / "spill") == []


def test_a_file_that_vanishes_while_it_is_read_is_named(world, tmp_path):
    folder, spine = world
    for name in ("view0.parquet", "view1.parquet"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    found = answer(DuckEngine(tmp_path / "lake", join=Join.SLOTS), plan(tmp_path), spine)
    (tmp_path / "view1.parquet").unlink()
    with pytest.raises(ProvenderError, match=r"view1\.parquet"):
        found.table()


def test_a_file_that_is_replaced_while_it_is_read_is_said(world, tmp_path):
    folder, spine = world
    for name in ("view0.parquet", "view1.parquet"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    found = answer(DuckEngine(tmp_path / "lake", join=Join.SLOTS), plan(tmp_path), spine)
    rows = pq.read_table(tmp_path / "view1.parquet")
    (tmp_path / "view1.parquet").unlink()
    pq.write_table(rows.slice(10), tmp_path / "view1.parquet")
    with pytest.raises(Conflict, match=r"view1\.parquet was changed while it was read"):
        found.table()


def test_nothing_is_spilled_to_the_current_folder(world, tmp_path, monkeypatch):
    folder, _ = world
    monkeypatch.chdir(tmp_path)
    engine = DuckEngine(folder / "lake", memory_limit="64MB", temp_directory=tmp_path / "spill")
    with connect(engine.limits, engine.spill) as session:
        session.execute(
            "SELECT count(*) FROM (SELECT * FROM range(20_000_000) ORDER BY hash(range))"
        )
        ((place,),) = session.execute("SELECT current_setting('temp_directory')").fetchall()
    assert Path(place).is_relative_to(tmp_path / "spill")
    assert [path.name for path in tmp_path.iterdir()] == ["spill"]
    assert left_over(tmp_path / "spill") == []


def test_a_containers_limit_is_the_machines_memory(tmp_path):
    whole = machine_memory(tmp_path / "none")
    (tmp_path / "memory.max").write_text("1073741824\n")
    (tmp_path / "unlimited").write_text("max\n")
    assert machine_memory(tmp_path / "memory.max") == 1 << 30
    assert machine_memory(tmp_path / "unlimited") == whole > 1 << 30
