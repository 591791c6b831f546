"""API tokens: what they look like, what is kept of them, when they are over.

A secret is 256 random bits: nobody guesses one, so its plain SHA-256 may be kept. Slow hashes are
for what people make up.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from provender.core.datasets import Listed
from provender.core.digest import digest_bytes
from provender.core.errors import InvalidInput, Unauthenticated
from provender.core.limits import NO_LIMITS, Limits

PREFIX = "pvd_"
"""By which scanners of repositories and logs find one."""
SECRET = re.compile(r"pvd_[A-Za-z0-9_-]{43}\Z")
SECRET_BYTES = 32
USUAL = timedelta(days=90)
LONGEST = timedelta(days=366)
NAME = re.compile(r"[^\x00-\x1f\x7f]{1,80}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is known of an API token; its secret is known to its holder only.

    ``used_at`` is when it was used last, to within five minutes. One that was rotated
    ``replaces`` another.
    """

    id: str
    actor: str
    name: str
    created_at: datetime
    created_by: str
    until: datetime
    limits: Limits = NO_LIMITS
    revoked_at: datetime | None = None
    used_at: datetime | None = None
    replaces: str = ""

    def in_force(self, now: datetime) -> bool:
        """Return whether it is neither revoked nor over at ``now``."""
        return self.revoked_at is None and now < self.until

    def check(self, now: datetime) -> None:
        """Return if it is in force at ``now``.

        Raises:
            Unauthenticated: it was revoked, or is over.
        """
        if self.revoked_at is not None:
            raise Unauthenticated(
                f"the token {self.id} of {self.actor} was revoked at {self.revoked_at.isoformat()}",
                hint="use another, or make one: provender token create",
            )
        if now >= self.until:
            raise Unauthenticated(
                f"the token {self.id} of {self.actor} ended at {self.until.isoformat()}",
                hint="make another: provender token create",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A token and its ``secret``, which is shown this once."""

    token: Token
    secret: str = field(repr=False)


def sealed(secret: str) -> str:
    """Return what is kept of a secret."""
    return digest_bytes(secret.encode())


def check_terms(name: str, until: datetime | None, *, now: datetime) -> datetime:
    """Return when a token called ``name`` ends; None: after the usual time.

    Raises:
        InvalidInput: it has no name, or would be over, or last for more than a year.
    """
    if not NAME.match(name.strip()):
        raise InvalidInput(
            f"{name[:80]!r} is not a name for a token", hint="write 1 to 80 characters on one line"
        )
    if until is None:
        return now + USUAL
    if until.tzinfo is None:
        raise InvalidInput(f"until {until} has no time zone", hint="give an instant in UTC")
    if not now < until <= now + LONGEST:
        raise InvalidInput(
            f"until {until.isoformat()} is over already, or more than a year away",
            hint=f"name an instant until {(now + LONGEST).isoformat()}",
        )
    return until


class Keyring(Protocol):
    """The API tokens of the actor; those of services, for who governs."""

    def create(
        self,
        name: str,
        *,
        actor: str | None = None,
        limits: Limits = NO_LIMITS,
        until: datetime | None = None,
    ) -> IssuedToken: ...

    def tokens(self, *, limit: int = 50, after: str = "") -> Listed[Token]: ...

    def revoke(self, identity: str) -> Token: ...

    def rotate(self, identity: str) -> IssuedToken: ...
