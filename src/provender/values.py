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


def from_json(kind: type[T], text: str | bytes) -> T:
    """Return the core value that ``text`` holds.

    Raises:
        Corrupt: ``text`` is not JSON of that kind; the first fault is named.
    """
    try:
        return adapter(kind).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise _corrupt(kind, f"{where}: {first['msg']}") from error
    except InvalidInput as error:
        raise _corrupt(kind, error.message) from error


def _corrupt(kind: type[T], why: str) -> Corrupt:
    return Corrupt(
        f"stored {kind.__name__} cannot be read: {why}",
        hint="it was written by another version of Provender, or changed by hand",
    )
