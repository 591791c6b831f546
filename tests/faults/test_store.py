"""The store dies, loses everything, is slow or silent, under 200 requests a second."""

import time

from tests.faults.traffic import MISSING, REFUSED, only
from tests.online.proxy import Proxy
from tests.stress import times


def test_a_store_that_is_killed_and_comes_back_empty_never_yields_a_wrong_value(
    redis_server, scene, say
):
    play = scene(redis_server.url)
    assert play.traffic.unsaid(0.0), "nothing was lost before"
    emptied = 0.0
    for _ in range(times(1)):
        killed = time.perf_counter()
        redis_server.kill()
        time.sleep(0.5)
        play.oracle.forget()
        emptied = emptied or time.perf_counter()
        redis_server.start()
        play.traffic.steady(time.perf_counter())
    lost = play.traffic.lost_seconds(killed)
    say(play.traffic.report("store killed, back empty after 0.5 s", killed))
    only(play.traffic, REFUSED, MISSING)
    assert play.traffic.kinds[REFUSED]
    assert not play.traffic.unsaid(emptied), "an answer out of the emptied store does not say so"
    assert 0.3 < lost < 5
    assert play.served.process.poll() is None


def test_a_slow_store_delays_answers_or_they_are_503_but_no_value_is_wrong(
    redis_server, scene, say
):
    with Proxy(redis_server.port) as proxy:
        play = scene(redis_server.url, through=proxy.url)
        slow = time.perf_counter()
        proxy.delay = 0.2
        time.sleep(1.5 * times(1))
        proxy.delay = 0.0
        play.traffic.steady(time.perf_counter())
        say(play.traffic.report("store 0.2 s slower", slow))
        only(play.traffic, REFUSED)
        assert play.traffic.slowest() > 0.19
        assert play.traffic.lost_seconds(slow) < 1.5 * times(1) + 3


def test_a_frozen_store_is_503_or_late_and_thaws(redis_server, scene, say):
    play = scene(redis_server.url)
    frozen = time.perf_counter()
    redis_server.freeze()
    time.sleep(2.0)
    redis_server.thaw()
    play.traffic.steady(time.perf_counter())
    say(play.traffic.report("store frozen for 2 s", frozen))
    only(play.traffic, REFUSED)
    assert play.traffic.slowest() < 3.5
    assert play.traffic.lost_seconds(frozen) < 6
