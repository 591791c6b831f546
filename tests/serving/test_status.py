"""What a server that wants to know who asks writes into its log, since it tells nobody."""

import asyncio
import json
import logging
from pathlib import Path

import pytest

from provender.online.embedded import EmbeddedServer
from provender.online.store import OnlineStore
from provender.online.tenure import Tenure
from provender.serving.callers import Bearers, Callers, Everybody
from provender.serving.messages import Request
from provender.serving.metrics import Metrics
from provender.serving.rights import Rights
from provender.serving.snapshot import Snapshots
from provender.serving.status import UNTOLD, Status


async def read(keys: list[bytes]) -> list[bytes | None]:
    """A store that answers."""
    return [None for _ in keys]


def status(store: OnlineStore, folder: Path, callers: type[Bearers] | None) -> Status:
    tenure = Tenure(store, "p")
    snapshots = Snapshots(store, "p", folder, lambda spec: lambda columns: columns, tenure=tenure)
    snapshots.refresh()
    asking: Callers = callers(tenure) if callers else Everybody()
    return Status(
        snapshots,
        Metrics(),
        read,
        dict,
        store=store.options.address,
        catalog_url=f"sqlite:///{folder / 'catalog.db'}",
        callers=asking,
        rights=Rights(tenure),
    )


def test_why_nothing_is_served_is_in_the_log_once_and_that_it_is_over(
    valkey: EmbeddedServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "provender.serving.status")
    gone = f"catalog: there is no file {tmp_path / 'catalog.db'}"
    with OnlineStore(valkey.url) as store:
        governed = status(store, tmp_path, Bearers)
        for _ in range(2):
            asyncio.run(governed.look())
        assert caplog.messages.count(gone) == 1
        assert any(said.startswith("snapshot: ") for said in caplog.messages)
        (tmp_path / "catalog.db").touch()
        asyncio.run(governed.look())
        assert caplog.messages[-1] == "catalog: it is well again"


def test_places_are_told_where_nobody_is_asked_only(valkey: EmbeddedServer, tmp_path: Path) -> None:
    asked = Request("GET", "/health")
    with OnlineStore(valkey.url) as store:
        told = {}
        for callers in (None, Bearers):
            made = status(store, tmp_path, callers)
            asyncio.run(made.look())
            answers = [asyncio.run(made.health(asked)), asyncio.run(made.ready(asked))]
            told[callers] = [json.loads(answer.body) for answer in answers]
    health, ready = told[None]
    assert str(tmp_path) in health["catalog"]["problem"]
    assert ready["problem"] not in ("", UNTOLD)
    assert told[Bearers] == [{"status": "unavailable"}, {"ready": False, "problem": UNTOLD}]
