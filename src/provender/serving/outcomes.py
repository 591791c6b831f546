"""Errors of the processes that a server starts, as it tells them."""

from collections.abc import Mapping
from typing import Any

from provender.core.errors import (
    Conflict,
    Denied,
    InvalidInput,
    Misconfigured,
    NotFound,
    ProvenderError,
    Unavailable,
)

ERRORS = {kind.code: kind for kind in (Conflict, Denied, InvalidInput, Unavailable)}


def error_of(told: Mapping[str, Any]) -> ProvenderError:
    """Return the error that a process told; one of a kind that is no client's affair is a 500.

    Raises:
        KeyError, TypeError: nothing was told that we know.
    """
    message, hint = told["message"], told["hint"]
    if told["error"] == NotFound.code:
        return NotFound(message, hint=hint, what=told.get("what", ""))
    return ERRORS.get(told["error"], Misconfigured)(message, hint=hint)
