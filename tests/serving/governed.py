"""The whole stack for what may be served: a catalog, a Valkey, a server of ours and what carries the policy.

One view of ``FEATURES`` features, each of which is open by a grant of its own.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

import pytest

from provender.catalog.local import LocalCatalog
from provender.core.datasets import Dataset, EventRange, FileEntry, Format, Manifest
from provender.core.errors import Denied
from provender.core.features import EntitySpec, FieldSpec, RepoSpec, ViewSpec
from provender.core.governance import Domain, Governance
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.policy import Action, Grant, Rule
from provender.core.schema import Column, Schema
from provender.core.serving import SERVER
from provender.core.tags import Tag
from provender.online.columns import ColumnEncoder
from provender.online.embedded import EmbeddedServer, embedded_server
from provender.online.pump import Pump, carry
from provender.online.store import OnlineStore
from provender.sdk import connect
from provender.sdk.online import OnlineLookup
from provender.settings import Settings
from tests.online.views import covering
from tests.serving.nursery import nursery

IMPORTS = """
import uvloop
from provender import bootstrap
from provender.cli import carrier, main, running
from provender.online import store
from provender.serving import aside, jobs, openapi, pushes, server, worker, workers, writes
"""
PROGRAM = """
sys.argv = ["provender", *given]
main()
"""
PROJECT = "shop"
ORDERS = DatasetRef("shop", "orders")
FEATURES = tuple(f"f{number:02}" for number in range(40))
PUBLIC = "open"
"""A feature that a rule opens to everybody."""
T0 = datetime(2026, 1, 1, tzinfo=UTC)
GOVERNANCE = Governance(
    domains=(Domain(name="shop"),),
    people=(
        *(Person(id=f"person:{name}", name=name) for name in ("gov", "sam", "ana")),
        Person(id=SERVER),
    ),
    tags=(Tag(name="personal", protected=True),),
    purposes={"serving": "Serve."},
    rules=(
        Rule(
            id="gov",
            actors=("person:gov",),
            actions=(Action.GOVERN, Action.DEFINE, Action.PUBLISH),
        ),
        Rule(id="known", actors=("anyone",), actions=(Action.DISCOVER,)),
        Rule(id="public", actors=("anyone",), actions=(Action.SERVE,)),
    ),
    datasets=(
        Dataset(
            ref=ORDERS,
            description="Orders.",
            owner="person:sam",
            format=Format.PARQUET,
            event_timestamp="at",
            column_tags=dict.fromkeys(FEATURES, ("personal",)),
        ),
    ),
)
REPO = RepoSpec(
    project=PROJECT,
    entities=(EntitySpec(name="order", join_key="id", type="int64"),),
    views=(
        ViewSpec(
            name="orders",
            entities=("order",),
            join_keys=(FieldSpec(name="id", type="int64"),),
            features=tuple(FieldSpec(name=name, type="int64") for name in (*FEATURES, PUBLIC)),
            dataset=ORDERS,
            event_timestamp="at",
        ),
    ),
)
VERSION = Manifest(
    format=Format.PARQUET,
    location="shop/orders/1",
    files=(FileEntry(path="part-0.parquet", size_bytes=1, sha256="sha256:0"),),
    schema=Schema(
        (
            Column(name="at", type="timestamp"),
            Column(name="id", type="int64"),
            *(Column(name=name, type="int64") for name in (*FEATURES, PUBLIC)),
        )
    ),
    row_count=1,
    logical_digest="sha256:1",
    event_timestamp="at",
    event_range=EventRange(earliest=T0, latest=T0),
)


def govern(url: str, store: OnlineStore) -> dict[str, Grant]:
    """Make a catalog, apply the definitions, fill the store; return the grant of each feature."""
    with LocalCatalog(url, actor="person:gov") as gov:
        gov.desk.apply(GOVERNANCE)
        gov.publish(ORDERS, VERSION)
        gov.record(REPO)
        sam = gov.as_actor("person:sam")
        grants = {name: grant(sam, name) for name in FEATURES}
        gov.record(REPO)
        served = gov.records.serving_manifest(PROJECT)
        assert served.closed == {}
        store.publish_manifest(served)
    row: dict[str, list[Any]] = {name: [7] for name in (*FEATURES, PUBLIC)}
    [view] = served.views
    store.write(ColumnEncoder(PROJECT, view).encode({"id": [1], **row, "at": [T0]}))
    store.keep_coverage(PROJECT, view.name, covering(view))
    return grants


def grant(sam: LocalCatalog, feature: str, **terms: Any) -> Grant:
    return sam.records.grant(
        ORDERS, grantee=SERVER, action=Action.SERVE, columns=(feature,), **terms
    )


def carry_once(url: str, store: OnlineStore, now: datetime | None = None) -> str:
    """Renew the lease once, in this process; return its digest."""
    with LocalCatalog(url, actor=SERVER) as catalog:
        pump = Pump(store, catalog.records, PROJECT)
        return pump.renew(now or datetime.now(UTC)).digest


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'catalog.db'}"
    found: str = request.getfixturevalue("blank_postgresql")
    return found


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[EmbeddedServer]:
    with embedded_server(tmp_path / "valkey") as server:
        yield server


class Asker:
    """A connection to the server that is kept, and asked for features of one entity."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._connection = HTTPConnection(parts.hostname or "", parts.port, timeout=10)

    def ask(self, *features: str) -> tuple[int, str]:
        """Return the status, and the values or what Feast's error says."""
        body = {"features": [f"orders:{name}" for name in features], "entities": {"id": [1]}}
        self._connection.request("POST", "/get-online-features", json.dumps(body))
        answer = self._connection.getresponse()
        told = json.loads(answer.read())
        if answer.status == 200:
            return 200, str([result["values"][0] for result in told["results"][1:]])
        return answer.status, json.loads(told)["message"]

    def get(self, path: str) -> tuple[int, Any]:
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def close(self) -> None:
        self._connection.close()


class Caller:
    """Asks as `Asker` does, in this process: one compiled lookup for each list of features."""

    def __init__(self, settings: Settings) -> None:
        self._workspace = connect(settings=settings)
        self._lookups: dict[tuple[str, ...], OnlineLookup] = {}

    def ask(self, *features: str) -> tuple[int, str]:
        """Return 200 and the values, or 403 and what was refused."""
        try:
            if features not in self._lookups:
                named = [f"orders:{name}" for name in features]
                self._lookups[features] = self._workspace.online(features=named, project=PROJECT)
            found = self._lookups[features]({"id": [1]}).to_dict()
        except Denied as error:
            return 403, error.message
        return 200, str([found[name][0] for name in features])

    def close(self) -> None:
        self._workspace.close()


@contextmanager
def carrying(url: str, redis_url: str) -> Iterator[None]:
    """The policy is carried to the store by a thread of this process."""
    ended = Event()
    with LocalCatalog(url, actor=SERVER) as catalog, OnlineStore(redis_url) as store:
        arguments = (store, catalog.records, PROJECT)
        carrier = Thread(target=carry, args=arguments, kwargs={"ended": ended})
        carrier.start()
        try:
            yield
        finally:
            ended.set()
            carrier.join()


@contextmanager
def serving(
    home: Path, catalog_url: str, redis_url: str, project: str = PROJECT, **settings: str
) -> Iterator[str]:
    """The address of ``provender serve online`` in a process of its own, told what a user tells it."""
    named = {
        "PROVENDER_HOME": str(home),
        "PROVENDER_CATALOG_URL": catalog_url,
        "PROVENDER_REDIS_URL": redis_url,
        "PROVENDER_LOOKUP_LOG": "0",
        **{f"PROVENDER_{name.upper()}": value for name, value in settings.items()},
    }
    command = ["serve", "online", "--port", "0", "--project", project]
    process = nursery(IMPORTS, PROGRAM).start(command, **named)
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"online server on (http\S+)", line):
            break
    else:
        raise AssertionError("".join(said))
    try:
        _await_policy(found[1])
        yield found[1]
    finally:
        process.terminate()
        process.communicate()


def _await_policy(address: str) -> None:
    """Return when the server would answer; a machine that is busy starts processes slowly."""
    asker, deadline = Asker(address), time.monotonic() + 90
    while asker.get("/ready")[0] != 200:
        assert time.monotonic() < deadline, asker.get("/health")
        time.sleep(0.05)
    asker.close()
