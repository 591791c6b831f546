"""Which engine is chosen, and that its reasons are the numbers."""

import pytest

from provender.core.errors import InvalidInput
from provender.offline.choose import (
    INFLATION,
    SPILLS,
    SPINE_ROW_BYTES,
    Engine,
    Sizes,
    choose,
    limit_bytes,
)

GB = 10**9
CLUSTER = "spark://head:7077"


def sizes(source=0, rows=0, memory=GB):
    return Sizes(source_bytes=source, spine_rows=rows, memory_bytes=memory)


@pytest.mark.parametrize("engine", Engine)
def test_an_engine_that_is_named_is_taken_whatever_the_sizes(engine):
    for measured in (sizes(), sizes(source=10**15)):
        choice = choose(engine, measured, master="")
        assert choice.engine is engine
        assert choice.reasons == (f"the setting engine is {engine}",)


def test_the_largest_plan_that_duckdb_may_spill_stays_there_and_one_byte_more_does_not():
    most = GB * SPILLS // INFLATION
    assert choose("auto", sizes(source=most), master=CLUSTER).engine is Engine.DUCKDB
    assert choose("auto", sizes(source=most + 1), master=CLUSTER).engine is Engine.SPARK


def test_spine_rows_count_as_well_as_files():
    most = GB * SPILLS // SPINE_ROW_BYTES
    assert choose("auto", sizes(rows=most), master=CLUSTER).engine is Engine.DUCKDB
    assert choose("auto", sizes(rows=most + 1), master=CLUSTER).engine is Engine.SPARK
    assert choose("auto", sizes(rows=most, source=1), master=CLUSTER).engine is Engine.SPARK


@pytest.mark.parametrize("master", ["", "local[*]", "local-cluster[2,1,1024]"])
def test_spark_on_this_machine_is_never_chosen_by_size(master):
    choice = choose("auto", sizes(source=10**15), master=master)
    assert choice.engine is Engine.DUCKDB
    assert f"{master or 'local[*]'} is this machine" in choice.reasons[-1]


def test_the_reasons_say_what_was_measured():
    choice = choose("auto", sizes(source=5 * GB, rows=1_000_000), master=CLUSTER)
    assert choice.engine is Engine.SPARK
    assert choice.reasons == (
        "5 GB of files and 1,000,000 spine rows take about 20.1 GB in memory; "
        "DuckDB has 1 GB and may spill up to 16 times that",
        "more than one machine is needed: spark://head:7077",
    )


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("", 800), ("50%", 500), ("4GB", 4 * GB), ("1.5 KiB", 1536), ("7B", 7), ("2mb", 2_000_000)],
)
def test_memory_limits_are_read_as_duckdb_reads_them(limit, expected):
    assert limit_bytes(limit, machine_bytes=1000) == expected


def test_a_memory_limit_without_a_unit_is_refused():
    with pytest.raises(InvalidInput, match="'4' is not a memory limit"):
        limit_bytes("4", machine_bytes=1000)
