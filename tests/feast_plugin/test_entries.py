"""What a repository defines and saves appears in the catalog by itself, with where it comes from."""

from pathlib import Path

import pytest
from feast import FeatureStore

from provender.catalog.local import LocalCatalog
from provender.core.errors import NotFound
from provender.core.finding import Question
from provender.core.lineage import Node, NodeKind, defined_node, impact
from provender.feast_plugin.repo import apply, status
from provender.feast_plugin.storage import CatalogStorage
from provender.online.store import OnlineStore
from provender.settings import Settings
from tests.feast_plugin import governed
from tests.feast_plugin.governed import DEFINITIONS, MAX, repository
from tests.feast_plugin.test_storage import MAY_PUBLISH, SETS, declare, job

TRIPS = Node(NodeKind.DATASET, "shop.trips")
SAVED = defined_node(NodeKind.SAVED_DATASET, "trips", "mine")


def found(catalog: LocalCatalog, text: str) -> set[tuple[str, str]]:
    return {(hit.kind, hit.name) for hit in catalog.finder.search(Question(text=text)).hits}


def test_every_definition_is_an_entry_as_soon_as_it_is_applied(
    applied: Path, catalog: LocalCatalog
) -> None:
    assert applied.exists()
    assert ("entity", "driver") in found(catalog, "driver")
    assert ("feature-view", "trips") in found(catalog, "trips")
    assert ("on-demand-view", "scaled") in found(catalog, "scaled")
    assert ("feature-service", "service_v1") in found(catalog, "service_v1")


def test_a_column_leads_through_views_and_functions_to_the_service(
    applied: Path, catalog: LocalCatalog
) -> None:
    assert applied.exists()
    edges = catalog.finder.lineage(TRIPS, depth=9, columns=True).columns
    service = defined_node(NodeKind.SERVICE, "trips", "service_v1")
    assert {column for node, column in impact(TRIPS, "value", edges) if node == service} == {
        "trips:value",
        "scaled:scaled_value",
    }
    assert {column for node, column in impact(TRIPS, "driver_id", edges) if node == service} == {
        "driver_id"
    }


def test_what_was_saved_appears_once_the_status_is_asked(
    applied: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    declare(catalog, MAY_PUBLISH)
    store = FeatureStore(repo_path=str(applied))
    store.create_saved_dataset(job(store, "x"), "mine", CatalogStorage(str(SETS)))
    before = catalog.repo("trips")
    assert ("saved-dataset", "mine") not in found(catalog, "mine")
    assert status(applied, catalog, online, settings=settings).agrees
    assert ("saved-dataset", "mine") in found(catalog, "mine")
    after = catalog.repo("trips")
    [saved] = after.saved
    assert (saved.dataset, saved.join_keys) == (SETS, ("driver_id",))
    assert [str(ref) for ref in saved.features] == ["trips:value"]
    assert after.digest == before.digest
    around = catalog.finder.lineage(SAVED, depth=1, columns=True)
    assert [(str(e.upstream), str(e.downstream)) for e in around.edges] == [
        ("feature-view:trips/trips", str(SAVED)),
        (str(SAVED), f"dataset:{SETS}"),
    ]
    assert (TRIPS.name, "value") in {
        (e.upstream.name, e.column)
        for e in catalog.finder.lineage(SAVED, depth=9, columns=True).columns
    }


def test_who_may_not_define_is_told_of_what_was_saved_and_records_nothing(
    applied: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    declare(catalog, MAY_PUBLISH)
    store = FeatureStore(repo_path=str(applied))
    store.create_saved_dataset(job(store, "x"), "mine", CatalogStorage(str(SETS)))
    with governed.speaking_as(settings, MAX) as other:
        seen = status(applied, other, online, settings=settings)
        assert "not applied yet: add saved dataset mine" in seen.differences
    assert catalog.repo("trips").saved == ()
    applied_again = apply(applied, catalog, online, settings=settings)
    assert [str(change) for change in applied_again.changed] == ["add saved dataset mine"]
    assert ("saved-dataset", "mine") in found(catalog, "mine")


def test_what_is_removed_is_found_no_more_and_leads_nowhere(
    applied: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    declare(catalog, MAY_PUBLISH)
    store = FeatureStore(repo_path=str(applied))
    store.create_saved_dataset(job(store, "x"), "mine", CatalogStorage(str(SETS)))
    status(applied, catalog, online, settings=settings)
    store.registry.delete_saved_dataset("mine", "trips")
    without_service = "\n".join(
        line for line in DEFINITIONS.splitlines() if not line.startswith("service =")
    )
    repository(applied, definitions=without_service)
    done = apply(applied, catalog, online, settings=settings)
    assert {str(change) for change in done.changed} == {
        "remove feature service service_v1",
        "remove saved dataset mine",
    }
    for word in ("mine", "service_v1"):
        assert not {name for kind, name in found(catalog, word) if name == word}
    for gone in (SAVED, defined_node(NodeKind.SERVICE, "trips", "service_v1")):
        with pytest.raises(NotFound):
            catalog.finder.lineage(gone)
    assert "service_v1" not in str(catalog.finder.lineage(TRIPS, depth=9, columns=True))


def test_whose_project_it_is_stands_in_the_repository(
    repo: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    said = 'from feast import Project\n\nProject(name="trips", description="Who drives.", owner="team:models")\n'
    (repo / "project.py").write_text(said.replace("Project(name", "trips_project = Project(name"))
    apply(repo, catalog, online, settings=settings)
    known = catalog.repo("trips")
    assert (known.description, known.owner) == ("Who drives.", "team:models")
