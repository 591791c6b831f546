"""T10: who may do what, over HTTP: every operation, for everybody, on what is theirs and what is not.

What is expected is in matrix.yml. An operation that is not there fails, and so does one that is
there no more. ``python -m tests.api.test_matrix`` writes down what is answered now: look at
what it changes before you keep it.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
import yaml

from provender.api.app import OPERATIONS
from provender.api.gate import ARROW, Upload
from provender.api.routes import Operation
from provender.catalog.local import LocalCatalog
from provender.core.datasets import Format
from provender.core.glossary import Term
from provender.core.limits import Limits
from provender.core.lineage import Node, NodeKind
from provender.core.models import Trained
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.requests import Wanted
from provender.core.tally import Batch, Matter
from provender.tables.piped import encoded
from provender.values import to_json
from tests.api.server import catalog_api
from tests.catalog.conftest import govern
from tests.catalog.test_contracts import CONTRACT
from tests.catalog.world import (
    FLIGHTS,
    HOURLY,
    SALARIES,
    VISIBLE,
    Clock,
    dataset,
    manifest,
    permitted,
    training_set,
)
from tests.stress import times
from tests.tallies import batch, tally

EXPECTED = Path(__file__).with_name("matrix.yml")
NOBODY = ("anonymous", "bad", "expired", "revoked")
KNOWN = ("reader", "other", "steward", "governor", "service")
"""The order in which matrix.yml has their statuses."""
SECRET, GONE = DatasetRef("aviation", "secret"), DatasetRef("aviation", "gone")
TARGETS = {
    "own": FLIGHTS,  # the reader has a grant, the steward is its steward
    "foreign": SALARIES,  # another team's, for nobody to discover
    "tagged": SECRET,  # closed by a protected tag
    "deleted": GONE,
    "ended": HOURLY,  # the reader's grant is over
}
MADE = training_set(HOURLY.at(1), by="person:ops")
MODEL = Trained(name="fare-model", training_set=MADE.id, artifact=f"sha256:{'a' * 64}")
SPINE = b"".join(encoded(pa.schema([("origin", pa.string())]), []))
"""Rows to retrieve features at: none, and without instants, so nothing is made."""
STALE = '"999999"'
PAST = "2020-01-01T00:00:00Z"
T0 = datetime(2020, 1, 1, tzinfo=UTC)
Json = dict[str, Any]


@dataclass
class World:
    """A governed server, and what everybody sends to say who they are."""

    address: str
    headers: dict[str, dict[str, str]]

    def ask(self, client: httpx.Client, operation: Operation, who: str, target: str) -> int:
        sent = request(operation, TARGETS[target])
        headers = sent.pop("headers", {}) | self.headers[who]
        path = sent.pop("path")
        found = client.request(operation.method, f"{self.address}{path}", headers=headers, **sent)
        return found.status_code


def request(operation: Operation, ref: DatasetRef) -> Json:
    """What is sent: well formed, and so that who may do it changes nothing: it comes too late."""
    name, project = ref.dataset, "delays" if ref.domain == "aviation" else "pay"
    there = {"project": project, "number": "1", "id": identity(operation)}
    kinds = {
        "/domains": ref.domain,
        "/people": "person:ana",
        "/tags": "personal",
        "/terms": "delay",
        "/rules": "report",
        "/models": "fare-model",
    }
    named = next((one for begin, one in kinds.items() if operation.path.startswith(begin)), name)
    if "views" in operation.path or "services" in operation.path:
        named = "weather" if "views" in operation.path else "delay_v1"
    path = operation.path.format_map({**there, "name": named})
    sent: Json = {"path": path}
    if query := QUERIES.get(operation.name):
        sent["params"] = {key: value.format(name=name) for key, value in query.items()}
    headers = {"if-match": STALE} if operation.method != "GET" else {}
    if operation.name == "put_contract":
        return sent | {
            "content": CONTRACT.encode(),
            "headers": headers | {"content-type": "application/yaml"},
        }
    if isinstance(operation.body, Upload):
        return sent | {"content": SPINE, "headers": headers | {"content-type": ARROW}}
    if operation.body:
        return sent | {"json": body(operation.name, ref), "headers": headers}
    return sent | {"headers": headers}


def identity(operation: Operation) -> str:
    """One that is there: a token that is over, a grant or request of the reader's, a training set."""
    if "tokens" in operation.path:
        return "t7"
    if "requests" in operation.path:
        return "r1"
    if "break-glass" in operation.path:
        return "b1"
    return MADE.id if "training-sets" in operation.path else "g1"


QUERIES = {
    # who may have rows is told (503) that there is no lake, which these catalogs never had
    "retrieve_rows": {"dataset": "{name}", "column": "arr_delay", "purpose": "delay"},
    "retrieve_features": {"feature": "weather:temp", "purpose": "delay"},
    "resolve_version": {"name": "{name}"},
    "list_history": {"kind": "dataset", "key": "{name}"},
    "search": {"q": "weather"},
    "suggest": {"q": "wea"},
    "get_lineage": {"node": "dataset:{name}"},
    "get_tags": {"node": "dataset:{name}"},
    "get_impact": {"node": "dataset:{name}"},
    "list_grants": {"dataset": "{name}"},
    "list_every_version": {"dataset": "{name}"},
    "list_notes": {"since": PAST},
    "list_expiring": {"until": "2100-01-01T00:00:00Z"},
    "list_unused": {"since": PAST},
    "list_audit_events": {"subject": "{name}"},
}


def body(operation: str, ref: DatasetRef) -> Json:
    name = ref.dataset
    column = {"dataset": name, "column": "arr_delay"}
    value = {"name": "new", "description": "x"}
    said = json.loads(to_json(dataset(ref, "x", owner="team:nobody")))
    defined = replace(VISIBLE, project="delays" if ref.domain == "aviation" else "pay")
    asked = {"about": {"kind": "dataset", "name": name}, "purpose": "delay", "reason": "x"}
    bodies: dict[str, Any] = {
        "publish_version": {"manifest": manifest(9, of=ref), "parent": 99},
        "add_representation": {"manifest": manifest(9, of=ref, format=Format.CSV)},
        "edit_dataset": {"description": "x", "reason": "x"},
        "rename_dataset": {"to": "aviation.renamed"},
        "step_version": {"step": "deprecate", "reason": "x"},
        "plan_retention": {},
        "put_retention": {"rule": {"keep_versions": 5}},
        "put_definitions": {"definitions": defined},
        "compile_serving_manifest": {"definitions": defined},
        "record_training_set": {"training_set": training_set(ref.at(1), by="person:ana")},
        "record_model": {"model": MODEL},
        "get_permit": {"action": "read", "columns": [column], "purpose": "delay"},
        "decide": {"action": "read", "columns": [column], "purpose": "report"},
        "give_grant": {"dataset": name, "grantee": "team:hr", "until": PAST},
        "foresee_request": asked,
        "make_request": asked | {"until": PAST},
        "answer_request": {"step": "reject", "reason": "x"},
        "renew_grant": {"until": PAST},
        "break_glass": {"dataset": name, "reason": "x"},
        "review_broken": {"justified": True, "note": "x"},
        "simulate_governance": {"desired": {}, "since": PAST},
        "plan_governance": {"desired": {}},
        "apply_governance": {"desired": {}},
        "put_domain": {"value": {"name": ref.domain}},
        "put_person": {"value": {"id": "person:ana"}},
        "put_tag": {"value": {"name": "personal"}},
        "put_term": {"value": {"name": "delay", "definition": "x"}},
        "put_rule": {"value": {"id": "report", "actors": ["anyone"], "actions": ["read"]}},
        "declare_dataset": {"value": said},
        "put_dataset": {"value": said},
        "withdraw_object": {"kind": "tag", "name": "personal"},
        "write_note": {"kind": "features:push", "subject": name},
        "tell_lookups": {"batch": told(ref)},
        "create_token": {"name": "x", "until": PAST},
        "foresee_erasure": {"join_key": "tailnum"},
        "foresee_readers": {"versions": [f"{name}@1"]},
        "begin_erasure": {"join_key": "tailnum", "sought": ["N1"], "key": "x", "reason": "x"},
        "erase_versions": {"found": {"dataset": name, "erased": [1]}},
        "finish_erasure": {},
    }
    found: Json = json.loads(to_json(bodies.get(operation, value)))
    return found


def told(ref: DatasetRef) -> Batch:
    """One lookup by whoever tells of it."""
    matter = Matter(actor="", purpose="", project="p", reasons={ref.dataset: {"arr_delay": "x"}})
    return batch(tally(matter, T0))


def fill(url: str, clock: Clock) -> dict[str, dict[str, str]]:
    """Fill a governed catalog; return the headers of everybody."""
    with ExitStack() as opened:

        def speaking(actor: str) -> LocalCatalog:
            return opened.enter_context(LocalCatalog(url, actor=actor, clock=clock))

        gov, sam, ops = (speaking(f"person:{name}") for name in ("gov", "sam", "ops"))
        ana, max_ = speaking("person:ana"), speaking("person:max")
        gov.desk.declare(Person(id="service:robot"))
        for ref, tags in ((SECRET, ("personal",)), (GONE, ())):
            gov.desk.declare(dataset(ref, "x", tags=tags, stewards=("person:sam",)))
        gov.desk.withdraw("dataset", GONE.dataset, reason="x")
        for ref in (FLIGHTS, HOURLY, SECRET):
            ops.publish(ref, manifest(1, of=ref))
        gov.desk.declare(Term(name="delay", definition="How late."))
        sam.desk.attach(FLIGHTS, CONTRACT.encode(), expected=0)
        speaking("person:dev").record(VISIBLE)
        ops.record(replace(MADE, decision=permitted(ops, HOURLY)))
        ops.models.record(MODEL)
        sam.records.grant(FLIGHTS, grantee="person:ana", purposes=("delay",))
        asked = Node(NodeKind.DATASET, str(FLIGHTS))
        ana.access.ask(Wanted(about=asked, columns=("tailnum",), purpose="delay", reason="x"))
        soon = clock() + timedelta(hours=1)
        ops.records.grant(HOURLY, grantee="person:ana", purposes=("delay",), until=soon)
        risk = Limits(project="risk", datasets=("people.*", "aviation.weather_hourly"))
        secrets = {
            "reader": ana.keyring.create("reader"),
            "other": max_.keyring.create("other", limits=risk),
            "steward": sam.keyring.create("steward"),
            "governor": gov.keyring.create("governor"),
            "service": gov.keyring.create("service", actor="service:robot"),
            "expired": ana.keyring.create("expired", until=soon),
            "revoked": ana.keyring.create("revoked"),
        }
        ana.keyring.revoke(secrets["revoked"].token.id)
    clock.advance(timedelta(hours=2))
    bearer = {name: issued.secret for name, issued in secrets.items()} | {"bad": "pvd_" + "x" * 43}
    return {n: {"authorization": f"Bearer {s}"} for n, s in bearer.items()} | {"anonymous": {}}


@pytest.fixture
def world(governed_url: str, clock: Clock) -> Iterator[World]:
    headers = fill(governed_url, clock)
    with catalog_api(governed_url, clock=clock, governs=True) as address:
        yield World(address, headers)


def expected() -> dict[str, dict[str, list[int]]]:
    read = yaml.safe_load(EXPECTED.read_text())
    return {
        name: {
            target: [int(status) for status in str(said.get(target, said.get("all"))).split()]
            for target in TARGETS
        }
        for name, said in read.items()
    }


def test_every_operation_is_in_the_matrix_and_no_other() -> None:
    assert set(expected()) == {operation.name for operation in OPERATIONS}, (
        "run: python -m tests.api.test_matrix, and look at what it says of the new operation"
    )
    for name, said in expected().items():
        assert all(len(statuses) == len(KNOWN) for statuses in said.values()), name


def test_what_everybody_may_is_what_the_matrix_says(world: World) -> None:
    """In full under STRESS; else each operation for everybody, on one of the targets in turn."""
    wrong, asked = [], 0
    with httpx.Client() as client:
        for turn, operation in enumerate(OPERATIONS):
            for place, who in enumerate((*NOBODY, *KNOWN)):
                targets = list(TARGETS)
                if times(1) == 1:
                    targets = [targets[(turn + place) % len(targets)]]
                for target in targets:
                    wanted = (
                        expected_of(operation.name, target, who)
                        if who in KNOWN
                        else 200
                        if operation.open
                        else 401
                    )
                    found = world.ask(client, operation, who, target)
                    asked += 1
                    if found != wanted:
                        wrong.append((operation.name, who, target, found, wanted))
    assert wrong == []
    assert asked >= len(OPERATIONS) * len((*NOBODY, *KNOWN))


MATRIX = expected() if EXPECTED.exists() else {}


def expected_of(operation: str, target: str, who: str) -> int:
    return MATRIX[operation][target][KNOWN.index(who)]


def written(world: World) -> str:
    """What is answered now, as matrix.yml has it."""
    lines = [f"# {' '.join(KNOWN)}: what each is answered, by operation and by what it is about."]
    lines += [
        "# Who is nobody gets 401 everywhere but from get_mode. Made by tests/api/test_matrix.py."
    ]
    with httpx.Client() as client:
        for operation in OPERATIONS:
            found = {
                target: " ".join(str(world.ask(client, operation, who, target)) for who in KNOWN)
                for target in TARGETS
            }
            same = len(set(found.values())) == 1
            said = {"all": found["own"]} if same else found
            shown = ", ".join(f"{target}: {statuses}" for target, statuses in said.items())
            lines.append(f"{operation.name}: {{{shown}}}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    folder, now = Path(tempfile.mkdtemp()), Clock()
    try:
        address = f"sqlite:///{folder / 'catalog.db'}"
        govern(address)
        known = fill(address, now)
        with catalog_api(address, clock=now, governs=True) as served:
            EXPECTED.write_text(written(World(served, known)))
    finally:
        shutil.rmtree(folder)
    sys.stdout.write(EXPECTED.read_text())
