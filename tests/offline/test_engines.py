"""Sizes are measured of the files that a plan reads, each once; Spark is not imported for DuckDB's sake."""

import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from provender.core.datasets import FileEntry, Format
from provender.core.errors import NotFound, Unavailable  # noqa: F401 - a test names it in another process
from provender.core.names import DatasetRef
from provender.core.training import PointInTimePlan, Table, ViewJoin
from provender.offline.choose import Engine
from provender.offline.duck import DuckEngine
from provender.offline.engines import Engines
from provender.offline.spark import SparkEngine
from provender.offline.spine import Spine
from tests.offline.cases import INSTANT, NOTHING_GOVERNED, START

SPINE = Spine(pa.table({"p": [1], "t": pa.array([START], INSTANT)}))
CLUSTER = "spark://127.0.0.1:1"


def plan(*tables):
    return PointInTimePlan(
        event_timestamp="t",
        joins=tuple(
            ViewJoin(
                view=f"v{number}",
                table=table,
                keys=(("p", "k"),),
                features=(("x", f"x{number}"),),
                event_timestamp="event",
            )
            for number, table in enumerate(tables)
        ),
    )


def engines(lake, setting, memory_limit="1KB"):
    duck = DuckEngine(lake, memory_limit=memory_limit)
    return Engines(duck, SparkEngine(lake, CLUSTER), setting)


@pytest.fixture
def table(tmp_path):
    rows = {"k": list(range(4000)), "event": pa.array([START] * 4000, INSTANT), "x": [7] * 4000}
    (tmp_path / "folder").mkdir()
    pq.write_table(pa.table(rows), tmp_path / "folder" / "rows.parquet")
    return Table(format=Format.PARQUET, location=str(tmp_path / "folder"))


def test_sizes_are_those_of_the_files_wherever_a_table_lies(tmp_path, table):
    size = (tmp_path / "folder" / "rows.parquet").stat().st_size
    file = Table(format=Format.PARQUET, location=f"file://{tmp_path}/folder/rows.parquet")
    governed = Table(
        format=Format.PARQUET, location="folder", files=("rows.parquet",),
        version=DatasetRef.parse("shop.orders@1"),
        entries=(FileEntry(path="rows.parquet", size_bytes=size, sha256=""),),
    )  # fmt: skip
    for one in (table, file, governed):
        choice = engines(tmp_path, "auto").choice(plan(one, one), SPINE)
        assert choice.engine is Engine.SPARK
        assert choice.reasons[0].startswith(f"{size / 1000:.3g} KB of files and 1 spine rows")


def test_sizes_are_those_of_patterns_partitions_and_delta_tables_too(tmp_path, table):
    rows = pq.read_table(tmp_path / "folder" / "rows.parquet")
    (tmp_path / "parts" / "day=1").mkdir(parents=True)
    shutil.copy(tmp_path / "folder" / "rows.parquet", tmp_path / "parts" / "day=1")
    write_deltalake(tmp_path / "delta", rows)
    (data,) = (tmp_path / "delta").glob("*.parquet")
    size = (tmp_path / "folder" / "rows.parquet").stat().st_size
    for fmt, location, expected in (
        (Format.PARQUET, "fold*/*.parquet", size),
        (Format.PARQUET, "parts", size),
        (Format.DELTA, "delta", data.stat().st_size),
    ):
        one = Table(format=fmt, location=str(tmp_path / location))
        reason = engines(tmp_path, "auto").choice(plan(one, one), SPINE).reasons[0]
        assert reason.startswith(f"{expected / 1000:.3g} KB of files")


def test_nothing_is_measured_for_an_engine_that_is_named(tmp_path):
    gone = Table(format=Format.PARQUET, location=str(tmp_path / "gone"))
    assert engines(tmp_path, "duckdb").choice(plan(gone), SPINE).engine is Engine.DUCKDB
    with pytest.raises(NotFound, match="gone"):
        engines(tmp_path, "auto").choice(plan(gone), SPINE)


def test_enough_memory_keeps_a_plan_on_duckdb_which_answers_it(tmp_path, table):
    found = engines(tmp_path, "auto", "1GB")
    assert "-- duckdb: one machine is enough" in found.explain(plan(table), SPINE)
    answer = found.run(plan(table), SPINE, NOTHING_GOVERNED, now=START)
    assert answer.table().column("x0").to_pylist() == [7]


def test_a_plan_too_large_for_one_machine_goes_to_the_cluster(tmp_path, table):
    found = engines(tmp_path, "auto")
    assert f"-- spark: more than one machine is needed: {CLUSTER}" in found.explain(
        plan(table), SPINE
    )


def test_duckdb_users_never_import_spark(tmp_path, table):
    code = (
        "import sys, pathlib, datetime, provender.offline.engines as m, tests.offline.test_engines as t\n"
        f"e = t.engines(pathlib.Path({str(tmp_path)!r}), 'duckdb', '1GB')\n"
        f"table = t.Table(format=t.Format.PARQUET, location={table.location!r})\n"
        "e.run(t.plan(table), t.SPINE, t.NOTHING_GOVERNED, now=t.START).table()\n"
        "assert 'pyspark' not in sys.modules and 'py4j' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_pyspark_the_error_says_what_to_install(tmp_path, table):
    """The package is hidden as Python itself lets one: a finder that knows no pyspark."""
    code = (
        "import sys, pathlib, tests.offline.test_engines as t\n"
        "sys.modules['pyspark'] = None\n"
        f"table = t.Table(format=t.Format.PARQUET, location={table.location!r})\n"
        f"e = t.engines(pathlib.Path({str(tmp_path)!r}), 'spark')\n"
        "try:\n    e.run(t.plan(table), t.SPINE, t.NOTHING_GOVERNED, now=t.START)\n"
        "except t.Unavailable as error:\n    print(error.message, error.hint)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "needs the package pyspark" in said.stdout
    assert "pip install 'provender[spark]'" in said.stdout
