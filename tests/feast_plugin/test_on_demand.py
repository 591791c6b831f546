"""On-demand features of a retrieval: python and pandas mode, chained, batch by batch."""

from pathlib import Path
from types import FunctionType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureStore, FeatureView, Field, RequestSource
from feast.errors import RequestDataNotFoundInEntityDfException
from feast.on_demand_feature_view import OnDemandFeatureView, on_demand_feature_view
from feast.types import Array, Float32, Float64, Int64, String, UnixTimestamp

from provender.core.errors import InvalidInput
from provender.feast_plugin import on_demand
from provender.feast_plugin.spine import Entities
from provender.offline.answer import Answer
from tests.feast_plugin.plain import CUSTOMER, DRIVER, NOON, rows, store, view, write

REQUEST = RequestSource(name="wanted", schema=[Field(name="factor", dtype=Float64)])
SPINE = rows(
    (1, NOON, 2.0), (2, NOON, None), (3, NOON, 4.0), columns="driver_id event_timestamp factor"
)


@pytest.fixture
def stats(tmp_path: Path) -> FeatureView:
    big = pd.DataFrame(
        {"driver_id": [1, 2], "event_timestamp": [NOON, NOON], "value": [7, 8], "other": [1, 2]}
    )
    return view(write(tmp_path / "f.parquet", big), "value", "other")


def applied(folder: Path, *views: FeatureView | OnDemandFeatureView) -> FeatureStore:
    made = store(folder / "repo")
    made.apply([DRIVER, CUSTOMER, *views])
    return made


def python_view(sources: list[Any], fields: dict[str, Any], function: Any, **more: Any) -> Any:
    return on_demand_feature_view(
        sources=sources,
        schema=[Field(name=name, dtype=kind) for name, kind in fields.items()],
        mode=more.pop("mode", "python"),
        name=more.pop("name", "computed"),
        **more,
    )(_fresh(function))


def _fresh(function: Any) -> Any:
    """A copy: Feast moves the functions that it wraps to the module __main__."""
    made = FunctionType(
        function.__code__, function.__globals__, function.__name__, None, function.__closure__
    )
    made.__module__ = function.__module__
    return made


def twice(inputs: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {"double": [None if v is None else v * 2 for v in inputs["value"]]}


def scaled(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"product": inputs["value"] * inputs["factor"]})


def test_python_and_pandas_views_are_computed_beside_stored_features(
    tmp_path: Path, stats: FeatureView
) -> None:
    repo = applied(
        tmp_path,
        stats,
        python_view([stats], {"double": Int64}, twice),
        python_view([stats, REQUEST], {"product": Float64}, scaled, name="scaled", mode="pandas"),
    )
    answer = repo.get_historical_features(
        SPINE, features=["stats:other", "computed:double", "scaled:product"]
    ).to_arrow()
    names = ["driver_id", "event_timestamp", "factor", "other", "value", "double", "product"]
    assert sorted(answer.column_names) == sorted(names)
    assert answer.column("double").to_pylist() == [14, 16, None]
    assert answer.column("double").type == pa.int64()
    assert answer.column("product").to_pylist() == [14.0, None, None]


def test_full_names_are_given_to_computed_features_too(tmp_path: Path, stats: FeatureView) -> None:
    repo = applied(tmp_path, stats, python_view([stats], {"double": Int64}, twice))
    spine = SPINE.assign(value=[100, 200, 300])
    answer = repo.get_historical_features(
        spine, features=["computed:double"], full_feature_names=True
    ).to_arrow()
    assert answer.column("computed__double").to_pylist() == [14, 16, None]
    assert answer.column("value").to_pylist() == [100, 200, 300]


def test_a_view_takes_what_another_computed(tmp_path: Path, stats: FeatureView) -> None:
    first = python_view([stats], {"double": Int64}, twice)

    def more(inputs: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {"more": [None if v is None else v + 1 for v in inputs["double"]]}

    second = python_view([first.projection], {"more": Int64}, more, name="second")
    repo = applied(tmp_path, stats, first, second)
    answer = repo.get_historical_features(
        SPINE, features=["stats:value", "computed:double", "second:more"]
    ).to_arrow()
    assert answer.column("more").to_pylist() == [15, 17, None]
    alone = repo.get_historical_features(SPINE, features=["second:more"], full_feature_names=True)
    assert alone.to_arrow().column("second__more").to_pylist() == [15, 17, None]


def test_a_function_of_single_rows_is_called_for_each(tmp_path: Path, stats: FeatureView) -> None:
    def one(row: dict[str, Any]) -> dict[str, Any]:
        return {"double": None if row["value"] is None else row["value"] * 2}

    repo = applied(tmp_path, stats, python_view([stats], {"double": Int64}, one, singleton=True))
    answer = repo.get_historical_features(SPINE, features=["computed:double"]).to_arrow()
    assert answer.column("double").to_pylist() == [14, 16, None]


KINDS = {
    "int": (Int64, [None, 2**53 + 1, 3], pa.int64()),
    "float32": (Float32, [None, 0.5, 1.0], pa.float32()),
    "text": (String, [None, "x", ""], pa.string()),
    "list": (Array(Int64), [None, [1], []], pa.list_(pa.int64())),
    "instant": (UnixTimestamp, [None, NOON, NOON], pa.timestamp("us", "UTC")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_computed_features_have_the_declared_type_even_where_all_are_null(
    tmp_path: Path, stats: FeatureView, kind: str
) -> None:
    declared, given, expected = KINDS[kind]

    def compute(inputs: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {"x": [given[driver - 1] for driver in inputs["driver_id"]]}

    made = python_view([stats[["value"]]], {"x": declared}, lambda _: {"x": [given[2]]})
    made.feature_transformation.udf = compute
    table = pa.table({"driver_id": [1, 2, 3], "value": [1, 2, 3]})
    answer = on_demand.with_on_demand(
        Answer(table.schema, iter(table.to_batches(1))),
        [made],
        ["computed:x"],
        full_feature_names=False,
    )
    assert tmp_path.exists()
    result = answer.table()
    assert result.column("x").to_pylist() == given
    if kind != "instant":
        assert result.column("x").type == expected


def test_a_function_sees_one_batch_at_a_time(tmp_path: Path, stats: FeatureView) -> None:
    sizes: list[int] = []

    def count(inputs: dict[str, list[Any]]) -> dict[str, list[Any]]:
        sizes.append(len(inputs["value"]))
        return {"double": [1] * len(inputs["value"])}

    made = python_view([stats], {"double": Int64}, twice)
    made.feature_transformation.udf = count
    table = pa.table({"value": list(range(10))})
    read: list[int] = []

    def batches() -> Any:
        for batch in table.to_batches(4):
            read.append(batch.num_rows)
            yield batch

    answer = on_demand.with_on_demand(
        Answer(table.schema, batches()), [made], ["computed:double"], full_feature_names=False
    )
    next(answer.batches)
    assert (sizes, read) == ([4], [4])
    answer.close()
    assert tmp_path.exists()


def test_a_request_column_that_is_missing_is_named_for_every_spine(
    tmp_path: Path, stats: FeatureView
) -> None:
    repo = applied(tmp_path, stats, python_view([stats, REQUEST], {"double": Int64}, twice))
    for spine in (SPINE[["driver_id", "event_timestamp"]], "SELECT 1 AS driver_id, now() AS at"):
        with pytest.raises(RequestDataNotFoundInEntityDfException, match="factor"):
            repo.get_historical_features(spine, features=["computed:double"])
    with pytest.raises(InvalidInput, match="computed needs factor, which the spine does not have"):
        repo.get_historical_features(
            Entities(pa.table({"driver_id": [1], "event_timestamp": [NOON]})),
            features=["computed:double"],
        )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1.5], "double is declared int64, and a value is not"),
        (["x"], "double is declared int64, and a value is not"),
        ([1, 2], "gave 2 rows with the columns double, not 1 with double"),
    ],
)
def test_a_function_that_breaks_its_promise_is_named(
    stats: FeatureView, given: list[Any], message: str
) -> None:
    made = python_view([stats], {"double": Int64}, twice)
    made.feature_transformation.udf = lambda _: {"double": given}
    table = pa.table({"value": [1]})
    with pytest.raises(InvalidInput, match=f"on-demand view computed.*{message}"):
        on_demand.with_on_demand(
            Answer(table.schema, iter(table.to_batches())),
            [made],
            ["computed:double"],
            full_feature_names=False,
        )


def test_files_frames_and_batches_hold_the_same(tmp_path: Path, stats: FeatureView) -> None:
    repo = applied(tmp_path, stats, python_view([stats], {"double": Int64}, twice))
    job = repo.get_historical_features(SPINE, features=["computed:double"])
    table = job.to_arrow()
    assert pq.read_table(job.to_parquet(tmp_path / "set.parquet")).equals(table)
    assert pa.Table.from_batches(job.to_arrow_batches(1)).equals(table)
    assert job.to_df()["double"].tolist()[:2] == [14, 16]
    assert [one.name for one in job.on_demand_feature_views] == ["computed"]
