"""The scenario's catalog on a real SQLite file, and its pages for any actor."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from starlette.applications import Starlette

from provender.catalog.local import LocalCatalog
from provender.web.app import application
from tests.web.clock import NOW
from tests.web.scenario import fill


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scenario in a file that nobody opens: to be copied."""
    path = tmp_path_factory.mktemp("filled") / "catalog.db"
    fill(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def scenario_url(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The scenario for everybody who only reads."""
    return copied(filled, tmp_path_factory.mktemp("web"))


def copied(filled: Path, folder: Path) -> str:
    """Return the URL of a copy of the scenario in ``folder``."""
    return f"sqlite:///{shutil.copy(filled, folder / 'catalog.db')}"


OURS = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
"""What a browser says of a form on our pages."""


class Reader:
    """Asks for pages as one actor, through ASGI, and sends their forms."""

    def __init__(self, url: str, actor: str) -> None:
        self.catalog = LocalCatalog(url, actor=actor, clock=lambda: NOW)
        self.app = application(self.catalog, clock=lambda: NOW)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return ask(self.app, path, **options)

    def send(self, path: str, **fields: str) -> httpx.Response:
        return ask(self.app, path, method="POST", content=urlencode(fields), headers=OURS)


def ask(app: Starlette, path: str, *, method: str = "GET", **options: Any) -> httpx.Response:
    """Return the answer of ``app``; an unforeseen error is an answer too.

    A form that is sent carries what our own pages put into it.
    """
    if (
        method == "POST"
        and isinstance(options.get("content"), str)
        and "csrf=" not in options["content"]
    ):
        visitor = app.state.visitors.known(None)
        options["content"] = f"csrf={visitor.csrf}&{options['content']}"

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, **options)

    return asyncio.run(request())


@pytest.fixture
def people(filled: Path, tmp_path: Path) -> Iterator[dict[str, Reader]]:
    """Some who change a scenario of their own."""
    url = copied(filled, tmp_path)
    found = {name: Reader(url, f"person:{name}") for name in ("ana", "max", "sam")}
    yield found
    for person in found.values():
        person.catalog.close()


@pytest.fixture(scope="session")
def as_actor(scenario_url: str) -> Iterator[Callable[[str], Reader]]:
    readers: dict[str, Reader] = {}

    def read_as(actor: str) -> Reader:
        if actor not in readers:
            readers[actor] = Reader(scenario_url, actor)
        return readers[actor]

    yield read_as
    for reader in readers.values():
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
