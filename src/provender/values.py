"""Core values from and to JSON: pydantic validates the stdlib dataclasses as they are."""

from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from provender.core.digest import canonical
from provender.core.errors import Corrupt, InvalidInput

T = TypeVar("T")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def adapter(kind: type[T]) -> TypeAdapter[T]:
    """Return the validator of ``kind``, built once."""
    return cast("TypeAdapter[T]", _adapter(cast("Any", kind)))


def to_json(value: Any) -> str:
    """Return the canonical JSON of a core value."""
    return canonical(value)


def to_kept_json(kind: type[T], value: T) -> str:
    """Return the canonical JSON of a core value that is kept: it will be read again.

    Raises:
        InvalidInput: it could not be, as a part of it is of the wrong kind; the first is named.
    """
    text = to_json(value)
    try:
        adapter(kind).validate_json(text)
    except ValidationError as error:
        where, why = _first(error)
        raise InvalidInput(
            f"{where} of {type(value).__name__} cannot be kept: {why}",
            hint="give a value of the declared kind; nothing was written",
        ) from error
    return text


def from_json(kind: type[T], text: str | bytes) -> T:
    """Return the core value that ``text`` holds.

    Raises:
        Corrupt: ``text`` is not JSON of that kind; the first fault is named.
    """
    try:
        return adapter(kind).validate_json(text)
    except ValidationError as error:
        raise _corrupt(kind, ": ".join(_first(error))) from error
    except InvalidInput as error:
        raise _corrupt(kind, error.message) from error


def _first(error: ValidationError) -> tuple[str, str]:
    first = error.errors()[0]
    return ".".join(str(part) for part in first["loc"]) or "the whole", first["msg"]


def _corrupt(kind: type[T], why: str) -> Corrupt:
    return Corrupt(
        f"stored {kind.__name__} cannot be read: {why}",
        hint="it was written by another version of Provender, or changed by hand",
    )
