"""The governed lake on SQLite, and where a test asks for it on PostgreSQL."""

from collections.abc import Iterator

import pytest

from provender.settings import Settings
from tests.exits.world import World, serving
from tests.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    settings = Settings(home=folder / "service", mode="governed", retrieve_megabytes=1)
    with serving(settings, folder) as world:
        yield world
