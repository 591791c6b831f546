"""The pages of erasures: for who governs, with the certificate as their twin, open to everybody's eyes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provender.catalog.checkpoints import Sealing
from provender.catalog.local import LocalCatalog
from provender.catalog.signing import Keys, is_attested
from provender.core.digest import canonical
from provender.core.erasure import Dropped, Erasure, Found
from provender.values import from_json
from tests.catalog.conftest import govern
from tests.catalog.world import FLIGHTS, HOURLY, NOW, manifest
from tests.web.browsing import SCREENSHOTS, listened, needs_chromium, opened, served, worth_hearing
from tests.web.conftest import Reader
from tests.web.test_browser import RULES

KEYS = ("a" * 64,)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("erasures")


@pytest.fixture(scope="module")
def url(folder: Path) -> str:
    """A catalog with an erasure that is done, and one that is not."""
    found = f"sqlite:///{folder / 'catalog.db'}"
    govern(found)
    sealing = Sealing(keys=Keys(folder / "keys"))
    with LocalCatalog(found, actor="person:ops", clock=lambda: NOW, sealing=sealing) as ops:
        for rows in (1, 2):
            ops.publish(FLIGHTS, manifest(rows))
        ops.publish(HOURLY, manifest(2, of=HOURLY, inputs=(FLIGHTS.at(2),)))
        gov = ops.as_actor("person:gov").erasures
        begun = gov.begin("tailnum", KEYS, key="k", reason="request 7", datasets=(str(FLIGHTS),))
        one = Found(dataset=str(FLIGHTS), erased=(1, 2), before=2, rows=1, files=2, size_bytes=99)
        gov.erase(begun.id, one)
        gov.finish(begun.id, online=[Dropped(project="delays", view="planes", keys=1)])
        gov.begin("tailnum", KEYS, key="k", reason="request 8")
    return found


@pytest.fixture(scope="module")
def gov(url: str) -> Iterator[Reader]:
    reader = Reader(url, "person:gov")
    yield reader
    reader.catalog.close()


def listing(gov: Reader) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = gov.get("/erasures.json").json()["erasures"]
    return found


def test_erasures_are_listed_the_last_first(gov: Reader, monkeypatch: pytest.MonkeyPatch):
    assert [(one["state"], one["reason"], one["versions"]) for one in listing(gov)] == [
        ("open", "request 8", 0),
        ("done", "request 7", 2),
    ]
    page = gov.get("/erasures").text
    assert all(f'href="/erasures/{one["id"]}"' in page for one in listing(gov))
    monkeypatch.setattr("provender.web.erasures.PER_PAGE", 1)
    first = gov.get("/erasures.json").json()
    rest = gov.get("/erasures.json", params={"after": first["next"]}).json()
    assert ([one["reason"] for one in rest["erasures"]], rest["next"]) == (["request 7"], None)


def test_the_twin_of_one_is_its_certificate(gov: Reader, folder: Path):
    going_on, done = listing(gov)
    facts = gov.get(f"/erasures/{done['id']}.json").json()
    certificate = from_json(Erasure, canonical(facts["certificate"]))
    assert is_attested(certificate, Keys(folder / "keys").public())
    page = gov.get(f"/erasures/{done['id']}").text
    assert "@1, @2" in page
    assert "delays/planes: 1" in page
    assert (
        f"provender erase --resume {going_on['id']}" in gov.get(f"/erasures/{going_on['id']}").text
    )


def test_others_are_refused_and_not_led_there(gov: Reader, url: str):
    ana = Reader(url, "person:ana")
    for path in ("/erasures", f"/erasures/{listing(gov)[0]['id']}", "/erasures/er_0"):
        assert ana.get(path).status_code == 403
    assert 'href="/erasures"' not in ana.get("/audit").text
    assert 'href="/erasures"' in gov.get("/audit").text
    assert gov.get("/erasures/er_0").status_code == 404
    ana.catalog.close()


@needs_chromium
def test_they_are_painted_without_complaint_and_open_to_everybody(gov: Reader, url: str):
    from axe_playwright_python.sync_playwright import Axe

    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    paths = {"erasures": "/erasures"} | {
        f"erasure-{one['state']}": f"/erasures/{one['id']}" for one in listing(gov)
    }
    with served(url, actor="person:gov") as address, opened() as browser:
        for theme in ("light", "dark"):
            page = browser.new_context(color_scheme=theme).new_page()
            complaints = listened(page)
            for name, path in paths.items():
                page.set_viewport_size({"width": 1280, "height": 800})
                page.goto(address + path)
                page.screenshot(path=SCREENSHOTS / f"{name}-{theme}.png", full_page=True)
                assert Axe().run(page, options=RULES[theme]).response["violations"] == [], path
                page.set_viewport_size({"width": 390, "height": 800})
                assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
            assert worth_hearing(complaints) == []
