"""The policy in words, what would be without a rule, and who may read a dataset."""

from dataclasses import replace

import pytest

from provender.catalog.local import LocalCatalog
from provender.core.effects import Effect, Mask
from provender.core.policy import Action, ColumnRef, Mode, Rule
from provender.web.app import application
from provender.web.policy import previews, sentence
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


PLATES = Rule(
    id="plates",
    actors=("anyone",),
    actions=(Action.READ,),
    datasets=("aviation.*",),
    purposes=("reporting",),
    tags=("personal.quasi_identifier",),
    effect=Effect.MASK,
    mask="truncate(2)",
)
NOBODY = replace(
    PLATES,
    id="nobody",
    effect=Effect.DENY,
    mask="",
    tags=(),
    purposes=("*",),
    mode=Mode.SHADOW,
)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            replace(PLATES, filter="year > 2000"),
            "everybody may read columns tagged personal.quasi_identifier of aviation.* for "
            "reporting, masked: truncate(2), only rows with year > 2000",
        ),
        (
            replace(NOBODY, actions=(Action.READ, Action.SERVE)),
            "everybody may not read or serve aviation.* for any purpose",
        ),
        (
            replace(PLATES, effect=Effect.COMPUTE, mask="", tags=()),
            "everybody may read aviation.* for reporting, to compute features only",
        ),
    ],
)
def test_a_rule_that_denies_or_gives_a_part_says_so(rule, words):
    assert sentence(rule) == words


def test_what_is_watched_contradicts_and_masks_is_shown_with_made_up_values(filled, tmp_path):
    url = copied(filled, tmp_path)
    with LocalCatalog(url, actor="person:lee", clock=lambda: NOW) as catalog:
        for rule in (PLATES, NOBODY):
            catalog.desk.declare(rule)
        app = application(catalog, clock=lambda: NOW)
        facts = ask(app, "/policy.json").json()
        page = ask(app, "/policy").text
        held = ask(app, "/policy.json?enforce=nobody&days=365").json()
        assert ask(app, "/policy?enforce=nothing").status_code == 404
        assert ask(app, "/policy?without=plates&days=367").status_code == 422
    assert [one["becomes"] for one in facts["masks"]["plates"]] == ["N1"]
    told = " ".join(one for told in facts["conflicts"].values() for one in told)
    assert "rule nobody denies what rule plates masks" in told
    assert "only watched" in page
    assert "If nobody held" not in page
    assert {one["question"]["actor"] for one in held["simulation"]["losses"]} >= {"person:ana"}
    assert held["simulation"]["gaining"] == 0
    with LocalCatalog(url, actor="person:max", clock=lambda: NOW) as catalog:
        app = application(catalog, clock=lambda: NOW)
        assert "person:max may not" in ask(app, "/policy.json?enforce=nobody").json()["refused"]


@pytest.mark.parametrize("mask", ["null", "hash", "truncate(month)", "bucket(10)", "constant(5)"])
def test_a_preview_is_what_the_mask_makes_of_the_types_that_it_fits(mask):
    found = previews(Mask.parse(mask))
    assert found
    assert all(one.becomes != one.value for one in found)
    assert (mask == "null") is all(one.becomes is None for one in found)
