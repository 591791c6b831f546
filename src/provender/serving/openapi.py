"""The server's own description, in OpenAPI 3.1: data, with the names of what is served."""

from copy import deepcopy
from typing import Any

from provender.core.serving import ServingManifest

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
FLAG: Json = {"type": "boolean"}
COLUMNS: Json = {
    "type": "object",
    "additionalProperties": {"type": "array"},
    "description": "values by column; all columns have the same length",
}
INSTANT: Json = {"type": "string", "format": "date-time"}
NAMES: Json = {"type": ["array", "null"], "items": TEXT}
ARROW = "application/vnd.apache.arrow.stream"


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _response(description: str, schema: Json | None = None) -> Json:
    told: Json = {"description": description}
    return told | {"content": _json(schema)} if schema else told


def _retry(description: str, schema: Json) -> Json:
    header = {"schema": {"type": "string"}, "description": "seconds"}
    return _response(description, schema) | {"headers": {"Retry-After": header}}


REFUSALS: Json = {
    "400": _response("This is no HTTP request.", _ref("Detail")),
    "403": _response("The policy does not allow it.", _ref("FeastError")),
    "404": _response("There is no such name.", _ref("FeastError")),
    "405": _response("The path takes another method: see Allow.", _ref("Detail")),
    "408": _response("The request did not come to its end in time.", _ref("Detail")),
    "409": _response("The state does not allow it.", _ref("Problem")),
    "413": _response("The body is too large.", _ref("Detail")),
    "422": _response("The request cannot be answered as it is.", _ref("Problem")),
    "431": _response("There are too many or too large headers.", _ref("Detail")),
    "503": _retry("The store does not answer, or too much is under way.", _ref("FeastError")),
}


OPEN = frozenset({"health", "ready", "metrics"})
"""Operations that are for everybody."""
UNKNOWN: Json = _response("It is not known who asks.", _ref("FeastError"))


def _post(summary: str, name: str, schema: str, answers: Json, **more: Any) -> Json:
    body = {"required": True, "content": _json(_ref(schema))}
    described = {"operationId": name, "summary": summary, "requestBody": body}
    return {"post": described | {"responses": REFUSALS | answers} | more}


def _get(summary: str, name: str, answers: Json) -> Json:
    return {"get": {"operationId": name, "summary": summary, "responses": answers}}


BY_FEATURES: Json = {
    "required": ["features"],
    "properties": {"features": {"type": "array", "items": TEXT, "minItems": 1}},
}
BY_SERVICE: Json = {
    "required": ["feature_service"],
    "properties": {"feature_service": {"type": "string", "minLength": 1}},
}
LOOKUP: Json = {
    "type": "object",
    "required": ["entities"],
    "anyOf": [BY_FEATURES, BY_SERVICE],
    "properties": {
        "features": {
            "type": "array",
            "items": TEXT,
            "maxItems": 10_000,
            "description": "view:feature, in the order of the answer",
        },
        "feature_service": {
            "type": ["string", "null"],
            "description": "wins over features; empty: none",
        },
        "entities": COLUMNS,
        "full_feature_names": FLAG,
        "include_feature_view_version_metadata": FLAG,
    },
}
STATUSES = ["PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE"]
ANSWER: Json = {
    "type": "object",
    "required": ["results", "metadata"],
    "properties": {
        "results": {"type": "array", "items": _ref("Column")},
        "metadata": {
            "type": "object",
            "required": ["feature_names"],
            "properties": {
                "feature_names": {"type": "array", "items": TEXT},
                "feature_view_metadata": {"type": "array", "items": _ref("ViewVersion")},
            },
        },
    },
}
VIEW_VERSION: Json = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": TEXT,
        "version": {
            "type": "integer",
            "minimum": 1,
            "description": "left out where it is the first",
        },
    },
}
COLUMN: Json = {
    "type": "object",
    "required": ["values", "statuses", "event_timestamps"],
    "properties": {
        "values": {"type": "array"},
        "statuses": {"type": "array", "items": {"enum": STATUSES}},
        "event_timestamps": {"type": "array", "items": TEXT},
    },
}
PUSH: Json = {
    "type": "object",
    "required": ["push_source_name", "df"],
    "properties": {
        "push_source_name": TEXT,
        "df": COLUMNS,
        "to": {"enum": ["online", "offline", "online_and_offline"]},
        "allow_registry_cache": FLAG,
        "transform_on_write": FLAG,
    },
}
WRITE: Json = {
    "type": "object",
    "required": ["feature_view_name", "df"],
    "properties": {
        "feature_view_name": TEXT,
        "df": COLUMNS,
        "allow_registry_cache": FLAG,
        "transform_on_write": FLAG,
    },
}
WINDOW: Json = {
    "type": "object",
    "required": ["start_ts", "end_ts"],
    "properties": {
        "start_ts": INSTANT,
        "end_ts": INSTANT,
        "feature_views": NAMES,
        "disable_event_timestamp": FLAG,
        "full_feature_names": FLAG,
    },
}
UNTIL: Json = {
    "type": "object",
    "required": ["end_ts"],
    "properties": {"end_ts": INSTANT, "feature_views": NAMES, "full_feature_names": FLAG},
}
SCHEMAS: Json = {
    "Lookup": LOOKUP,
    "Answer": ANSWER,
    "Column": COLUMN,
    "ViewVersion": VIEW_VERSION,
    "Push": PUSH,
    "Write": WRITE,
    "Window": WINDOW,
    "Until": UNTIL,
    "FeastError": {"type": "string", "description": "JSON in a string: module, class, message"},
    "Detail": {
        "type": "object",
        "required": ["detail"],
        "properties": {"detail": {"type": ["string", "array"]}},
    },
    "Busy": {
        "type": "object",
        "required": ["error", "feature_views"],
        "properties": {"error": TEXT, "feature_views": {"type": "array", "items": TEXT}},
    },
    "Problem": {"anyOf": [_ref("FeastError"), _ref("Detail"), _ref("Busy")]},
    "State": {"type": "object"},
}
NO_REPOSITORY: Json = _response("There is no feature repository here.", _ref("FeastError"))
JOB: Json = {
    "200": _response("Done.", {"type": "null"}),
    "202": _response("Started.", _ref("State")),
    "501": NO_REPOSITORY,
}
KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "maxLength": 256},
    "description": "a push with the key of one in the last hour is not written offline again; "
    "with other rows it is refused",
}
ASYNC: Json = {
    "name": "async",
    "in": "query",
    "schema": {"type": "string"},
    "description": "true: answer 202 when the job has started",
}
FOUND: Json = _response("The features, column by column.", _ref("Answer"))
FOUND["content"][ARROW] = {"schema": {}}
PATHS: Json = {
    "/get-online-features": _post(
        "Look up features",
        "get_online_features",
        "Lookup",
        {"200": FOUND, "406": _response("Arrow streams are not to be had.", _ref("Detail"))},
    ),
    "/push": _post(
        "Write rows to the views of a push source, to its offline source, or to both",
        "push",
        "Push",
        {"200": _response("Written."), "501": NO_REPOSITORY},
        parameters=[KEY],
    ),
    "/write-to-online-store": _post(
        "Write rows to a view", "write", "Write", {"200": _response("Written.", {"type": "null"})}
    ),
    "/materialize": _post("Materialise a window", "materialize", "Window", JOB, parameters=[ASYNC]),
    "/materialize-incremental": _post(
        "Materialise what is new", "materialize_incremental", "Until", JOB, parameters=[ASYNC]
    ),
    "/health": _get(
        "Whether there is something to serve, and the state of store and catalog",
        "health",
        {"200": _response("Healthy.", _ref("State")), "503": _response("No.", _ref("State"))},
    ),
    "/ready": _get(
        "Whether a lookup would be answered now",
        "ready",
        {"200": _response("Yes.", _ref("State")), "503": _retry("No.", _ref("State"))},
    ),
    "/metrics": _get(
        "Numbers for Prometheus",
        "metrics",
        {"200": {"description": "Numbers.", "content": {"text/plain": {"schema": TEXT}}}},
    ),
}


SAMPLES: Json = {"string": "a", "bool": True, "float32": 0.5, "float64": 0.5}
"""A value of a join key or request column, by type word; 1 for all others."""


def document(manifest: ServingManifest | None, *, jobs: bool, asks: bool = False) -> Json:
    """Return the description with the names of ``manifest``.

    Without ``jobs``, without what needs a feature repository. Where it ``asks`` who sends
    requests, with tokens.
    """
    paths, schemas = deepcopy(PATHS), deepcopy(SCHEMAS)
    if not jobs:
        paths = {path: told for path, told in paths.items() if "materialize" not in path}
        del paths["/push"]["post"]["responses"]["501"]
        schemas["Push"]["properties"]["to"] = {"enum": ["online"]}
    if manifest is not None:
        _name(schemas, manifest)
    told: Json = {
        "openapi": "3.1.0",
        "info": {"title": "Provender online features", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if asks:
        for told_of in (told_of for path in paths.values() for told_of in path.values()):
            if told_of["operationId"] not in OPEN:
                told_of["security"] = [{"token": []}]
                told_of["responses"]["401"] = UNKNOWN
        told["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return told


def _name(schemas: Json, manifest: ServingManifest) -> None:
    """Write the names that there are into the schemas, and a lookup that is answered."""
    features = [f"{view.name}:{column.name}" for view in manifest.views for column in view.columns]
    features += [f"{view.name}:{out.name}" for view in manifest.on_demand for out in view.features]
    by_features, by_service = schemas["Lookup"]["anyOf"]
    if features:
        by_features["properties"]["features"]["items"] = {"enum": features}
    if manifest.services:
        names = [service.name for service in manifest.services]
        by_service["properties"]["feature_service"] = {"enum": names}
        schemas["Lookup"]["properties"]["feature_service"]["enum"] = [*names, "", None]
    for view in manifest.views[:1]:
        entities = {key.name: [SAMPLES.get(key.type, 1)] for key in view.join_keys}
        schemas["Lookup"]["examples"] = [{"features": features[:1], "entities": entities}]
    sources = {name for view in manifest.views for name in view.push_sources}
    if sources:
        schemas["Push"]["properties"]["push_source_name"] = {"enum": sorted(sources)}
    if manifest.views:
        written = {"enum": [view.name for view in manifest.views]}
        schemas["Write"]["properties"]["feature_view_name"] = written
        for window in (schemas["Window"], schemas["Until"]):
            window["properties"]["feature_views"]["items"] = written
