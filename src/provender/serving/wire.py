"""Feast's wire format for online features, both ways. Pure.

Requests are checked by hand: what a client may send is little. Answers are written column by
column; columns of one view share their timestamps, which are written once.

Source: Feast 0.67 feature_server.py and feature_server_utils.py; errors.py for the bodies of
errors, from which Feast's client builds its exception again.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from provender.core import digest
from provender.core.clock import to_utc
from provender.core.errors import InvalidInput, NotFound, ProvenderError
from provender.online.answer import Answer, Stored, column_statuses
from provender.online.blocks import PRESENT, Block, json_bodies
from provender.online.spelling import plain

Told = Callable[[list[str]], list[str]]
FEAST_ERRORS = "feast.errors"
NOT_FOUND_CLASSES = {
    "feature view": ("FeatureViewNotFoundException", 404),
    "feature service": ("FeatureServiceNotFoundException", 404),
    "push source": ("PushSourceNotFoundException", 422),
}
STATUS_CLASSES = {403: "FeastPermissionError", 404: "FeastObjectNotFoundException"}
HEAD = b'{"values":['
TAIL = b'],"statuses":%b,"event_timestamps":%b}'
RESULT = HEAD + b"%b" + TAIL


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


def render(
    answer: Answer[Block],
    *,
    versions: Mapping[str, int] | None = None,
    incomplete: Sequence[str] = (),
    told: Told | None = None,
) -> bytes:
    """Return the answer's JSON; with ``versions`` of views, tell them in the metadata.

    ``incomplete`` are views whose rows may not be all there. What the metadata say beyond
    Feast's (``freshness``, ``incomplete``) is there only if there is something to say. ``told``
    makes the statuses that are told of those that are right.
    """
    epoch = _epoch(answer.size)
    parts = [_given(values, "", epoch) for _, values in answer.given]
    bodies = json_bodies(answer.blocks)
    stored = [_stored(block, mine, told) for block, mine in zip(answer.blocks, bodies, strict=True)]
    for output in answer.outputs:
        source = output.source
        if source is None:
            values = answer.computed[output.demand][output.feature]
            parts.append(_given(values, output.type, epoch))
        else:
            parts.append(stored[source.read][source.column])
    metadata: dict[str, Any] = {"feature_names": answer.names}
    if incomplete:
        metadata["incomplete"] = incomplete
    if answer.freshness:
        metadata["freshness"] = {
            name: digest.plain(told) for name, told in answer.freshness.items()
        }
    if versions is not None:
        metadata["feature_view_metadata"] = [  # as with Feast, a first version is not told
            {"name": view, "version": number} if number else {"name": view}
            for view, number in versions.items()
        ]
    return b'{"results":[%b],"metadata":%b}' % (b",".join(parts), orjson.dumps(metadata))


def _given(values: list[Any], kind: str, epoch: bytes) -> bytes:
    statuses = _statuses(column_statuses(values, [PRESENT] * len(values)))
    return RESULT % (orjson.dumps(plain(values, kind))[1:-1], statuses, epoch)


def _stored(block: Block, bodies: list[bytes], told: Told | None) -> list[bytes]:
    """Return the results of all columns of a block, which share what follows the values."""
    times = _times(block.event_us)
    if not block.has_nulls:
        statuses = told(block.statuses) if told else block.statuses
        tail = TAIL % (_statuses(statuses), times)
        return [HEAD + body + tail for body in bodies]
    columns = [Stored(block, index).statuses for index in range(len(bodies))]
    return [
        RESULT % (body, _statuses(told(statuses) if told else statuses), times)
        for body, statuses in zip(bodies, columns, strict=True)
    ]


def _statuses(statuses: list[str]) -> bytes:
    size = len(statuses)
    return _present(size) if statuses.count(PRESENT) == size else orjson.dumps(statuses)


@lru_cache(maxsize=1024)
def _present(size: int) -> bytes:
    return orjson.dumps([PRESENT] * size)


@lru_cache(maxsize=1024)
def _epoch(size: int) -> bytes:
    return _times([0] * size)


def _times(event_us: list[int]) -> bytes:
    return b'["%b"]' % b'","'.join(map(rfc3339, event_us)) if event_us else b"[]"


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


@lru_cache(maxsize=65536)
def rfc3339(us: int) -> bytes:
    """Return the instant ``us`` microseconds after 1970 with 0, 3 or 6 digits and a ``Z``."""
    seconds, micros = divmod(us, 1_000_000)
    base = datetime.fromtimestamp(seconds, tz=UTC).isoformat()[:-6]
    if not micros:
        return f"{base}Z".encode()
    digits = f"{micros // 1000:03d}" if micros % 1000 == 0 else f"{micros:06d}"
    return f"{base}.{digits}Z".encode()
