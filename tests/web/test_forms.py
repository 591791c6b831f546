"""What stewards change through forms: who may send one, what is refused, what two do at once."""

from urllib.parse import urlencode

import pytest

from provender.catalog.local import LocalCatalog
from provender.core.editing import Edit
from provender.core.errors import Recalled
from provender.core.lifecycle import State
from provender.core.names import DatasetRef
from provender.web.app import application
from tests.web.clock import NOW
from tests.web.conftest import OURS, ask, copied

FLIGHTS = DatasetRef.parse("aviation.flights")


class Steward:
    """Sam, who fills forms in."""

    def __init__(self, url: str) -> None:
        self.catalog = LocalCatalog(url, actor="person:sam", clock=lambda: NOW)
        self.app = application(self.catalog, clock=lambda: NOW)

    def fields(self, name: str = "aviation.flights") -> dict[str, str]:
        facts = ask(self.app, f"/datasets/{name}/edit.json").json()
        kept = {"revision": str(facts["revision"]), "changed_at": facts["changed_at"]}
        return {**facts["fields"], **kept}

    def send(self, path: str, fields: dict[str, str], headers: dict[str, str] | None = None):
        asked = OURS if headers is None else headers
        return ask(self.app, path, method="POST", content=urlencode(fields), headers=asked)

    def save(self, fields: dict[str, str]):
        return self.send("/datasets/aviation.flights/edit", fields)

    @property
    def entry(self):
        return self.catalog.finder.entry(FLIGHTS)


@pytest.fixture
def sam(filled, tmp_path):
    steward = Steward(copied(filled, tmp_path))
    yield steward
    steward.catalog.close()


def test_a_form_changes_what_is_said_and_leads_back(sam):
    before = sam.entry
    fields = sam.fields() | {
        "description": "Flights of New York.",
        "tags": "source.bts, quality.level=gold",
        "tags:carrier": "source.bts",
        "describes:arr_delay": "Minutes late.",
        "terms": "",
        "deputies": "",
        "reason": "said shorter",
    }
    answer = sam.save(fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/datasets/aviation.flights")
    said = sam.entry.dataset
    assert said.description == "Flights of New York."
    assert said.tags == ("source.bts", "quality.level=gold")
    assert said.column_tags["carrier"] == ("source.bts",)
    assert said.column_descriptions["arr_delay"] == "Minutes late."
    assert said.column_descriptions["tailnum"] == before.dataset.column_descriptions["tailnum"]
    assert (said.terms, said.deputies, said.stewards) == ((), (), ("person:sam",))
    assert sam.entry.revision == before.revision + 1
    told = ask(sam.app, "/datasets/aviation.flights/history.json").json()["states"][0]
    assert (told["by"], told["reason"]) == ("person:sam", "said shorter")
    assert {change["field"] for change in told["changes"]} == {
        "Description",
        "Tags",
        "Tags of carrier",
        "Description of arr_delay",
        "Terms of the glossary",
        "Deputies",
    }


def test_a_form_that_changes_nothing_is_no_revision(sam):
    before = sam.entry
    assert sam.save(sam.fields() | {"reason": ""}).status_code == 303
    assert sam.entry == before


@pytest.mark.parametrize(
    ("wrong", "field", "words"),
    [
        ({"tags": "source.btss"}, "tags", "did you mean source.bts?"),
        ({"owner": "team:nobody"}, "owner", "is not declared"),
        ({"links": "javascript:alert(1)"}, "links", "write https://"),
        ({"description": ""}, "description", "a dataset needs one"),
        ({"terms": "earliness"}, "terms", "is not in the glossary"),
    ],
)
def test_what_cannot_be_accepted_is_said_beside_its_field_and_kept(sam, wrong, field, words):
    answer = sam.save(sam.fields() | wrong | {"documentation": "a long text of mine"})
    assert answer.status_code == 422
    assert words in answer.text
    head = answer.text.partition(f'id="{field}"')[2]
    assert 'aria-invalid="true"' in head.partition(">")[0]
    assert "a long text of mine" in answer.text
    assert sam.entry.dataset.documentation != "a long text of mine"


def test_what_two_changed_at_once_is_shown_side_by_side_and_nothing_is_lost(sam):
    stale = sam.fields()
    theirs = Edit(description="Theirs.", column_descriptions={"carrier": "Theirs too."})
    sam.catalog.desk.edit(FLIGHTS, theirs, expected=sam.entry.revision)
    answer = sam.save(stale | {"description": "Mine.", "documentation": "Only mine."})
    assert answer.status_code == 412
    assert sam.entry.dataset.description == "Theirs."
    assert "<code>Theirs.</code>" in answer.text
    assert "<code>Mine.</code>" in answer.text
    assert answer.text.count("now in the catalog") == 1
    again = ask(sam.app, "/datasets/aviation.flights/edit.json").json()
    merged = stale | {
        "description": "Mine.",
        "documentation": "Only mine.",
        "describes:carrier": "Theirs too.",
        "revision": str(again["revision"]),
    }
    for field in ("documentation", "describes:carrier"):
        assert merged[field] in answer.text
    assert sam.save(merged).status_code == 303
    said = sam.entry.dataset
    assert (said.description, said.documentation) == ("Mine.", "Only mine.")
    assert said.column_descriptions["carrier"] == "Theirs too."


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"origin": "http://localhost"}, 303),
        ({"sec-fetch-site": "cross-site", "origin": "http://evil.example"}, 403),
        ({"sec-fetch-site": "same-site", "origin": "http://localhost"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "http://localhost"}, 403),
        ({"origin": "http://localhost:81"}, 403),
        ({"origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_only_forms_of_our_own_pages_are_taken(sam, headers, status):
    before = sam.entry
    fields = sam.fields() | {"description": "From somewhere."}
    kind = {"content-type": OURS["content-type"]}
    answer = sam.send("/datasets/aviation.flights/edit", fields, headers=kind | headers)
    assert answer.status_code == status
    assert (sam.entry == before) is (status == 403)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ('{"revision": 1}', "application/json"),
        ("revision=1", OURS["content-type"]),
        ("revision=%ff", OURS["content-type"]),
        ("a=1&" * 6_000, OURS["content-type"]),
        ("description=" + "x" * 1_000_001, OURS["content-type"]),
    ],
)
def test_what_is_no_form_of_ours_is_refused_in_words(sam, content, kind):
    answer = ask(
        sam.app,
        "/datasets/aviation.flights/edit",
        method="POST",
        content=content,
        headers={"content-type": kind, "sec-fetch-site": "same-origin"},
    )
    assert answer.status_code == 422
    assert "hint" in answer.text


def test_who_does_not_steward_gets_neither_the_form_nor_its_deed(sam, tmp_path):
    url = f"sqlite:///{tmp_path / 'catalog.db'}"
    with LocalCatalog(url, actor="person:max", clock=lambda: NOW) as catalog:
        app = application(catalog, clock=lambda: NOW)
        assert ask(app, "/datasets/aviation.flights/edit").status_code == 403
        assert "/edit" not in ask(app, "/datasets/aviation.flights").text
        body = urlencode(sam.fields() | {"description": "Max was here."})
        answer = ask(
            app, "/datasets/aviation.flights/edit", method="POST", content=body, headers=OURS
        )
        assert answer.status_code == 403
    assert "Max" not in sam.entry.dataset.description


def test_a_recalled_version_says_why_on_its_page_and_is_not_read_any_more(sam):
    path = "/datasets/aviation.flights/versions/2"
    told = {"revision": str(sam.entry.revision), "step": "recall", "severity": "refuse"}
    assert sam.send(f"{path}/state", told | {"reason": ""}).status_code == 422
    answer = sam.send(f"{path}/state", told | {"reason": "doubled rows", "replacement": "1"})
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    facts = ask(sam.app, f"{path}.json").json()
    assert (facts["state"], facts["state_reason"]) == (State.RECALLED, "doubled rows")
    page = ask(sam.app, path).text
    assert "Readers are refused" in page
    assert 'href="/datasets/aviation.flights/versions/1"' in page
    with pytest.raises(Recalled):
        sam.catalog.resolve(FLIGHTS.at(2))
    assert ask(sam.app, "/datasets/aviation.flights.json").json()["latest"] == 1
    assert sam.send(f"{path}/state", told | {"step": "sing"}).status_code == 404


def test_a_settled_task_waits_no_more(sam):
    (first, *rest) = ask(sam.app, "/inbox.json").json()["tasks"]
    answer = sam.send(f"/inbox/{first['id']}/settle", {"revision": str(first["revision"])})
    assert (answer.status_code, answer.headers["location"]) == (303, "/inbox")
    assert ask(sam.app, "/inbox.json").json()["tasks"] == rest
    unread = sam.send(f"/inbox/{rest[0]['id']}/settle", {"revision": "many"})
    assert unread.status_code == 422
    again = sam.send(f"/inbox/{first['id']}/settle", {"revision": str(first["revision"])})
    assert again.status_code == 404


def test_a_former_name_leads_to_the_dataset_for_good(sam):
    kept = {"revision": str(sam.entry.revision)}
    assert sam.send("/datasets/aviation.flights/rename", kept | {"to": "x"}).status_code == 422
    answer = sam.send("/datasets/aviation.flights/rename", kept | {"to": "aviation.us_flights"})
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/datasets/aviation.us_flights",
    )
    moved = ask(sam.app, "/datasets/aviation.flights")
    assert (moved.status_code, moved.headers["location"]) == (
        308,
        "/datasets/aviation.us_flights",
    )
    assert "It was called aviation.flights before" in ask(sam.app, moved.headers["location"]).text
    assert ask(sam.app, "/datasets/aviation.flights/versions/1").status_code == 200
