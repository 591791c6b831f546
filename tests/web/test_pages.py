import re
from datetime import datetime
from html.parser import HTMLParser

import pytest

from provender.core.names import DatasetRef
from tests.web.clock import NOW
from tests.web.declared import ATTACK, REPO
from tests.web.scenario import many_versions

PAGES = (
    "/",
    "/search",
    "/search?q=late+arrivals+weather",
    "/search?q=weather&type=feature-view",
    "/search?q=weather&explain=1",
    "/suggest?q=wea",
    "/search?q=xyzzyqqq",
    "/datasets",
    "/datasets?domain=aviation&tag=source.bts",
    "/datasets/aviation.flights",
    "/datasets/aviation.tail_last",
    "/datasets/aviation.weather",
    "/datasets/aviation.unpublished",
    "/datasets/aviation.flights/column?name=arr_delay",
    "/datasets/aviation.flights/column?name=carrier",
    "/datasets/aviation.weather/column?name=wind_speed",
    "/datasets/aviation.flights/contract",
    "/datasets/aviation.flights/diff?from=1&to=2",
    "/datasets/aviation.flights/history",
    "/datasets/aviation.flights/versions",
    "/datasets/aviation.flights/versions/1",
    "/datasets/aviation.flights/versions/2",
    "/datasets/aviation.weather/versions/1",
    "/lineage?node=dataset%3Aaviation.tail_last",
    "/projects/flights",
    "/entities/origin",
    "/saved-datasets/late_2013?project=flights",
    "/inbox",
    "/inbox?kind=untagged",
    "/requests",
    "/policy",
    "/policy?without=everyone-discovers",
    "/datasets/aviation.flights/access",
    "/requests?state=open",
    "/requests/new?about=dataset:aviation.flights&columns=tailnum&purpose=reporting",
    "/requests/new?about=feature-service:flights/delay_v1",
    "/datasets/aviation.flights/why?columns=tailnum&purpose=reporting",
    "/tags",
    "/tags/personal.quasi_identifier",
    "/glossary",
    "/glossary?q=delay",
    "/glossary/late%20arrival",
    "/people/person:sam",
    "/people/team:flight-ops",
    "/features",
    "/features/weather",
    "/features/departure?project=flights",
    "/services/delay_v1",
    "/training-sets",
    "/training-sets/ts_",
    "/models",
    "/models/delay-model",
    "/audit",
    "/audit?verify=1&kind=features%3Aapply",
)
VOID = {"meta", "link", "img", "input", "br", "hr", "path", "rect", "circle"}
WRONG_PAGES = (
    ("/nowhere", 404, "there is no page /nowhere"),
    ("/datasets/aviation.flihgts", 404, "did you mean aviation.flights?"),
    ("/datasets/Aviation.flights", 422, "is not a dataset name"),
    ("/datasets/aviation.flights/versions/9", 404, "did you mean aviation.flights@2"),
    ("/datasets/aviation.flights/versions/0", 422, "is not a version"),
    ("/datasets/aviation.flights/versions/²", 422, "is not a version"),
    ("/features/wether", 404, "did you mean weather?"),
    ("/features/weather?project=nope", 404, "project"),
    ("/services/delay_v2", 404, "did you mean delay_v1?"),
    ("/training-sets/ts_ffffffffffffffff", 404, "training set"),
    ("/models/delay-modle", 404, "did you mean flights/delay-model?"),
    ("/models/delay-model?version=7", 404, "flights/delay-model@7"),
    ("/audit?kind=access%3Adenyy", 404, "did you mean access:deny?"),
    ("/audit?before=many", 422, "before="),
    ("/search?q=a&as_of=yesterday", 422, "is not an instant"),
    ("/datasets/aviation.flights/column?name=carier", 404, "did you mean carrier?"),
    ("/datasets/aviation.weather/contract", 404, "contract"),
    ("/datasets/aviation.flights/diff?from=1", 422, "two versions are needed"),
    ("/datasets/aviation.flights/diff?from=1&to=7", 404, "aviation.flights@7"),
    ("/datasets/aviation.flights?columns=0", 422, "columns="),
    ("/projects/flight", 404, "did you mean flights?"),
    ("/entities/orign", 404, "did you mean origin?"),
    ("/saved-datasets/late", 404, "saved dataset"),
    ("/inbox?kind=stael", 404, "did you mean stale?"),
    ("/lineage?node=aviation.flights", 422, "is not a node"),
    ("/tags/source.btss", 404, "did you mean source.bts?"),
    ("/glossary/late%20arival", 404, "did you mean late arrival?"),
    ("/people/person:samm", 404, "did you mean person:sam?"),
    ("/people/sam", 422, "is not an actor"),
)


class Reading(HTMLParser):
    """Collects what the tests look at; fails on tags that do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            implied = {"li", "td", "th", "tr", "p", "option", "dt", "dd"}
            while self.open[-1] != tag and self.open[-1] in implied:
                self.open.pop()
            assert self.open.pop() == tag

    def all(self, tag, name):
        return [attrs.get(name) for found, attrs in self.tags if found == tag]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_small_and_runs_only_our_two_scripts(ana, path):
    answer = ana.get(path)
    assert answer.status_code == 200, answer.text
    assert len(answer.content) < 100_000
    page = Reading(answer.text)
    attributes = {name for _, attrs in page.tags for name in attrs}
    assert not {name for name in attributes if name.startswith("on") or name == "style"}
    assert not {"iframe", "object", "style"} & {tag for tag, _ in page.tags}
    scripts = [attrs["src"] for tag, attrs in page.tags if tag == "script"]
    assert [src.partition("?")[0] for src in scripts] == ["/static/htmx.js", "/static/keys.js"]
    assert all("javascript:" not in (href or "") for href in page.all("a", "href"))
    identities = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(identities) == len(set(identities))


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_one_heading_a_language_and_a_name_for_every_field(ana, path):
    page = Reading(ana.get(path).text)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("h1") == 1
    assert tags.count("main") == 1
    assert page.all("html", "lang") == ["en"]
    labelled = set(page.all("label", "for"))
    for tag, attrs in page.tags:
        if tag in ("input", "select", "textarea") and attrs.get("type") != "hidden":
            named = "aria-label" in attrs or attrs.get("id") in labelled or attrs.get("name")
            assert named, attrs
        if tag == "img":
            assert "alt" in attrs
        if tag == "svg":
            assert attrs["role"] in ("img", "group")
            assert attrs["aria-label"]


def test_every_link_inside_leads_to_a_page(ana):
    ahead, seen = [*PAGES], set(PAGES)
    while ahead:
        answer = ana.get(ahead.pop())
        assert answer.status_code == 200, answer.url
        if answer.headers["content-type"].startswith("text/html"):
            links = {link.partition("#")[0] for link in Reading(answer.text).all("a", "href")}
            fresh = {
                link for link in links if link.startswith("/") and "/search?" not in link
            } - seen
            ahead += sorted(fresh)
            seen |= fresh
    assert len(seen) > 40


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_a_twin_in_json_that_it_links_to(ana, path):
    page = Reading(ana.get(path).text)
    (twin,) = [attrs["href"] for tag, attrs in page.tags if attrs.get("rel") == "alternate"]
    answer = ana.get(twin)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert isinstance(answer.json(), dict)


@pytest.mark.parametrize(("path", "status", "words"), WRONG_PAGES)
def test_a_wrong_address_is_answered_in_words_with_a_hint(ana, path, status, words):
    answer = ana.get(path)
    assert answer.status_code == status
    Reading(answer.text)
    assert words in answer.text.replace("&#39;", "'")
    head, _, query = path.partition("?")
    twin = ana.get(f"{head}.json?{query}")
    error = twin.json()["error"]
    assert (twin.status_code, error["status"]) == (status, status)
    assert words in f"{error['message']} {error['hint']}"


def test_what_people_wrote_is_shown_as_text_or_harmless_markdown(ana):
    page = ana.get("/datasets/aviation.weather").text
    assert ATTACK not in page
    assert "&lt;script&gt;" in page
    assert "<li>airports only</li>" in page
    assert 'href="https://example.com"' in page
    assert '<img src="https' not in page
    assert ATTACK not in ana.get("/datasets").text
    assert ATTACK not in ana.get("/features/tail_last").text


def test_a_dataset_page_tells_verified_from_stated(ana):
    facts = ana.get("/datasets/aviation.flights.json").json()
    assert [version["number"] for version in facts["versions"]] == [2, 1]
    latest = facts["versions"][0]
    assert latest["row_count"] == 435_352
    assert latest["compatibility"] == "compatible"
    assert latest["differences"] == ["column arr_delay (float64) is new"]
    tailnum = next(column for column in facts["schema"] if column["name"] == "tailnum")
    assert tailnum == {
        "name": "tailnum",
        "type": "string",
        "nullable": True,
        "tags": ["personal.quasi_identifier"],
        "description": "Registration of the aircraft.",
    }
    text = ana.get("/datasets/aviation.flights").text
    assert "435,352" in text
    assert "21.4 MB in 3 files" in text
    assert "Sam, data steward" in text


def test_a_dataset_page_says_what_you_may_read_and_whom_to_ask(ana, max_):
    def reach(reader):
        facts = reader.get("/datasets/aviation.flights.json").json()
        return {one["purpose"]: one for one in facts["reading"]}

    mine = reach(ana)
    assert mine["delay-prediction"]["closed"] == []
    assert mine["delay-prediction"]["because"] == ["rule delay-models-read"]
    assert [r["column"]["column"] for r in mine["reporting"]["closed"]] == ["tailnum"]
    assert "person:sam or team:flight-ops or person:lee can grant it" in mine["reporting"]["hint"]
    asks = (
        "provender access request aviation.flights --columns tailnum --purpose reporting --reason …"
    )
    assert mine["reporting"]["hint"].endswith(asks)
    assert mine["reporting"]["command"] == asks
    granted = reach(max_)["reporting"]
    assert granted["closed"] == []
    assert "grant g1" in granted["because"]


def test_grants_are_shown_to_those_they_concern_only(ana, max_, sam):
    def grants(reader):
        return reader.get("/datasets/aviation.flights.json").json()["grants"]

    assert grants(ana) == []
    assert [grant["id"] for grant in grants(max_)] == ["g1"]
    assert [grant["id"] for grant in grants(sam)] == ["g1"]


def test_a_version_page_lists_every_file_with_its_sha256(ana):
    facts = ana.get("/datasets/aviation.flights/versions/1.json").json()
    assert [file["path"] for file in facts["files"]] == [f"part-{n}.parquet" for n in range(3)]
    page = ana.get("/datasets/aviation.flights/versions/1").text
    for file in facts["files"]:
        assert file["sha256"].removeprefix("sha256:") in page


@pytest.mark.parametrize(
    "path",
    [
        "/datasets/people.salaries",
        "/datasets/people.salaries/versions/1",
        "/features/pay",
        "/services/payroll_v1",
    ],
)
def test_what_you_may_not_discover_is_not_found(ana, sam, path):
    assert ana.get(path).status_code == 404
    assert ana.get(f"{path}.json").status_code == 404
    assert sam.get(path).status_code == 200


@pytest.mark.parametrize("path", [*PAGES, "/datasets/aviation.tail_last/versions/1"])
def test_no_page_names_what_you_may_not_discover(ana, path):
    for answer in (ana.get(path), ana.get(twin(path))):
        assert "salar" not in answer.text
        assert "payroll" not in answer.text


def twin(path: str) -> str:
    head, mark, query = path.partition("?")
    return f"{'/index' if head == '/' else head}.json{mark}{query}"


def test_the_steward_sees_what_others_may_not(sam):
    facts = sam.get("/datasets/aviation.tail_last/versions/1.json").json()
    assert facts["inputs"] == ["aviation.flights@2", "people.salaries@1"]
    assert len(sam.get("/training-sets.json").json()["training_sets"]) == 2


def test_a_view_page_says_what_is_closed_online_and_why(ana):
    assert ana.get("/features/tail_last.json").json()["closed_online"] == {
        "tail_last:last_arr_epoch": "service:online may not serve "
        "aviation.tail_last.last_arr_epoch (no rule or grant, for purpose serving)"
    }
    computed = ana.get("/features/departure.json").json()["closed_online"]
    assert set(computed) == {"departure:minutes_since_arrival", "departure:hour_local"}
    assert computed["departure:hour_local"].startswith(
        "it is computed from tail_last:last_arr_epoch"
    )
    assert ana.get("/features/weather.json").json()["closed_online"] == {}


def test_lineage_goes_both_ways_without_versions_in_between(ana):
    facts = ana.get("/datasets/aviation.tail_last.json").json()["lineage"]
    assert [(n["name"], n["versions"]) for n in facts["upstream"]] == [("aviation.flights", [2])]
    below = {node["name"]: node["steps"] for node in facts["downstream"]}
    assert below["flights/tail_last"] == 1
    assert below["flights/delay_v1"] == 2
    assert any(name.startswith("ts_") for name in below)


def test_a_training_set_page_shows_pins_and_digests(ana):
    (listed,) = ana.get("/training-sets.json").json()["training_sets"]
    facts = ana.get(f"/training-sets/{listed['id']}.json").json()
    assert facts["pins"] == ["aviation.weather@1", "aviation.tail_last@1"]
    assert facts["manifest"]["repo_digest"] == REPO.digest
    page = ana.get(f"/training-sets/{listed['id']}").text
    assert "336,776 rows" in page
    assert 'href="/datasets/aviation.tail_last/versions/1"' in page


def test_the_audit_trail_is_filtered_paged_and_verified(as_actor):
    lee = as_actor("person:lee")
    everything = lee.get("/audit.json?verify=1").json()
    assert everything["verified"]["whole"] is True
    numbers = [event["sequence"] for event in everything["events"]]
    assert numbers == sorted(numbers, reverse=True)
    before = lee.get(f"/audit.json?before={numbers[2]}").json()["events"]
    assert [event["sequence"] for event in before][: len(numbers) - 3] == numbers[3:]
    grants = lee.get("/audit.json?kind=access:grant").json()["events"]
    assert [event["subject"] for event in grants] == ["aviation.tail_last", "aviation.flights"]
    assert lee.get("/audit.json?actor=person:nobody").json()["events"] == []


def test_an_analyst_reads_their_own_events_only(max_):
    assert max_.get("/audit.json").json()["events"] == []


def test_many_versions_fit_a_page(filled, tmp_path):
    from tests.web.conftest import Reader, copied

    steward = Reader(copied(filled, tmp_path), "person:sam")
    many_versions(steward.catalog, 60)
    answer = steward.get("/datasets/aviation.carriers")
    assert answer.status_code == 200
    assert len(answer.content) < 100_000
    assert steward.catalog.resolve(DatasetRef.parse("aviation.carriers")).number == 61
    steward.catalog.close()


def test_an_empty_catalog_says_how_to_begin(tmp_path):
    from tests.web.conftest import Reader

    reader = Reader(f"sqlite:///{tmp_path / 'catalog.db'}", "person:me")
    for path in ("/", "/datasets", "/features", "/training-sets", "/audit", "/search?q=weather"):
        answer = reader.get(path)
        assert answer.status_code == 200, path
        Reading(answer.text)
    assert "provender governance apply" in reader.get("/").text
    reader.catalog.close()


def test_instants_on_pages_are_exact_and_in_utc(ana):
    found = re.findall(r'<time datetime="([^"]+)"', ana.get("/datasets/aviation.flights").text)
    assert found
    assert all(datetime.fromisoformat(text).utcoffset() == NOW.utcoffset() for text in found)


def test_a_version_page_says_who_has_read_it(ana):
    facts = ana.get("/datasets/aviation.weather/versions/1.json").json()
    (made,) = ana.get("/training-sets.json").json()["training_sets"]
    assert made["id"] in [consumer["name"] for consumer in facts["consumers"]]
    page = ana.get("/datasets/aviation.weather/versions/1").text
    assert f'href="/training-sets/{made["id"]}"' in page
    assert (
        "Nobody, as far as the catalog was told"
        in ana.get("/datasets/aviation.flights/versions/1").text
    )
