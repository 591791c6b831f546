"""Errors of a server, raised as what they are: by their code, never by a name off the wire."""

import json
from typing import Any

from pydantic import ValidationError

from provender.core import errors
from provender.core.errors import Denied, Fact, NotFound, Problems, ProvenderError, Unavailable
from provender.values import adapter

KINDS: dict[str, type[ProvenderError]] = {
    kind.code: kind
    for kind in (
        errors.InvalidInput,
        errors.KeyReused,
        errors.Misconfigured,
        errors.NotFound,
        errors.Unauthenticated,
        errors.Gone,
        errors.Denied,
        errors.Conflict,
        errors.Incompatible,
        errors.Stale,
        errors.Recalled,
        errors.PreconditionFailed,
        errors.PreconditionRequired,
        errors.Corrupt,
        errors.Unavailable,
        errors.Busy,
        errors.TooLarge,
        errors.Problems,
    )
}


def as_raised(status: int, body: bytes, *, url: str) -> ProvenderError:
    """Return the error that a server at ``url`` told of; of one that is none of ours, what it said."""
    try:
        told = json.loads(body)["error"]
        code, message, hint = str(told["code"]), str(told["message"]), str(told["hint"])
    except (ValueError, KeyError, TypeError):
        return Unavailable(
            f"{url} answered {status} to a request, and not as a catalog does",
            hint="is PROVENDER_CATALOG_URL the address of a catalog, without /api/v1?",
        )
    return _made(KINDS.get(code, ProvenderError), message, hint, told)


def _made(kind: type[ProvenderError], message: str, hint: str, told: Any) -> ProvenderError:
    """Return an error of ``kind`` with the server's words, whatever its constructor makes of words."""
    if issubclass(kind, NotFound):
        return kind(message, hint=hint, what=str(told.get("what", "")))
    if issubclass(kind, Denied):
        return kind(message, hint=hint, facts=_facts(told))
    if not issubclass(kind, Problems):
        return kind(message, hint=hint)
    heading = message.partition("\n")[0].rpartition(": ")[0]
    return Problems(heading, [str(one["what"]) for one in told.get("problems", [])], hint=hint)


def _facts(told: Any) -> tuple[Fact, ...]:
    """What a server says of a denial; nothing, if it is older and says nothing, or says it otherwise."""
    try:
        return adapter(tuple[Fact, ...]).validate_python(told.get("facts", ()))
    except ValidationError:
        return ()
