"""The policy in words, what would be without a rule, and who may read a dataset."""

import pytest

from provender.catalog.local import LocalCatalog
from provender.core.policy import Action, ColumnRef, Rule
from provender.web.app import application
from provender.web.policy import sentence
from tests.web.clock import NOW
from tests.web.conftest import ask, copied


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            Rule(id="r", actors=("anyone",), actions=(Action.DISCOVER,)),
            "everybody may discover any dataset for any purpose",
        ),
        (
            Rule(
                id="r",
                actors=("team:a", "person:b"),
                actions=(Action.READ, Action.SERVE),
                datasets=("x.*", "y.z"),
                purposes=("count",),
                tags=("personal",),
            ),
            "team:a and person:b may read and serve x.* and y.z for count, "
            "with columns tagged personal",
        ),
    ],
)
def test_a_rule_is_a_sentence(rule, words):
    assert sentence(rule) == words


def test_what_would_be_without_a_rule_is_told_to_who_governs(filled, tmp_path):
    url = copied(filled, tmp_path)
    path = "/policy.json?without=delay-models-read"
    with LocalCatalog(url, actor="person:lee", clock=lambda: NOW) as catalog:
        app = application(catalog, clock=lambda: NOW)
        found = ask(app, path).json()["simulation"]
        page = ask(app, "/policy?without=delay-models-read").text
        same = ask(app, "/policy.json?without=weather-is-served").json()["simulation"]
    assert [one["question"]["actor"] for one in found["losses"]] == ["person:ana", "person:ana"]
    assert found["gaining"] == 0
    assert "would lose" in page
    assert "Would lose" in page
    assert (same["losing"], same["decisions"] > 0) == (0, True)
    with LocalCatalog(url, actor="person:max", clock=lambda: NOW) as catalog:
        app = application(catalog, clock=lambda: NOW)
        told = ask(app, path).json()
        assert told["simulation"] is None
        assert "person:max may not" in told["refused"]
        assert ask(app, "/policy?without=nothing").status_code == 404


def test_a_steward_sees_who_may_read_a_dataset_and_others_what_is_theirs(filled, tmp_path):
    url = copied(filled, tmp_path)
    path = "/datasets/aviation.flights/access.json"
    with LocalCatalog(url, actor="person:sam", clock=lambda: NOW) as catalog:
        facts = ask(application(catalog, clock=lambda: NOW), path).json()
        page = ask(application(catalog, clock=lambda: NOW), path.removesuffix(".json")).text
        tailnum = [ColumnRef("aviation.flights", "tailnum")]
        for one in facts["rights"]:
            decision = catalog.records.decide(
                Action.READ, tailnum, purpose=one["purpose"], actor=one["actor"]
            )
            assert decision.allowed is ("tailnum" in one["open"]), one
    mine = [one for one in facts["rights"] if one["actor"] == "person:max"]
    (granted,) = (one for one in mine if "tailnum" in one["open"])
    assert (granted["purpose"], granted["until"][:10]) == ("reporting", "2026-12-23")
    assert "grant g1" in granted["because"]
    assert {one["actor"] for one in facts["rights"]} >= {"person:ana", "person:max"}
    assert "grant g1" in page
    with LocalCatalog(url, actor="person:max", clock=lambda: NOW) as catalog:
        facts = ask(application(catalog, clock=lambda: NOW), path).json()
    assert {one["actor"] for one in facts["rights"]} == {"person:max"}
    assert [one["id"] for one in facts["grants"]] == ["g1"]
