"""Slow functions and large answers keep nobody else waiting."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from math import inf
from typing import Any

import httpx
import pytest

from provender.core.features import OnDemandSpec
from provender.core.names import FeatureRef
from provender.online.columns import ColumnEncoder
from provender.online.embedded import EmbeddedServer
from provender.online.plan import LookupPlan, compile_plan
from provender.online.store import OnlineStore
from provender.serving.aside import FUNCTION_ROWS, LARGE_CELLS, SLOW_SECONDS, Aside, Timed
from provender.transforms import code_digest
from tests.online.views import T0, field, manifest, view
from tests.serving import transforms
from tests.serving.conftest import Running, starting

MANY = view({f"f{n:02}": "float64" for n in range(50)}, name="many")
ONE = view({"temp": "float64"}, name="one")


def on_demand(name: str, request: tuple[str, str], feature: str) -> OnDemandSpec:
    function = getattr(transforms, name)
    return OnDemandSpec(
        name=name,
        inputs=(FeatureRef("one", "temp"),),
        request=(field(*request),),
        features=(field(feature, "float64"),),
        module="transforms",
        function=name,
        code_digest=code_digest(function),
    )


NAP = on_demand("nap", ("seconds", "float64"), "napped")
STOP = on_demand("stop", ("how", "string"), "stopped")
SERVED = manifest(MANY, ONE, on_demand=(NAP, STOP), project="asides")


@pytest.fixture(scope="module")
def running(valkey: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with OnlineStore(valkey.url) as store:
        store.publish_manifest(SERVED)
        columns = {column.name: [1.25] for column in MANY.columns}
        keys = {"origin": ["JFK"], "event_timestamp": [T0]}
        store.write(ColumnEncoder("asides", MANY).encode({**columns, **keys}))
        store.write(ColumnEncoder("asides", ONE).encode({"temp": [0.5], **keys}))
    with starting(tmp_path_factory.mktemp("home"), valkey.url, project="asides") as found:
        yield found


def nap(running: Running, seconds: float) -> list[float]:
    body = {"entities": {"origin": ["JFK"], "seconds": [seconds]}, "features": ["nap:napped"]}
    answer = httpx.post(f"{running.address}/get-online-features", json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"][-1]["values"])


def ready_seconds(running: Running, call: Any) -> list[float]:
    """Return how long the server took to say that it is ready, each time, during ``call``."""
    took: list[float] = []
    with ThreadPoolExecutor(1) as other:
        calling = other.submit(call)
        time.sleep(0.3)
        while not calling.done():
            began = time.perf_counter()
            assert running.client.get("/ready").status_code == 200
            took.append(time.perf_counter() - began)
            time.sleep(0.02)
        calling.result()
    return took


def test_a_function_that_sleeps_stops_nobody_else(running: Running) -> None:
    for _ in range(2):  # the first time nobody knows how long it takes
        took = ready_seconds(running, lambda: nap(running, 1.5))
        assert len(took) >= 5
        assert sorted(took)[len(took) // 2] < 0.1
        assert max(took) < 0.75, "it was answered before the function was"


def test_functions_that_sleep_do_so_at_once(running: Running) -> None:
    nap(running, 0.2)
    began = time.monotonic()
    with ThreadPoolExecutor(4) as clients:
        found = list(clients.map(lambda _: nap(running, 1.0), range(4)))
    assert found == [[1.0]] * 4
    assert time.monotonic() - began < 3.0


@pytest.mark.parametrize("how", ["StopIteration", "SystemExit"])
def test_a_function_that_ends_what_calls_it_is_an_answer_all_the_same(
    running: Running, how: str
) -> None:
    body = {"entities": {"origin": ["JFK"], "how": [how]}, "features": ["stop:stopped"]}
    status, kind, message = running.error("/get-online-features", body)
    assert (status, kind) == (422, "FeastError"), message
    assert running.client.get("/ready").status_code == 200


def test_a_large_answer_is_the_same_as_many_small_ones(running: Running) -> None:
    features = [f"many:{column.name}" for column in MANY.columns]
    rows = LARGE_CELLS // len(features) + 1
    large = running.features({"origin": ["JFK"] * rows}, features=features)
    small = running.features({"origin": ["JFK"]}, features=features)
    for many, one in zip(large["results"], small["results"], strict=True):
        assert many == {name: values * rows for name, values in one.items()}
    assert large["metadata"] == small["metadata"]


def plan_of(function: Any, *features: str) -> LookupPlan:
    asked = [FeatureRef.parse(text) for text in features]
    return compile_plan(SERVED, asked, transforms={"nap": function})


def test_only_what_may_be_slow_goes_aside() -> None:
    aside, timed = Aside(), Timed(transforms.nap)
    stored, computed = plan_of(timed, "one:temp"), plan_of(timed, "nap:napped")
    assert not aside.takes(stored, LARGE_CELLS)
    assert aside.takes(stored, LARGE_CELLS + 1)
    assert timed.seconds == inf
    assert aside.takes(computed, 1)
    timed({"seconds": [0.0]})
    timed.seconds = min(timed.seconds, SLOW_SECONDS)  # the machine may be busy
    assert not aside.takes(computed, FUNCTION_ROWS)
    assert aside.takes(computed, FUNCTION_ROWS + 1)
    timed({"seconds": [0.02]})
    timed({"seconds": [0.0]})
    assert aside.takes(computed, 1), "a call that was slow is not forgotten with the next"
    aside.close()
