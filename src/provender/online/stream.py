"""Reading the online store from an event loop: lookups of one turn become one write.

Many small requests cost Redis and the socket more than one large one. What is asked for in
the same turn of the loop is sent at once; a lookup waits for nothing else. Memory is bounded:
where too many keys are under way, more are refused at once. So is time: a question that is
not answered in time drops its connection, and what else waited there is asked once more.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from provender.core.errors import Unavailable
from provender.online.channel import Line, Lost, Take
from provender.online.epoch import Epoch
from provender.online.fleet import Fleet
from provender.online.options import StoreOptions, unavailable
from provender.online.resp import Elsewhere, Refused, ReplyError, command, elsewhere, mget
from provender.online.routes import ASKING, positions_by_slot
from provender.online.topology import slot_of

MERGED_KEYS = 2000
"""A request of more keys goes alone, so that it delays nobody."""
DEADLINE = 1.0
IN_FLIGHT = 500_000
ATTEMPTS = 2
AGAIN_SECONDS = 0.05
"""Before a node of a cluster is asked again, while the others agree who follows a lost one."""

Rows = list[bytes | None]
Waiting = tuple[int, "asyncio.Future[Any]"]


@dataclass(slots=True, eq=False)
class Batch:
    """Questions that are answered together: ``size`` keys, the first waiting's first."""

    waiting: list[Waiting]
    size: int
    rows: Rows | None = None
    parts: "list[Part]" = field(default_factory=list)
    left: int = 0
    timer: asyncio.TimerHandle | None = None
    open: bool = True

    def deliver(self, reply: Any) -> None:
        """Give each who waits its share; a question that was cancelled gets none."""
        if len(self.waiting) == 1:
            answer = self.waiting[0][1]
            if not answer.done():
                answer.set_result(reply)
            return
        at = 0
        for count, answer in self.waiting:
            if not answer.done():
                answer.set_result(reply[at : at + count])
            at += count

    def fail(self, error: Exception) -> None:
        for _, answer in self.waiting:
            if not answer.done():
                answer.set_exception(error)


@dataclass(slots=True, eq=False)
class Part:
    """A command of a batch, for one server; ``at`` is where its rows belong, if not everywhere.

    The words of ``epoch`` are asked for after the rows.
    """

    batch: Batch
    text: bytes
    slot: int
    at: list[int] | None = None
    keys: Sequence[bytes] = ()
    attempts: int = 0
    line: Line | None = None
    epoch: Epoch | None = None

    def singles(self) -> "list[Part]":
        """Return a part per key, which then stand for this one."""
        keys, places = self.keys, self.at or []
        parts = [Part(self.batch, mget([keys[at]]), self.slot, [at], keys) for at in places]
        self.batch.parts += parts
        self.batch.left += len(parts) - 1
        return parts

    @property
    def host(self) -> str:
        return self.line.host if self.line is not None else ""


class Stream:
    """Reads rows for lookups on one event loop.

    ``deadline`` is in seconds per question; ``keys_in_flight`` bounds what is asked for at a
    time. ``epoch`` sees its words before rows are handed out, but for those of a cluster, where
    another server may have them: there, the lease's word is asked for with the rows, at once. ``on_connect`` is called on every connection made, and
    ``connections`` counts them.
    """

    def __init__(
        self,
        options: StoreOptions,
        *,
        deadline: float = DEADLINE,
        keys_in_flight: int = IN_FLIGHT,
        epoch: Epoch | None = None,
        on_connect: Callable[[], None] | None = None,
    ) -> None:
        self.options = options
        self.deadline = deadline
        self.keys_in_flight = keys_in_flight
        self.connections = 0
        self._epoch = epoch
        self._on_connect = on_connect
        self._leased_key = epoch.leased_key if epoch is not None else b""
        self._keys = 0
        self._turn: list[tuple[Sequence[bytes], asyncio.Future[Any]]] = []
        self._unplaced: list[Part] = []
        self._batches: set[Batch] = set()
        self._closed = False
        self._fleet = Fleet(options, connect_seconds=deadline, on_connect=self._connected)

    async def read(self, keys: Sequence[bytes]) -> Rows:
        """Return the row of each key, None where there is none.

        Raises:
            Unavailable: the store does not answer in time, or too much is asked at a time.
        """
        if not keys:
            return []
        self._admit(len(keys))
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        if not self._turn:
            loop.call_soon(self._send_turn)
        self._turn.append((keys, answer))
        return cast("Rows", await answer)

    async def command(self, *words: bytes | str) -> Any:
        """Return the reply to a command that may be sent twice; its second word is a key.

        Raises:
            Unavailable: the store does not answer in time, or refuses.
        """
        self._admit(1)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        batch = Batch([(1, answer)], 1)
        key = words[1] if len(words) > 1 else b""
        slot = slot_of(key.encode() if isinstance(key, str) else key)
        self._begin(batch, [Part(batch, command(*words), slot)])
        self._send(batch.parts)
        return await answer

    async def close(self) -> None:
        """Close the connections; lookups under way fail."""
        self._closed = True
        self._send_turn()
        for batch in list(self._batches):
            self._fail(batch, Lost("the reader was closed"))
        await self._fleet.close()

    def _admit(self, count: int) -> None:
        if self._closed:
            raise unavailable(self.options, Lost("the reader was closed"))
        if self._keys + count > self.keys_in_flight:
            raise Unavailable(
                f"{self._keys} keys are being read; {count} more would be over {self.keys_in_flight}",
                hint="ask again in a moment, or let more workers serve",
            )
        self._keys += count

    def _send_turn(self) -> None:
        turn, self._turn = self._turn, []
        parts: list[Part] = []
        if self._fleet.sharded:
            for keys, answer in turn:
                parts += self._spread(keys, answer)
        else:
            epoch = self._epoch
            beside, more = (epoch.text, epoch.size) if epoch is not None else (b"", 0)
            for batch, keys in _merged(turn):
                self._begin(batch, [Part(batch, mget(keys, beside, more), 0, epoch=epoch)])
                parts += batch.parts
        self._send(parts)

    def _spread(self, keys: Sequence[bytes], answer: "asyncio.Future[Any]") -> list[Part]:
        """Return a part per slot: a lost node fails only the lookups that need it."""
        if leased := self._leased_key:
            keys = [*keys, leased]
        batch = Batch([(len(keys), answer)], len(keys), rows=[None] * len(keys))
        parts = [
            Part(batch, mget([keys[at] for at in places]), slot, places, keys)
            for slot, places in positions_by_slot(keys).items()
        ]
        self._begin(batch, parts)
        return parts

    def _begin(self, batch: Batch, parts: list[Part]) -> None:
        batch.parts, batch.left = parts, len(parts)
        batch.timer = asyncio.get_running_loop().call_later(self.deadline, self._expire, batch)
        self._batches.add(batch)

    def _send(self, parts: Iterable[Part]) -> None:
        """Send the parts, those of one server as one write."""
        texts: dict[Line, list[bytes]] = defaultdict(list)
        takers: dict[Line, list[Take]] = defaultdict(list)
        for part in parts:
            if not part.batch.open:
                continue
            line = part.line = self._fleet.of(part.slot)
            if line is None:
                self._unplaced.append(part)
                continue
            texts[line].append(part.text)
            takers[line].append(partial(self._taken, part))
        for line, some in texts.items():
            line.ask(some[0] if len(some) == 1 else b"".join(some), takers[line])
        if self._unplaced:
            self._fleet.look(self._found)

    def _taken(self, part: Part, reply: Any) -> None:
        batch = part.batch
        if not batch.open:
            return
        if isinstance(reply, Exception):
            self._again(part, reply)
            return
        part.line = None
        if part.at is None:
            if part.epoch is not None:
                part.epoch.take(reply)
            self._finish(batch)
            batch.deliver(reply)
            return
        rows = cast("Rows", batch.rows)
        for at, row in zip(part.at, reply, strict=True):
            rows[at] = row
        batch.left -= 1
        if not batch.left:
            self._finish(batch)
            if self._epoch is not None and self._leased_key:
                self._epoch.told.take(rows.pop())
            batch.deliver(rows)

    def _again(self, part: Part, error: Exception) -> None:
        """Ask once more where that may help, else fail the questions."""
        if isinstance(error, ReplyError):
            refused = Refused(str(error))
            if not self._fleet.sharded or not self._sent_on(part, refused):
                self._fail(part.batch, refused)
        elif self._fleet.sharded:
            self._fleet.look(self._found)
            self._later(part)
        elif isinstance(error, Lost) and part.attempts + 1 < ATTEMPTS and not self._closed:
            part.attempts += 1
            self._send([part])
        else:
            self._fail(part.batch, error)

    def _sent_on(self, part: Part, refused: Refused) -> bool:
        """Ask whom the cluster points to; say whether it points anywhere."""
        target = elsewhere(refused, part.host)
        moves = refused.word == "TRYAGAIN" or (target is not None and target.asking)
        if moves and part.at is not None and len(part.at) > 1:
            part.line = None
            self._send(part.singles())
        elif target is not None:
            self._ask_at(part, target)
            if not target.asking:
                self._fleet.look(self._found)
        elif moves:
            self._later(part)
        else:
            return False
        return True

    def _ask_at(self, part: Part, target: Elsewhere) -> None:
        line = part.line = self._fleet.at((target.host, target.port))
        take = partial(self._taken, part)
        if target.asking:
            line.ask(ASKING + part.text, [_ignore, take])
        else:
            line.ask(part.text, [take])

    def _later(self, part: Part) -> None:
        asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._send, [part])

    def _found(self, problem: Exception | None) -> None:
        """Send what waited for the map of the cluster."""
        unplaced, self._unplaced = self._unplaced, []
        for part in unplaced:
            if problem is not None:
                self._fail(part.batch, problem)
            elif self._fleet.of(part.slot) is None:
                refused = Refused(f"CLUSTERDOWN nobody serves slot {part.slot}")
                self._fail(part.batch, refused)
        self._send(unplaced)

    def _expire(self, batch: Batch) -> None:
        lines = {part.line for part in batch.parts if part.line is not None}
        self._fail(batch, TimeoutError(f"no answer within {self.deadline:g} s"))
        for line in lines:
            line.drop("an earlier answer is late")

    def _fail(self, batch: Batch, error: Exception) -> None:
        if batch.open:
            self._finish(batch)
            batch.fail(unavailable(self.options, error))

    def _finish(self, batch: Batch) -> None:
        batch.open = False
        self._keys -= batch.size
        self._batches.discard(batch)
        if batch.timer is not None:
            batch.timer.cancel()

    def _connected(self) -> None:
        self.connections += 1
        if self._on_connect is not None:
            self._on_connect()


def _merged(
    turn: list[tuple[Sequence[bytes], "asyncio.Future[Any]"]],
) -> Iterable[tuple[Batch, Sequence[bytes]]]:
    """Put the questions of a turn together, up to `MERGED_KEYS` keys at a time."""
    batch, merged = Batch([], 0), list[bytes]()
    for keys, answer in turn:
        if batch.size and batch.size + len(keys) > MERGED_KEYS:
            yield batch, merged
            batch, merged = Batch([], 0), []
        batch.waiting.append((len(keys), answer))
        batch.size += len(keys)
        merged += keys
    if batch.size:
        yield batch, merged


def _ignore(reply: Any) -> None:
    """Take the answer to ASKING."""
