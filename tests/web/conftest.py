"""The scenario's catalog on a real SQLite file, and its pages for any actor."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from provender.catalog.local import LocalCatalog
from provender.web.app import application
from tests.web.scenario import NOW, fill


@pytest.fixture(scope="session")
def scenario_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('web') / 'catalog.db'}"
    fill(url)
    return url


class Reader:
    """Asks for pages as one actor, through ASGI."""

    def __init__(self, url: str, actor: str) -> None:
        self.catalog = LocalCatalog(url, actor=actor, clock=lambda: NOW)
        self.app = application(self.catalog, clock=lambda: NOW)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return ask(self.app, path, **options)


def ask(app: Starlette, path: str, *, method: str = "GET", **options: Any) -> httpx.Response:
    """Return the answer of ``app``; an unforeseen error is an answer too."""

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, **options)

    return asyncio.run(request())


@pytest.fixture
def as_actor(scenario_url: str) -> Iterator[Callable[[str], Reader]]:
    readers: list[Reader] = []

    def read_as(actor: str) -> Reader:
        readers.append(Reader(scenario_url, actor))
        return readers[-1]

    yield read_as
    for reader in readers:
        reader.catalog.close()


@pytest.fixture
def ana(as_actor: Callable[[str], Reader]) -> Reader:
    """A data scientist."""
    return as_actor("person:ana")


@pytest.fixture
def max_(as_actor: Callable[[str], Reader]) -> Reader:
    """An analyst with one grant."""
    return as_actor("person:max")


@pytest.fixture
def sam(as_actor: Callable[[str], Reader]) -> Reader:
    """The steward."""
    return as_actor("person:sam")
