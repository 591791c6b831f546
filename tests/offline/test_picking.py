"""Rows that DuckDB picks out of a long file are those that Arrow takes, in type and value."""

import random
import tempfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from provender.core.datasets import Format
from provender.core.errors import Conflict, Corrupt, NotFound
from provender.core.training import PointInTimePlan, Table, ViewJoin
from provender.offline import numbered
from provender.offline.duck import DuckEngine
from provender.offline.numbered import Numbered
from provender.offline.picking import is_exact
from provender.offline.shape import Join
from provender.offline.spine import Spine
from tests.offline.comparison import ask
from tests.offline.configurations import NOW, build
from tests.offline.options import random_options
from tests.offline.test_asof import NOTHING_GOVERNED
from tests.stress import times

QUESTIONS = 40
SEED = 9_100
ROWS = 5_000
NOON = datetime(1969, 7, 20, 12, 0, 0, 123_456, tzinfo=UTC)
VALUES = {
    pa.int8(): [-128, 127, None],
    pa.int64(): [2**53 + 1, -(2**63), None],
    pa.uint64(): [2**64 - 1, 0, None],
    pa.float32(): [0.1, float("nan"), -0.0, None],
    pa.float64(): [1e308, float("inf"), float("nan"), None],
    pa.bool_(): [True, False, None],
    pa.string(): ["", "zwölf", None],
    pa.large_string(): ["a" * 300, None],
    pa.binary(): [b"\x00\xff", b"", None],
    pa.date32(): [date(1, 1, 1), date(9999, 12, 31), None],
    pa.decimal128(38, 9): [Decimal("99999999999999999999999999999.123456789"), None],
    pa.timestamp("us", tz="UTC"): [NOON, None],
    pa.timestamp("ms", tz="America/New_York"): [NOON.replace(microsecond=0), None],
    pa.timestamp("us"): [NOON.replace(tzinfo=None), None],
}


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(numbered, "PICKED_FROM_ROWS", 1)
    monkeypatch.setattr(numbered, "PICKED_SHARE", 0)


@pytest.fixture
def session():
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture
def files(tmp_path):
    dice, paths = random.Random(SEED), []
    for number in range(2):
        columns = {
            f"c{n}": pa.array(dice.choices(values, k=ROWS), kind)
            for n, (kind, values) in enumerate(VALUES.items())
        }
        paths.append(tmp_path / f"{number}.parquet")
        pq.write_table(pa.table(columns), paths[-1], row_group_size=700)
    return paths


def fetched(table, columns, wanted, session=None):
    """The rows in the order of ``wanted``."""
    places, parts = [], []
    for at, rows in table.fetch(columns, wanted, session):
        places.append(np.arange(wanted.size)[at])
        parts.append(rows)
    return pa.concat_tables(parts).take(pa.array(np.argsort(np.concatenate(places))))


def test_every_exact_type_comes_out_as_arrow_reads_it(files, session, always):
    table = Numbered.open(files)
    assert all(is_exact(kind) for kind in VALUES)
    wanted = np.sort(np.random.default_rng(3).integers(0, 2 * ROWS, 1_500))
    names = table.schema.names
    whole = pa.concat_tables(pq.read_table(path) for path in files).take(pa.array(wanted))
    picked = fetched(table, names, wanted, session)
    taken = fetched(table, names, wanted)
    for name in names:
        assert repr(picked.column(name).to_pylist()) == repr(whole.column(name).to_pylist()), name
        assert repr(taken.column(name).to_pylist()) == repr(whole.column(name).to_pylist()), name


@pytest.mark.parametrize("kind", [pa.timestamp("ns"), pa.list_(pa.int64()), pa.decimal256(50, 2)])
def test_other_types_are_left_to_arrow(kind):
    assert not is_exact(kind)


def test_picking_changes_no_cell(tmp_path, always):
    engine = DuckEngine(tmp_path, join=Join.SLOTS)
    for number in range(times(QUESTIONS, calm=QUESTIONS // 2)):
        with tempfile.TemporaryDirectory(dir=tmp_path) as place:
            question = build(random_options(SEED + number, 500), tmp_path, Path(place).name)
            outcome = ask(engine, question, now=NOW)
            assert not outcome.problems, "\n".join([*outcome.problems, question.describe()])


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["a", None] * 600, pa.large_string()),
        pa.array([NOON.replace(microsecond=0), None] * 600, pa.timestamp("ms", "UTC")),
        pa.array([NOON, None] * 600, pa.timestamp("us", "America/New_York")),
        pa.array([b"a", None] * 600, pa.large_binary()),
    ],
    ids=lambda values: str(values.type),
)
def test_a_file_that_is_picked_from_and_one_that_is_not_give_one_column(
    tmp_path, monkeypatch, values
):
    """Ties are broken over both, too."""
    monkeypatch.setattr(numbered, "PICKED_FROM_ROWS", 1_000)
    monkeypatch.setattr(numbered, "PICKED_SHARE", 0)
    event = pa.array([NOON] * 1_200, pa.timestamp("us", "UTC"))
    rows = pa.table({"key": np.arange(1_200), "event": event, "x": values})
    folder = tmp_path / "view"
    folder.mkdir()
    pq.write_table(rows, folder / "long.parquet")
    pq.write_table(rows.slice(0, 2), folder / "short.parquet")
    later = rows.slice(2, 2).set_column(0, "key", pa.array([5_000, 5_001]))
    pq.write_table(later, folder / "short2.parquet")
    join = ViewJoin(
        view="v", table=Table(format=Format.PARQUET, location=str(folder)), keys=(("key", "key"),),
        features=(("x", "x"),), event_timestamp="event", ranked_by=("x",),
    )  # fmt: skip
    spine = pa.table({"key": [0, 1, 4, 5_000], "t": event[:4]})
    plan = PointInTimePlan(event_timestamp="t", joins=(join,))
    engine = DuckEngine(tmp_path, join=Join.SLOTS)
    found = engine.run(plan, Spine(spine), NOTHING_GOVERNED, now=NOW).table().column("x")
    assert found.type == values.type
    assert found.to_pylist() == values.take(pa.array([0, 1, 4, 2])).to_pylist()


@pytest.mark.parametrize("name", ["row", "place", "PLACE", "wanted_rows", "w", "f"])
def test_a_column_of_any_name_can_be_picked(tmp_path, session, always, name):
    path = tmp_path / "view.parquet"
    pq.write_table(pa.table({name: [1, 2, 3], "x": [4, 5, 6]}), path)
    table = Numbered.open([path])
    found = fetched(table, ["x", name], np.array([0, 2]), session)
    assert found.select(["x", name]).to_pydict() == {"x": [4, 6], name: [1, 3]}


def test_a_file_that_is_gone_is_named(files, session, always):
    table = Numbered.open(files)
    files[0].unlink()
    with pytest.raises(NotFound, match=r"0\.parquet is gone"):
        fetched(table, ["c1"], np.array([0]), session)


def test_a_row_group_that_is_small_on_disk_is_not_held_whole(tmp_path):
    """A dictionary makes 150 MB of text a few kilobytes; width in memory is what counts."""
    path = tmp_path / "wide.parquet"
    text = pa.array(["a" * 500, "b" * 500]).take(pa.array(np.arange(300_000) % 2))
    pq.write_table(pa.table({"x": text}), path, row_group_size=300_000)
    del text
    table = Numbered.open([path])
    wanted = np.arange(0, 300_000, 100)
    before, most = pa.total_allocated_bytes(), 0
    for _ in table.fetch(["x"], wanted):
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 120 << 20


def test_a_file_that_changed_is_refused(files, session, always):
    table = Numbered.open(files)
    pq.write_table(pq.read_table(files[1]).slice(1), files[1])
    with pytest.raises(Conflict, match=r"1\.parquet was changed while it was read"):
        fetched(table, ["c1"], np.array([0, ROWS + 1]), session)


def test_a_damaged_page_is_named(files, session, always):
    raw = bytearray(files[0].read_bytes())
    raw[4:400] = b"\xff" * 396
    files[0].write_bytes(raw)
    table = Numbered.open(files)
    with pytest.raises(Corrupt, match=r"0\.parquet cannot be read to its end"):
        fetched(table, table.schema.names, np.arange(10), session)
