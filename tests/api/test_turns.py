"""Changes of one actor wait for one another, before they take anything from others."""

import asyncio
import base64
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from provender.api.app import OPERATIONS
from provender.api.turns import OF_THE_GATE, turns_of
from provender.catalog.db import open_database, transaction
from provender.core import bounds
from provender.core.bounds import AT_ONCE
from provender.core.turns import Turns
from tests.api.conftest import Ask
from tests.catalog.world import FLIGHTS


def test_few_of_one_actor_are_at_work_and_others_do_not_wait_for_them() -> None:
    async def crowd() -> None:
        every, inside, go = Turns(AT_ONCE), list[str](), asyncio.Event()

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

    monkeypatch.setattr(Turns, "of", counted)
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
            time.sleep(0.3)
        assert revoke.result().status_code == 200
        before = len(ended)
        assert {one.result() for one in asked} == {200}
    engine.dispose()
    assert before <= 10


def test_a_body_that_does_not_come_gives_its_turn_back(
    ask: Ask, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "STILL_SECONDS", 0.3)
    with ExitStack() as opened:
        stalled = [opened.enter_context(half_a_body(api)) for _ in range(AT_ONCE)]
        began = time.monotonic()
        said = {"action": "discover", "columns": [], "purpose": ""}
        assert ask("ana").post("/decisions", json=said, timeout=20).status_code < 500
        assert time.monotonic() - began < 5
        assert all(b" 413 " in one.recv(100) for one in stalled)


def half_a_body(api: str) -> socket.socket:
    at = urlsplit(api)
    one = socket.create_connection((at.hostname, at.port), timeout=20)
    told = [f"POST {at.path}/decisions HTTP/1.1", f"Host: {at.netloc}", "Content-Length: 900"]
    told += ["Authorization: Bearer person:ana", "Content-Type: application/json", "", "{"]
    one.sendall("\r\n".join(told).encode())
    return one


def test_everything_waits_for_a_turn_but_what_ends_something_and_what_gives_rows() -> None:
    exempt = {one.name for one in OPERATIONS if turns_of(one) is None}
    rows = {one.name for one in OPERATIONS if one.tag == OF_THE_GATE}
    assert exempt == {"get_mode", "revoke_token", "revoke_grant"} | rows


def test_a_place_that_is_nested_deep_is_none(ask: Ask) -> None:
    deep = base64.urlsafe_b64encode(b"[" * 1_400).decode().rstrip("=")
    assert ask("ana").get(f"/datasets?after={deep}").status_code == 422
