"""The offline store: Feast's calls translated to plans for our engine, on the terms of its configuration.

Feast finds the configuration's class beside the store's, by name; both belong in this file.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import pyarrow as pa
from feast.data_source import DataSource
from feast.feature_logging import LoggingConfig, LoggingSource
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL, FeatureView
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import Field, PositiveInt, field_validator

from provender.core.clock import to_utc, utc_now
from provender.core.errors import InvalidInput
from provender.core.names import DatasetRef
from provender.core.policy import Action
from provender.core.training import PointInTimePlan, ViewJoin
from provender.feast_plugin import appends
from provender.feast_plugin.errors import SpineLacksColumns
from provender.feast_plugin.joins import plan_retrieval, projections_of
from provender.feast_plugin.on_demand import asked_of, check_request, with_on_demand
from provender.feast_plugin.records import Recorded
from provender.feast_plugin.retrieval import ProvenderRetrievalJob
from provender.feast_plugin.spine import EVENT_TIMESTAMP, Spine, read_spine
from provender.feast_plugin.sql import named_tables, run_sql
from provender.feast_plugin.storage import SavedSource, publish
from provender.feast_plugin.tables import TableSource
from provender.feast_plugin.terms import Terms
from provender.feast_plugin.windows import spine_between, window
from provender.offline.answer import Answer, Progress
from provender.offline.scan import column_names, scan
from provender.tables.arrow import schema_of
from provender.tables.pinning import arrow_columns


class ProvenderOfflineStoreConfig(FeastConfigBaseModel):
    """The section ``offline_store`` of feature_store.yaml. Empty values are those of the settings."""

    type: Literal["provender.feast_plugin.offline.ProvenderOfflineStore"] = (
        "provender.feast_plugin.offline.ProvenderOfflineStore"
    )
    pins: dict[str, PositiveInt] = Field(
        default_factory=dict, description="dataset versions to read, as domain.name: 2"
    )
    as_of: datetime | None = Field(
        None, description="read the versions that were the latest at this instant"
    )
    purpose: str = Field("", description="what governed rows are read for")
    actor: str = Field("", description="who asks: person:…, team:… or service:…")
    filter_by_created_timestamp: bool = Field(
        False, description="only rows created by the spine's instant count, in every retrieval"
    )
    memory_limit: str = Field("", description="DuckDB's memory limit, such as 4GB")
    threads: PositiveInt | None = Field(None, description="DuckDB's threads")
    temp_directory: str = Field("", description="where DuckDB spills what memory cannot hold")
    engine: Literal["", "duckdb", "spark", "auto"] = Field(
        "", description="what retrieves features: duckdb, spark, or auto (by size)"
    )
    spark_master: str = Field("", description="Spark's master, such as spark://host:7077")
    spark_options: dict[str, str] = Field(
        default_factory=dict, description="Spark's own options, as spark.executor.memory: 4g"
    )

    @field_validator("pins")
    @classmethod
    def _pins_name_datasets(cls, pins: dict[str, int]) -> dict[str, int]:
        try:
            for name in pins:
                if DatasetRef.parse(name).version is not None:
                    raise ValueError(f"write the version of {name} behind the colon")
        except InvalidInput as error:
            raise ValueError(f"pins: {error.message}; {error.hint}") from error
        return pins


class ProvenderOfflineStore(OfflineStore):
    """Point-in-time correct retrieval from datasets of the catalog and from files."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: Any,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        **kwargs: Any,
    ) -> ProvenderRetrievalJob:
        """Return the job that puts the features beside the spine, in its order.

        ``entity_df`` is a spine as `read_spine` takes it; None with ``start_date`` and
        ``end_date`` means every instant of the views between these.

        Versions are resolved now, so that a job always reads the same; whether they may be
        read is asked when they are. What governed rows were read is recorded as a training
        set then: the job's ``training_set``.

        Raises:
            SpineLacksColumns: a join key or the event timestamp is missing.
            InvalidInput: the spine cannot be read, or two columns would have one name.
            NotFound: a dataset, a version, a file or a feature is not there.
            Denied: the spine itself is made of governed rows that the actor may not read.
        """
        terms = Terms.of(config)
        known_by_then = kwargs.get("filter_by_created_timestamp") or getattr(
            config.offline_store, "filter_by_created_timestamp", False
        )
        asked = asked_of(feature_views, feature_refs, registry, project)
        planned = partial(
            plan_retrieval,
            asked.views,
            asked.refs,
            terms,
            full_feature_names=full_feature_names,
            known_by_then=bool(known_by_then),
        )
        if entity_df is None:
            plan = planned(event_timestamp=EVENT_TIMESTAMP)
            between = window(
                asked.views, kwargs.get("start_date"), kwargs.get("end_date"), terms.settings.now
            )
            spine = spine_between(plan, *between, terms)
        else:
            spine = read_spine(
                entity_df,
                sql=lambda query: run_sql(query, named_tables(registry, project, terms), terms),
                place=partial(terms.path, must_exist=False),
                spill=terms.engine.spill,
            )
            plan = planned(event_timestamp=spine.event_timestamp)
        _check_spine(plan, spine)
        check_request(asked.computed, spine.rows.column_names)
        recorded = Recorded(
            plan,
            spine,
            terms,
            project,
            asked.refs,
            full_feature_names,
            projections_of(asked.views),
        )
        return ProvenderRetrievalJob(
            read=lambda progress: with_on_demand(
                recorded(progress),
                asked.computed,
                asked.refs,
                full_feature_names=full_feature_names,
            ),
            explain=lambda: terms.retrieval.explain(plan, spine.rows),
            place=lambda path: terms.path(path, must_exist=False),
            describe=lambda: _metadata(spine, asked.refs),
            computed=list(asked.computed),
            full_names=full_feature_names,
            manifests=recorded.manifests,
            recorded=recorded.governed,
            count=spine.rows.row_count,
            spill=terms.engine.spill,
            publish=lambda storage, rows: publish(storage, rows, plan, terms),
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
        **kwargs: Any,
    ) -> ProvenderRetrievalJob:
        """Return the job that reads the latest row per key in the window, both ends inclusive."""
        join = _source_join(
            config,
            data_source,
            join_key_columns,
            feature_name_columns,
            timestamp_field,
            created_timestamp_column,
        )
        return _window(config, join, start_date, end_date, keep_all=False)

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        **kwargs: Any,
    ) -> ProvenderRetrievalJob:
        """Return the job that reads every row in the window, both ends inclusive.

        A saved dataset comes back whole, with labels and whatever else was kept in it.
        """
        is_file = isinstance(data_source, FileSource) and not data_source.timestamp_field
        if is_file or isinstance(data_source, SavedSource):
            return _saved(config, data_source)
        join = _source_join(
            config,
            data_source,
            join_key_columns,
            feature_name_columns,
            timestamp_field,
            created_timestamp_column,
        )
        return _window(config, join, start_date, end_date, keep_all=True)

    @staticmethod
    def offline_write_batch(
        config: RepoConfig,
        feature_view: FeatureView,
        table: pa.Table,
        progress: Callable[[int], Any] | None,
        **kwargs: Any,
    ) -> None:
        """Append ``table`` to the view's source: a new version of its dataset, or more rows in its files."""
        terms, source = Terms.of(config), feature_view.batch_source
        rows = appends.as_in_source(table, source)
        appends.append(source, rows, terms, wanted_by=feature_view.name)
        if progress:
            progress(table.num_rows)

    @staticmethod
    def write_logged_features(
        config: RepoConfig,
        data: pa.Table | Path,
        source: LoggingSource,
        logging_config: LoggingConfig,
        registry: BaseRegistry,
        **kwargs: Any,
    ) -> None:
        """Append served features to the Parquet folder that ``logging_config`` names."""
        appends.append_log(data, logging_config.destination, Terms.of(config))

    def validate_data_source(self, config: RepoConfig, data_source: DataSource) -> None:
        """Return if the source's rows are there and it names its timestamps rightly."""
        terms = Terms.of(config)
        if isinstance(data_source, FileSource):
            terms.place(data_source)  # a folder may still be empty
        else:
            data_source.validate(config)
            terms.table(data_source, wanted_by=f"source {data_source.name}")

    def get_table_column_names_and_types_from_data_source(
        self, config: RepoConfig, data_source: DataSource
    ) -> list[tuple[str, str]]:
        """Return the source's columns, with the type words that the source itself understands."""
        terms = Terms.of(config)
        table = terms.table(data_source, wanted_by=f"source {data_source.name}")
        if isinstance(data_source, TableSource):
            columns = schema_of(arrow_columns(table, terms.settings.lake)).columns
            return [(column.name, column.type) for column in columns]
        if isinstance(data_source, FileSource):
            return [(f.name, str(f.type)) for f in arrow_columns(table, terms.settings.lake)]
        return list(data_source.get_table_column_names_and_types(config))


def _metadata(spine: Spine, refs: Sequence[str]) -> RetrievalMetadata:
    earliest, latest = spine.range
    return RetrievalMetadata(
        features=list(refs),
        keys=[name for name in spine.rows.column_names if name != spine.event_timestamp],
        min_event_timestamp=earliest,
        max_event_timestamp=latest,
    )


def _check_spine(plan: PointInTimePlan, spine: Spine) -> None:
    columns = spine.rows.column_names
    keys = {key for join in plan.joins for key, _ in join.keys}
    missing = sorted(keys - set(columns))
    try:
        plan.check_spine(columns)
    except InvalidInput as error:
        if not missing:
            raise
        raise SpineLacksColumns(error.message, hint=error.hint, missing=missing) from error


def _source_join(
    config: RepoConfig,
    source: DataSource,
    join_keys: Sequence[str],
    features: Sequence[str],
    timestamp_field: str,
    created_timestamp_column: str | None,
) -> ViewJoin:
    """Columns of the source as they are: Feast maps their names itself in these calls."""
    return ViewJoin(
        view=source.name,
        table=Terms.of(config).table(source, wanted_by=f"source {source.name}"),
        keys=tuple((key, key) for key in join_keys if key != DUMMY_ENTITY_ID),
        features=tuple((feature, feature) for feature in features),
        event_timestamp=timestamp_field,
        created_timestamp=created_timestamp_column or None,
    )


def _window(
    config: RepoConfig,
    join: ViewJoin,
    start: datetime | None,
    end: datetime | None,
    *,
    keep_all: bool,
) -> ProvenderRetrievalJob:
    terms = Terms.of(config)

    def read(_: Progress) -> Answer:
        permit = terms.permit(Action.READ, [join.table], join.reads, purpose=terms.purpose)
        batches = terms.engine.latest(
            join,
            permit,
            start=to_utc(start) if start else None,
            end=to_utc(end) if end else None,
            now=utc_now(),
            keep_all=keep_all,
            key=terms.key,
        )
        first = _as_in_source(next(batches), join)
        return Answer(first.schema, _mapped(first, batches, join))

    return ProvenderRetrievalJob(
        read=read,
        explain=lambda: (
            f"-- {'every row' if keep_all else 'the latest row per key'} of {join.view}"
        ),
        place=lambda path: terms.path(path, must_exist=False),
        spill=terms.engine.spill,
    )


def _mapped(
    first: pa.RecordBatch, rest: Iterator[pa.RecordBatch], join: ViewJoin
) -> Iterator[pa.RecordBatch]:
    with closing(cast("Generator[pa.RecordBatch, None, None]", rest)):
        yield first
        for batch in rest:
            yield _as_in_source(batch, join)


def _as_in_source(rows: pa.RecordBatch, join: ViewJoin) -> pa.RecordBatch:
    """Give the timestamps the source's names, and views without entities Feast's dummy key."""
    names = [name for name, _ in join.keys] + list(join.outputs) + [join.event_timestamp]
    columns = list(rows.columns)
    if join.created_timestamp is None:
        columns.pop()
    else:
        names.append(join.created_timestamp)
    if not join.keys:
        names.append(DUMMY_ENTITY_ID)
        columns.append(pa.array([DUMMY_ENTITY_VAL] * rows.num_rows, pa.string()))
    return pa.RecordBatch.from_arrays(columns, names)


def _saved(config: RepoConfig, source: DataSource) -> ProvenderRetrievalJob:
    """Every row and column of a saved dataset; Feast would ask for keys and features only."""
    terms = Terms.of(config)
    table = terms.table(source, wanted_by="a saved dataset")

    def read(_: Progress) -> Answer:
        names = column_names(terms.engine, table)
        permit = terms.permit(Action.READ, [table], table.columns(names), purpose=terms.purpose)
        rows = scan(terms.engine, table, names, permit, now=utc_now(), key=terms.key)
        return Answer(rows.schema, iter(rows))

    return ProvenderRetrievalJob(
        read=read,
        explain=lambda: f"-- every row of {table.location}",
        place=lambda path: terms.path(path, must_exist=False),
        spill=terms.engine.spill,
    )
