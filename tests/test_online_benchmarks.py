"""The online benchmarks: the load generator sees what there is, and no wrong answer passes."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import serverbench
from benchmarks.load import Broken, Client, OpenLoop, Order, percentile, request, told
from benchmarks.online_data import KEY, MIXED, Population
from benchmarks.serverbench import PATH, Turns
from tests.stress import STRESSED

ROOT = Path(__file__).parents[1]
SMALL = Population(views=2, kinds=MIXED, entities=50, services=(1, 2))


def quick(data, name, *arguments):
    path = data / f"{name}.json"
    command = [sys.executable, "-m", "benchmarks", "run", name, "--quick", "--data", str(data)]
    done = subprocess.run(
        [*command, "--json", str(path), *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text())["rows"], done.stdout


def order(address, drawn, expected, **more):
    given = {"connections": 2, "seconds": 0.2, "path": PATH, **more}
    bodies = [SMALL.request(1, entities) for entities in drawn]
    return Order(address=address, bodies=bodies, expected=expected, **given)


class Stalling(asyncio.Protocol):
    """Answers 0.3 s after it was asked."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
        asyncio.get_running_loop().call_later(0.3, self.transport.write, answer)


async def listening(protocol):
    return await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)


def test_our_server_answers_with_the_values_that_were_written_and_is_measured(tmp_path):
    (row,), out = quick(
        tmp_path, "online_http", "--case", "1 views x 1", "--contender", "ours", "--contender", "null"
    )  # fmt: skip
    seen = {figure["name"]: figure for figure in row["contenders"]}
    assert list(seen) == ["ours", "null"]
    assert seen["ours"]["differing"] == 0
    assert 0 < seen["ours"]["value"] < seen["null"]["value"]
    assert seen["ours"]["peak_mb"] > 20
    assert "ours, p50 / p95 / p99" in out


def test_a_wrong_answer_ends_the_benchmark(tmp_path):
    right = SMALL.answer(1, [7])
    wrong = json.loads(SMALL.wire_answer(1, [7]))
    wrong["results"][3]["values"][0] = -1.0
    with serverbench.null(tmp_path, json.dumps(wrong).encode()) as server:
        asked = order(server.address, [[7]], [right])
        assert serverbench.differing(server, asked) == 1
        with pytest.raises(SystemExit, match=r"of \d+ answers wrong"):
            serverbench.turn(server, asked, Turns(), tmp_path)


def test_the_closed_loop_counts_answers_and_checks_them(tmp_path):
    drawn = [[3, 4]]
    expected = [SMALL.answer(1, entities) for entities in drawn]
    with serverbench.null(tmp_path, SMALL.wire_answer(1, drawn[0])) as server:
        asked = order(server.address, drawn, expected)
        turns = Turns()
        load = serverbench.turn(server, asked, turns, tmp_path)
    assert load.answers > 100
    assert load.checked >= 100
    assert 0 < load.p50_ms <= load.p95_ms <= load.p99_ms
    assert turns.figure("null", "rate").value == pytest.approx(load.rate, rel=1e-3)


def test_the_open_loop_counts_latency_from_when_a_request_was_due(tmp_path):
    """A server that stalls for 0.3 s is late for all requests that were due meanwhile."""
    seen = []

    async def main():
        server = await listening(Stalling)
        port = server.sockets[0].getsockname()[1]
        loop = OpenLoop(
            f"http://127.0.0.1:{port}",
            lambda number: (number, request("/", "")),
            lambda tag, status, body, due, seconds: seen.append((tag, status, seconds)),
        )
        began = time.perf_counter()
        assert await loop.run(100, 0.2) == 20
        server.close()
        return time.perf_counter() - began

    took = asyncio.run(main())
    assert sorted(tag for tag, _, _ in seen) == list(range(20))
    assert {status for _, status, _ in seen} == {200}
    assert min(seconds for _, _, seconds in seen) >= 0.29
    assert took < 2


def test_what_waits_for_a_connection_is_late_and_is_answered_in_the_end():
    seen = []

    async def main():
        server = await listening(Stalling)
        port = server.sockets[0].getsockname()[1]
        loop = OpenLoop(
            f"http://127.0.0.1:{port}",
            lambda number: (number, request("/", "")),
            lambda tag, status, body, due, seconds: seen.append((tag, status, seconds)),
            most=2,
        )
        await loop.run(100, 0.06)
        server.close()

    asyncio.run(main())
    assert [tag for tag, _, _ in sorted(seen)] == list(range(6))
    assert {status for _, status, _ in seen} == {200}
    assert max(seconds for _, _, seconds in seen) >= 0.85  # three of two at a time


def test_the_open_loop_gives_up_on_a_server_that_is_silent_or_gone(tmp_path):
    seen = []

    async def main():
        server = await listening(asyncio.Protocol)
        port = server.sockets[0].getsockname()[1]

        async def ask(address):
            loop = OpenLoop(
                address,
                lambda number: (number, request("/", "")),
                lambda tag, status, body, due, seconds: seen.append(status),
                patience=0.2,
            )
            return await loop.run(50, 0.1)

        asked = await ask(f"http://127.0.0.1:{port}")
        server.close()
        return asked + await ask(f"http://127.0.0.1:{serverbench.free_port()}")

    assert asyncio.run(main()) == len(seen) == 10
    assert set(seen) == {0}


def test_answers_are_read_however_they_arrive():
    answers = []
    client = Client(lambda one, status, body: answers.append((status, body)))
    message = b"HTTP/1.1 503 No\r\nContent-Length: 5\r\nX: y\r\n\r\nhello"
    for byte in message:
        client.data_received(bytes([byte]))
    client.data_received(message)
    assert answers == [(503, b"hello")] * 2
    with pytest.raises(Broken, match="no content length"):
        client.data_received(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n")


def test_the_population_is_the_same_every_time_and_knows_its_answers():
    again = Population(views=2, kinds=MIXED, entities=50, services=(1, 2))
    assert again.columns == SMALL.columns
    right = SMALL.answer(2, [1, 49])
    assert len(right) == 1 + 2 * len(MIXED)
    assert right[KEY][0] == [1, 49]
    assert told(SMALL.wire_answer(2, [1, 49])) == right
    assert sorted(set(SMALL.draws(5, 1)[0])) == sorted(SMALL.draws(5, 1)[0])


def test_percentiles_are_values_that_were_seen():
    values = [float(number) for number in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([3.0], 0.99) == 3.0
    assert percentile([], 0.5) == 0.0


@pytest.mark.parametrize("name", ["online_inprocess", "online_w2"] if STRESSED else ["online_w2"])
def test_lookups_in_process_are_measured_after_their_values_were_checked(tmp_path, name):
    case = {"online_inprocess": "x 10 entities", "online_w2": "x 1 views"}[name]
    contenders = ("--contender", "ours", "--contender", "floor")
    (row,), out = quick(tmp_path, name, "--case", case, *contenders)
    seen = {figure["name"]: figure for figure in row["contenders"]}
    assert list(seen) == ["ours", "ours, matrix", "ours, all columns", "ours, dicts", "floor"]
    assert [seen[one]["differing"] for one in seen] == [0, None, 0, 0, None]
    assert 0 < seen["floor"]["value"] < seen["ours"]["value"]
    assert ("published by Feast" in out) == (name == "online_w2")


if STRESSED:  # it takes half a minute of two cores

    def test_materialising_is_measured_with_its_memory_and_its_write(tmp_path):
        rows, _ = quick(
            tmp_path, "online_materialize", "--contender", "ours", "--contender", "floor"
        )  # fmt: skip
        whole, memory, write = rows
        (ours,) = whole["contenders"]
        assert ours["differing"] == 0
        assert ours["peak_mb"] > 100
        assert 80 < memory["ours"] < 250
        alone = {figure["name"]: figure["value"] for figure in write["contenders"]}
        assert list(alone) == ["ours", "ours, refill", "floor"]
        assert write["ours_over_floor"] == pytest.approx(alone["floor"] / alone["ours"], rel=1e-2)


def test_the_soak_counts_no_error_and_sees_memory_and_files(tmp_path):
    (late, memory), out = quick(tmp_path, "online_soak")
    assert late["contenders"][0]["name"] == "late"
    assert late["ours"] > 0
    assert 20 < memory["ours"] < 500
    assert memory["ours_over_floor"] == pytest.approx(1, abs=0.2)
    assert "swaps of the definitions" in out


def test_the_shapes_of_feasts_own_benchmark_are_measured(tmp_path):
    (row,), out = quick(
        tmp_path, "online_w1", "--case", "250 features x 1 entities", "--contender", "ours"
    )  # fmt: skip
    assert row["contenders"][0]["differing"] == 0
    assert 0 < row["ours"] < 1_000
    assert "p99" in out
