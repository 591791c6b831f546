"""The network to the store takes bytes and gives none, under 200 requests a second."""

import time

from tests.faults.traffic import REFUSED, only
from tests.online.proxy import Proxy


def test_a_store_that_falls_silent_is_503_within_the_deadline_and_is_used_again(
    redis_server, scene, say
):
    with Proxy(redis_server.port) as proxy:
        play = scene(redis_server.url, through=proxy.url)
        silent = time.perf_counter()
        proxy.swallowing = True
        time.sleep(2.0)
        proxy.swallowing = False
        play.traffic.steady(time.perf_counter())
        say(play.traffic.report("store silent for 2 s", silent))
        only(play.traffic, REFUSED)
        assert play.traffic.kinds[REFUSED]
        assert play.traffic.slowest() < 3.5
        assert play.traffic.lost_seconds(silent) < 6
