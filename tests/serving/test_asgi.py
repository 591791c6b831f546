"""The same application, mounted as ASGI beside others."""

import asyncio
from pathlib import Path
from typing import Any

import httpx

from provender.online.embedded import EmbeddedServer
from provender.online.store import OnlineStore
from provender.serving.asgi import Asgi
from provender.serving.limits import Limits
from provender.serving.server import application
from tests.online.views import T0


async def lifespan(app: Asgi, asked: "asyncio.Queue[Any]", told: "asyncio.Queue[Any]") -> None:
    await app({"type": "lifespan"}, asked.get, told.put)


async def ask_all(app: Asgi, *requests: tuple[str, str, Any]) -> list[httpx.Response]:
    asked: asyncio.Queue[Any] = asyncio.Queue()
    told: asyncio.Queue[Any] = asyncio.Queue()
    living = asyncio.create_task(lifespan(app, asked, told))
    await asked.put({"type": "lifespan.startup"})
    assert await told.get() == {"type": "lifespan.startup.complete"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        answers = [await client.request(how, path, json=body) for how, path, body in requests]
    await asked.put({"type": "lifespan.shutdown"})
    assert await told.get() == {"type": "lifespan.shutdown.complete"}
    await living
    return answers


def test_it_answers_as_it_does_over_its_own_protocol(
    valkey: EmbeddedServer, filled: OnlineStore, tmp_path: Path
) -> None:
    limits = Limits(body_bytes=1000)
    make = application(valkey.url, home=tmp_path, repo=tmp_path, clock=T0, limits=limits)
    body = {"features": ["weather:temp"], "entities": {"origin": ["JFK"]}}
    found, unknown, head, wrong, large = asyncio.run(
        ask_all(
            Asgi(make()),
            ("POST", "/get-online-features", body),
            ("POST", "/get-online-features", {**body, "features": ["x:y"]}),
            ("HEAD", "/ready", None),
            ("GET", "/push", None),
            ("POST", "/push", {"x": "y" * 1000}),
        )
    )
    assert found.json()["results"][1]["values"] == [1.0]
    assert (unknown.status_code, "FeatureViewNotFound" in unknown.text) == (404, True)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 0
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert large.status_code == 413
