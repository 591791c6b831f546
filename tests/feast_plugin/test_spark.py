"""Plain Feast with ``engine: spark`` in its configuration: the rows come from Spark, and are the same."""

import pandas as pd

from tests.feast_plugin import plain
from tests.offline.cluster import OPTIONS


def test_a_feast_retrieval_runs_on_spark_and_gives_what_duckdb_gives(tmp_path, spark_master):
    spark = {"engine": "spark", "spark_master": spark_master, "spark_options": OPTIONS}
    times = [plain.NOON, plain.NOON + plain.HOUR, plain.NOON - plain.HOUR, plain.NOON]
    path = plain.write(
        tmp_path / "stats.parquet",
        plain.rows(*zip([1, 1, 2, 2], times, [10, 20, 30, 2**53 + 1], strict=True)),
    )
    spine = pd.DataFrame(
        {
            "driver_id": [2, 1, 3, 1],
            "event_timestamp": [plain.NOON + plain.HOUR, plain.NOON + plain.TICK, plain.NOON, plain.NOON - plain.TICK],
            "label": ["a", None, "c", "d"],
        }
    )  # fmt: skip
    found = []
    for name, options in {"spark": spark, "duckdb": {}}.items():
        store = plain.store(tmp_path / name, **options)
        store.apply([plain.DRIVER, plain.view(path, ttl=2 * plain.HOUR)])
        job = store.get_historical_features(entity_df=spine, features=["stats:value"])
        assert f"-- {name}: the setting engine is {name}" in job.to_sql()
        found.append(job.to_arrow())
    assert found[0].column("value").to_pylist() == [2**53 + 1, 10, None, None]
    assert found[0] == found[1]
