"""Changes of one actor wait for one another, before they take anything from others."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from provender.api import turns
from provender.api.turns import Turns
from provender.catalog.db import open_database, transaction
from provender.core.bounds import AT_ONCE
from tests.api.conftest import Ask
from tests.catalog.world import FLIGHTS


def test_few_of_one_actor_are_at_work_and_others_do_not_wait_for_them() -> None:
    async def crowd() -> None:
        every, inside, go = Turns(), list[str](), asyncio.Event()

        async def work(actor: str) -> None:
            async with every.of(actor):
                inside.append(actor)
                await go.wait()

        crowd = [asyncio.create_task(work("ana")) for _ in range(5)]
        await asyncio.sleep(0)
        crowd.append(asyncio.create_task(work("bo")))
        await asyncio.sleep(0)
        assert inside == ["ana"] * AT_ONCE + ["bo"]
        assert (every.wanted("ana"), every.wanted("bo"), every.wanted("cy")) == (5, 1, 0)
        crowd[4].cancel()  # whoever waits may go
        go.set()
        done = await asyncio.gather(*crowd, return_exceptions=True)
        assert [isinstance(one, asyncio.CancelledError) for one in done] == [False] * 4 + [
            True,
            False,
        ]
        assert inside == ["ana"] * AT_ONCE + ["bo"] + ["ana"] * 2
        assert (every.wanted("ana"), every.wanted("bo")) == (0, 0)

    asyncio.run(crowd())


def test_a_revoke_is_not_kept_waiting_by_who_sends_many_permits(
    ask: Ask, governed_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T18: forty threads wait for the catalog, and one actor could have them all."""
    waits = threading.Semaphore(0)
    of = Turns.of

    def counted(self: Turns, actor: str):
        waits.release()
        return of(self, actor)

    monkeypatch.setattr(turns.Turns, "of", counted)
    sam, ana = ask("sam"), ask("ana")
    wanted = {"dataset": str(FLIGHTS), "grantee": "person:max", "reason": "for now"}
    given = sam.post("/grants", json=wanted).json()["id"]
    assert waits.acquire(timeout=5)
    permit = {"action": "read", "columns": [{"dataset": str(FLIGHTS)}], "purpose": "report"}
    many, ended = 60, list[str]()

    def permits() -> int:
        status = ana.post("/permits", json=permit, timeout=60).status_code
        ended.append("permit")
        return status

    engine = open_database(governed_url)
    with ThreadPoolExecutor(many + 1) as pool:
        with transaction(engine, write=True):
            asked = [pool.submit(permits) for _ in range(many)]
            for _ in range(many):
                assert waits.acquire(timeout=20)
            revoke = pool.submit(sam.post, f"/grants/{given}/revoke", timeout=60)
            assert waits.acquire(timeout=20)
            time.sleep(0.2)
        assert revoke.result().status_code == 200
        before = len(ended)
        assert {one.result() for one in asked} == {200}
    engine.dispose()
    assert before <= 10
