"""Who asks. The one place that turns a request into an identity."""

import re
from collections.abc import Callable

from starlette.requests import Request

from provender.core.errors import Unauthenticated
from provender.core.identity import NOBODY, How, Identity
from provender.core.tokens import PREFIX

Identify = Callable[[Request], Identity]
Known = Callable[[str], Identity]
"""Who holds a secret; raises Unauthenticated where nobody does."""
BEARER = re.compile(r"bearer +([\x21-\x7e]{1,8192})\Z", re.IGNORECASE)


def local(actor: str) -> Identify:
    """Return what takes every request for ``actor``'s: for a server that only its own machine reaches.

    No header names an actor: whoever can send one would be anybody.
    """
    known = Identity(actor=actor, how=How.LOCAL)
    return lambda request: known


def either(tokens: Known, provider: Known | None) -> Known:
    """Return who knows secrets of ours by ``tokens``, and all others by an identity ``provider``."""

    def known(secret: str) -> Identity:
        if provider is None or secret.startswith(PREFIX):
            return tokens(secret)
        return provider(secret)

    return known


def governed(known: Known, *, anonymous: bool = False) -> Identify:
    """Return what knows a request by its bearer token; without one it is nobody's.

    ``anonymous``: nobody may look around. A token that is not in force is refused all the same.
    """

    def identify(request: Request) -> Identity:
        given = request.headers.getlist("authorization")
        if not given and anonymous:
            return NOBODY
        found = BEARER.match(given[0]) if len(given) == 1 else None
        if found is None:
            raise Unauthenticated(
                "this catalog wants to know who asks, and the request has no bearer token",
                hint="set PROVENDER_TOKEN, or: provender login",
            )
        return known(found[1])

    return identify
