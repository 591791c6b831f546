"""What a service says of itself before it is asked for anything: who it takes us for, and by what."""

from contextlib import suppress
from typing import TYPE_CHECKING

from provender.core.cautions import warn_of_token
from provender.core.errors import Misconfigured, ProvenderError
from provender.hosts import without_password

if TYPE_CHECKING:
    from provender.client.catalog import HttpCatalog


def check_actor(remote: "HttpCatalog", url: str, actor: str) -> None:
    """Check that ``remote`` takes us for ``actor``: it says itself who asks.

    Raises:
        Misconfigured: it does not.
    """
    taken_for = remote.actor.id
    if taken_for != actor:
        raise Misconfigured(
            f"PROVENDER_ACTOR is {actor}, but the catalog {without_password(url)} takes whoever "
            f"asks for {taken_for}",
            hint=f"unset PROVENDER_ACTOR, or set it to {taken_for}",
        )


def check_token(remote: "HttpCatalog", url: str) -> None:
    """Warn if ``remote`` does not look at tokens; where it does not answer, the first question tells."""
    with suppress(ProvenderError):
        if remote.mode.is_local:
            warn_of_token(
                f"the catalog {without_password(url)} is in local mode: it takes everybody for "
                f"{remote.actor.id}, and does not look at your token",
                hint="unset PROVENDER_TOKEN (provender logout), or run the service governed",
            )
