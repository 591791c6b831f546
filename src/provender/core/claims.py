"""Who somebody is by what their identity provider says of them. Pure: the signature was checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from provender.core.errors import Unauthenticated
from provender.core.identity import How, Identity
from provender.core.limits import Limits
from provender.core.people import ACTOR_ID

PERSON = "person:"
TEAM = "team:"
MOST_TEAMS = 500
"""Groups of one person that are looked at: directories have many, and each decision looks at all."""
LAST_SECOND = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Which claims of a token say what; an empty name: none does.

    Where ``domain`` is set, the actor is the part before ``@domain``, and others are nobody.
    A token that lacks the claim of its ``project`` or ``purpose`` is nobody's: without it the
    token would reach further.
    """

    actor: str = "sub"
    domain: str = ""
    teams: str = ""
    project: str = ""
    purpose: str = ""

    def identity(self, said: Mapping[str, Any], *, leeway: timedelta) -> Identity:
        """Return who is meant by the claims ``said``, until the token is over.

        Raises:
            Unauthenticated: the claims do not say who, or what for, as they have to.
        """
        limits = Limits(project=_text(said, self.project), purpose=_text(said, self.purpose))
        ends = min(float(said["exp"]) + leeway.total_seconds(), LAST_SECOND)
        return Identity(
            actor=self._person(said),
            how=How.OIDC,
            teams=_teams(said.get(self.teams) if self.teams else ()),
            limits=limits,
            until=datetime.fromtimestamp(ends, UTC),
        )

    def _person(self, said: Mapping[str, Any]) -> str:
        name = _text(said, self.actor)
        if self.domain:
            name, _, domain = name.lower().rpartition("@")
            if domain != self.domain.lower():
                raise _nobody(self.actor, f"is not of {self.domain}")
        if self.actor == "email" and said.get("email_verified") is not True:
            raise _nobody(self.actor, "was not verified by the provider")
        if not ACTOR_ID.match(PERSON + name):
            raise _nobody(self.actor, "cannot be the name of a person here")
        return PERSON + name


def _text(said: Mapping[str, Any], claim: str) -> str:
    """Return what ``claim`` says; nothing where no claim is meant."""
    found = said.get(claim, "") if claim else ""
    if claim and (not isinstance(found, str) or not found):
        raise _nobody(claim, "is not there")
    return str(found)


def _teams(groups: object) -> frozenset[str]:
    """Return the teams that groups are called as; of others nothing is known here."""
    named = groups if isinstance(groups, list | tuple) else [groups]
    texts = [one.removeprefix("/") for one in named[:MOST_TEAMS] if isinstance(one, str)]
    return frozenset(TEAM + text for text in texts if ACTOR_ID.match(TEAM + text))


def _nobody(claim: str, why: str) -> Unauthenticated:
    return Unauthenticated(
        f"the token does not say who asks: its claim {claim} {why}",
        hint="see docs/how-to/take-oidc-tokens.md for what the identity provider has to put into tokens",
    )
