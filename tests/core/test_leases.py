"""Verdicts: what is not opened is closed, and what is open for a time closes at its instant."""

from datetime import UTC, datetime, timedelta

import pytest

from provender.core.errors import Denied
from provender.core.leases import PolicyLease, Ruling

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
