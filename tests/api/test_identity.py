"""Who asks, in a server that wants to know; and what a server says of itself to everybody."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from provender.api.app import OPERATIONS, description
from provender.asgi import app
from provender.bootstrap import local_catalog
from provender.catalog.local import LocalCatalog
from provender.client import HttpCatalog
from provender.core.errors import Misconfigured, Unauthenticated
from provender.core.identity import Mode
from provender.core.tokens import USUAL
from provender.settings import Settings
from tests.api.compatibility import SNAPSHOT, breaking, written
from tests.api.server import catalog_api, listening
from tests.catalog.world import Clock

GOVERNED = Mode(mode="governed")
WRONG = {
    "none": [],
    "no scheme": ["pvd_" + "a" * 43],
    "another scheme": ["Basic cGVyc29uOmFuYTpw"],
    "a name": ["Bearer person:gov"],
    "unknown": ["Bearer pvd_" + "a" * 43],
    "empty": ["Bearer"],
    "two": ["Bearer pvd_" + "a" * 43, "Bearer pvd_" + "b" * 43],
    "not text": [b"Bearer \xff\xfe"],
    "long": ["Bearer " + "a" * 9000],
    "no algorithm": ["Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJnb3YifQ."],
}


@pytest.fixture
def governed(governed_url: str, clock: Clock) -> Iterator[str]:
    with catalog_api(governed_url, clock=clock, governs=True) as address:
        yield address


def token(url: str, name: str, clock: Clock) -> str:
    with LocalCatalog(url, actor=f"person:{name}", clock=clock) as catalog:
        return catalog.keyring.create("test").secret


@pytest.mark.parametrize("wrong", WRONG)
def test_who_does_not_say_who_they_are_is_told_how(governed: str, wrong: str) -> None:
    headers = [("authorization", value) for value in WRONG[wrong]]
    for path in ("/actor", "/datasets?nothing=1", "/grants/g1", "/audit"):
        answer = httpx.get(f"{governed}{path}", headers=headers)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"] == 'Bearer realm="provender"'
        assert answer.json()["error"]["code"] == "unauthenticated"
    assert httpx.post(f"{governed}/permits", headers=headers, content=b"{").status_code == 401


def test_a_bearer_is_whom_the_token_is_for_until_it_is_over(
    governed: str, governed_url: str, clock: Clock
) -> None:
    secret = token(governed_url, "ana", clock)
    with HttpCatalog(governed.removesuffix("/api/v1"), token=secret) as catalog:
        assert catalog.actor.id == "person:ana"
        other = catalog.keyring.create("other").secret
        headers = {"authorization": f"bearer  {other}", "x-actor": "person:gov"}
        assert httpx.get(f"{governed}/actor", headers=headers).json()["id"] == "person:ana"
        catalog.keyring.revoke("t2")
        assert httpx.get(f"{governed}/actor", headers=headers).status_code == 401
        clock.advance(USUAL + timedelta(seconds=1))
        with pytest.raises(Unauthenticated, match="t1 of person:ana ended"):
            _ = catalog.actor


def test_an_answer_with_a_secret_is_kept_by_nothing_on_the_way(
    governed: str, governed_url: str, clock: Clock
) -> None:
    headers = {"authorization": f"Bearer {token(governed_url, 'ana', clock)}"}
    made = httpx.post(f"{governed}/tokens", headers=headers, json={"name": "x"})
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    assert made.headers["location"] == "/api/v1/tokens/t2"
    turned = httpx.post(f"{governed}/tokens/t2/rotate", headers=headers)
    assert (turned.status_code, turned.headers["cache-control"]) == (200, "no-store")
    keyed = headers | {"idempotency-key": "k"}
    again = httpx.post(f"{governed}/tokens", headers=keyed, json={"name": "x"})
    assert (again.status_code, "nothing is kept by a key" in again.text) == (422, True)


def test_the_mode_and_the_description_are_for_everybody(governed: str) -> None:
    told = httpx.get(f"{governed}/mode").json()
    assert told == {"mode": "governed", "anonymous": False, "sign_in": "", "public_host": ""}
    for path in ("/openapi.json", "/docs", "/docs.css"):
        assert httpx.get(f"{governed}{path}").status_code == 200


def test_nobody_may_look_around_where_a_setting_says_so(governed_url: str, clock: Clock) -> None:
    with catalog_api(governed_url, clock=clock, governs=True, anonymous=True) as address:
        assert httpx.get(f"{address}/actor").json()["id"] == "service:anonymous"
        seen = [one["name"] for one in httpx.get(f"{address}/datasets").json()["items"]]
        assert seen == ["aviation.flights", "aviation.weather", "aviation.weather_hourly"]
        column = {"dataset": "aviation.flights", "column": "arr_delay"}
        wanted = {"action": "read", "columns": [column], "purpose": "report"}
        refused = httpx.post(f"{address}/permits", json=wanted)
        assert refused.status_code == 403
        assert "outside the token's scope" in refused.json()["error"]["message"]
        assert httpx.post(f"{address}/tokens", json={"name": "x"}).status_code == 403
        wrong = {"authorization": "Bearer pvd_" + "a" * 43}
        assert httpx.get(f"{address}/actor", headers=wrong).status_code == 401


def test_a_description_asks_for_tokens_where_the_server_does() -> None:
    local, governed = description(), description(GOVERNED)
    assert "security" not in str(local["paths"])
    assert "securitySchemes" not in local["components"]
    open_to_all = {operation.name for operation in OPERATIONS if operation.open}
    assert open_to_all == {"get_mode"}
    for operation in OPERATIONS:
        told = governed["paths"][operation.path][operation.method.lower()]
        assert ("security" in told) == ("401" in told["responses"]) == (not operation.open)
        if not operation.open:
            del told["security"], told["responses"]["401"]
    del governed["components"]["securitySchemes"]
    assert written(governed) == written(local) == SNAPSHOT.read_text()
    assert breaking(local, description(GOVERNED)) == []


def test_a_local_server_says_so_and_is_reached_from_its_own_machine_only(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "state")
    with listening(app(settings)) as address:
        assert httpx.get(f"{address}/api/v1/mode").json()["mode"] == "local"
        assert "Local mode: everybody on this machine" in httpx.get(f"{address}/").text
    with pytest.raises(Misconfigured, match=r"everybody who reaches 0\.0\.0\.0 would be person:me"):
        app(settings, host="0.0.0.0")
    governed = settings.model_copy(update={"mode": "governed"})
    with pytest.raises(Misconfigured, match="tokens would travel in the clear"):
        app(governed, host="0.0.0.0")


def test_a_governed_server_shows_nobody_a_page_and_a_bearer_theirs(tmp_path: Path) -> None:
    public = "https://catalog.example.org"
    settings = Settings(home=tmp_path / "s", mode="governed", public_url=public)
    with local_catalog(settings) as catalog:
        secret = catalog.keyring.create("test").secret
    bearer = {"authorization": f"Bearer {secret}", "host": "catalog.example.org"}
    with listening(app(settings, host="0.0.0.0")) as address:
        for path in ("/", "/datasets", "/audit.json", "/inbox"):
            nobody = httpx.get(f"{address}{path}")
            assert nobody.status_code == (401 if path.endswith(".json") else 303), path
            assert "person:me" not in nobody.text
            known = httpx.get(f"{address}{path}", headers=bearer)
            assert known.status_code == 200, path
            assert "Local mode" not in known.text
        assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}
        other = bearer | {"host": "evil.example"}
        assert httpx.get(f"{address}/api/v1/actor", headers=other).status_code == 421
        assert httpx.get(f"{address}/api/v1/actor", headers=bearer).status_code == 200
