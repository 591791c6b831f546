"""Cases of point-in-time retrieval that come up rarely: what they mean, through Feast's own call."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from feast import (
    Aggregation,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    LabelView,
    PushSource,
    StreamFeatureView,
)
from feast.labeling.conflict_policy import ConflictPolicy
from feast.types import Int64, String

from tests.feast_plugin.plain import CUSTOMER, DRIVER, HOUR, NOON, TICK, rows, store, view, write


@pytest.fixture
def repo(tmp_path: Path) -> FeatureStore:
    return store(tmp_path / "repo")


def answer(repo: FeatureStore, spine: pd.DataFrame, *features: str) -> list[object]:
    """The first feature's value for each row of the spine."""
    asked = list(features or ["stats:value"])
    found = repo.get_historical_features(spine, features=asked).to_arrow()
    values: list[object] = found.column(asked[0].partition(":")[2]).to_pylist()
    return values


def spine(*instants: object, driver: int = 1) -> pd.DataFrame:
    return rows(*[(driver, instant) for instant in instants], columns="driver_id event_timestamp")


@pytest.mark.parametrize("created", ["", "created"])
def test_a_feature_row_without_an_event_timestamp_never_counts(
    repo: FeatureStore, tmp_path: Path, created: str
) -> None:
    named = "driver_id event_timestamp created value"
    known = rows((1, NOON, NOON, 7), (1, None, NOON, 9), (2, None, NOON, 9), columns=named)
    repo.apply([DRIVER, CUSTOMER, view(write(tmp_path / "f.parquet", known), created=created)])
    both = pd.concat([spine(NOON, NOON + HOUR), spine(NOON + HOUR, driver=2)])
    assert answer(repo, both) == [7, 7, None]


def test_a_spine_row_of_the_future_has_what_is_known_now_within_the_ttl(
    repo: FeatureStore, tmp_path: Path
) -> None:
    now = pd.Timestamp.now("UTC").floor("us")
    path = write(tmp_path / "f.parquet", rows((1, now - HOUR, 7)))
    views = [view(path, name="bounded", ttl=30 * timedelta(days=1)), view(path, name="unbounded")]
    repo.apply([DRIVER, CUSTOMER, *views])
    ahead = spine(now + timedelta(days=1), now + timedelta(days=365))
    assert answer(repo, ahead, "bounded:value") == [7, None]
    assert answer(repo, ahead, "unbounded:value") == [7, 7]


def test_a_row_that_arrives_late_counts_from_its_event_timestamp_unless_created_ones_are_asked_for(
    repo: FeatureStore, tmp_path: Path
) -> None:
    named = "driver_id event_timestamp created value"
    late = rows((1, NOON, NOON, 1), (1, NOON + HOUR, NOON + 5 * HOUR, 2), columns=named)
    repo.apply([DRIVER, CUSTOMER, view(write(tmp_path / "f.parquet", late), created="created")])
    asked = spine(NOON + 2 * HOUR, NOON + 5 * HOUR - TICK, NOON + 5 * HOUR)
    assert answer(repo, asked) == [2, 2, 2]
    then = repo.get_historical_features(
        asked, features=["stats:value"], filter_by_created_timestamp=True
    )
    assert then.to_arrow().column("value").to_pylist() == [1, 1, 2]


def test_of_composite_keys_every_one_must_match(repo: FeatureStore, tmp_path: Path) -> None:
    named = "driver_id customer_id event_timestamp value"
    known = rows((1, 2, NOON, 12), (2, 1, NOON, 21), (1, None, NOON, 10), columns=named)
    pairs = view(write(tmp_path / "f.parquet", known), entities=[DRIVER, CUSTOMER])
    repo.apply([DRIVER, CUSTOMER, pairs])
    asked = rows(
        *[(*pair, NOON) for pair in ((1, 2), (2, 1), (1, 1), (2, 2), (1, None))],
        columns="driver_id customer_id event_timestamp",
    )
    assert answer(repo, asked) == [12, 21, None, None, None]


def pushed(path: str, **options: str) -> PushSource:
    batch = FileSource(name="batch", path=path, timestamp_field="event_timestamp", **options)
    return PushSource(name="pushed", batch_source=batch)


def fields(*names: str) -> list[Field]:
    return [Field(name=name, dtype=Int64) for name in names]


@pytest.mark.filterwarnings("ignore:Stream feature views are experimental:RuntimeWarning")
def test_a_stream_view_is_what_is_in_its_batch_source(repo: FeatureStore, tmp_path: Path) -> None:
    path = write(tmp_path / "f.parquet", rows((1, NOON, 7), (1, NOON + HOUR, 8)))
    stream = StreamFeatureView(
        name="stats",
        entities=[DRIVER],
        ttl=HOUR,
        schema=fields("driver_id", "value"),
        source=pushed(path),
        aggregations=[Aggregation(column="value", function="sum", time_window=HOUR)],
        timestamp_field="event_timestamp",
    )
    repo.apply([DRIVER, stream])
    assert answer(repo, spine(NOON, NOON + HOUR, NOON + 2 * HOUR + TICK)) == [7, 8, None]


@pytest.mark.parametrize("policy", ConflictPolicy)
def test_of_conflicting_labels_the_latest_counts_whatever_the_policy(
    repo: FeatureStore, tmp_path: Path, policy: ConflictPolicy
) -> None:
    said = rows(
        (1, NOON, "ana", 1), (1, NOON + TICK, "ben", 1), (1, NOON + HOUR, "cy", 0),
        columns="driver_id event_timestamp labeler value",
    )  # fmt: skip
    labels = LabelView(
        name="stats",
        entities=[DRIVER],
        schema=[*fields("driver_id", "value"), Field(name="labeler", dtype=String)],
        source=pushed(write(tmp_path / "f.parquet", said)),
        conflict_policy=policy,
    )
    repo.apply([DRIVER, labels])
    assert answer(repo, spine(NOON, NOON + 2 * HOUR)) == [1, 0]


def test_a_view_at_a_version_has_that_versions_definition_and_the_rows_of_now(
    tmp_path: Path,
) -> None:
    versioned = {"enable_online_feature_view_versioning": True}
    repo = store(tmp_path / "repo", registering=versioned)
    named = "driver_id event_timestamp value more"
    path = write(tmp_path / "f.parquet", rows((1, NOON, 7, 1), columns=named))
    repo.apply([DRIVER, CUSTOMER, view(path, ttl=HOUR)])
    repo.apply([view(path, "value", "more", ttl=3 * HOUR)])
    write(Path(path), rows((1, NOON, 8, 2), columns=named))
    asked = spine(NOON + HOUR, NOON + 2 * HOUR)
    assert answer(repo, asked, "stats@v0:value") == [8, None]
    assert answer(repo, asked, "stats@v1:value") == answer(repo, asked) == [8, 8]
    assert answer(repo, asked, "stats@v1:more") == [2, 2]
    with pytest.raises(KeyError, match="more not found in projection"):
        answer(repo, asked, "stats@v0:more")


def test_a_disabled_view_is_refused(repo: FeatureStore, tmp_path: Path) -> None:
    made: FeatureView = view(write(tmp_path / "f.parquet", rows((1, NOON, 7))))
    made.enabled = False
    repo.apply([DRIVER, CUSTOMER, made])
    with pytest.raises(ValueError, match="'stats' is disabled and cannot serve features"):
        repo.get_historical_features(spine(NOON), features=["stats:value"])
