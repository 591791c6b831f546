"""How a definition changed: as far back as is looked, and no further."""

from dataclasses import replace
from datetime import timedelta

from provender.catalog.local import LocalCatalog
from tests.web.clock import NOW
from tests.web.conftest import Reader, copied
from tests.web.declared import GOVERNANCE, REPO


def applied(url: str, times: int) -> None:
    """Apply the project so many times more, each with another description of its service.

    Who applies it joins the team whose project it is: nobody else may.
    """
    (sam,) = (person for person in GOVERNANCE.people if person.id == "person:sam")
    with LocalCatalog(url, actor="person:lee", clock=lambda: NOW - timedelta(hours=13)) as gov:
        gov.desk.declare(replace(sam, teams=(*sam.teams, REPO.owner)))
    for number in range(times):
        at = NOW - timedelta(hours=12) + timedelta(minutes=number)
        with LocalCatalog(url, actor="person:sam", clock=lambda at=at: at) as catalog:
            first, *others = REPO.services
            said = replace(first, description=f"said for the {number}. time")
            catalog.record(replace(REPO, services=(said, *others)))


def test_what_was_defined_before_the_states_that_are_seen_was_not_defined_then(filled, tmp_path):
    url = copied(filled, tmp_path)
    applied(url, 12)
    reader = Reader(url, "person:ana")
    facts = reader.get("/features/weather.json?project=flights").json()
    page = reader.get("/features/weather?project=flights").text
    reader.catalog.close()
    assert facts["changes"] == []
    assert facts["older_changes"] is True
    assert "as far back as is looked here" in page


def test_the_first_state_of_all_is_when_a_view_was_defined(filled, tmp_path):
    url = copied(filled, tmp_path)
    applied(url, 3)
    reader = Reader(url, "person:ana")
    facts = reader.get("/features/weather.json?project=flights").json()
    reader.catalog.close()
    assert [one["words"] for one in facts["changes"]] == [["defined"]]
    assert facts["changes"][0]["at"].startswith("2026-11-22T12:00")
    assert facts["older_changes"] is False


def test_a_feature_that_a_view_has_not_is_said_not_to_be_there(ana):
    page = ana.get("/features/weather", params={"feature": "tmep"}).text
    assert "It has no feature &#39;tmep&#39;; did you mean temp?" in page
    computed = ana.get("/features/departure", params={"feature": "nothing_like_it"}).text
    assert "It has no feature &#39;nothing_like_it&#39;" in computed
    assert "It has no feature" not in ana.get("/features/weather", params={"feature": "temp"}).text
