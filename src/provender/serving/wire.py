"""What Feast's clients send, and the errors they are told; `results` writes answers. Pure.

Requests are checked by hand: what a client may send is little.

Source: Feast 0.67 feature_server.py; errors.py for the bodies of errors, from which Feast's
client builds its exception again.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from provender.core.clock import to_utc
from provender.core.errors import InvalidInput, NotFound, ProvenderError

FEAST_ERRORS = "feast.errors"
NOT_FOUND_CLASSES = {
    "feature view": ("FeatureViewNotFoundException", 404),
    "feature service": ("FeatureServiceNotFoundException", 404),
    "push source": ("PushSourceNotFoundException", 422),
}
STATUS_CLASSES = {403: "FeastPermissionError", 404: "FeastObjectNotFoundException"}


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


@dataclass(frozen=True, slots=True)
class Window:
    """What ``POST /materialize`` asks for, in UTC. No ``views``: all. ``all_time``: every row."""

    views: tuple[str, ...]
    start: datetime | None
    end: datetime | None
    all_time: bool


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
    columns = _listed(_field(given, "df", dict))
    to = _field(given, "to", str, "online")
    return RowsRequest(name=_field(given, name, str), columns=columns, to=to)


def _listed(columns: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the values of each column; those by index, as pandas' to_dict() gives them, in one order."""
    index = next((column for column in columns.values() if isinstance(column, dict)), {})
    listed: dict[str, list[Any]] = {}
    for column, values in columns.items():
        if isinstance(values, dict):
            if values.keys() != index.keys():
                raise Malformed(
                    "Input should have the same index as the other columns", "df", column
                )
            values = [values[at] for at in index]
        if not isinstance(values, list):
            raise Malformed("Input should be a valid list", "df", column)
        listed[column] = values
    return listed


def parse_window(body: bytes, *, with_start: bool = True) -> Window:
    """Return the window in ``body``; without a start it goes on where the last run ended.

    Raises:
        Malformed: it is no JSON, or a field is missing or of the wrong type.
        InvalidInput: it asks for one version of a view, or has only one end.
    """
    given = _object(body)
    views = _field(given, "feature_views", list, None) or []
    if not all(isinstance(view, str) for view in views):
        raise Malformed("Input should be a valid string", "feature_views")
    if _field(given, "version", str, None):
        raise InvalidInput(
            "one version of a feature view cannot be materialised",
            hint="leave out version: the applied definition is materialised",
        )
    all_time = with_start and _field(given, "disable_event_timestamp", bool, default=False)
    start = _instant(given, "start_ts") if with_start and not all_time else None
    end = _instant(given, "end_ts", required=not with_start) if not all_time else None
    if with_start and not all_time and (start is None or end is None):
        raise InvalidInput(
            "start_ts and end_ts say which rows to materialise",
            hint="give both, or disable_event_timestamp for all rows",
        )
    return Window(views=tuple(views), start=start, end=end, all_time=all_time)


def _instant(given: dict[str, Any], name: str, *, required: bool = False) -> datetime | None:
    text = _field(given, name, str, _MISSING if required else None)
    if text is None:
        return None
    try:
        return to_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise Malformed("Input should be a valid datetime", name) from None


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
        given = json.loads(body)
        json.dumps(given, ensure_ascii=False).encode()  # half a surrogate pair is no text
        return given
    except (ValueError, RecursionError) as error:
        raise Malformed(f"JSON decode error: {error}") from None


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
