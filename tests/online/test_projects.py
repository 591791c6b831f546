"""T28: of two projects in one store each can go without the other, whatever they are called."""

from dataclasses import replace

import pytest

from provender.online.store import OnlineStore
from tests.online.test_store import ROWS, VIEW, key
from tests.online.views import T0, manifest


@pytest.mark.parametrize("gone", ["risk", "fraud_risk"])
def test_of_two_projects_in_one_store_deleting_one_leaves_all_of_the_other(
    store: OnlineStore, gone: str
) -> None:
    """The name of one ends with that of the other, and a view is called so, too."""
    projects, views = ("risk", "fraud_risk"), ("weather", "weather_hourly", "risk")
    keys = {
        project: [key(project, n, name) for name in views for n in range(300)]
        for project in projects
    }
    for project in projects:
        served = [replace(VIEW, name=name) for name in views]
        for one in served:
            store.claim(project, one)
        pairs = [(at, ROWS.encode(at, {"x": n}, T0)) for n, at in enumerate(keys[project])]
        store.write(pairs)
        store.publish_manifest(manifest(*served, project=project))
    (kept,) = set(projects) - {gone}
    before = (store.read(keys[kept]), store.manifest(kept))
    assert None not in before[0]
    assert store.delete(gone) == len(keys[gone])
    assert (store.read(keys[kept]), store.manifest(kept)) == before
    assert [store.count(kept, name) for name in views] == [300] * len(views)
    assert set(store.read(keys[gone])) == {None}
    assert (store.count(gone), store.manifest(gone), store.projects()) == (0, None, [kept])
