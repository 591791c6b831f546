"""A worker of our server is killed, and the catalog goes away, under 200 requests a second."""

import time

import httpx

from provender.serving.workers import DELAYS
from tests.faults.processes import wait_for
from tests.faults.traffic import LOST, only
from tests.stress import times


def test_a_killed_worker_loses_what_it_had_in_hand_and_is_replaced(redis_server, scene, say):
    """One that is killed again and again is replaced later and later, as one that cannot start.

    Meanwhile half of the connections wait at its socket.
    """
    play = scene(redis_server.url, workers=2)
    for _ in range(times(1)):
        before = play.served.workers()
        assert len(before) == 2
        killed = time.perf_counter()
        before[0].kill()
        wait_for(lambda before=before: _replaced(play, before), "the new worker")
        wait_for(lambda: _all_answer(play), "both workers")
        play.traffic.steady(time.perf_counter())
    say(play.traffic.report("one of two workers killed", killed))
    only(play.traffic, LOST)
    delay = DELAYS[min(times(1), len(DELAYS)) - 1]
    assert play.traffic.kinds[LOST] < 200 * times(1)  # of those of a second
    assert play.traffic.lost_seconds(killed) < 3 + delay
    assert play.served.process.poll() is None


def _replaced(play, before) -> bool:
    known = {worker.pid for worker in before}
    return len({worker.pid for worker in play.served.workers()} - known) == 1


def _all_answer(play) -> bool:
    """Whether twenty new connections, which go to either worker, are all answered."""
    try:
        for _ in range(20):
            httpx.get(f"{play.served.address}/health", timeout=1).raise_for_status()
    except httpx.HTTPError:
        return False
    return True
