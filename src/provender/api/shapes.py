"""What a body must be like: core types, read strictly, and the same strictness described.

Core dataclasses are lenient where they read what was stored: unknown keys pass, a naive instant
too. At the edge nothing of that passes. The tightened schema is one value: bodies are read by it,
and the API's description is made from it.
"""

from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from pydantic import AfterValidator, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, SchemaValidator
from pydantic_core.core_schema import no_info_after_validator_function

from provender.api.errors import Malformed, Problem, said
from provender.core import bounds
from provender.core.clock import to_utc

T = TypeVar("T")
REFERENCE = "#/components/schemas/{model}"
PART = 200
"""Characters of a name of what is wrong: it may be any that was sent."""
MOST = 2**63 - 1
"""The greatest whole number that both databases keep."""
Limits = dict[str, dict[str, Any]]
WIDE = frozenset({"sums"})
"""Fields of numbers that are kept as text, and are as long as digests."""
WIDER: dict[str, Any] = {"le": 2**256, "ge": -(2**256)}
TIGHTER: Limits = {
    "int": {"le": MOST, "ge": -MOST},
    "float": {"allow_inf_nan": False},
    "datetime": {"tz_constraint": "aware"},
    "timedelta": {"strict": False},  # seconds, as we write it
}
VARIADIC = frozenset({"list", "tuple", "set", "frozenset", "dict"})
TEXTS = frozenset({"str", "bytes"})
Wanted = tuple[str, JsonSchemaMode, CoreSchema]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a body may be: its ``size_bytes``, ``items`` of any list in it, ``characters`` of any text."""

    size_bytes: int
    items: int
    characters: int


ORDINARY = Size(size_bytes=bounds.BODY, items=bounds.MANY, characters=bounds.LONG)
WIDE_ONE = Size(size_bytes=bounds.BODY, items=bounds.COLUMNS, characters=bounds.LONG)
"""What says all of each column of a dataset."""
LARGE = Size(size_bytes=bounds.LARGE_BODY, items=bounds.HUGE, characters=bounds.VAST)
"""Manifests, definitions, and all of the governance."""


class Shape(Generic[T]):
    """Reads JSON of one kind, and of a size."""

    def __init__(self, kind: type[T], size: Size = ORDINARY) -> None:
        self.schema = tightened(TypeAdapter(kind).core_schema)
        self.bounded = bounded(self.schema, size)
        self._validator = SchemaValidator(self.bounded)

    def read(self, raw: bytes) -> T:
        """Return the value that ``raw`` is.

        Raises:
            Malformed: it is none; its faults are named with their places, up to a number of them.
            InvalidInput: the value's own rules refuse it.
        """
        try:
            value: T = self._validator.validate_json(raw)
        except ValidationError as error:
            raise Malformed(_problems(error)) from None
        return value


class Description(GenerateJsonSchema):
    """Schemas as what we send and take is: durations are numbers."""

    def timedelta_schema(self, schema: Any) -> JsonSchemaValue:
        """A duration."""
        return {"type": "number", "description": "seconds"}


def described(wanted: Iterable[Wanted]) -> tuple[dict[str, JsonSchemaValue], dict[str, Any]]:
    """Return a schema for each of ``wanted`` by its key, and those that these refer to by name."""
    generator = Description(ref_template=REFERENCE)
    found, definitions = generator.generate_definitions(list(wanted))
    named: dict[str, Any] = {str(name): schema for name, schema in definitions.items()}
    return {str(key): schema for (key, _), schema in found.items()}, named


def tightened(schema: Any, limits: Limits = TIGHTER) -> Any:
    """Return a pydantic schema in which every number, instant and duration is one we can keep."""
    match schema:
        case dict():
            if schema.get("type") == "dataclass-field" and schema.get("name") in WIDE:
                limits = {**limits, "int": WIDER}
            tighter = {key: tightened(part, limits) for key, part in schema.items()}
            kind = tighter.get("type")
            added = limits.get(kind, {}) if isinstance(kind, str) else {}
            found = {**added, **tighter}
            if kind == "datetime":
                return no_info_after_validator_function(in_utc, cast(CoreSchema, found))
            return found
        case list():
            return [tightened(part, limits) for part in schema]
        case tuple():
            return tuple(tightened(part, limits) for part in schema)
    return schema


def bounded(schema: Any, size: Size) -> Any:
    """Return a pydantic schema in which each list, mapping and text has an end: its own, or that of ``size``."""
    match schema:
        case dict():
            found = {key: bounded(part, size) for key, part in schema.items()}
            kind = found.get("type")
            if kind in TEXTS:
                return {"max_length": size.characters, **found}
            if kind in VARIADIC and (kind != "tuple" or "variadic_item_index" in found):
                return {"max_length": size.items, **found}
            return found
        case list():
            return [bounded(part, size) for part in schema]
        case tuple():
            return tuple(bounded(part, size) for part in schema)
    return schema


def at_most(most: int, what: str, parts: Callable[[Any], Sized]) -> AfterValidator:
    """Return what refuses a value of which there are more ``parts``, called ``what``, than ``most``."""

    def checked(value: Any) -> Any:
        if len(parts(value)) > most:
            raise PydanticCustomError("many", f"it has more than {most:,} {what}")
        return value

    return AfterValidator(checked)


def in_utc(value: datetime) -> datetime:
    """Return an instant in UTC.

    Raises:
        PydanticCustomError: the calendar has no such year there.
    """
    try:
        return to_utc(value)
    except OverflowError:
        raise PydanticCustomError("instant", "the years are 1 to 9999, in UTC") from None


def _problems(error: ValidationError) -> tuple[Problem, ...]:
    count = error.error_count()
    if count > bounds.COUNTED:
        return (Problem(where="body", what=f"it has {count:,} faults, too many to be told"),)
    return tuple(
        Problem(where=_place(found["loc"]), what=said(found["msg"]))
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    )


def _place(where: tuple[int | str, ...]) -> str:
    return ".".join(("body", *(str(part)[:PART] for part in where)))
