"""The API's own description, OpenAPI 3.1: made from the table of routes, and so never behind it."""

import json
import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from provender.api.errors import JSON, ErrorAnswer
from provender.api.routes import Operation
from provender.api.shapes import Wanted, described
from provender.core.errors import InvalidInput, ProvenderError, Unauthenticated, Unavailable
from provender.core.identity import Mode

Json = dict[str, Any]
VERSION = "1.0"
EVERYWHERE: tuple[type[ProvenderError], ...] = (InvalidInput, Unavailable)
"""What any route may answer with: a parameter that is none, a database that is away."""
MEANINGS = {
    304: "It is what the caller has already.",
    308: "It has another name now: see Location.",
    204: "It is done.",
}
TEXT = {"type": "string"}
ANY: Json = {"description": "As it was written, byte for byte."}
TAG = {"description": "What this answer is the state of.", "schema": TEXT}
PLACE = {"description": "The address of it.", "schema": TEXT}
BEARER: Json = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API token, or an access token of the identity provider.",
}
ABOUT = (
    "The catalog of Provender: datasets, their versions, owners, tags and contracts, feature "
    "definitions, access, lineage and search. Lists come in pages; changes need If-Match; what "
    "makes something takes an Idempotency-Key; every error has one shape."
)


def describe(app: FastAPI, operations: Sequence[Operation], mode: Mode) -> Json:
    """Return the description of the API that ``operations`` are, on a server in ``mode``."""
    whole = get_openapi(
        title="Provender catalog", version=VERSION, description=ABOUT, routes=app.routes
    )
    whole["servers"] = [{"url": "/api/v1"}]
    schemas, definitions = described(_wanted(operations))
    for operation in operations:
        told = whole["paths"][operation.path][operation.method.lower()]
        told["tags"] = [operation.tag]
        told["summary"], told["description"] = _summary(operation), _rest(operation)
        told["parameters"] = [_parameter(one) for one in told.get("parameters", [])]
        told["responses"] = _responses(operation, schemas)
        if body := operation.body:
            content = {body.media: {"schema": schemas.get(f"{operation.name} takes", ANY)}}
            told["requestBody"] = {"required": True, "content": content}
        if not (mode.is_local or operation.open):
            told["security"] = [{"token": []}]
            told["responses"]["401"] = _told(401, [Unauthenticated.code], schemas["error"])
    whole["components"] = {"schemas": dict(sorted(definitions.items()))}
    if not mode.is_local:
        whole["components"]["securitySchemes"] = {"token": BEARER}
    return _named(whole)


def _wanted(operations: Iterable[Operation]) -> Iterable[Wanted]:
    yield "error", "serialization", TypeAdapter(ErrorAnswer).core_schema
    for operation in operations:
        if operation.answers is not None:
            answers = TypeAdapter(operation.answers).core_schema
            yield f"{operation.name} answers", "serialization", answers
        if (body := operation.body) and body.shape:
            yield f"{operation.name} takes", "validation", body.shape.schema


def _responses(operation: Operation, schemas: Json) -> Json:
    success: Json = {"description": _summary(operation)}
    if operation.answers is not None:
        schema = schemas[f"{operation.name} answers"]
        success["content"] = {operation.media: {"schema": schema}}
    elif operation.status != HTTPStatus.NO_CONTENT:
        success["content"] = {operation.media: {"schema": ANY}}
    headers = {}
    if operation.method == "GET":
        headers["ETag"] = TAG
    if operation.status == HTTPStatus.CREATED:
        headers["Location"] = PLACE
    if headers:
        success["headers"] = headers
    found = {str(operation.status): success}
    for status in operation.also:
        found[str(status)] = {"description": MEANINGS.get(status, _summary(operation))}
        if status == HTTPStatus.PERMANENT_REDIRECT:
            found[str(status)]["headers"] = {"Location": PLACE}
        elif status < HTTPStatus.MULTIPLE_CHOICES and status != HTTPStatus.NO_CONTENT:
            found[str(status)] = success
    if operation.method == "GET":
        found["304"] = {"description": MEANINGS[304]}
    return dict(sorted((found | _errors(operation, schemas["error"])).items()))


def _errors(operation: Operation, schema: Json) -> Json:
    codes: dict[int, list[str]] = {}
    for error in (*operation.raises, *EVERYWHERE):
        codes.setdefault(error.status, []).append(error.code)
    if operation.method != "GET":
        codes.setdefault(HTTPStatus.FORBIDDEN, []).append("cross-site")
    if operation.body:
        codes[HTTPStatus.REQUEST_ENTITY_TOO_LARGE] = ["too-large"]
        codes[HTTPStatus.UNSUPPORTED_MEDIA_TYPE] = ["unsupported-media-type"]
    codes[HTTPStatus.MISDIRECTED_REQUEST] = ["misdirected"]
    return {str(int(status)): _told(status, names, schema) for status, names in codes.items()}


def _told(status: int, codes: list[str], schema: Json) -> Json:
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(dict.fromkeys(codes))}.",
        "content": {JSON: {"schema": schema}},
    }


def _summary(operation: Operation) -> str:
    return (operation.endpoint.__doc__ or "").strip().splitlines()[0]


def _rest(operation: Operation) -> str:
    return "\n".join((operation.endpoint.__doc__ or "").strip().splitlines()[1:]).strip()


def _parameter(described: Json) -> Json:
    """Return a parameter as it is on the wire, where nothing is null."""
    schema = described["schema"]
    kinds = [kind for kind in schema.pop("anyOf", []) if kind.get("type") != "null"]
    for clutter in ("title", "description"):
        schema.pop(clutter, None)
    return described | {"schema": schema | (kinds[0] if kinds else {})}


def _named(whole: Json) -> Json:
    """Return the description with the names of pages as people would give them."""
    text = json.dumps(whole)
    named: Json = json.loads(re.sub(r"Listed_(\w+?)_(?=\")", r"\1Page", text))
    return named
