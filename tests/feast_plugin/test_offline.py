"""What the rows of a plain Feast repository mean at an instant, through Feast's own call."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta, timezone
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from feast import FeatureStore, FeatureView, Field, RequestSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64

from provender.core.errors import InvalidInput
from tests.feast_plugin.plain import CUSTOMER, DRIVER, HOUR, NOON, TICK, rows, store, view, write


@pytest.fixture
def repo(tmp_path: Path) -> FeatureStore:
    return store(tmp_path / "repo")


def ask(repo: FeatureStore, spine: pd.DataFrame, *features: str, **options: object) -> pd.DataFrame:
    return repo.get_historical_features(
        spine, features=list(features or ["stats:value"]), **options
    ).to_df()


def applied(repo: FeatureStore, *views: FeatureView) -> FeatureStore:
    repo.apply([DRIVER, CUSTOMER, *views])
    return repo


def values(frame: pd.DataFrame, column: str = "value") -> list[float | None]:
    return [None if pd.isna(value) else value for value in frame[column]]


def spine(*instants: object, driver: int = 1) -> pd.DataFrame:
    return rows(*[(driver, instant) for instant in instants], columns="driver_id event_timestamp")


def test_a_row_counts_from_its_event_timestamp_on(repo: FeatureStore, tmp_path: Path) -> None:
    path = write(tmp_path / "f.parquet", rows((1, NOON, 7)))
    applied(repo, view(path))
    assert values(ask(repo, spine(NOON - TICK, NOON, NOON + TICK))) == [None, 7, 7]


def test_a_row_counts_until_it_is_exactly_as_old_as_the_ttl(
    repo: FeatureStore, tmp_path: Path
) -> None:
    path = write(tmp_path / "f.parquet", rows((1, NOON, 7)))
    applied(repo, view(path, ttl=HOUR))
    assert values(ask(repo, spine(NOON + HOUR, NOON + HOUR + TICK))) == [7, None]


@pytest.mark.parametrize("ttl", [None, timedelta(0)])
def test_without_a_ttl_a_row_counts_for_ever(
    repo: FeatureStore, tmp_path: Path, ttl: timedelta | None
) -> None:
    path = write(tmp_path / "f.parquet", rows((1, NOON - 10_000 * HOUR, 7)))
    applied(repo, view(path, ttl=ttl))
    assert values(ask(repo, spine(NOON))) == [7]


def test_of_equal_event_timestamps_the_latest_created_counts_and_null_created_last(
    repo: FeatureStore, tmp_path: Path
) -> None:
    named = "driver_id event_timestamp created value"
    path = write(
        tmp_path / "f.parquet",
        rows(
            (1, NOON, NOON + HOUR, 2),
            (1, NOON, NOON + 2 * HOUR, 3),
            (1, NOON, NOON, 1),
            (1, NOON, None, 9),
            (2, NOON, None, 4),
            columns=named,
        ),
    )
    applied(repo, view(path, created="created"))
    asked = pd.concat([spine(NOON + 3 * HOUR), spine(NOON + 3 * HOUR, driver=2)])
    assert values(ask(repo, asked)) == [3, 4]


def test_filter_by_created_timestamp_leaves_out_what_was_created_later(
    repo: FeatureStore, tmp_path: Path
) -> None:
    path = write(
        tmp_path / "f.parquet",
        rows(
            (1, NOON, NOON, 1),
            (1, NOON + HOUR, NOON + 3 * HOUR, 2),
            (1, NOON + 2 * HOUR, None, 3),
            columns="driver_id event_timestamp created value",
        ),
    )
    applied(repo, view(path, created="created"))
    asked = spine(NOON + 2 * HOUR, NOON + 3 * HOUR)
    assert values(ask(repo, asked)) == [3, 3]
    assert values(ask(repo, asked, filter_by_created_timestamp=True)) == [1, 2]


def test_the_store_can_be_told_to_filter_by_created_timestamp_always(tmp_path: Path) -> None:
    path = write(
        tmp_path / "f.parquet",
        rows((1, NOON, NOON + HOUR, 1), columns="driver_id event_timestamp created value"),
    )
    strict = applied(
        store(tmp_path / "strict", filter_by_created_timestamp=True), view(path, created="created")
    )
    assert values(ask(strict, spine(NOON, NOON + HOUR))) == [None, 1]


def test_every_spine_row_comes_back_once_and_in_order(repo: FeatureStore, tmp_path: Path) -> None:
    path = write(tmp_path / "f.parquet", rows((1, NOON, 7), (2, NOON, 8)))
    applied(repo, view(path))
    asked = rows(
        (2, NOON, "a"),
        (1, NOON - HOUR, "b"),
        (None, NOON, "c"),
        (1, None, "d"),
        (1, NOON, "e"),
        (1, NOON, "e"),
        (3, NOON, "f"),
        columns="driver_id event_timestamp label",
    )
    answer = ask(repo, asked)
    assert list(answer.columns) == ["driver_id", "event_timestamp", "label", "value"]
    assert list(answer["label"]) == ["a", "b", "c", "d", "e", "e", "f"]
    assert values(answer) == [8, None, None, None, 7, 7, None]


def test_times_without_a_zone_are_utc_and_others_become_utc(
    repo: FeatureStore, tmp_path: Path
) -> None:
    path = write(
        tmp_path / "f.parquet",
        pa.table(
            {
                "driver_id": [1],
                "event_timestamp": pa.array([NOON.replace(tzinfo=None)], pa.timestamp("ns")),
                "value": [7],
            }
        ),
    )
    applied(repo, view(path))
    delhi = timezone(timedelta(hours=5, minutes=30))
    for instant in (NOON, NOON.replace(tzinfo=None), NOON.astimezone(delhi)):
        answer = ask(repo, spine(instant, instant - TICK))
        assert values(answer) == [7, None]
        assert str(answer["event_timestamp"].dt.tz) == "UTC"
        assert answer["event_timestamp"][0] == NOON


def test_text_is_read_as_an_instant(repo: FeatureStore, tmp_path: Path) -> None:
    path = write(tmp_path / "f.parquet", rows((1, NOON, 7)))
    applied(repo, view(path))
    answer = ask(repo, spine("2024-06-01T12:00:00", "2024-06-01T13:59:59+02:00"))
    assert values(answer) == [7, None]
    assert answer["event_timestamp"][0] == NOON


def test_text_that_is_no_instant_is_refused(repo: FeatureStore, tmp_path: Path) -> None:
    applied(repo, view(write(tmp_path / "f.parquet", rows((1, NOON, 7)))))
    with pytest.raises(InvalidInput, match="not an instant"):
        ask(repo, spine("yesterday"))


def test_the_only_timestamp_is_the_event_timestamp_whatever_its_name(
    repo: FeatureStore, tmp_path: Path
) -> None:
    applied(repo, view(write(tmp_path / "f.parquet", rows((1, NOON, 7)))))
    assert values(ask(repo, rows((1, NOON), columns="driver_id seen_at"))) == [7]
    with pytest.raises(InvalidInput, match="has no event timestamp"):
        ask(repo, rows((1,), columns="driver_id"))


def test_sql_is_a_spine(repo: FeatureStore, tmp_path: Path) -> None:
    applied(repo, view(write(tmp_path / "f.parquet", rows((1, NOON, 7)))))
    query = (
        "SELECT 1 AS driver_id, TIMESTAMP '2024-06-01 12:00:00' AS event_timestamp, 'x' AS label"
    )
    answer = repo.get_historical_features(query, features=["stats:value"]).to_df()
    assert values(answer) == [7]
    assert list(answer["label"]) == ["x"]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '{file}'",
        "ATTACH '{file}.db'",
        "COPY (SELECT 1) TO '{file}.csv'",
        "SELECT * FROM visible_variable",
        "SET enable_external_access=true",
    ],
)
def test_a_sql_spine_reaches_nothing_outside(
    repo: FeatureStore, tmp_path: Path, query: str
) -> None:
    path = write(tmp_path / "f.parquet", rows((1, NOON, 7)))
    applied(repo, view(path))
    visible_variable = pd.DataFrame({"driver_id": [1]})
    with pytest.raises(InvalidInput, match="SQL cannot be run"):
        repo.get_historical_features(query.format(file=path), features=["stats:value"])
    assert len(visible_variable) == 1
    assert sorted(file.name for file in tmp_path.glob("f.parquet*")) == ["f.parquet"]


def test_an_empty_spine_is_refused(repo: FeatureStore, tmp_path: Path) -> None:
    applied(repo, view(write(tmp_path / "f.parquet", rows((1, NOON, 7)))))
    with pytest.raises(InvalidInput, match="no rows"):
        ask(repo, spine(NOON).head(0))


def test_whole_numbers_with_nulls_do_not_go_through_floats(
    repo: FeatureStore, tmp_path: Path
) -> None:
    big = 2**53 + 1
    path = write(
        tmp_path / "f.parquet",
        pa.table(
            {
                "driver_id": [1, 2],
                "event_timestamp": pa.array([NOON, NOON], pa.timestamp("us", "UTC")),
                "value": pa.array([big, None], pa.int64()),
            }
        ),
    )
    applied(repo, view(path))
    asked = pd.concat([spine(NOON), spine(NOON, driver=2)])
    job = repo.get_historical_features(asked, features=["stats:value"])
    assert job.to_arrow().column("value").to_pylist() == [big, None]
    assert job.to_df()["value"][0] == big
    assert pd.isna(job.to_df()["value"][1])


def test_on_demand_views_are_computed_from_the_spine_and_features(
    repo: FeatureStore, tmp_path: Path
) -> None:
    stats = view(write(tmp_path / "f.parquet", rows((1, NOON, 7))))
    wanted = RequestSource(name="wanted", schema=[Field(name="factor", dtype=Float64)])

    @on_demand_feature_view(
        sources=[stats, wanted], schema=[Field(name="scaled", dtype=Float64)], mode="python"
    )
    def scaling(inputs: dict) -> dict:
        pairs = zip(inputs["value"], inputs["factor"], strict=True)
        return {"scaled": [None if v is None else v * f for v, f in pairs]}

    applied(repo, stats)
    repo.apply([wanted, scaling])
    asked = rows((1, NOON, 2.0), (2, NOON, 2.0), columns="driver_id event_timestamp factor")
    answer = ask(repo, asked, "scaling:scaled")
    assert values(answer, "scaled") == [14.0, None]


def test_jobs_in_many_threads_do_not_disturb_each_other(repo: FeatureStore, tmp_path: Path) -> None:
    path = write(tmp_path / "f.parquet", rows(*[(i, NOON, i) for i in range(100)]))
    applied(repo, view(path))
    jobs = [
        (driver, repo.get_historical_features(spine(NOON, driver=driver), features=["stats:value"]))
        for driver in range(24)
    ]
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda job: (job[0], values(job[1].to_df())), jobs))
    assert answers == [(driver, [driver]) for driver in range(24)]


def test_the_latest_rows_of_a_window_are_pulled_with_both_ends(
    repo: FeatureStore, tmp_path: Path
) -> None:
    named = "driver_id event_timestamp created value"
    path = write(
        tmp_path / "f.parquet",
        rows(
            (1, NOON, NOON, 1),
            (1, NOON, NOON + HOUR, 2),
            (2, NOON - HOUR, NOON, 3),
            (3, NOON + TICK, NOON, 4),
            columns=named,
        ),
    )
    stats = view(path, created="created")
    applied(repo, stats)
    asked = (
        repo.config,
        stats.batch_source,
        ["driver_id"],
        ["value"],
        "event_timestamp",
        "created",
    )
    latest = repo.provider.offline_store.pull_latest_from_table_or_query(*asked, NOON - HOUR, NOON)
    everything = repo.provider.offline_store.pull_all_from_table_or_query(*asked, NOON - HOUR, NOON)
    assert latest.to_arrow().column_names == ["driver_id", "value", "event_timestamp", "created"]
    assert sorted(latest.to_arrow().column("value").to_pylist()) == [2, 3]
    assert sorted(everything.to_arrow().column("value").to_pylist()) == [1, 2, 3]


def test_views_without_entities_are_pulled_with_feasts_dummy_key(
    repo: FeatureStore, tmp_path: Path
) -> None:
    path = write(tmp_path / "f.parquet", rows((NOON, 7), columns="event_timestamp value"))
    stats = view(path, entities=[])
    applied(repo, stats)
    pulled = repo.provider.offline_store.pull_all_from_table_or_query(
        repo.config, stats.batch_source, [], ["value"], "event_timestamp"
    ).to_arrow()
    assert pulled.to_pylist() == [{"value": 7, "event_timestamp": NOON, "__dummy_id": ""}]


def test_the_reference_joins_agree_with_duckdbs_own_asof(
    repo: FeatureStore, tmp_path: Path
) -> None:
    """A larger random-free check: every pair of 40 x 40 instants against plain SQL."""
    instants = [NOON + n * HOUR for n in range(40)]
    path = write(tmp_path / "f.parquet", rows(*[(n % 3, at, n) for n, at in enumerate(instants)]))
    applied(repo, view(path))
    asked = rows(
        *[(key, at + TICK) for key in range(4) for at in instants],
        columns="driver_id event_timestamp",
    )
    with duckdb.connect() as session:
        session.register("asked", pa.Table.from_pandas(asked))
        expected = session.execute(
            f"SELECT (SELECT max(value) FROM '{path}' f WHERE f.driver_id = a.driver_id "
            "AND f.event_timestamp <= a.event_timestamp) FROM asked a "
            "ORDER BY a.driver_id, a.event_timestamp"
        ).fetchall()
    assert values(ask(repo, asked)) == [row[0] for row in expected]
