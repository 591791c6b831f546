"""Spines that are queries: over which names they run, with which permit, and what they cannot reach."""

import gc
from pathlib import Path

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from feast import FeatureStore, FileSource

from provender import bootstrap
from provender.core.errors import Denied, InvalidInput, NotFound
from provender.feast_plugin.source import CatalogSource
from tests.feast_plugin.governed import MAX
from tests.feast_plugin.plain import CUSTOMER, DRIVER, HOUR, NOON, rows, store, view, write

KEYS = "driver_id, event_timestamp"


@pytest.fixture
def plain(tmp_path: Path) -> FeatureStore:
    """A store whose sources ``stats_source`` and ``orders`` are files."""
    made = store(tmp_path / "repo")
    stats = view(write(tmp_path / "f.parquet", rows((1, NOON, 7), (2, NOON, 8))))
    orders = FileSource(
        name="orders",
        path=write(
            tmp_path / "orders.parquet",
            rows(
                (10, 1, NOON, "a"),
                (11, 2, NOON + HOUR, "b"),
                (12, 1, NOON - HOUR, "c"),
                columns="order_id driver_id event_timestamp select",
            ),
        ),
        timestamp_field="event_timestamp",
    )
    made.apply([DRIVER, CUSTOMER, stats, orders])
    return made


@pytest.fixture
def governed_store(applied: Path) -> FeatureStore:
    return FeatureStore(repo_path=str(applied))


def ask(store: FeatureStore, query: str, feature: str = "stats:value") -> pd.DataFrame:
    return store.get_historical_features(query, features=[feature]).to_df()


def values(frame: pd.DataFrame, column: str = "value") -> list[float | None]:
    return [None if pd.isna(value) else value for value in frame[column]]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT order_id, driver_id, event_timestamp FROM orders ORDER BY order_id",
        'SELECT order_id, driver_id, event_timestamp FROM "orders" ORDER BY order_id',
        'SELECT * EXCLUDE ("select") FROM orders ORDER BY order_id',
        "FROM orders SELECT order_id, driver_id, event_timestamp ORDER BY 1",
        'WITH o AS (SELECT * FROM orders) SELECT o.* EXCLUDE ("select") FROM o ORDER BY order_id',
        "SELECT a.order_id, b.driver_id, b.event_timestamp FROM orders a JOIN orders b "
        "USING (order_id) ORDER BY ALL",
        "SELECT a.order_id, driver_id, event_timestamp FROM orders a NATURAL JOIN orders b ORDER BY 1",
        "SELECT order_id, driver_id, event_timestamp FROM orders WHERE order_id < 12 "
        "UNION ALL SELECT order_id, driver_id, event_timestamp FROM orders WHERE order_id >= 12 "
        "ORDER BY order_id",
        "SELECT order_id, driver_id, event_timestamp FROM orders o WHERE EXISTS "
        "(SELECT 1 FROM stats_source s WHERE s.driver_id = o.driver_id) ORDER BY order_id",
        "SELECT COLUMNS('order_id|driver_id|event_timestamp') FROM orders ORDER BY order_id",
        "SELECT r.order_id, r.driver_id, r.event_timestamp FROM (SELECT o AS r FROM orders o) "
        "ORDER BY 1",
    ],
)
def test_a_query_over_a_source_is_a_spine(plain: FeatureStore, query: str) -> None:
    answer = ask(plain, query)
    assert list(answer.columns) == ["order_id", "driver_id", "event_timestamp", "value"]
    assert list(answer["order_id"]) == [10, 11, 12]
    assert values(answer) == [7, 8, None]


def test_a_query_can_name_columns_like_keywords(plain: FeatureStore) -> None:
    answer = ask(plain, f'SELECT {KEYS}, "select" FROM orders ORDER BY "select"')
    assert list(answer["select"]) == ["a", "b", "c"]


def test_a_query_without_tables_is_a_spine(plain: FeatureStore) -> None:
    listed = "VALUES (1, TIMESTAMP '2024-06-01 12:00:00'), (2, TIMESTAMP '2024-06-01 11:00:00')"
    assert values(ask(plain, f"SELECT * FROM ({listed}) AS spine({KEYS})")) == [7, None]
    counted = "SELECT i AS driver_id, TIMESTAMP '2024-06-01 12:00:00' AS event_timestamp FROM range(1, 3) r(i)"
    assert values(ask(plain, counted)) == [7, 8]


def test_a_query_that_names_no_source_says_which_there_are(plain: FeatureStore) -> None:
    with pytest.raises(InvalidInput, match=r"there is no table order; .*orders"):
        ask(plain, f'SELECT {KEYS} FROM "order"')


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 AS driver_id, now() AS event_timestamp; SELECT 2",
        "INSERT INTO orders SELECT * FROM orders",
        "CREATE TABLE t AS SELECT * FROM orders",
        "DROP VIEW orders",
        "PRAGMA database_list",
        "INSTALL httpfs",
        "LOAD httpfs",
        "EXPORT DATABASE 'x'",
        "CALL duckdb_settings()",
        "SELECT * FROM read_parquet('{file}')",
        "SELECT * FROM glob('/*')",
        "SELECT content FROM read_text('/etc/hosts')",
        "SELECT * FROM parquet_metadata('{file}')",
        "SELECT driver_id, event_timestamp FROM orders JOIN '{file}' f USING (driver_id)",
        "SELECT getenv('HOME') AS driver_id, now() AS event_timestamp",
        "WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x",
        "SELECT 1 AS driver_id,, now()",
        "",
    ],
)
def test_a_query_reaches_nothing_but_what_it_may_name(
    plain: FeatureStore, tmp_path: Path, query: str
) -> None:
    with pytest.raises(InvalidInput, match="SQL cannot be run"):
        ask(plain, query.format(file=tmp_path / "f.parquet"))


def test_a_dataset_of_the_catalog_is_named_as_it_is_everywhere(
    governed_store: FeatureStore,
) -> None:
    for name in ("shop.trips", '"shop"."trips"', '"shop.trips"', '"shop.trips@2"'):
        query = f"SELECT {KEYS} FROM {name} WHERE driver_id = 3"
        answer = ask(governed_store, query, "trips:value")
        assert list(answer["value"]) == [2**53 + 1]
    first = ask(
        governed_store, f'SELECT {KEYS} FROM "shop.trips@1" t WHERE t.driver_id > 0', "trips:value"
    )
    assert sorted(first["driver_id"]) == [1, 2]


def test_the_sources_own_name_for_its_table_can_be_queried(governed_store: FeatureStore) -> None:
    for dataset, count in (("shop.trips", 3), ("shop.trips@1", 2)):
        source = CatalogSource(dataset=dataset)
        query = f"SELECT {KEYS} FROM {source.table} WHERE driver_id IS NOT NULL"
        assert source.get_table_query_string() == source.table
        assert len(ask(governed_store, query, "trips:value")) == count


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM shop.trips",
        "SELECT driver_id, event_timestamp, home_address FROM shop.trips",
        "SELECT driver_id, event_timestamp FROM shop.trips WHERE home_address LIKE 's%'",
        "SELECT driver_id, event_timestamp FROM shop.trips ORDER BY home_address",
        "SELECT t AS driver_id, event_timestamp FROM shop.trips t",
        "SELECT COLUMNS('h.*') AS driver_id, event_timestamp FROM shop.trips",
        "SELECT a.driver_id, a.event_timestamp FROM shop.trips a NATURAL JOIN shop.trips b",
        "WITH t AS (FROM shop.trips) SELECT driver_id, (SELECT max(home_address) FROM t), "
        "event_timestamp FROM t",
        "SELECT driver_id, event_timestamp FROM shop.trips a JOIN shop.trips b USING (home_address)",
        "SELECT driver_id, event_timestamp, HOME_ADDRESS FROM shop.trips",
    ],
)
def test_a_query_that_uses_a_closed_column_is_denied(
    governed_store: FeatureStore, query: str
) -> None:
    with pytest.raises(Denied, match="home_address"):
        ask(governed_store, query, "trips:value")


def test_a_query_that_leaves_the_closed_column_out_is_answered(
    governed_store: FeatureStore,
) -> None:
    query = "SELECT * EXCLUDE (home_address, value, created_timestamp) FROM shop.trips ORDER BY driver_id"
    answer = ask(governed_store, query, "trips:value")
    assert list(answer.columns) == ["driver_id", "event_timestamp", "rating", "value"]
    assert len(answer) == 3


def test_counting_rows_takes_a_permit_too(
    governed_store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = (
        "SELECT count(*) AS driver_id, TIMESTAMP '2024-06-01 15:00:00' AS event_timestamp "
        "FROM shop.trips"
    )
    assert list(ask(governed_store, query, "trips:value")["driver_id"]) == [3]
    monkeypatch.setenv("PROVENDER_ACTOR", MAX)
    bootstrap.settings.cache_clear()
    with pytest.raises(Denied):
        ask(governed_store, query, "trips:value")


def test_a_dataset_that_is_not_there_is_not_found(governed_store: FeatureStore) -> None:
    with pytest.raises(NotFound, match=r"shop.trip"):
        ask(governed_store, f"SELECT {KEYS} FROM shop.trip", "trips:value")
    with pytest.raises(NotFound, match=r"shop.trips@9"):
        ask(governed_store, f'SELECT {KEYS} FROM "shop.trips@9"', "trips:value")


def test_a_query_larger_than_its_memory_spills(plain: FeatureStore, tmp_path: Path) -> None:
    assert plain.project == "plain"
    bounded = store(
        tmp_path / "repo", memory_limit="200MB", threads=2, temp_directory=str(tmp_path / "spill")
    )
    query = (
        "SELECT 1 + i % 2 AS driver_id, TIMESTAMP '2024-06-01 12:00:00' AS event_timestamp, "
        "repeat(i::VARCHAR, 20) AS label FROM range(1500000) r(i) ORDER BY label"
    )
    job = bounded.get_historical_features(query, features=["stats:value"])
    (file,) = (tmp_path / "spill").rglob("spine.parquet")
    assert pq.read_metadata(file).num_rows == 1_500_000
    made = job.to_parquet(tmp_path / "set.parquet")
    assert pc.sum(pq.read_table(made, columns=["value"]).column(0)).as_py() == 750_000 * 15
    del job
    gc.collect()
    assert not file.exists()
