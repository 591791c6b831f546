"""What every fault is survived by: a store, our server, a writer, and traffic that checks answers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from provender.online.store import OnlineStore
from tests.faults.oracle import COVERAGE, MANIFEST, VIEW, Oracle, Writer
from tests.faults.processes import PROJECT, Served, Valkey, serving, valkey
from tests.faults.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Scene:
    """A server that is asked 200 times a second, over a store that is written to."""

    served: Served
    oracle: Oracle
    writer: Writer
    traffic: Traffic


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[Valkey]:
    with valkey(tmp_path / "valkey") as server:
        yield server


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    """Set the scene over the store at a URL; ``through`` is how the server reaches the same store."""
    with ExitStack() as stack:

        def start(url: str, *, through: str = "", workers: int = 1, **settings: str) -> Scene:
            store = stack.enter_context(OnlineStore(url))
            store.publish_manifest(MANIFEST)
            store.keep_coverage(PROJECT, VIEW.name, COVERAGE)
            oracle = Oracle()
            writer = stack.enter_context(Writer(store, oracle))
            home = tmp_path / "home"
            served = stack.enter_context(serving(home, through or url, workers=workers, **settings))
            return Scene(
                served, oracle, writer, stack.enter_context(Traffic(served.address, oracle))
            )

        yield start


@pytest.fixture
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Print a line of figures, whatever pytest captures."""
    plugins = pytestconfig.pluginmanager
    reporter, capture = (plugins.get_plugin(n) for n in ("terminalreporter", "capturemanager"))

    def write(text: str) -> None:
        with capture.global_and_fixture_disabled():
            reporter.write_line(f"\n  {text}")

    return write if reporter and capture else lambda text: None
