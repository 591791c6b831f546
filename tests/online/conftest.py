"""A real Valkey for the whole run, emptied before each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from provender.online.embedded import EmbeddedServer, embedded_server
from provender.online.store import OnlineStore


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with embedded_server(tmp_path_factory.mktemp("online")) as running:
        yield running


@pytest.fixture
def store(server: EmbeddedServer) -> Iterator[OnlineStore]:
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    with OnlineStore(server.url) as opened:
        yield opened


@pytest.fixture
def golden() -> Path:
    return Path(__file__).parent / "golden"
