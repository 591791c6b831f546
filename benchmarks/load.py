"""HTTP load from one process: prebuilt requests over asyncio protocols on uvloop, latencies, checked answers.

Closed loop: each of N connections asks again as soon as it has its answer; what is measured is
what the server can do. Open loop: requests are due at a rate whatever the server does, and a
latency counts from when its request was due, so that a stall is seen in full.

``python -m benchmarks.load ORDER.json`` runs one closed loop and prints a `Load` as JSON: in a
process of its own, so that nothing else of a benchmark is in the way.
"""

import asyncio
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"
KEPT_ANSWERS = 100
"""Bodies kept for the check afterwards; parsing while the clock runs would be part of the load."""


class Broken(Exception):
    """What came over a connection is no HTTP message with a length, or it ended early."""


@dataclass(frozen=True, slots=True)
class Order:
    """A closed loop: whom to ask what, over how many connections, for how long.

    ``bodies`` are asked in turn; ``expected`` are their right answers, as `told` gives them.
    """

    address: str
    path: str
    bodies: list[str]
    expected: list[Any]
    connections: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Load:
    """What a load saw: answers per second, latencies in milliseconds, and what went wrong."""

    seconds: float
    answers: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    checked: int
    wrong: int
    errors: dict[str, int]

    @property
    def rate(self) -> float:
        return self.answers / self.seconds

    @property
    def sound(self) -> bool:
        """Whether nothing failed and every answer that was looked at was right."""
        return self.checked > 0 and not self.wrong and not self.errors


class Client(asyncio.Protocol):
    """One connection that has at most one request out; tells ``answered`` of each answer.

    ``answered`` gets the client, the status (0: the connection is gone) and the body.
    """

    def __init__(self, answered: Callable[["Client", int, bytes], None]) -> None:
        self.tag: Any = None
        self.began = 0.0
        self.waiting = False
        self._answered = answered
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._needed = 0
        self._body_at = 0

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, request: bytes, *, began: float | None = None) -> None:
        """Send ``request``; a latency is counted from ``began``, else from now."""
        if self._transport is None:
            raise Broken("the connection is closed")
        self.began = time.perf_counter() if began is None else began
        self.waiting = True
        self._transport.write(request)

    def close(self) -> None:
        """Close the connection without telling anybody."""
        self.waiting = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # asyncio promises what it connects

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if not self._needed:
            end = buffer.find(HEAD_END)
            if end < 0:
                return
            self._body_at = end + len(HEAD_END)
            self._needed = self._body_at + content_length(bytes(buffer[: end + 2]))
        if len(buffer) < self._needed:
            return
        status, body = int(buffer[9:12]), bytes(buffer[self._body_at : self._needed])
        del buffer[: self._needed]
        self._needed = 0
        self.waiting = False
        self._answered(self, status, body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self.waiting:
            self.waiting = False
            self._answered(self, 0, b"")


def content_length(head: bytes) -> int:
    """Return the length that the headers in ``head`` give the body.

    Raises:
        Broken: they give none.
    """
    lower = head.lower()
    at = lower.find(LENGTH)
    if at < 0:
        raise Broken(f"no content length in {head!r:.200}")
    return int(lower[at + len(LENGTH) : lower.find(b"\r\n", at)])


def request(path: str, body: str | bytes) -> bytes:
    """Return a POST of JSON as bytes for the wire."""
    content = body.encode() if isinstance(body, str) else body
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def connect(address: str, answered: Callable[[Client, int, bytes], None]) -> Client:
    """Return a connection to ``address``, an http:// URL.

    Raises:
        OSError: nobody listens there.
    """
    where = urlsplit(address)
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(
        lambda: Client(answered), where.hostname, where.port
    )  # fmt: skip
    return client


def told(body: bytes | str) -> dict[str, Any]:
    """Return what an answer of Feast's wire says: values, statuses and times by name."""
    answer = json.loads(body)
    names = answer["metadata"]["feature_names"]
    return {
        name: [column["values"], column["statuses"], column["event_timestamps"]]
        for name, column in zip(names, answer["results"], strict=True)
    }


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of all do not exceed; 0 of none."""
    if not sorted_values:
        return 0.0
    return sorted_values[max(ceil(share * len(sorted_values)), 1) - 1]


@dataclass(slots=True)
class Record:
    """What is noted while the clock runs."""

    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    kept: list[tuple[int, bytes]] = field(default_factory=list)

    def load(self, seconds: float, expected: Sequence[Any]) -> Load:
        """Return the figures; the kept answers are compared with the right ones."""
        ordered = sorted(self.latencies)
        return Load(
            seconds=seconds,
            answers=len(ordered),
            p50_ms=percentile(ordered, 0.50) * 1000,
            p95_ms=percentile(ordered, 0.95) * 1000,
            p99_ms=percentile(ordered, 0.99) * 1000,
            checked=len(self.kept),
            wrong=sum(told(body) != expected[index] for index, body in self.kept),
            errors=dict(self.errors),
        )


class ClosedLoop:
    """N connections that ask in turn until the time is over."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._requests = [request(order.path, body) for body in order.bodies]
        self._turns = self._turn()
        self._record = Record()
        self._end = 0.0
        self._asking = 0
        self._done = asyncio.Event()

    async def run(self) -> Load:
        """Return what was seen.

        Raises:
            OSError: the server cannot be reached.
        """
        order = self._order
        clients = [await connect(order.address, self._answered) for _ in range(order.connections)]
        began = time.perf_counter()
        self._end, self._asking = began + order.seconds, len(clients)
        for client in clients:
            self._ask(client)
        await self._done.wait()
        seconds = time.perf_counter() - began
        for client in clients:
            client.close()
        return self._record.load(seconds, order.expected)

    def _turn(self) -> Iterator[int]:
        while True:
            yield from range(len(self._requests))

    def _ask(self, client: Client) -> None:
        client.tag = next(self._turns)
        client.ask(self._requests[client.tag])

    def _answered(self, client: Client, status: int, body: bytes) -> None:
        now = time.perf_counter()
        record = self._record
        if status == 200:
            record.latencies.append(now - client.began)
            if len(record.kept) < KEPT_ANSWERS or len(record.latencies) % 997 == 0:
                record.kept.append((client.tag, body))
        else:
            record.errors[str(status) if status else "connection lost"] += 1
        if now < self._end and client.open:
            self._ask(client)
            return
        self._asking -= 1
        if not self._asking:
            self._done.set()


class OpenLoop:
    """Requests that are due at a rate, over at most ``most`` connections, opened as they are needed.

    ``seen`` gets, for each request, its tag, the status (0: none), the body, when it was due
    on `time.perf_counter`, and the latency in seconds from then: what waits for a free connection
    is late, too. A request that has no answer after ``patience`` seconds counts as status 0,
    and its connection is dropped.
    """

    def __init__(
        self,
        address: str,
        ask: Callable[[int], tuple[Any, bytes]],
        seen: Callable[[Any, int, bytes, float, float], None],
        *,
        patience: float = 5.0,
        most: int = 64,
    ) -> None:
        self._address = address
        self._request = ask
        self._seen = seen
        self._patience = patience
        self._most = most
        self._idle: list[Client] = []
        self._busy: set[Client] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._waiting: deque[tuple[Any, bytes, float]] = deque()

    async def run(self, rate: float, seconds: float, stop: asyncio.Event | None = None) -> int:
        """Ask ``rate`` times a second, until ``seconds`` are over or ``stop`` is set; count requests."""
        began, number = time.perf_counter(), 0
        while number < rate * seconds and not (stop and stop.is_set()):
            due = began + number / rate
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            self._waiting.append((*self._request(number), due))
            self._give_up()
            self._send()
            number += 1
        await self._drain()
        return number

    def _send(self) -> None:
        """Send what waits, as far as there are connections, or may be more."""
        while self._waiting:
            if self._idle:
                client = self._idle.pop()
                if client.open:
                    self._ask(client, *self._waiting.popleft())
            elif len(self._busy) + len(self._opening) < self._most:
                task = asyncio.create_task(self._send_anew(*self._waiting.popleft()))
                self._opening.add(task)
                task.add_done_callback(self._opening.discard)
            else:
                return

    async def _send_anew(self, tag: Any, content: bytes, due: float) -> None:
        try:
            client = await asyncio.wait_for(connect(self._address, self._answered), self._patience)
        except (OSError, TimeoutError):
            self._seen(tag, 0, b"", due, time.perf_counter() - due)
            return
        self._ask(client, tag, content, due)

    def _ask(self, client: Client, tag: Any, content: bytes, due: float) -> None:
        client.tag = tag
        self._busy.add(client)
        client.ask(content, began=due)

    def _answered(self, client: Client, status: int, body: bytes) -> None:
        self._busy.discard(client)
        due = client.began
        self._seen(client.tag, status, body, due, time.perf_counter() - due)
        if client.open:
            self._idle.append(client)
        self._send()

    def _give_up(self) -> None:
        """Drop the connections whose answers are overdue, and what has waited too long for one."""
        now = time.perf_counter()
        for client in [one for one in self._busy if one.began < now - self._patience]:
            self._busy.discard(client)
            client.close()
            self._seen(client.tag, 0, b"", client.began, now - client.began)
        while self._waiting and self._waiting[0][2] < now - self._patience:
            tag, _, due = self._waiting.popleft()
            self._seen(tag, 0, b"", due, now - due)

    async def _drain(self) -> None:
        while self._busy or self._opening or self._waiting:
            await asyncio.sleep(0.01)
            self._give_up()
            self._send()
        for client in self._idle:
            client.close()


def closed_loop(order: Order) -> Load:
    """Return what a closed loop in this process sees."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_closed(order))


async def _closed(order: Order) -> Load:
    return await ClosedLoop(order).run()


if __name__ == "__main__":
    print(json.dumps(asdict(closed_loop(Order(**json.loads(Path(sys.argv[1]).read_text()))))))
