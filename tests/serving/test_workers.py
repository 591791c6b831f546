"""Ends and deaths of servers and workers while requests are under way."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from provender.online.store import OnlineStore
from tests.serving.conftest import Running, Start
from tests.serving.wires import Wire, lookup

BODY = {"features": ["weather:temp"], "entities": {"origin": ["JFK"]}}


def ask_until_closed(address: str, begun: threading.Barrier) -> tuple[int, int]:
    """Ask without a pause until the server says it closes; return requests sent and answered.

    All who ask go on together once each had an answer: a connection that is waiting to be taken
    when the server ends is reset, and nothing was asked over it.
    """
    wire = Wire(address)
    sent = answered = 0
    while True:
        wire.send(lookup())
        sent += 1
        status, headers, _ = wire.answer()
        answered += status == 200
        if sent == 1:
            begun.wait(timeout=20)
        if status != 200 or headers.get("connection") == "close":
            wire.close()
            return sent, answered


def workers_of(running: Running) -> set[int]:
    pid = running.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(c) for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()}


def answers(running: Running) -> bool:
    try:
        answer = httpx.post(f"{running.address}/get-online-features", json=BODY, timeout=5)
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and answer.json()["results"][1]["values"] == [1.0]


def wait_for(running: Running, count: int, *, but: int = 0) -> set[int]:
    deadline = time.monotonic() + 30
    while len(found := workers_of(running) - {but}) != count or not answers(running):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_a_server_told_to_end_under_load_answers_all_it_was_asked(
    start: Start, filled: OnlineStore
) -> None:
    running = start()
    assert answers(running)
    begun = threading.Barrier(9)
    with ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(ask_until_closed, running.address, begun) for _ in range(8)]
        begun.wait(timeout=20)
        time.sleep(0.5)
        running.process.send_signal(signal.SIGTERM)
        counts = [client.result(timeout=20) for client in clients]
    assert running.process.wait(timeout=15) == 0
    assert all(sent == answered > 10 for sent, answered in counts), counts


def test_workers_told_to_end_under_load_answer_all_they_were_asked(
    start: Start, filled: OnlineStore
) -> None:
    running = start(workers=2)
    wait_for(running, 2)
    begun = threading.Barrier(9)
    with ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(ask_until_closed, running.address, begun) for _ in range(8)]
        begun.wait(timeout=20)
        time.sleep(0.5)
        running.process.send_signal(signal.SIGTERM)
        counts = [client.result(timeout=20) for client in clients]
    assert running.process.wait(timeout=20) == 0
    assert all(sent == answered for sent, answered in counts), counts


def test_a_killed_worker_is_replaced_while_the_other_answers(
    start: Start, filled: OnlineStore
) -> None:
    running = start(workers=2)
    before = wait_for(running, 2)
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    deadline = time.monotonic() + 20
    for _ in range(20):
        while not answers(running):
            assert time.monotonic() < deadline
    after = wait_for(running, 2, but=victim)
    assert len(after - before) == 1
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(timeout=20) == 0
    assert f"worker {victim} ended with -9" in running.process.communicate()[1]


def test_workers_end_when_their_supervisor_is_killed(start: Start, filled: OnlineStore) -> None:
    running = start(workers=2)
    workers = wait_for(running, 2)
    running.process.kill()
    running.process.wait()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
