"""Whether the online store of a Feast repository has what materialising it would write."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from feast.feature_view import FeatureView

from provender import bootstrap
from provender.core.clock import utc_now
from provender.feast_plugin import collaborators
from provender.feast_plugin.definitions import open_store
from provender.feast_plugin.engine import ProvenderEngine
from provender.feast_plugin.online import store_of
from provender.feast_plugin.runs import engine_of, served_views
from provender.offline.latest import latest_rows
from provender.online.parity import Comparison, Parity
from provender.online.script import FOREVER
from provender.online.upkeep import Watcher
from provender.settings import Settings


def verify(
    path: Path,
    *,
    settings: Settings,
    views: Sequence[str] = (),
    sample: int | None = None,
    watcher: Watcher | None = None,
) -> Iterator[Parity]:
    """Compare each applied view's rows online with the latest ones offline; yield what is found.

    ``sample`` compares about so many keys of each view, evenly spread, and looks for no orphans.

    Raises:
        NotFound: the repository or a view is not there.
        Denied: the actor may not serve a column.
        Unavailable: the online store does not answer.
    """
    bootstrap.prepare_home(settings)
    with open_store(path, settings) as store:
        chosen, engine = served_views(store, views), engine_of(store)
    for view in chosen:
        with collaborators.using(settings):
            comparison = compare(engine, view, sample=sample, watcher=watcher)
            if sample is None:
                for _ in comparison.orphans():
                    pass
        yield comparison.parity


def compare(
    engine: ProvenderEngine,
    view: FeatureView,
    *,
    sample: int | None = None,
    watcher: Watcher | None = None,
) -> Comparison:
    """Return the comparison of a view's stored rows with all that are known by now, or a sample."""
    config, work = engine.repo_config, engine.work(view)
    permit, now = work.permit(engine.purpose), work.terms.settings.now()
    comparison = Comparison(
        store_of(config), config.project, work.served, now, work.expiry or FOREVER
    )
    with latest_rows(
        work.terms.materialization, work.join, permit, start=None, end=now, now=utc_now()
    ) as latest:
        step = max(1, latest.total // sample) if sample else 1
        comparison.parity.keys = latest.total
        if watcher is not None:
            watcher.expect(view.name, latest.total, 0)
        first = 0
        for batch in latest.batches():
            comparison.compare(_every(batch, step, first))
            first += batch.num_rows
            if watcher is not None:
                watcher.advance(view.name, batch.num_rows)
    return comparison


def _every(batch: pa.RecordBatch, step: int, first: int) -> pa.RecordBatch:
    """Return every ``step``-th row of ``batch``, whose first row is row ``first`` of all."""
    if step == 1:
        return batch
    return batch.take(pa.array(range(-first % step, batch.num_rows, step), pa.int64()))
