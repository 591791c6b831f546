"""The API over a governed catalog on both databases, asked by any actor."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import httpx
import pytest

from tests.api.server import catalog_api
from tests.catalog.conftest import (
    clock,
    governed_postgresql,
    governed_sqlite,
    governed_url,
    postgres_template,
    sqlite_template,
)
from tests.catalog.world import Clock
from tests.postgres import postgres, postgres_url

__all__ = [
    "clock",
    "governed_postgresql",
    "governed_sqlite",
    "governed_url",
    "postgres",
    "postgres_template",
    "postgres_url",
    "sqlite_template",
]

Ask = Callable[[str], httpx.Client]


@pytest.fixture
def api(governed_url: str, clock: Clock) -> Iterator[str]:
    """The address of a server over a governed catalog."""
    with catalog_api(governed_url, clock=clock) as address:
        yield address


@pytest.fixture
def ask(api: str) -> Iterator[Ask]:
    """Gives an HTTP client that speaks for an actor."""
    with ExitStack() as opened:

        @cache
        def client(name: str) -> httpx.Client:
            token = {"authorization": f"Bearer person:{name}"}
            return opened.enter_context(httpx.Client(base_url=api, headers=token))

        yield client
