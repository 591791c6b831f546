"""Rows into the online store: materialised from the sources, or pushed as they arrive."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, TypedDict

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureStore
from feast.data_source import PushSource
from feast.feature_view import FeatureView
from feast.infra.common.materialization_job import MaterializationTask
from feast.infra.passthrough_provider import PassthroughProvider

from provender import bootstrap
from provender.core.clock import to_utc
from provender.core.errors import InvalidInput
from provender.core.names import unknown
from provender.core.serving import serve_view
from provender.feast_plugin import collaborators, gate
from provender.feast_plugin.appends import append
from provender.feast_plugin.definitions import open_store, registered_views
from provender.feast_plugin.engine import ProvenderEngine
from provender.feast_plugin.expiry import expiry_of
from provender.feast_plugin.joins import batch_source
from provender.feast_plugin.online import store_of
from provender.feast_plugin.terms import Terms
from provender.feast_plugin.translation import view_spec
from provender.online.arrow import BatchEncoder, Encoded, Materialised, Progress
from provender.online.skew import refuse_future
from provender.online.upkeep import EPOCH, Expect, Materialized, Watcher
from provender.settings import Settings

Target = Literal["online", "offline", "both"]


def materialize(
    path: Path,
    *,
    settings: Settings,
    start: datetime | None = None,
    end: datetime | None = None,
    views: Sequence[str] = (),
    lookback: timedelta | None = None,
    force: bool = False,
    skip_expired: bool = False,
    watcher: Watcher | None = None,
) -> Iterator[Materialized]:
    """Write the latest rows of each applied view to the online store; yield what each run did.

    The window is inclusive on both ends. Without ``start`` it goes on where the view's last
    run ended, less ``lookback``, for rows that arrived late; but it begins with the data where
    the rows online are gone, or are from another dataset version or definition, or with
    ``force``, which does not believe what is known of them either, nor goes on with a run that did not end.
    With ``skip_expired`` no row is written that would have vanished by now, as configured; else it is
    told to be too old for an hour.
    It never ends after now, so that later runs see what comes later.

    Raises:
        NotFound: the repository or a view is not there.
        InvalidInput: ``start`` is after ``end``.
        Denied: the actor may not serve a column.
        Unavailable: the online store does not answer; running again is safe.
    """
    bootstrap.prepare_home(settings)
    now = settings.now()
    until = min(to_utc(end), now) if end else now
    with open_store(path, settings) as store:
        chosen = served_views(store, views)
        engine = engine_of(store)
    for view in chosen:
        with collaborators.using(settings):
            if force:
                engine.forget(view)
            since = to_utc(start) if start else _before(engine.resume(view), lookback)
        if since > until:
            raise InvalidInput(
                f"the window of {view.name} starts at {since.isoformat()}, after its end {until.isoformat()}",
                hint="give an earlier --start, or a later --end that is not in the future",
            )
        task = MaterializationTask(
            project=store.project, feature_view=view, start_time=since, end_time=until
        )
        with collaborators.using(settings):
            outcome = engine.run(task, skip_expired=skip_expired, **_told(watcher, view.name))
            store.registry.apply_materialization(view, store.project, outcome.start, until)
        yield outcome


def push(
    path: Path,
    source: str,
    rows: pa.Table | pd.DataFrame,
    *,
    settings: Settings,
    to: Target = "online",
) -> Materialised:
    """Push ``rows`` to every view behind a push source; return what became of them online.

    Columns are the source's. Offline they are appended to the source of the views, and that
    comes first. Nothing is written before everything is known to be allowed and to fit.

    Raises:
        NotFound: no applied view has that push source.
        InvalidInput: the rows lack a column, or have one of the wrong type; or they are from
            after now, and go online, where they would hide the rows that are there.
        Denied: the actor may not publish the dataset behind the source.
    """
    bootstrap.prepare_home(settings)
    table = _as_table(rows)
    with open_store(path, settings) as store:
        views = pushed_views(store, source)
        gate.check_push(store.config, views)
        online = views if to in ("online", "both") else []
        encoded = {view.name: _encode(store, view, table, settings.now()) for view in online}
        if to in ("offline", "both"):
            sources = [batch_source(view) for view in views]
            for batch in {batch.name: batch for batch in sources}.values():
                append(batch, table, Terms.of(store.config), wanted_by=f"push source {source}")
        done = Materialised()
        for view in online:
            one = _write(store, view, encoded[view.name])
            done = Materialised(*(a + b for a, b in zip(astuple(done), astuple(one), strict=True)))
    return done


def served_views(store: FeatureStore, names: Sequence[str]) -> list[FeatureView]:
    """Return the applied views that are served online: all, or those of ``names``.

    Raises:
        NotFound: a view is not there.
        InvalidInput: it is not served online.
    """
    views = {view.name: view for view in registered_views(store)}
    for name in names:
        if name not in views:
            raise unknown("feature view", name, views)
        if not views[name].online:
            raise InvalidInput(
                f"feature view {name} is not served online", hint="set online=True and apply"
            )
    return [
        view for name, view in sorted(views.items()) if view.online and (not names or name in names)
    ]


def pushed_views(store: FeatureStore, source: str) -> list[FeatureView]:
    """Return the applied views behind the push source called ``source``.

    Raises:
        NotFound: there are none.
    """
    behind: dict[str, list[FeatureView]] = {}
    for view in registered_views(store):
        if isinstance(view.stream_source, PushSource):
            behind.setdefault(view.stream_source.name, []).append(view)
    if source not in behind:
        raise unknown("push source", source, behind)
    return behind[source]


def engine_of(store: FeatureStore) -> ProvenderEngine:
    """Return the repository's engine; ours, on its stores, if it configures none."""
    provider = store.provider
    if not isinstance(provider, PassthroughProvider):
        raise InvalidInput(
            f"provider {store.config.provider} cannot be materialised by us",
            hint="set provider: local in feature_store.yaml",
        )
    engine = provider.batch_engine
    if isinstance(engine, ProvenderEngine):
        return engine
    return ProvenderEngine(
        repo_config=store.config,
        offline_store=provider.offline_store,
        online_store=provider.online_store,
    )


def _before(resume: datetime, lookback: timedelta | None) -> datetime:
    """Return where to start to see again what is up to ``lookback`` older; never before the beginning."""
    return max(EPOCH, resume - lookback) if lookback and resume > EPOCH else resume


def _told(watcher: Watcher | None, view: str) -> "Told":
    if watcher is None:
        return {}
    return {
        "progress": lambda rows: watcher.advance(view, rows),
        "expect": lambda total, done: watcher.expect(view, total, done),
    }


class Told(TypedDict, total=False):
    """How an engine tells of one view's run."""

    progress: Progress
    expect: Expect


def _as_table(rows: pa.Table | pd.DataFrame) -> pa.Table:
    if isinstance(rows, pa.Table):
        return rows
    try:
        return pa.Table.from_pandas(rows, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InvalidInput(
            f"the rows cannot be read: {'; '.join(str(part) for part in error.args)}",
            hint="give every column values of one type",
        ) from error


def _encode(store: FeatureStore, view: FeatureView, rows: pa.Table, now: datetime) -> list[Encoded]:
    served = serve_view(view_spec(view))
    encoder = BatchEncoder(store.config.project, served)
    encoded = [encoder.encode(batch) for batch in rows.combine_chunks().to_batches()]
    if not encoded:
        return []
    event = _newest(rows, served.event_timestamp)
    if event is not None:
        created = _newest(rows, served.created_timestamp) if served.created_timestamp else None
        refuse_future(view.name, event, now, created=created)
    return encoded


def _newest(rows: pa.Table, column: str) -> datetime | None:
    """Return the latest instant in a column; None where there is none."""
    if column not in rows.column_names:
        return None
    instants = pc.cast(rows.column(column), pa.timestamp("us", "UTC"), safe=False)
    newest = pc.max(instants)
    return to_utc(newest.as_py()) if newest.is_valid else None


def _write(store: FeatureStore, view: FeatureView, batches: Sequence[Encoded]) -> Materialised:
    pairs = (pair for one in batches for pair in zip(one.keys, one.rows, strict=True))
    online = store_of(store.config)
    online.claim(store.config.project, serve_view(view_spec(view)), newest=True)
    done = online.write(pairs, expiry=expiry_of(store.config, view))
    skipped = sum(one.skipped for one in batches)
    read = skipped + done.written + done.kept
    gate.note_push(store.config, view, read=read, written=done.written)
    return Materialised(read, done.written, done.kept, skipped)
