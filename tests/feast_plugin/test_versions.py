"""Feast numbers the definitions of a view; servers tell the number to those who ask."""

from pathlib import Path

from provender.catalog.local import LocalCatalog
from provender.feast_plugin.definitions import open_store
from provender.feast_plugin.repo import apply, status
from provender.online.store import OnlineStore
from provender.settings import Settings
from tests.feast_plugin.governed import DEFINITIONS, repository


def test_servers_are_told_the_version_that_feast_gave_a_view(
    repo: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    def versions(definitions: str) -> tuple[int, int]:
        repository(repo, definitions=definitions)
        applied = apply(repo, catalog, online, settings=settings)
        published = online.manifest("trips")
        assert published is not None
        assert status(repo, catalog, online, settings=settings).agrees
        with open_store(repo, settings) as store:
            feasts = store.get_feature_view("trips").current_version_number
        assert (feasts or 0) == published.view("trips").version
        return published.view("trips").version, len(applied.changed)

    fewer = DEFINITIONS.replace(', Field(name="rating", dtype=Float64)', "")
    assert versions(fewer)[0] == 0
    assert versions(DEFINITIONS)[0] == 1
    assert versions(DEFINITIONS) == (1, 0)
    assert versions(fewer)[0] == 2
