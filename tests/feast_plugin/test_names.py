"""Names, keys, sources and configuration of a plain Feast repository, through Feast's own call."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from feast import FeatureService, FeatureStore, FeatureView
from feast.data_format import DeltaFormat
from feast.errors import FeastEntityDFMissingColumnsError, FeatureNameCollisionError
from feast.types import String

from provender.core.errors import InvalidInput, NotFound
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


def test_a_missing_join_key_is_named_in_an_error_that_is_feasts_too(
    repo: FeatureStore, tmp_path: Path
) -> None:
    applied(repo, view(write(tmp_path / "f.parquet", rows((1, NOON, 7)))))
    asked = rows((1, NOON), columns="driver event_timestamp")
    with pytest.raises(FeastEntityDFMissingColumnsError) as caught:
        ask(repo, asked)
    assert isinstance(caught.value, InvalidInput)
    assert "driver_id (a join key of stats)" in str(caught.value)
    assert "hint:" in str(caught.value)


def test_text_keys_are_not_compared_with_numbers(repo: FeatureStore, tmp_path: Path) -> None:
    applied(repo, view(write(tmp_path / "f.parquet", rows((1, NOON, 7)))))
    with pytest.raises(InvalidInput, match="driver_id"):
        ask(repo, rows(("1", NOON), columns="driver_id event_timestamp"))


def test_a_spine_column_called_like_a_feature_is_refused_unless_names_are_full(
    repo: FeatureStore, tmp_path: Path
) -> None:
    applied(repo, view(write(tmp_path / "f.parquet", rows((1, NOON, 7)))))
    asked = rows((1, NOON, 0), columns="driver_id event_timestamp value")
    with pytest.raises(InvalidInput, match="called like features: value"):
        ask(repo, asked)
    answer = ask(repo, asked, full_feature_names=True)
    assert (values(answer), values(answer, "stats__value")) == ([0], [7])


def test_two_features_of_one_name_are_refused_unless_names_are_full(
    repo: FeatureStore, tmp_path: Path
) -> None:
    one = write(tmp_path / "one.parquet", rows((1, NOON, 7)))
    two = write(tmp_path / "two.parquet", rows((1, NOON, 8)))
    applied(repo, view(one, name="one"), view(two, name="two"))
    with pytest.raises(FeatureNameCollisionError):
        ask(repo, spine(NOON), "one:value", "two:value")
    answer = ask(repo, spine(NOON), "one:value", "two:value", full_feature_names=True)
    assert (values(answer, "one__value"), values(answer, "two__value")) == ([7], [8])


def test_features_may_end_like_duckdbs_own_suffixes(repo: FeatureStore, tmp_path: Path) -> None:
    path = write(
        tmp_path / "f.parquet", rows((1, NOON, 7), columns="driver_id event_timestamp value_y")
    )
    applied(repo, view(path, "value_y"))
    assert values(ask(repo, spine(NOON), "stats:value_y"), "value_y") == [7]


def test_all_join_keys_count_when_only_one_is_renamed(repo: FeatureStore, tmp_path: Path) -> None:
    path = write(
        tmp_path / "f.parquet",
        rows(
            (1, 7, NOON, 17),
            (1, 8, NOON + HOUR, 18),
            columns="driver_id customer_id event_timestamp value",
        ),
    )
    pairs = view(path, entities=[DRIVER, CUSTOMER])
    applied(repo, pairs)
    renamed = pairs.with_join_key_map({"driver_id": "chauffeur"}).with_name("pair")
    service = FeatureService(name="service", features=[renamed])
    repo.apply([service])
    asked = rows(
        (1, 7, NOON + 2 * HOUR),
        (1, 8, NOON + 2 * HOUR),
        columns="chauffeur customer_id event_timestamp",
    )
    answer = repo.get_historical_features(asked, features=service, full_feature_names=True).to_df()
    assert values(answer, "pair__value") == [17, 18]


def test_one_view_can_be_joined_twice_under_two_names(repo: FeatureStore, tmp_path: Path) -> None:
    path = write(tmp_path / "f.parquet", rows((1, NOON, 7), (2, NOON, 8)))
    stats = view(path)
    first = stats.with_name("first").with_join_key_map({"driver_id": "first_id"})
    second = stats.with_name("second").with_join_key_map({"driver_id": "second_id"})
    both = FeatureService(name="both", features=[first, second])
    applied(repo, stats)
    repo.apply([both])
    asked = rows((1, 2, NOON), columns="first_id second_id event_timestamp")
    answer = repo.get_historical_features(asked, features=both, full_feature_names=True).to_df()
    assert (values(answer, "first__value"), values(answer, "second__value")) == ([7], [8])


def test_a_view_without_entities_is_joined_by_time_alone(
    repo: FeatureStore, tmp_path: Path
) -> None:
    path = write(
        tmp_path / "f.parquet", rows((NOON, 7), (NOON + HOUR, 8), columns="event_timestamp value")
    )
    applied(repo, view(path, entities=[]))
    asked = rows((5, NOON - TICK), (6, NOON), (5, NOON + HOUR), columns="driver_id event_timestamp")
    assert values(ask(repo, asked)) == [None, 7, 8]


def test_field_mappings_hold_for_features_keys_and_timestamps(
    repo: FeatureStore, tmp_path: Path
) -> None:
    path = write(
        tmp_path / "f.parquet",
        rows((1, NOON, NOON, 7), (1, NOON, NOON + HOUR, 8), columns="id seen made v"),
    )
    mapping = {"id": "driver_id", "seen": "event_timestamp", "made": "created", "v": "value"}
    applied(repo, view(path, created="created", field_mapping=mapping))
    assert values(ask(repo, spine(NOON))) == [8]
    assert list(ask(repo, spine(NOON)).columns) == ["driver_id", "event_timestamp", "value"]


def test_a_column_that_the_source_lacks_is_named(repo: FeatureStore, tmp_path: Path) -> None:
    applied(repo, view(write(tmp_path / "f.parquet", rows((1, NOON, 7))), "value", "other"))
    with pytest.raises(InvalidInput, match="no column other"):
        ask(repo, spine(NOON), "stats:other")


def test_features_keep_their_types(repo: FeatureStore, tmp_path: Path) -> None:
    table = pa.table(
        {
            "driver_id": [1],
            "event_timestamp": pa.array([NOON], pa.timestamp("us", "UTC")),
            "small": pa.array([3], pa.int16()),
            "real": pa.array([0.1], pa.float32()),
            "text": ["é"],
            "many": pa.array([[1, 2]], pa.list_(pa.int64())),
        }
    )
    path = write(tmp_path / "f.parquet", table)
    applied(repo, view(path, "small", "real", "text", "many", dtype=String))
    answer = repo.get_historical_features(
        spine(NOON), features=[f"stats:{name}" for name in ("small", "real", "text", "many")]
    ).to_arrow()
    for name in ("small", "real", "text", "many"):
        assert answer.column(name).type.equals(table.column(name).type), name
        assert answer.column(name).to_pylist() == table.column(name).to_pylist()


def test_relative_paths_belong_to_the_repository(
    repo: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "repo" / "data" / "f.parquet", rows((1, NOON, 7)))
    write(tmp_path / "elsewhere" / "data" / "f.parquet", rows((1, NOON, 8)))
    monkeypatch.chdir(tmp_path / "elsewhere")
    applied(repo, view("data/f.parquet"))
    assert values(ask(repo, spine(NOON))) == [7]
    (tmp_path / "repo" / "data" / "f.parquet").unlink()
    assert values(ask(repo, spine(NOON))) == [8]
    (tmp_path / "elsewhere" / "data" / "f.parquet").unlink()
    with pytest.raises(NotFound, match=r"data/f\.parquet"):
        ask(repo, spine(NOON))


def test_folders_and_delta_tables_are_read(repo: FeatureStore, tmp_path: Path) -> None:
    write(tmp_path / "many" / "a.parquet", rows((1, NOON, 7)))
    write(tmp_path / "many" / "b.parquet", rows((2, NOON, 8)))
    write_deltalake(str(tmp_path / "delta"), pa.Table.from_pandas(rows((1, NOON, 9))))
    applied(
        repo,
        view(str(tmp_path / "many"), name="many"),
        view(str(tmp_path / "delta"), name="delta", file_format=DeltaFormat()),
    )
    asked = pd.concat([spine(NOON), spine(NOON, driver=2)])
    answer = ask(repo, asked, "many:value", "delta:value", full_feature_names=True)
    assert values(answer, "many__value") == [7, 8]
    assert values(answer, "delta__value") == [9, None]


def test_nothing_of_a_catalog_is_made_for_files(
    repo: FeatureStore, tmp_path: Path, home: Path
) -> None:
    applied(repo, view(write(tmp_path / "f.parquet", rows((1, NOON, 7)))))
    assert values(ask(repo, spine(NOON))) == [7]
    assert not home.exists()


def test_an_unknown_option_and_a_malformed_pin_are_refused(tmp_path: Path) -> None:
    for options in (
        {"pin": {"a.b": 1}},
        {"pins": {"a.b@1": 1}},
        {"pins": {"nodot": 1}},
        {"pins": {"a.b": 0}},
    ):
        with pytest.raises(Exception, match="pin"):
            store(tmp_path / "bad", **options)
