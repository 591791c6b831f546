"""A failover by sentinels and a lost node of a cluster, under 200 requests a second."""

import time

import pytest

from provender.online.beside import LOOK_SECONDS
from provender.online.store import OnlineStore
from tests.faults.oracle import COVERAGE, VIEW
from tests.faults.processes import PROJECT
from tests.faults.traffic import MISSING, REFUSED, only
from tests.online.servers import cluster, sentinels, wait_until


@pytest.fixture
def watched(tmp_path):
    with sentinels(tmp_path) as servers:
        yield servers


@pytest.fixture
def nodes(tmp_path):
    with cluster(tmp_path) as servers:
        yield servers


def test_a_failover_by_sentinels_yields_503_until_the_new_primary_is_found(watched, scene, say):
    ports, servers = watched
    watchers = ",".join(f"127.0.0.1:{port}" for port in ports)
    play = scene(f"redis+sentinel://{watchers}/main/0")
    killed = time.perf_counter()
    servers[0].kill()
    play.oracle.forget()
    play.traffic.steady(time.perf_counter())
    written = play.oracle.begun
    time.sleep(0.5)
    say(play.traffic.report("primary killed, sentinels fail over", killed))
    only(play.traffic, REFUSED)
    assert play.traffic.kinds[REFUSED]
    assert play.traffic.lost_seconds(killed) < 15
    assert play.served.process.poll() is None
    assert play.oracle.begun > written


def test_a_lost_node_of_a_cluster_yields_503_until_its_replica_takes_over(nodes, scene, say):
    play = scene(address(nodes))
    killed = time.perf_counter()
    nodes[0].kill()
    play.oracle.forget()
    play.traffic.steady(time.perf_counter())
    say(play.traffic.report("a primary of the cluster killed", killed))
    only(play.traffic, REFUSED)
    assert play.traffic.kinds[REFUSED]
    assert play.traffic.lost_seconds(killed) < 15
    assert play.served.process.poll() is None
    assert play.traffic.unsaid(killed), "nothing was lost"


def test_a_node_of_a_cluster_that_was_emptied_is_told_until_the_view_is_covered_again(
    nodes, scene, say
):
    play = scene(address(nodes))
    assert play.traffic.unsaid(0.0), "nothing was lost before"
    play.oracle.forget()
    emptied = time.perf_counter()
    with nodes[1].client() as client:
        client.flushall()
    time.sleep(3 * LOOK_SECONDS)
    play.traffic.steady(time.perf_counter())
    say(play.traffic.report("a primary of the cluster emptied", emptied))
    only(play.traffic, MISSING)
    assert not play.traffic.unsaid(emptied + 2 * LOOK_SECONDS)
    with OnlineStore(address(nodes)) as store:
        store.keep_coverage(PROJECT, VIEW.name, COVERAGE)
    covered = time.perf_counter()
    wait_until(lambda: play.traffic.unsaid(covered) > 0)


def address(nodes):
    return f"redis+cluster://{','.join(f'127.0.0.1:{node.port}' for node in nodes[:3])}/"
