"""The audit page: narrowed, its chain told, in both forms."""

from pathlib import Path

import pytest

from provender.catalog.local import LocalCatalog
from provender.core.audit import EventKind
from provender.core.policy import Action, ColumnRef
from provender.core.tally import Matter
from provender.web.app import application
from tests.catalog.conftest import governed_sqlite, sqlite_template
from tests.catalog.sealed import sealing
from tests.catalog.world import FLIGHTS, NOW, manifest
from tests.tallies import batch, tally
from tests.web.conftest import ask

__all__ = ["governed_sqlite", "sqlite_template"]


@pytest.fixture
def site(governed_sqlite: str, tmp_path: Path):
    """The pages of a sealed catalog with a few decisions, as who governs sees them."""
    with LocalCatalog(
        governed_sqlite, actor="person:gov", clock=lambda: NOW, sealing=sealing(tmp_path)
    ) as gov:
        gov.as_actor("person:ops").publish(FLIGHTS, manifest(1))
        for _ in range(2):
            gov.as_actor("person:max").permit(
                Action.READ, [ColumnRef(str(FLIGHTS), "arr_delay")], purpose="report"
            )
        yield application(gov, clock=lambda: NOW)


def test_the_page_tells_what_was_signed_last_and_what_came_since(site):
    found = ask(site, "/audit.json").json()
    last = found["chain"]["last"]
    assert last["size"] + found["chain"]["since"] == found["events"][0]["sequence"]
    page = ask(site, "/audit").text
    assert last["key"] in page
    assert "2 since that you may read" in page
    proven = ask(site, "/audit.json?verify=1").json()["verified"]
    assert proven["whole"]
    assert "as 1 checkpoint says and 1 of the witness" in proven["message"]


def test_the_page_is_narrowed_by_purpose_verdict_and_time(site):
    def kinds(query: str) -> list[str]:
        return [event["kind"] for event in ask(site, f"/audit.json?{query}").json()["events"]]

    permitted = [EventKind.ACCESS_PERMIT] * 2
    assert kinds("purpose=report") == kinds("verdict=allow") == permitted
    assert kinds("verdict=deny") == kinds("until=2020-01-01") == kinds("purpose=delay") == []
    assert kinds("verdict=allow&since=2026-03-01") == permitted
    for query, says in (("verdict=maybe", "verdict"), ("since=soon", "instant")):
        assert says in ask(site, f"/audit?{query}").text


def test_lookups_are_told_with_how_many_they_were(governed_sqlite: str):
    matter = Matter(
        actor="service:shop",
        purpose="serving",
        project="shop",
        service="model",
        reasons={str(FLIGHTS): {"tailnum": "grant g9"}},
    )
    one = tally(
        matter,
        NOW,
        allowed=False,
        because="feature is closed",
        lookups=31,
        entities=62,
        last="a.31",
    )
    with LocalCatalog(governed_sqlite, actor="person:gov", clock=lambda: NOW) as gov:
        gov.records.tell_lookups(batch(one, digit="1"))
        site = application(gov, clock=lambda: NOW)
        page = ask(site, "/audit?actor=service:shop&verdict=deny").text
        [event] = ask(site, "/audit.json?actor=service:shop").json()["events"]
    assert (event["subject"], event["detail"]["lookups"]) == (str(FLIGHTS), 31)
    for told in ("service:shop", "access:deny", "grant g9", "feature is closed", "31", "62"):
        assert told in page


def test_of_an_unsigned_trail_the_page_says_so(as_actor):
    assert "Nothing was signed yet" in as_actor("person:lee").get("/audit").text
