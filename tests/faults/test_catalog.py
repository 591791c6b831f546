"""The catalog's PostgreSQL goes away under 200 requests a second."""

import time
from contextlib import ExitStack

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from provender.catalog.local import LocalCatalog
from provender.core.features import EntitySpec, RepoSpec, ViewSpec
from tests.faults.oracle import FEATURES, VIEW
from tests.faults.processes import PROJECT, wait_for
from tests.faults.traffic import RIGHT
from tests.online.proxy import Proxy
from tests.postgres import needed_binaries, running
from tests.serving.governed import GOVERNANCE


@pytest.fixture
def catalog():
    """A PostgreSQL that listens on a port; give the port and what takes it away."""
    with ExitStack() as stack:
        where = conninfo_to_dict(stack.enter_context(running(needed_binaries())))
        proxy = stack.enter_context(Proxy(f"{where['host']}/.s.PGSQL.5432"))
        with psycopg.connect(f"host=127.0.0.1 port={proxy.port} user=provender dbname=postgres"):
            yield proxy.port, stack.close


def know(url: str) -> None:
    """Let the catalog know the view that is served, of which it does not govern the source."""
    known = ViewSpec(
        name=VIEW.name,
        entities=("entity",),
        join_keys=VIEW.join_keys,
        features=tuple(column for column in VIEW.columns if column.name in FEATURES),
        dataset=None,
        event_timestamp="at",
    )
    entities = (EntitySpec(name="entity", join_key="entity", type="int64"),)
    with LocalCatalog(url, actor="person:gov") as catalog:
        catalog.desk.apply(GOVERNANCE)
        catalog.record(RepoSpec(project=PROJECT, entities=entities, views=(known,)))


def test_public_lookups_go_on_while_the_catalog_is_down_and_health_says_so(
    catalog, redis_server, scene, say
):
    port, take_away = catalog
    url = f"postgresql://provender@127.0.0.1:{port}/postgres"
    know(url)
    play = scene(redis_server.url, PROVENDER_CATALOG_URL=url, PROVENDER_ONLINE_UNCONFIRMED="public")

    def health():
        return httpx.get(f"{play.served.address}/health", timeout=5)

    wait_for(lambda: health().json()["catalog"]["ok"], "the catalog")
    gone = time.perf_counter()
    take_away()
    wait_for(lambda: not health().json()["catalog"]["ok"], "the news that the catalog is gone")
    play.traffic.steady(time.perf_counter())
    found = health()
    say(play.traffic.report("catalog down", gone))
    assert found.status_code == 200
    assert found.json()["status"] == "degraded"
    assert found.json()["catalog"]["problem"]
    answers = [answer for answer in list(play.traffic.answers) if answer.due >= gone]
    assert len(answers) > 180  # a second at 200 a second, the last ones not yet answered
    assert {answer.kind for answer in answers} == {RIGHT}  # before, nobody had told of the policy
