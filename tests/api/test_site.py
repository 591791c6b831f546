"""The API beside the pages, as our server has them: one catalog, one port."""

from pathlib import Path

import httpx
import pytest

from provender.asgi import app
from provender.bootstrap import local_catalog
from provender.core.errors import Misconfigured
from provender.core.governance import Governance
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.settings import Settings
from tests.api.server import listening


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_pages_and_api_are_on_one_port_and_the_api_for_this_machine_only(
    tmp_path: Path, host: str
) -> None:
    public = "http://127.0.0.1:8400"
    settings = Settings(home=tmp_path / "state", actor="person:sam", public_url=public)
    with listening(app(settings, host=host)) as address:
        assert httpx.get(f"{address}/datasets").headers["content-type"].startswith("text/html")
        assert httpx.get(f"{address}/api/v1/datasets").json() == {"items": [], "next": None}
        assert httpx.get(f"{address}/api/v1/actor").json()["id"] == "person:sam"
        told = httpx.get(f"{address}/api/v1/openapi.json").json()
        assert told["servers"] == [{"url": "/api/v1"}]
        named = {"authorization": "Bearer person:gov", "x-actor": "person:gov"}
        assert httpx.get(f"{address}/api/v1/actor", headers=named).json()["id"] == "person:sam"
        other = httpx.get(f"{address}/api/v1/actor", headers={"host": "catalog.example"})
        assert other.status_code == 421
        for path in ("/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/pro\njects"):
            unknown = httpx.get(f"{address}{path}".replace("\n", "%0A"))
            assert unknown.json()["error"]["code"] == "not-found", path


def test_another_sites_page_leaves_nothing_in_the_inbox_and_reads_no_numbers(
    tmp_path: Path,
) -> None:
    image = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    frame = {**image, "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
    link = {**frame, "sec-fetch-dest": "document"}
    settings = Settings(home=tmp_path / "state", actor="person:sam")
    governs = Rule(id="govern", actors=("person:sam",), actions=(Action.GOVERN,))
    with local_catalog(settings) as catalog:
        catalog.desk.apply(Governance(people=(Person(id="person:sam"),), rules=(governs,)))
    with listening(app(settings)) as address:
        for headers, status in ((image, 403), (frame, 403), (link, 200)):
            for path in ("/api/v1/search?q=spam", "/search?q=spam", "/metrics"):
                answer = httpx.get(f"{address}{path}", headers=headers)
                assert answer.status_code == status, (path, headers)
            found = httpx.get(f"{address}/api/v1/inbox?kind=zero-result").json()["items"]
            assert len(found) == (status == 200)
        evil = httpx.get(f"{address}/metrics", headers={"host": "evil.example"})
        assert (evil.status_code, "provender" in evil.text) == (421, False)


def test_a_service_is_not_served_again(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="is a service, and this needs its database"):
        app(Settings(home=tmp_path, catalog_url="http://127.0.0.1:8400"))
