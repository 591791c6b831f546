"""Everything that can be asked of a server with a token: each GET of the API, each page, each twin."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from provender.api.app import OPERATIONS
from provender.web.app import PAGES
from tests.exits.world import World

WORDS = ("visits", "remark", "zqx", "address", "86753")
"""What is searched for, besides the canaries themselves."""
NAMES = {
    "/datasets": ("shop.visits",),
    "/domains": ("shop",),
    "/people": ("person:ana", "person:sam"),
    "/tags": ("personal.plate", "personal.address"),
    "/rules": ("everything", "north"),
    "/features": ("visits", "visits.visits"),
    "/services": ("open_v1", "whole_v1"),
    "/projects/{name}": ("visits",),
    "/projects/{project}/views": ("visits",),
    "/projects/{project}/services": ("open_v1", "whole_v1"),
    "/entities": ("driver",),
    "/models": ("visits-model",),
}
"""What is asked for by its name, by the begin of the address; of all else there is none."""
VALUES: dict[str, tuple[str, ...]] = {
    "number": ("1",),
    "project": ("visits",),
    "id": ("person:ana", "person:sam"),
}
"""What else stands in addresses, beside the ids that answers tell."""
NODES = (
    "dataset:shop.visits",
    "feature-view:visits/visits",
    "feature-service:visits/open_v1",
    "model:visits-model@1",
)
QUERIES: dict[str, list[dict[str, Any]]] = {
    "resolve_version": [{"name": "shop.visits"}],
    "list_history": [{"kind": "dataset", "key": "shop.visits"}],
    "get_lineage": [{"node": node, "columns": "true"} for node in NODES],
    "get_tags": [{"node": node} for node in NODES],
    "get_impact": [{"node": node} for node in NODES],
    "list_grants": [{"dataset": "shop.visits"}, {}],
    "list_every_version": [{"dataset": "shop.visits"}],
    "list_notes": [{"since": "2020-01-01T00:00:00Z"}],
    "list_expiring": [{"until": "2100-01-01T00:00:00Z"}],
    "list_unused": [{"since": "2020-01-01T00:00:00Z"}],
    "list_audit_events": [{"limit": "200"}],
    "list_changes": [{"limit": "200"}],
    "retrieve_rows": [{"dataset": "shop.visits", "purpose": "research"}],
}
ID = re.compile(r'"id": ?"([^"]+)"')
LINK = re.compile(r'href="(/[^"#]*)"')


@dataclass(frozen=True)
class Answer:
    """What was asked, and all of what came: the status, the headers and the body."""

    asked: str
    status: int
    text: str


def everything(world: World, actor: str, *, part: int = 0, of: int = 1) -> Iterator[Answer]:
    """Yield the answers to all that ``actor`` can ask; links of pages are followed once.

    Or to one ``part`` ``of`` so many, by turns.
    """
    with httpx.Client(
        base_url=world.address, headers=world.bearer(actor), timeout=60, follow_redirects=True
    ) as client:
        ids: set[str] = set()
        links: set[str] = set()
        asked: set[str] = set()
        for path, query in [*api(), *pages()][part::of]:
            answer = _ask(client, path, query)
            asked.add(path)
            ids |= set(ID.findall(answer.text))
            links |= set(LINK.findall(answer.text))
            yield answer
        for path in sorted(_with_ids(ids) | links - asked)[part::of]:
            if not path.startswith(("/static", "/sign")):
                yield _ask(client, path, {})
        for path in ("/metrics", "/healthz", "/api/v1/openapi.json", "/api/v1/docs", "/nowhere"):
            yield _ask(client, path, {})


def api() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every GET of the API, with what it needs; a parameter of an address by each value there is."""
    for operation in OPERATIONS:
        if operation.method != "GET":
            continue
        queries = QUERIES.get(operation.name, [{}])
        if operation.name in ("search", "suggest", "count_facets"):
            queries = [{"q": word} for word in WORDS]
        for path in _filled(operation.path):
            for query in queries:
                yield f"/api/v1{path}", query


def pages() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every page, and its twin in JSON."""
    for pattern, _ in PAGES:
        queries: list[dict[str, Any]] = [{}]
        if pattern in ("/search", "/suggest"):
            queries = [{"q": word} for word in WORDS]
        if pattern.endswith("/column"):
            queries = [
                {"name": name, "version": "1"} for name in ("plate", "address", "remark", "fare")
            ]
        if pattern == "/lineage":
            queries = [{"node": node} for node in NODES]
        if pattern == "/requests/new":
            queries = [{"about": NODES[0], "purpose": "research"}]
        for path in _filled(pattern):
            for query in queries:
                yield path, query
                yield ("/index.json" if path == "/" else f"{path}.json"), query


def _filled(pattern: str) -> list[str]:
    """Addresses of ``pattern`` by everything that it may be about."""
    names = next((names for begin, names in NAMES.items() if pattern.startswith(begin)), ("none",))
    paths = [pattern]
    for name in re.findall(r"{(\w+)}", pattern):
        values = names if name == "name" else VALUES[name]
        paths = [path.replace(f"{{{name}}}", value) for path in paths for value in values]
    return paths


def _with_ids(ids: set[str]) -> set[str]:
    """Addresses of what has an id, by the ids that were told."""
    patterns = [
        f"/api/v1{one.path}" for one in OPERATIONS if one.method == "GET" and "{id}" in one.path
    ]
    patterns += [pattern for pattern, _ in PAGES if "{id}" in pattern]
    return {pattern.replace("{id}", one) for pattern in patterns for one in ids if "/" not in one}


def _ask(client: httpx.Client, path: str, query: dict[str, Any]) -> Answer:
    answer = client.get(path, params=query or None)
    body = answer.content.decode("utf-8", "replace")
    told = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    return Answer(f"{path} {query}", answer.status_code, f"{told}\n{body}")
