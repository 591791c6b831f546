"""From lookups over HTTP to skew: declared in Feast, logged by the server, published by itself, compared."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from feast import FeatureStore
from feast.errors import FeastError

from provender.catalog.local import LocalCatalog
from provender.cli import running
from provender.core.errors import InvalidInput
from provender.core.governance import Domain
from provender.core.policy import Action, Rule
from provender.feast_plugin.repo import apply
from provender.feast_plugin.runs import materialize
from provender.online.columns import ColumnEncoder
from provender.online.store import OnlineStore
from provender.sdk.lookuplog import declaration
from provender.settings import Settings
from tests.catalog.world import listed
from tests.feast_plugin import governed
from tests.feast_plugin.plain import HOUR, NOON

PAGE = Path(__file__).parents[2] / "docs/how-to/log-what-serving-saw.md"
LOG = "serving_log.trips__service_v1"
NOW = NOON + 3 * HOUR
LOGGED = governed.DEFINITIONS.replace(
    'service = FeatureService(name="service_v1", features=[trips, scaled], owner="team:models")',
    f"""
from feast.feature_logging import LoggingConfig
from provender.feast_plugin.destination import CatalogLoggingDestination

service = FeatureService(
    name="service_v1",
    features=[trips, scaled],
    owner="team:models",
    logging_config=LoggingConfig(
        destination=CatalogLoggingDestination(dataset="{LOG}"), sample_rate=1.0
    ),
)
""",
)
ENTITIES = {"driver_id": [1, 2, 3, 4], "factor": [2.0, 2.0, 2.0, None]}


@pytest.fixture
def logged_repo(
    tmp_path: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> Path:
    """A repository whose service wants to be logged, applied, filled and allowed to be."""
    folder = governed.repository(tmp_path / "repo", definitions=LOGGED)
    apply(folder, catalog, online, settings=settings)
    list(materialize(folder, settings=settings, start=NOON - HOUR, end=NOW))
    log = declaration(catalog, "trips", "service_v1")
    publishes = Rule(
        id="server-logs",
        actors=("service:online",),
        actions=(Action.PUBLISH,),
        datasets=("serving_log.*",),
    )
    before = governed.GOVERNANCE
    catalog.desk.apply(
        replace(
            before,
            domains=(*before.domains, Domain(name="serving_log")),
            rules=(*before.rules, publishes),
            datasets=(*before.datasets, log),
        )
    )
    return folder


@pytest.fixture
def server(
    logged_repo: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[running.Server]:
    with monkeypatch.context() as patch:
        patch.setenv("PROVENDER_ACTOR", "service:online")
        patch.setenv("PROVENDER_CLOCK", NOW.isoformat())
        patch.setenv("PROVENDER_FEATURE_REPO", str(logged_repo))
        patch.setenv("PROVENDER_LOOKUP_LOG_SECONDS", "1")
        started = running.start(
            settings.home, "online", ["serve", "online", "--port", "0"], health="/ready"
        )
    yield started
    running.stop(settings.home, "online")


def ask(server: running.Server) -> None:
    body = {"feature_service": "service_v1", "entities": ENTITIES}
    answer = httpx.post(f"{server.url}/get-online-features", json=body, timeout=20)
    assert answer.status_code == 200, answer.text


def published(catalog: LocalCatalog, rows: int) -> int:
    """Return the number of the log's version, once it has so many rows."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = [one for one in listed(catalog) if one.name == LOG]
        if found and found[0].row_count == rows:
            return found[0].latest or 0
        time.sleep(0.3)
    raise AssertionError("it was not published")


def run_example(repo: Path) -> tuple[int, int, int]:
    """Run the page's example as its reader does; return the numbers that it prints."""
    [example] = [
        block
        for block in re.findall(
            r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE
        )
        if "skew" in block
    ]
    done = subprocess.run(
        [sys.executable, "-c", example],
        env={
            **os.environ,
            "PROVENDER_PURPOSE": "research",
            "PROVENDER_FEATURE_REPO": str(repo),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lookups, value, rating = re.findall(r"\d+", done.stdout)
    return int(lookups), int(value), int(rating)


def test_what_serving_saw_is_published_by_itself_and_compared_with_training(
    server: running.Server, catalog: LocalCatalog, online: OnlineStore, logged_repo: Path
) -> None:
    ask(server)
    ask(server)
    first = published(catalog, 8)
    assert run_example(logged_repo) == (8, 0, 0)
    write_online_only(online)
    ask(server)
    assert published(catalog, 12) > first
    assert run_example(logged_repo) == (12, 1, 0)


def write_online_only(online: OnlineStore) -> None:
    """Write a row that offline does not know, as a pipeline that only pushes does."""
    found = online.manifest("trips")
    assert found is not None
    view = found.view("trips")
    columns = {
        "driver_id": [1],
        "value": [999],
        "rating": [5.5],
        "event_timestamp": [NOON + 2 * HOUR],
    }
    online.write(ColumnEncoder("trips", view).encode(columns))


def test_feast_reads_the_log_from_the_destination_of_the_service(
    server: running.Server, catalog: LocalCatalog, logged_repo: Path
) -> None:
    ask(server)
    published(catalog, 4)
    store = FeatureStore(repo_path=str(logged_repo))
    service = store.get_feature_service("service_v1")
    assert service.logging_config.sample_rate == 1.0
    job = store._get_provider().retrieve_feature_service_logs(
        feature_service=service,
        start_date=NOW - timedelta(hours=1),
        end_date=NOW + timedelta(hours=1),
        config=store.config,
        registry=store.registry,
    )
    rows = sorted(job.to_arrow().to_pylist(), key=lambda row: row["driver_id"])
    assert [row["trips__value"] for row in rows] == [11, None, 2**53 + 1, None]
    assert [row["scaled__scaled_value"] for row in rows] == [22.0, None, 2.0**54, None]
    assert [row["trips__value__status"] for row in rows] == [1, 2, 1, 3]
    with pytest.raises((InvalidInput, FeastError), match="servers publish to this destination"):
        store.write_logged_features(job.to_arrow(), service)
