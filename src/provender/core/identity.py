"""Who asks, and how that is known."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from provender.core.limits import NO_LIMITS, ONLY_LOOKING, Limits
from provender.core.people import Actor

ANONYMOUS = "service:anonymous"


class How(StrEnum):
    """What an identity rests on."""

    LOCAL = "local"  # the server speaks for one person, who sits before it
    TOKEN = "token"  # noqa: S105 - an API token of ours
    OIDC = "oidc"  # a token of the identity provider
    SESSION = "session"  # a browser that signed in
    ANONYMOUS = "anonymous"  # nothing: a setting lets everybody look


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An actor, with what a token says of them: ``teams`` beside those that the catalog knows.

    ``token`` is the id of an API token that it rests on; ``until`` when it ends.
    """

    actor: str
    how: How
    teams: frozenset[str] = frozenset()
    limits: Limits = NO_LIMITS
    token: str = ""
    until: datetime | None = None

    @property
    def testimony(self) -> dict[str, str]:
        """What the audit trail tells of it beside the actor, who an identity provider vouched for."""
        return {"how": self.how.value} if self.how is How.OIDC else {}


def acting(known: Actor, said: Identity) -> Actor:
    """Return who asks: as the catalog knows them, within what their token says of them."""
    project = said.limits.project
    projects = known.projects & {project} if project else known.projects
    return replace(known, teams=known.teams | said.teams, projects=projects, limits=said.limits)


NOBODY = Identity(actor=ANONYMOUS, how=How.ANONYMOUS, limits=ONLY_LOOKING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """How a server knows who asks: ``local`` takes everybody for one person, ``governed`` nobody.

    ``anonymous``: who says nothing may look around. ``sign_in``: the name of the identity
    provider that pages send people to; empty where there is none. ``public_host`` is where
    people reach it over TLS, with its port, if any.
    """

    mode: str
    anonymous: bool = False
    sign_in: str = ""
    public_host: str = ""

    @property
    def is_local(self) -> bool:
        return self.mode == "local"


LOCAL = Mode(mode="local")
