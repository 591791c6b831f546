"""What a client of the first version sends and reads, kept: later servers must answer it.

``python -m tests.api.exchanges`` records them anew over a server of now: after a deliberate break only.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from provender.core.editing import Edit
from provender.values import to_json
from tests.api.server import catalog_api
from tests.catalog.conftest import govern
from tests.catalog.test_contracts import CONTRACT
from tests.catalog.world import FLIGHTS, HOURLY, VISIBLE, Clock, manifest

RECORDED = Path(__file__).with_name("exchanges-1.json")
Json = dict[str, Any]
EDIT = Edit(description="Flights.", column_descriptions={"tailnum": "The plane."})


def requests() -> Iterator[Json]:
    """Requests in the order in which they make sense, over `GOVERNANCE`."""
    where = f"/datasets/{FLIGHTS}"
    columns = [{"dataset": str(HOURLY), "column": "arr_delay"}]
    yield _ask("GET", "/actor")
    yield _ask("GET", "/datasets?domain=aviation&limit=2")
    yield _ask("GET", where)
    for rows in (1, 2):
        published = {
            "manifest": json.loads(to_json(manifest(rows))),
            "note": "n",
            "parent": rows - 1,
        }
        yield _ask("POST", f"{where}/versions", published, {"idempotency-key": f"k{rows}"})
    yield _ask("GET", f"{where}/versions?limit=1")
    yield _ask("GET", f"{where}/versions/1")
    yield _ask("GET", f"{where}/versions/1/evidence")
    yield _ask("GET", f"/resolve?name={FLIGHTS}")
    edit = {name: part for name, part in json.loads(to_json(EDIT)).items() if part}
    yield _ask("PATCH", where, edit | {"reason": "r"}, {"if-match": '"1"'})
    yield _ask("GET", f"{where}/history")
    recall = {"step": "recall", "reason": "r", "severity": "warn", "replacement": 1}
    yield _ask("POST", f"{where}/versions/2/state", recall, {"if-match": '"2"'})
    yield _ask("PUT", f"{where}/contract", CONTRACT, {"if-none-match": "*"})
    yield _ask("GET", f"{where}/contract/promises")
    yield _ask("POST", f"{where}/retention/plan", {"rule": {"keep_versions": 1}})
    yield _ask("GET", "/search?q=flights&explain=true")
    yield _ask("GET", "/suggest?q=fli")
    yield _ask("GET", "/facets?q=flights")
    yield _ask("GET", f"/lineage?node=dataset:{FLIGHTS}")
    permit = {"action": "read", "columns": columns, "purpose": "report"}
    yield _ask("POST", "/permits", permit)
    yield _ask("POST", "/decisions", permit)
    yield _ask(
        "POST",
        "/grants",
        {"dataset": str(FLIGHTS), "grantee": "person:ana", "purposes": ["report"]},
    )
    yield _ask("GET", "/grants")
    yield _ask("POST", "/grants/g1/revoke")
    yield _ask("GET", "/inbox?limit=1")
    yield _ask("GET", "/audit?limit=3")
    yield _ask("GET", "/changes?after=1&limit=2")
    yield _ask("GET", "/governance")
    yield _ask("GET", "/datasets/aviation.nothing")
    yield _ask(
        "PUT",
        "/projects/delays/definitions",
        {"definitions": json.loads(to_json(VISIBLE))},
        {"if-none-match": "*"},
        actor="person:dev",
    )
    yield _ask("GET", "/projects/delays/definitions")
    yield _ask("GET", "/projects/delays/serving-manifest")


def _ask(
    method: str,
    path: str,
    body: Json | str | None = None,
    headers: dict[str, str] | None = None,
    *,
    actor: str = "person:ops",
) -> Json:
    return {"method": method, "path": path, "body": body, "headers": headers or {}, "actor": actor}


def send(client: httpx.Client, asked: Json) -> httpx.Response:
    """Return the answer to a request as it was recorded."""
    body = asked["body"]
    kind = "application/yaml" if isinstance(body, str) else "application/json"
    sent = {"authorization": f"Bearer {asked['actor']}"} | asked["headers"]
    content = body if isinstance(body, str | None) else json.dumps(body)
    if content is not None:
        sent["content-type"] = kind
    return client.request(asked["method"], asked["path"], content=content, headers=sent)


def record(url: str) -> list[Json]:
    """Return requests with what a server over the catalog at ``url`` answers to them."""
    with catalog_api(url, clock=Clock()) as address, httpx.Client(base_url=address) as client:
        answered = ((asked, send(client, asked)) for asked in requests())
        return [
            asked | {"status": one.status_code, "answer": one.json() if one.content else None}
            for asked, one in answered
        ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{folder}/catalog.db"
        govern(database)
        told = json.dumps(record(database), indent=1, ensure_ascii=False, sort_keys=True)
    RECORDED.write_text(told + "\n")
