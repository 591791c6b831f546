"""API tokens of one actor, asked over HTTP."""

from datetime import datetime

from provender.client.wire import Wire
from provender.core.datasets import Listed
from provender.core.limits import NO_LIMITS, Limits
from provender.core.tokens import IssuedToken, Token


class HttpKeyring:
    """`core.protocols.Keyring` over a wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def create(
        self,
        name: str,
        *,
        actor: str | None = None,
        limits: Limits = NO_LIMITS,
        until: datetime | None = None,
    ) -> IssuedToken:
        """Return a new token, for whoever the server takes us for or a service, with its secret."""
        body = {"name": name, "actor": actor, "limits": limits, "until": until}
        return self._wire.send("POST", IssuedToken, "tokens", body=body)

    def tokens(self, *, limit: int = 50, after: str = "") -> Listed[Token]:
        """Return the actor's own tokens, oldest first; all there are, to who governs."""
        return self._wire.listed(Token, "tokens", limit=limit, after=after)

    def revoke(self, identity: str) -> Token:
        """End a token now: it opens nothing at the next request."""
        return self._wire.send("POST", Token, "tokens", identity, "revoke", again=True)

    def rotate(self, identity: str) -> IssuedToken:
        """Return a token in place of another, which is over now."""
        return self._wire.send("POST", IssuedToken, "tokens", identity, "rotate")
