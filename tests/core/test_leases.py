"""Verdicts: what is not opened is closed, and what is open for a time closes at its instant."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from provender.core.errors import Denied, NotFound, Unauthenticated
from provender.core.leases import Bearer, PolicyLease, Ruling

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
VERDICT = Ruling(
    opened={"v:good": None, "v:soon": NOW + timedelta(minutes=1), "v:later": LATER},
    closed={"v:shut": "tagged personal"},
    public=("v:good", "v:later"),
)


def test_what_is_not_opened_is_closed_whether_the_lease_knows_it_or_not() -> None:
    for feature, why in (("v:shut", "tagged personal"), ("v:new", "does not know it yet")):
        standing = VERDICT.standing(["v:good", feature])
        assert standing.is_closed(NOW)
        with pytest.raises(Denied, match=f"{feature} is closed for serving: .*{why}"):
            standing.require(NOW)


def test_a_lookup_closes_with_the_first_of_its_features() -> None:
    standing = VERDICT.standing(["v:later", "v:soon", "v:good"])
    assert (standing.ending, standing.until) == ("v:soon", NOW + timedelta(minutes=1))
    standing.require(NOW)
    with pytest.raises(Denied, match="v:soon was open for serving until"):
        standing.require(NOW + timedelta(minutes=1))


def test_a_lookup_is_public_if_all_of_it_is() -> None:
    assert VERDICT.standing(["v:good", "v:later"]).is_public
    assert not VERDICT.standing(["v:good", "v:soon"]).is_public
    assert VERDICT.standing([]).is_public


def test_a_lease_is_what_it_says_of_whom_and_closed_to_everybody_else() -> None:
    lease = PolicyLease(project="p", state="1", holders={"service:online": VERDICT})
    assert lease.verdict("service:online") == VERDICT
    assert lease.verdict("person:ana").standing(["v:good"]).is_closed(NOW)
    assert lease.first_end == NOW + timedelta(minutes=1)
    assert PolicyLease(project="p", state="1").first_end is None


def test_the_digest_is_of_the_verdicts_alone() -> None:
    lease = PolicyLease(project="p", state="1", holders={"a": VERDICT})
    assert lease.digest == PolicyLease(project="p", state="2", holders={"a": VERDICT}).digest
    assert lease.digest != PolicyLease(project="q", state="1", holders={"a": VERDICT}).digest
    assert lease.digest != PolicyLease(project="p", state="1", holders={"b": VERDICT}).digest


BEARER = Bearer(holder="service:shop x", until=LATER)
MINE = Ruling(
    opened={"v:good": None}, closed={"v:shut": "tagged personal"}, written=("v",), absent=True
)
TOKENS = PolicyLease(
    project="p",
    state="1",
    holders={"server": VERDICT, "service:shop x": MINE},
    bearers={"a": BEARER},
)


def test_a_bearer_is_known_until_their_token_ends_and_nobody_else_is() -> None:
    TOKENS.check("a", LATER - timedelta(microseconds=1))
    TOKENS.check("", LATER)
    for bearer, now in (("a", LATER), ("b", NOW), ("server", NOW)):
        with pytest.raises(Unauthenticated):
            TOKENS.check(bearer, now)


def test_a_bearer_is_served_what_their_holder_may_and_an_unknown_one_nothing() -> None:
    assert TOKENS.ruling("a", "server") == MINE
    assert TOKENS.ruling("", "server") == VERDICT
    assert TOKENS.ruling("b", "server") == Ruling()
    assert replace(TOKENS, bearers={}).digest != TOKENS.digest


def test_what_a_bearer_may_not_know_of_is_absent_whatever_else_is_asked_for() -> None:
    for features in (["v:new"], ["v:shut", "v:new"], ["v:new", "v:good"]):
        standing = MINE.standing(features)
        assert standing.is_closed(NOW)
        with pytest.raises(NotFound, match="not yours to know of"):
            standing.require(NOW)
    with pytest.raises(Denied, match="tagged personal"):
        MINE.standing(["v:good", "v:shut"]).require(NOW)
    MINE.standing(["v:good"]).require(NOW)


def test_rows_are_written_to_views_that_are_open_for_that() -> None:
    MINE.check_writing(["v"])
    with pytest.raises(Denied, match="feature view v are not for this token"):
        replace(MINE, written=()).check_writing(["v"])
    for views in (["w"], ["v", "w"]):
        with pytest.raises(NotFound):
            MINE.check_writing(views)
