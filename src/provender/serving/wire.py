"""Feast's wire format for online features, both ways. Pure.

Requests are checked by hand: what a client may send is little. Answers are written column by
column; columns of one view share their timestamps, which are written once.

Source: Feast 0.67 feature_server.py and feature_server_utils.py; errors.py for the bodies of
errors, from which Feast's client builds its exception again.
"""

import base64
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

import orjson

from provender.core.digest import plain
from provender.core.errors import InvalidInput, NotFound, ProvenderError
from provender.online.lookup import Lookups

FEAST_ERRORS = "feast.errors"
NOT_FOUND_CLASSES = {
    "feature view": ("FeatureViewNotFoundException", 404),
    "feature service": ("FeatureServiceNotFoundException", 404),
    "push source": ("PushSourceNotFoundException", 422),
}
STATUS_CLASSES = {403: "FeastPermissionError", 404: "FeastObjectNotFoundException"}
NON_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}


class Malformed(InvalidInput):
    """A body that is no request at all; answered as FastAPI does. ``where`` is a path in it."""

    def __init__(self, message: str, *where: str) -> None:
        super().__init__(message, hint="see the request's format in the docs")
        self.where = ("body", *where)


@dataclass(frozen=True, slots=True)
class FeaturesRequest:
    """``POST /get-online-features``. A service wins over a list of features, as with Feast."""

    entities: dict[str, list[Any]]
    features: tuple[str, ...]
    service: str
    full_feature_names: bool
    version_metadata: bool


@dataclass(frozen=True, slots=True)
class RowsRequest:
    """Rows to write: ``POST /push`` names a push source, ``/write-to-online-store`` a view."""

    name: str
    columns: dict[str, list[Any]]
    to: str = "online"


def parse_features(body: bytes) -> FeaturesRequest:
    """Return the request in ``body``.

    Raises:
        Malformed: it is no JSON, or a field is missing or of the wrong type.
    """
    given = _object(body)
    entities = _field(given, "entities", dict)
    for name, values in entities.items():
        if not isinstance(values, list):
            raise Malformed("Input should be a valid list", "entities", name)
    features = _field(given, "features", list, [])
    if not all(isinstance(feature, str) for feature in features):
        raise Malformed("Input should be a valid string", "features")
    return FeaturesRequest(
        entities=entities,
        features=tuple(features),
        service=_field(given, "feature_service", str, None) or "",
        full_feature_names=_field(given, "full_feature_names", bool, default=False),
        version_metadata=_field(
            given, "include_feature_view_version_metadata", bool, default=False
        ),
    )


def parse_rows(body: bytes, name: str) -> RowsRequest:
    """Return the rows in ``body``; ``name`` is the field that says where they go.

    Raises:
        Malformed: it is no JSON, or a field is missing or of the wrong type.
    """
    given = _object(body)
    columns = _field(given, "df", dict)
    listed: dict[str, list[Any]] = {}
    for column, values in columns.items():
        if isinstance(values, dict):  # pandas' to_dict() without an orientation
            values = list(values.values())
        if not isinstance(values, list):
            raise Malformed("Input should be a valid list", "df", column)
        listed[column] = values
    to = _field(given, "to", str, "online")
    return RowsRequest(name=_field(given, name, str), columns=listed, to=to)


_MISSING = object()


def _field(given: dict[str, Any], name: str, kind: type, default: Any = _MISSING) -> Any:
    if name not in given or (given[name] is None and default is None):
        if default is _MISSING:
            raise Malformed("Field required", name)
        return default
    value = given[name]
    if not isinstance(value, kind):
        raise Malformed(f"Input should be a valid {kind.__name__}", name)
    return value


def _object(body: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        given = _lenient(body, str(error))
    if not isinstance(given, dict):
        raise Malformed("Input should be a valid dictionary")
    return given


def _lenient(body: bytes, why: str) -> Any:
    """Read what Python writes for floats that JSON has no numbers for: Feast's client sends it."""
    if b"NaN" not in body and b"Infinity" not in body:
        raise Malformed(f"JSON decode error: {why}")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"JSON decode error: {error}") from None


def render(
    answer: Lookups, *, views: Sequence[str] | None = None, incomplete: Sequence[str] = ()
) -> bytes:
    """Return the answer's JSON; with ``views``, name them in the metadata.

    ``incomplete`` are views whose rows may not be all there.

    What the metadata say beyond Feast's (``freshness``, ``incomplete``) is there only if there is something to say.
    """
    written: dict[int, orjson.Fragment] = {}
    metadata: dict[str, Any] = {"feature_names": answer.names}
    if incomplete:
        metadata["incomplete"] = incomplete
    if answer.freshness:
        metadata["freshness"] = {name: plain(told) for name, told in answer.freshness.items()}
    if views is not None:
        metadata["feature_view_metadata"] = [{"name": view} for view in views]
    results = [
        {
            "values": _plain(values, kind),
            "statuses": statuses,
            "event_timestamps": written.get(id(times)) or _written(times, written),
        }
        for kind, values, statuses, times in zip(
            answer.types, answer.values, answer.statuses, answer.event_us, strict=True
        )
    ]
    return orjson.dumps({"results": results, "metadata": metadata})


def failure(error: ProvenderError) -> tuple[int, bytes]:
    """Return status and body for ``error``, as Feast's server would for its own."""
    if isinstance(error, Malformed):
        detail = {"type": "value_error", "loc": error.where, "msg": error.message}
        return 422, orjson.dumps({"detail": [detail]})
    name, status = STATUS_CLASSES.get(error.status, "FeastError"), error.status
    if isinstance(error, NotFound):
        name, status = NOT_FOUND_CLASSES.get(error.what, (name, status))
    return status, feast_error(name, str(error))


def feast_error(name: str, message: str) -> bytes:
    """Return the body of an error: a JSON string that holds JSON."""
    inner = {"module": FEAST_ERRORS, "class": name, "message": message}
    return orjson.dumps(json.dumps(inner))


def _written(times: list[int], memo: dict[int, orjson.Fragment]) -> orjson.Fragment:
    fragment = orjson.Fragment(orjson.dumps([rfc3339(us) for us in times]))
    memo[id(times)] = fragment
    return fragment


@lru_cache(maxsize=65536)
def rfc3339(us: int) -> str:
    """Return the instant ``us`` microseconds after 1970 with 0, 3 or 6 digits and a ``Z``."""
    seconds, micros = divmod(us, 1_000_000)
    base = datetime.fromtimestamp(seconds, tz=UTC).isoformat()[:-6]
    if not micros:
        return f"{base}Z"
    return f"{base}.{micros // 1000:03d}Z" if micros % 1000 == 0 else f"{base}.{micros:06d}Z"


def _plain(values: list[Any], kind: str) -> list[Any]:
    if kind in ("float32", "float64"):
        return values if _all_finite(values) else [_float(value) for value in values]
    if not kind:
        return [_float(v) if isinstance(v, float) else v for v in values]
    convert = _converter(kind)
    if convert is None:
        return values
    return [None if value is None else convert(value) for value in values]


def _all_finite(values: list[Any]) -> bool:
    """Whether no NaN or infinity is among the values: then neither is one in their sum."""
    if None in values:
        return False
    return math.isfinite(sum(values))


def _float(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return value
    return NON_FINITE.get(value, "NaN")


@cache
def _converter(kind: str) -> Callable[[Any], Any] | None:
    """Return how a value that is not null is written; None: as it is."""
    if kind.startswith("list<"):
        inner = kind[5:-1]
        return lambda values: _plain(values, inner)
    if kind.startswith("timestamp"):
        return _epoch_seconds
    if kind.startswith("decimal("):
        return lambda value: format(value, "f") if isinstance(value, Decimal) else value
    return {
        "binary": lambda value: base64.b64encode(value).decode(),
        "date": date.isoformat,
        "time": time.isoformat,
    }.get(kind)


def _epoch_seconds(instant: datetime) -> int:
    """Return whole seconds since 1970, as Feast writes instants; without a zone it is UTC."""
    zoned = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return math.floor(zoned.timestamp())
