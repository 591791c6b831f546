"""Asking for access on the pages, and answering, without a script."""

from provender.core.names import DatasetRef
from provender.core.policy import Action, ColumnRef
from tests.web.conftest import ask
from tests.web.scenario import asks

FLIGHTS = DatasetRef.parse("aviation.flights")
TAILNUM = [ColumnRef("aviation.flights", "tailnum")]
WANTED = {
    "about": "dataset:aviation.flights",
    "columns": "tailnum",
    "action": "read",
    "purpose": "delay-prediction",
    "for": "",
    "until": "",
    "reason": "planes that come late leave late",
}


def test_who_is_refused_is_told_why_and_asks_with_what_they_would_see_before_them(people):
    max_ = people["max"]
    why = max_.get("/datasets/aviation.flights/why?columns=tailnum&purpose=delay-prediction")
    assert "Why you may not" in why.text
    assert "tagged personal.quasi_identifier" in why.text
    assert "person:sam" in why.text
    (link,) = (
        part.split('"')[0] for part in why.text.split('href="')[1:] if "/requests/new" in part
    )
    form = max_.get(link.replace("&amp;", "&"))
    assert "What you would see" in form.text
    facts = max_.get(link.replace("&amp;", "&").replace("/new?", "/new.json?")).json()
    assert [(c["column"], c["before"], c["after"]) for c in facts["columns"]] == [
        ("tailnum", False, True)
    ]
    made = max_.send("/requests/new", **WANTED)
    assert (made.status_code, made.headers["location"]) == (303, "/requests/r1")
    assert "Withdraw it" in max_.get("/requests/r1").text
    assert "Approve" not in max_.get("/requests/r1").text


def test_a_form_that_cannot_be_accepted_says_so_and_keeps_what_was_written(people):
    max_ = people["max"]
    for wrong, words in (
        ({"reason": ""}, "needs a reason"),
        ({"until": "soon"}, "is not a day"),
        ({"purpose": ""}, "has to name one purpose"),
        ({"until": "2020-01-01"}, "is over already"),
    ):
        answer = max_.send("/requests/new", **{**WANTED, **wrong})
        assert (answer.status_code, words in answer.text) == (422, True), words
        assert "selected>tailnum</option>" in answer.text
    assert max_.send("/requests/new", **{**WANTED, "columns": "tailnumber"}).status_code == 404
    assert max_.get("/requests.json").json()["requests"] == []


def test_a_steward_approves_from_the_inbox_and_it_is_effective_at_once(people):
    max_, sam = people["max"], people["sam"]
    request = asks(max_.catalog)
    inbox = sam.get("/inbox").text
    assert f'action="/requests/{request.id}/answer"' in inbox
    done = sam.send("/requests/r1/answer", step="approve", revision="1")
    assert (done.status_code, done.headers["location"]) == (303, "/requests/r1")
    page = sam.get("/requests/r1").text
    assert "approved" in page
    assert "g3" in page
    max_.catalog.permit(Action.READ, TAILNUM, purpose="delay-prediction")
    assert f'action="/requests/{request.id}/answer"' not in sam.get("/inbox").text
    late = sam.send("/requests/r1/answer", step="reject", revision="2", reason="no")
    assert (late.status_code, "already approved" in late.text) == (409, True)


def test_an_answer_to_what_was_not_shown_is_refused_and_a_rejection_is_read(people):
    max_, sam = people["max"], people["sam"]
    asks(max_.catalog)
    stale = sam.send("/requests/r1/answer", step="approve", revision="9")
    assert (stale.status_code, "is at revision 1, not 9" in stale.text) == (412, True)
    bare = sam.send("/requests/r1/answer", step="reject", revision="1", reason=" ")
    assert (bare.status_code, "needs a reason" in bare.text) == (422, True)
    assert sam.send("/requests/r1/answer", step="jump", revision="1").status_code == 404
    assert (
        sam.send("/requests/r1/answer", step="reject", revision="1", reason="no").status_code == 303
    )
    assert "no" in max_.get("/requests/r1.json").json()["request"]["answer"]
    other = ask(sam.app, "/requests/r1/answer", method="POST", content="step=approve", headers={})
    assert other.status_code == 403


def test_a_request_of_others_is_not_found(people):
    asks(people["max"].catalog)
    hidden = people["ana"].get("/requests/r1")
    absent = people["ana"].get("/requests/r2")
    assert hidden.status_code == absent.status_code == 404
    assert hidden.text.replace("r1", "r2") == absent.text
    assert (
        people["ana"].send("/requests/r1/answer", step="approve", revision="1").status_code == 404
    )


def test_what_is_open_is_said_to_be(people):
    sam = people["sam"]
    page = sam.get("/datasets/aviation.flights/why?action=publish")
    assert "You may" in page.text
    assert "Ask for it" not in page.text
    assert sam.get("/datasets/aviation.flights/why?action=jump").status_code == 404
    assert sam.get("/requests?state=lost").status_code == 404
