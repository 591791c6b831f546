import re

import pytest

from provender.core.finding import FacetValue
from provender.web import facets
from tests.web.declared import ATTACK, DATASETS


def test_a_search_is_echoed_as_text(ana):
    answer = ana.get("/search", params={"q": f'"{ATTACK}'})
    assert answer.status_code == 200
    assert ATTACK not in answer.text


def test_the_first_page_counts_and_ranks_what_is_there(ana, sam):
    facts = ana.get("/index.json").json()
    counts = {name: value["documents"] for name, value in facts["counts"].items()}
    assert (counts["dataset"], counts["feature-view"], counts["feature-service"]) == (5, 2, 1)
    assert sam.get("/index.json").json()["counts"]["dataset"]["documents"] == 6
    assert {hit["name"] for hit in facts["begin_here"]} <= {s.ref.dataset for s in DATASETS}
    assert [value["value"] for value in facts["domains"]] == ["aviation"]


def test_the_first_page_begins_with_what_can_be_read(sam):
    named = [hit["name"] for hit in sam.get("/index.json").json()["begin_here"]]
    assert "aviation.unpublished" not in named
    assert "aviation.carriers" in named


def test_of_many_values_the_first_are_shown_with_how_many_there_are_besides():
    counted = {"owner": [FacetValue(value=f"team:t{n}", documents=n) for n in range(60)]}
    chosen = {"owner": ("team:t59",)}
    (facet,) = facets.facets("/datasets", counted, chosen, kept={})
    assert [choice.value for choice in facet.choices[:2]] == ["team:t59", "team:t0"]
    assert len(facet.choices) + facet.beyond == 60
    assert facet.beyond == 11


def test_facets_narrow_and_are_counted_within_what_one_may_discover(ana, sam):
    found = ana.get("/search.json", params={"q": "weather"}).json()
    owners = {value["value"]: value["documents"] for value in found["facets"]["owner"]}
    narrowed = ana.get("/search.json", params={"q": "weather", "owner": "team:flight-ops"}).json()
    assert narrowed["total"] == owners["team:flight-ops"] < found["total"]
    assert {hit["owner"] for hit in narrowed["hits"]} == {"team:flight-ops"}
    page = ana.get("/search", params={"q": "weather", "owner": "team:flight-ops"}).text
    assert 'aria-current="true"' in page
    assert '<input type="hidden" name="owner" value="team:flight-ops" form="search">' in page
    listed = sam.get("/datasets.json", params={"domain": "people"}).json()
    assert [one["name"] for one in listed["datasets"]] == ["people.salaries"]


def test_a_search_in_vain_offers_ways_on(ana):
    page = ana.get("/search", params={"q": "xyzzyqqq weather plugh", "owner": "person:nobody"})
    assert page.status_code == 200
    assert "Nothing that you may discover fits" in page.text
    assert "Take the choices away" in page.text
    assert "With a word less" in page.text


def test_what_was_searched_in_vain_is_said_once_in_the_inbox(ana, sam):
    assert ana.get("/search", params={"q": "qzxvk"}).status_code == 200
    page = sam.get("/inbox").text
    assert "<b>“qzxvk” was searched for" in page
    assert "<p>“qzxvk” was searched for" not in page


def test_the_first_page_shows_what_one_looks_after(ana, sam):
    assert ana.get("/index.json").json()["yours"] == []
    mine = [summary["name"] for summary in sam.get("/index.json").json()["yours"]]
    assert mine == sorted(mine)
    assert {"aviation.flights", "people.salaries"} <= set(mine)


def test_search_says_why_and_narrows_to_a_kind(ana):
    facts = ana.get("/search.json", params={"q": "late arrivals weather"}).json()
    assert {"aviation.weather", "aviation.tail_last"} <= {hit["name"] for hit in facts["hits"]}
    assert all(hit["why"] for hit in facts["hits"])
    narrowed = ana.get("/search.json", params={"q": "weather", "type": "feature-view"}).json()
    assert [hit["name"] for hit in narrowed["hits"]] == ["weather"]


def test_a_hit_on_a_column_leads_to_its_row(ana):
    page = ana.get("/search", params={"q": "arr_delay"}).text
    assert 'href="/datasets/aviation.flights?column=arr_delay#column-arr_delay"' in page
    assert 'id="column-arr_delay"' in ana.get("/datasets/aviation.flights").text


def test_who_types_gets_the_results_alone(ana):
    asked = {"HX-Request-Type": "partial", "HX-Source": "input#q"}
    part = ana.get("/search?q=weath", headers=asked)
    assert "<html" not in part.text
    assert "weather" in part.text
    assert "HX-Request-Type" in part.headers["vary"]


@pytest.mark.parametrize("instant", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"])
def test_an_instant_beyond_the_calendar_in_utc_is_refused_in_words(ana, instant):
    answer = ana.get("/search", params={"q": "weather", "as_of": instant})
    assert answer.status_code == 422
    assert "is not an instant" in answer.text


def test_an_instant_of_another_zone_is_asked_again_as_the_one_it_is(ana):
    page = ana.get("/search", params={"q": "weather", "as_of": "2026-11-22T15:30+02:00"})
    assert page.status_code == 200
    assert 'name="as_of" form="search" value="2026-11-22T13:30"' in page.text


def test_a_value_that_nothing_has_looks_as_one_that_is_hidden(ana, sam):
    def told(reader, domain):
        page = reader.get("/search", params={"q": "weather", "domain": domain}).text
        return re.findall(r"<p>(Nothing that you may see .*?)</p>", page)

    (hidden,), (absent,) = told(ana, "people"), told(ana, "poeple")
    assert hidden.replace("people", "poeple") == absent
    assert "aviation" in absent
    assert told(ana, "aviatoin") == [
        "Nothing that you may see is of domain &#39;aviatoin&#39;; did you mean aviation?"
    ]
    assert "did you mean people?" in told(sam, "poeple")[0]
    assert told(sam, "people") == []
