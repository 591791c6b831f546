"""The driver of Spark: whose it is, and what becomes of one that does not start."""

import dataclasses

import pyarrow as pa
import pytest

from provender.core.errors import Conflict, Unavailable
from provender.offline import sparksession
from provender.offline.sparksession import Cluster
from tests.offline.cases import INSTANT
from tests.offline.cluster import OPTIONS
from tests.offline.questions import at, plan, run, written
from tests.offline.test_spark import COLUMNS, left_over


def test_a_driver_with_jobs_is_not_taken_away(engine, spark_master):
    with sparksession.session(Cluster.of(spark_master, OPTIONS)):
        other = sparksession.session(Cluster.of("local[1]", {}))
        with pytest.raises(Conflict, match=f"on the Spark cluster {spark_master}"), other:
            pass
        with sparksession.session(Cluster.of(spark_master, OPTIONS)) as beside:
            assert beside.conf.get("spark.sql.session.timeZone") == "UTC"


def test_options_that_spark_cannot_start_with_are_an_error_and_the_next_retrieval_works(
    engine, tmp_path
):
    table = written(tmp_path, COLUMNS)
    spine = pa.table({"p": ["a"], "t": pa.array([at(3)], INSTANT)})
    for changes, said in (
        (
            {"options": OPTIONS | {"spark.driver.memory": "1000t"}},
            "did not start: .*not reserve enough space",
        ),
        ({"master": "nonsense"}, "did not start: .*Master must"),
    ):
        with pytest.raises(Unavailable, match=said):
            run(dataclasses.replace(engine, **changes), plan(table), spine)
    assert left_over(engine) == []
    engine = dataclasses.replace(engine, master="local[1]")
    assert run(engine, plan(table), spine).table().column("x").to_pylist() == [2]
