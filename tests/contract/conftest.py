"""Every implementation of the catalog's Protocols there is, over every database there is."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from provender.catalog.local import LocalCatalog
from provender.client import HttpCatalog
from provender.core.protocols import Library
from tests.api.server import catalog_api
from tests.catalog.conftest import (
    clock,
    governed_postgresql,
    governed_sqlite,
    postgres_template,
    sqlite_template,
)
from tests.catalog.world import Clock
from tests.postgres import postgres, postgres_url
from tests.stress import STRESSED

__all__ = [
    "clock",
    "governed_postgresql",
    "governed_sqlite",
    "postgres",
    "postgres_template",
    "postgres_url",
    "sqlite_template",
]

Connect = Callable[[str], Library]
WAYS = ["local-postgresql", "http-sqlite"]
"""Each implementation, and each database; both ways to both in `make stress`."""
MORE_WAYS = ["local-sqlite", "http-postgresql"]


@pytest.fixture(params=[*WAYS, *MORE_WAYS] if STRESSED else WAYS)
def way(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def governed_url(request: pytest.FixtureRequest, way: str) -> str:
    found: str = request.getfixturevalue(f"governed_{way.partition('-')[2]}")
    return found


@pytest.fixture
def connect(way: str, governed_url: str, clock: Clock) -> Iterator[Connect]:
    """Connects an actor to a governed catalog: in this process, and through a real server."""
    with ExitStack() as opened:
        if way.startswith("local"):
            catalog = opened.enter_context(
                LocalCatalog(governed_url, actor="person:nobody", clock=clock)
            )

            @cache
            def connected(name: str) -> Library:
                return catalog.as_actor(f"person:{name}")

        else:
            api = opened.enter_context(catalog_api(governed_url, clock=clock))

            @cache
            def connected(name: str) -> Library:
                token = {"authorization": f"Bearer person:{name}"}
                catalog = HttpCatalog(api.removesuffix("/api/v1"), headers=token)
                return opened.enter_context(catalog)

        yield connected
