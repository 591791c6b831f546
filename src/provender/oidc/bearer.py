"""Bearer tokens of an identity provider (OpenID Connect). PyJWT checks them; nothing here does.

What a token says of itself decides nothing but which of the provider's own keys it is checked with.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt

from provender.core.claims import Claims
from provender.core.errors import Unauthenticated
from provender.core.identity import Identity
from provender.oidc.keys import ProviderKeys

NEEDED = ("exp", "iat", "iss", "aud")
TYPES = frozenset({"jwt", "at+jwt"})
STRANGE = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64"})
"""Headers by which a token would bring its own key, or another meaning."""
WHY = {
    jwt.ExpiredSignatureError: "it is over",
    jwt.ImmatureSignatureError: "it is not in force yet",
    jwt.InvalidAudienceError: "it is for another audience",
    jwt.InvalidIssuerError: "it is of another issuer",
    jwt.MissingRequiredClaimError: f"it lacks one of {', '.join(NEEDED)}",
    jwt.InvalidSignatureError: "its signature is not the provider's",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Tells by tokens of one identity provider who asks. Safe to share between threads."""

    keys: ProviderKeys
    audience: str
    claims: Claims
    leeway: timedelta

    def identify(self, token: str) -> Identity:
        """Return who holds ``token``.

        Raises:
            Unauthenticated: it is not in force, or not for us.
            Unavailable: its key is not known, and the provider does not answer.
        """
        try:
            identity, algorithm = _signer(jwt.get_unverified_header(token), self.keys.algorithms)
            said = jwt.decode(
                token,
                self.keys.key(identity, algorithm),
                algorithms=self.keys.algorithms,
                audience=self.audience,
                issuer=self.keys.issuer,
                leeway=self.leeway,
                options={"require": list(NEEDED), "enforce_minimum_key_length": True},
            )
            return self.claims.identity(said, leeway=self.leeway)
        except jwt.PyJWTError as error:
            why = next((told for kind, told in WHY.items() if isinstance(error, kind)), "")
            raise _refused(why or "it is not what the provider gives out") from None
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise _refused("it is not what the provider gives out") from None


def _signer(header: Mapping[str, Any], algorithms: tuple[str, ...]) -> tuple[str, str]:
    """Return the id of the key that a token of that header names, and its algorithm."""
    key, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ", "JWT")
    if not STRANGE.isdisjoint(header):
        raise _refused("it brings a key or a meaning of its own")
    if algorithm not in algorithms:
        raise _refused(f"it is not signed by one of {', '.join(algorithms)}")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in TYPES:
        raise _refused("it is another kind of token")
    if not isinstance(key, str) or not key:
        raise _refused("it does not name its key")
    return key, str(algorithm)


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated(
        f"that token of the identity provider is not in force here: {why}",
        hint="get another one from the identity provider, for this audience",
    )
