"""The online store anew, from the latest version of everything, while it goes on answering."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from feast.feature_view import FeatureView

from provender import bootstrap
from provender.core.errors import NotFound
from provender.feast_plugin import collaborators
from provender.feast_plugin.definitions import open_store
from provender.feast_plugin.online import store_of
from provender.feast_plugin.parity import compare
from provender.feast_plugin.runs import engine_of, materialize, served_views
from provender.online.parity import Comparison
from provender.online.store import OnlineStore
from provender.online.upkeep import Materialized, Rebuilt, Watcher
from provender.settings import Settings


def rebuild(
    path: Path,
    *,
    settings: Settings,
    views: Sequence[str] = (),
    delete_orphans: bool = False,
    watcher: Watcher | None = None,
) -> Iterator[Rebuilt]:
    """Write every row of the applied views again, but for those that expired.

    Nothing is deleted before its successor is there, so lookups go on, but for rows that are ahead
    of time: nothing replaces those. Rows that were pushed and are newer stay. With
    ``delete_orphans`` those are deleted last that offline lacks, unless they change meanwhile; among
    them are rows that were pushed online only, if offline has newer ones of other keys. The serving
    manifest is published again from the catalog, where there is one.

    Raises:
        NotFound: the repository or a view is not there.
        Denied: the actor may not serve a column.
        Unavailable: the online store does not answer; running again is safe.
    """
    bootstrap.prepare_home(settings)
    with open_store(path, settings) as store:
        chosen, engine = served_views(store, views), engine_of(store)
        with collaborators.using(settings):
            online = store_of(store.config)
            publish_manifest(settings, store.project, online)
    for view in chosen:

        def write(view: FeatureView = view) -> tuple[Materialized, Comparison, int]:
            [run] = materialize(
                path,
                settings=settings,
                views=[view.name],
                force=True,
                skip_expired=True,
                watcher=watcher,
            )
            with collaborators.using(settings):
                comparison = compare(engine, view)
                deleted = sum(
                    online.drop(pairs) if delete_orphans else 0 for pairs in comparison.orphans()
                )
            comparison.parity.orphans = (comparison.parity.orphans or 0) - deleted
            return run, comparison, deleted

        run, comparison, deleted = write()
        if comparison.ahead:  # nothing replaces them
            online.drop(comparison.ahead)
            run, comparison, again = write()
            deleted += again
        yield Rebuilt(run, deleted, comparison.parity)


def publish_manifest(settings: Settings, project: str, online: OnlineStore) -> bool:
    """Give servers the manifest that the catalog recorded last; return whether there is one."""
    if not bootstrap.has_catalog(settings):
        return False
    try:
        manifest = collaborators.catalog(settings).records.serving_manifest(project)
    except NotFound:
        return False
    online.publish_manifest(manifest)
    return True
