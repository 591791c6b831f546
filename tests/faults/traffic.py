"""Requests at a fixed rate, whatever the server does; every answer is held to the oracle."""

import asyncio
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Self

import uvloop

from benchmarks.load import OpenLoop, request
from tests.faults.oracle import ENTITIES, FEATURES, Oracle

RATE = 200.0
PATIENCE = 4.0
CONNECTIONS = 256
"""As many as are busy while nothing is answered for a second: fewer, and requests would wait here."""
LATE_SECONDS = 0.5
STEADY = 60
"""So many right answers in a row, and it has recovered."""
RIGHT, MISSING, REFUSED, LOST, WRONG = "right", "missing", "503", "lost", "wrong"
"""A missing one says NOT_FOUND of entities that the store does not hold; lost has no answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it was due, how long it took from then, what came of it.

    ``incomplete``: it said that rows may be missing.
    """

    due: float
    seconds: float
    kind: str
    detail: str = ""
    incomplete: bool = False


class Traffic:
    """Asks while the block runs, from a thread of its own."""

    def __init__(self, address: str, oracle: Oracle, *, rate: float = RATE) -> None:
        self.answers: list[Answer] = []
        self._address = address
        self._oracle = oracle
        self._rate = rate
        self._drawn = random.Random(1)
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.steady(time.perf_counter())
        return self

    def __exit__(self, *failure: object) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def kinds(self) -> Counter[str]:
        """How many answers there were of each kind."""
        return Counter(answer.kind for answer in self.answers)

    def details(self, kind: str) -> Counter[str]:
        """What was said in answers of one kind."""
        return Counter(answer.detail for answer in self.answers if answer.kind == kind)

    def steady(self, since: float, *, seconds: float = 30) -> None:
        """Return when enough requests in a row that were due after ``since`` were answered right.

        Raises:
            TimeoutError: that does not come to be.
        """
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            late = sorted((a.due, a.kind) for a in list(self.answers) if a.due >= since)
            row = late[-STEADY:]
            if len(row) == STEADY and all(kind == RIGHT for _, kind in row):
                return
            time.sleep(0.02)
        raise TimeoutError(f"no recovery within {seconds:g} s: {self.kinds}")

    def lost_seconds(self, since: float) -> float:
        """Return from ``since`` until the last request was due that was not answered right, or late."""
        hurt = [a for a in self.answers if a.due >= since]
        bad = [a.due - since for a in hurt if a.kind != RIGHT or a.seconds > LATE_SECONDS]
        return max(bad, default=0.0)

    def unsaid(self, since: float) -> int:
        """Return how many that were due after ``since`` were answered, and not as incomplete."""
        answered = [a for a in self.answers if a.due >= since and a.kind in (RIGHT, MISSING)]
        return sum(not answer.incomplete for answer in answered)

    def slowest(self) -> float:
        """Return the longest that an answer took, in seconds, in whatever way it ended."""
        return max(answer.seconds for answer in self.answers)

    def report(self, what: str, since: float) -> str:
        """Return one line: what was lost, in what ways, and for how long."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items()))
        return (
            f"{what}: {kinds}; time lost {self.lost_seconds(since):.2f} s, "
            f"slowest answer {self.slowest():.2f} s"
        )

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._ask_all())

    async def _ask_all(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        traffic = OpenLoop(
            self._address, self._ask, self._seen, patience=PATIENCE, most=CONNECTIONS
        )
        await traffic.run(self._rate, 600, self._stop)

    def _ask(self, number: int) -> tuple[Any, bytes]:
        entities = [self._drawn.randrange(ENTITIES) for _ in range(3)]
        features = [f"load:{name}" for name in FEATURES]
        body = {"features": features, "entities": {"entity": entities}}
        return entities, request("/get-online-features", json.dumps(body))

    def _seen(self, entities: Any, status: int, body: bytes, due: float, seconds: float) -> None:
        kind, detail = self._judge(entities, status, body, due)
        incomplete = status == 200 and b'"incomplete":["load"]' in body
        self.answers.append(Answer(due, seconds, kind, detail, incomplete))

    def _judge(self, entities: list[int], status: int, body: bytes, due: float) -> tuple[str, str]:
        if status == 0:
            return LOST, ""
        if status == 503:
            return REFUSED, str(json.loads(json.loads(body))["message"])
        if status != 200:
            return f"status {status}", body.decode(errors="replace")[:300]
        answer = json.loads(body)
        columns = dict(zip(answer["metadata"]["feature_names"], answer["results"], strict=True))
        kinds = {
            self._judge_row(entity, [columns[name] for name in FEATURES], row, due)
            for row, entity in enumerate(entities)
        }
        if WRONG in kinds or columns["entity"]["values"] != entities:
            return WRONG, f"{entities}: {body.decode()[:600]}"
        return (MISSING if MISSING in kinds else RIGHT), ""

    def _judge_row(self, entity: int, columns: list[Any], row: int, due: float) -> str:
        values = [column["values"][row] for column in columns]
        statuses = {column["statuses"][row] for column in columns}
        if statuses == {"NOT_FOUND"} and values == [None] * len(values):
            return MISSING
        fits = statuses == {"PRESENT"} and self._oracle.right(entity, values, due)
        return RIGHT if fits else WRONG


def only(traffic: Traffic, *kinds: str) -> None:
    """Assert that every answer was right, or of one of ``kinds``: never wrong, and nothing else."""
    wrong = traffic.details(WRONG)
    assert not wrong, wrong
    others = set(traffic.kinds) - {RIGHT, *kinds}
    assert not others, {kind: traffic.details(kind) for kind in others}
