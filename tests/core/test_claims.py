"""Who somebody is by the claims of a token whose signature was checked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from provender.core.claims import MOST_TEAMS, Claims
from provender.core.errors import Unauthenticated
from provender.core.identity import How, Identity
from provender.core.limits import Limits

END = 1_800_000_000


def who(claims: Claims, **said: Any) -> Identity:
    return claims.identity({"sub": "ana", "exp": END} | said, leeway=timedelta(seconds=30))


def test_the_subject_is_the_person_until_the_token_is_over() -> None:
    until = datetime.fromtimestamp(END, UTC) + timedelta(seconds=30)
    assert who(Claims()) == Identity(actor="person:ana", how=How.OIDC, until=until)
    assert who(Claims(), exp=10**30).until == datetime(9999, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "sub",
    ["", "Ana", "ana lima", "ana@example.org", "a/b", "-ana", "a" * 64, 7, None, ["ana"], "ana\n"],
)
def test_what_cannot_be_the_name_of_a_person_is_nobodys(sub: object) -> None:
    with pytest.raises(Unauthenticated, match="its claim sub"):
        who(Claims(), sub=sub)


def test_a_domain_is_left_out_and_another_one_is_nobodys() -> None:
    claims = Claims(actor="upn", domain="Example.org")
    assert who(claims, upn="Ana.Lima@example.ORG").actor == "person:ana.lima"
    for other in (
        "ana@example.com",
        "ana@sub.example.org",
        "ana",
        "@example.org",
        "ana@x@example.org",
    ):
        with pytest.raises(Unauthenticated):
            who(claims, upn=other)


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_an_address_that_nobody_verified_is_nobodys(verified: object) -> None:
    claims = Claims(actor="email", domain="example.org")
    assert who(claims, email="ana@example.org", email_verified=True).actor == "person:ana"
    with pytest.raises(Unauthenticated, match="was not verified"):
        who(claims, email="ana@example.org", email_verified=verified)


def test_groups_are_teams_where_a_claim_says_so_and_only_as_far_as_they_are_names() -> None:
    groups = ["ops", "/models", "/a/b", "Upper", "x y", 7, None, "person:gov"]
    assert who(Claims(), groups=groups).teams == frozenset()
    assert who(Claims(teams="groups"), groups=groups).teams == {"team:ops", "team:models"}
    assert who(Claims(teams="groups"), groups="ops").teams == {"team:ops"}
    many = [f"g{n}" for n in range(MOST_TEAMS + 50)]
    assert len(who(Claims(teams="groups"), groups=many).teams) == MOST_TEAMS


def test_a_claim_that_narrows_has_to_be_there() -> None:
    claims = Claims(project="azp", purpose="use")
    assert who(claims, azp="delays", use="report").limits == Limits(
        project="delays", purpose="report"
    )
    for wrong in (
        {"use": "report"},
        {"azp": "delays", "use": ""},
        {"azp": ["delays"], "use": "report"},
    ):
        with pytest.raises(Unauthenticated):
            who(claims, **wrong)
