"""A real server in a process of its own, over a real Valkey, asked over a real socket."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from provender.core.features import OnDemandSpec, ServiceSpec
from provender.core.names import FeatureRef
from provender.core.serving import ServingManifest
from provender.online.columns import ColumnEncoder
from provender.online.embedded import EmbeddedServer, embedded_server
from provender.online.store import OnlineStore
from provender.transforms import code_digest
from tests.online.views import T0, covering, field, manifest, view
from tests.serving import transforms
from tests.serving.nursery import Born, nursery

IMPORTS = """
from datetime import datetime
from pathlib import Path
import uvloop
from provender.serving import aside, jobs, openapi, pushes, worker, workers, writes
from provender.serving.compat import Compat
from provender.serving.limits import Limits
from provender.serving.lookuplog import LogOptions
from provender.serving.server import application, serve
"""
PROGRAM = """
make = application(
    given["url"],
    project=given["project"],
    home=Path(given["home"]),
    repo=Path(given["repo"]),
    clock=datetime.fromisoformat(given["clock"]) if given["clock"] else None,
    limits=Limits(**given["limits"]),
    catalog_url=given["catalog"],
    compat=Compat(**given["compat"]),
    log=LogOptions(**given["log"]),
)
uds = Path(given["uds"]) if given["uds"] else None
ready = lambda address: print(address, flush=True)
serve(make, port=given["port"], uds=uds, workers=given["workers"], ready=ready)
"""
WIDE = view(
    {
        "blob": "binary",
        "count": "int64",
        "ok": "bool",
        "seen": "timestamp",
        "tags": "list<string>",
        "temp": "float64",
        "word": "string",
    },
    push_sources=("weather_push",),
)
ROUTE = view({"delay": "float32"}, name="route", keys={"dest": "string", "origin": "string"})
ALSO = view({"temp": "float64"}, name="also", push_sources=("weather_push", "mixed_push"))
CLOSED = view(
    {"temp": "float64"},
    name="closed",
    push_sources=("mixed_push",),
    write_closed="service:online may not publish a.b (no rule or grant)",
)
DEPARTURE = OnDemandSpec(
    name="departure",
    inputs=(FeatureRef("weather", "temp"),),
    request=(field("hour", "int64"),),
    features=(field("warm", "float64"),),
    module="transforms",
    function="departure",
    code_digest=code_digest(transforms.departure),
)


def flights(**more: Any) -> ServingManifest:
    """The manifest of the shared server's project, or of another one."""
    services = (
        ServiceSpec(
            name="delay",
            features=(FeatureRef("weather", "temp"), FeatureRef("route", "delay")),
        ),
    )
    return manifest(WIDE, ROUTE, ALSO, CLOSED, services=services, on_demand=(DEPARTURE,), **more)


class Running:
    """A running server, with a client of its own."""

    def __init__(self, process: Born, address: str) -> None:
        self.process = process
        self.address = address
        self.client = httpx.Client(base_url=address, timeout=20)
        self.home = Path()

    def post(self, path: str, body: Any) -> httpx.Response:
        return self.client.post(path, json=body)

    def features(self, entities: Any, **more: Any) -> dict[str, Any]:
        answer = self.post("/get-online-features", {"entities": entities, **more})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def until_covered(self) -> None:
        """Return once it has seen that the rows of all views are there."""
        deadline = time.monotonic() + 10
        while self.client.get("/health").json()["incomplete"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def error(self, path: str, body: Any) -> tuple[int, str, str]:
        """Return status, class and message of Feast's error body."""
        answer = self.post(path, body)
        inner = json.loads(answer.json())
        assert inner["module"] == "feast.errors"
        return answer.status_code, inner["class"], inner["message"]


def child_of(running: Running, word: bytes) -> int:
    """Return the child process of the server with ``word`` in its command line.

    Asked for several times: a list of children misses some where others end meanwhile.
    """
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        for task in Path(f"/proc/{running.process.pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                if word in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
        time.sleep(0.02)
    raise AssertionError(f"there is no {word!r}")


Start = Callable[..., Running]


@contextmanager
def starting(home: Path, url: str, **more: Any) -> Iterator[Running]:
    given = {
        "project": "flights",
        "clock": T0.isoformat(),
        "port": 0,
        "uds": "",
        "workers": 1,
        "limits": {},
        "catalog": "",
        "compat": {},
        "log": {"rate": 0},
    }
    given |= {"url": url, "home": str(home), "repo": str(Path(__file__).parent), **more}
    process = nursery(IMPORTS, PROGRAM).start(given)
    address = process.stdout.readline().strip()
    if not address:
        raise AssertionError(process.communicate()[1])
    running = Running(process, address if not given["uds"] else "http://localhost")
    try:
        yield running
    finally:
        running.client.close()
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with embedded_server(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def store(valkey: EmbeddedServer) -> Iterator[OnlineStore]:
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    with OnlineStore(valkey.url) as opened:
        opened.publish_manifest(flights())
        yield opened


@pytest.fixture(scope="module")
def shared(valkey: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests that do not break it."""
    with OnlineStore(valkey.url) as opened:
        opened.publish_manifest(flights())
    with starting(tmp_path_factory.mktemp("home"), valkey.url) as running:
        yield running


@pytest.fixture
def start(valkey: EmbeddedServer, tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def start(home: Path = tmp_path, url: str = valkey.url, **more: Any) -> Running:
            return stack.enter_context(starting(home, url, **more))

        yield start


@pytest.fixture
def filled(store: OnlineStore) -> OnlineStore:
    store.write(
        ColumnEncoder("flights", WIDE).encode(
            {
                "origin": ["JFK", "LGA"],
                "blob": [b"\x00\xff", None],
                "count": [2**53 + 1, None],
                "ok": [True, False],
                "seen": ["2013-01-01T00:00:01.5Z", None],
                "tags": [["a", None], []],
                "temp": [1, "NaN"],
                "word": ["ü", ""],
                "event_timestamp": ["2013-01-01T05:00:00", "2013-01-01T04:59:59.001500"],
            }
        )
    )
    store.write(
        ColumnEncoder("flights", ROUTE).encode(
            {"origin": ["JFK"], "dest": ["SFO"], "delay": [0.1], "event_timestamp": [T0]}
        )
    )
    for one in flights().views:
        store.keep_coverage("flights", one.name, covering(one))
    return store
