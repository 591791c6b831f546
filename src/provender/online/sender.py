"""Sending commands that write rows, many at a time, and again those that got no answer.

A command may be sent twice without harm, so what was not answered when a connection ended
is simply sent again: to the same server, or to the one that follows it.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any

import hiredis

from provender.online.link import Link
from provender.online.options import StoreOptions, Topology
from provender.online.resp import Refused, ReplyError, command, elsewhere
from provender.online.routes import ASKING
from provender.online.topology import Node, SlotMap, find_primary, find_slots

PATIENCE_SECONDS = 15.0
"""How long nothing may succeed before the sender gives up; a failover takes less."""
PAUSE_SECONDS = 0.05
CONFIRM = command("WAIT", "1", "1000")
LOST = (OSError, hiredis.ProtocolError)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of rows: written, or kept back because a newer one is stored."""

    written: int = 0
    kept: int = 0

    def __add__(self, other: "Written") -> "Written":
        return Written(self.written + other.written, self.kept + other.kept)


@dataclass(slots=True, eq=False)
class Chunk:
    """One command. ``pairs`` is its text of keys and rows, if it only works where none exists."""

    count: int
    text: bytes
    slot: int = 0
    pairs: bytes | None = None


@dataclass(slots=True, eq=False)
class Lane:
    """A connection to one server, and what was sent over it and not answered yet."""

    link: Link
    sent: deque[Chunk] = field(default_factory=deque)


class Broken(Exception):
    """A lane is of no more use, for ``cause``; what it did not answer has to be sent again."""

    def __init__(self, node: Node | None, cause: Exception) -> None:
        super().__init__(str(cause))
        self.node = node
        self.cause = cause


class Sender:
    """Sends chunks and counts the answers; for one thread, and until ``due`` of `time.monotonic`.

    ``recut`` makes the chunk that compares of one that only works where no key exists, and
    ``split`` a chunk per row. ``fresh`` says whether the last try for no key worked. ``repeated`` counts lost connections, and
    ``replicated`` whether a replica, where there is one, has all that was settled.
    """

    def __init__(
        self,
        options: StoreOptions,
        *,
        window: int,
        script: bytes,
        recut: Callable[[Chunk], Chunk],
        split: Callable[[Chunk], list[Chunk]],
    ) -> None:
        self.done = Written()
        self.due = inf
        self.fresh = True
        self.repeated = 0
        self.replicated = True
        self._options = options
        self._window = window
        self._script = script
        self._recut = recut
        self._split = split
        self._lanes: dict[Node | None, Lane] = {}
        self._map: SlotMap | None = None
        self._progress = time.monotonic()

    def push(self, chunk: Chunk) -> None:
        """Send a chunk, as soon as the window has room.

        Raises:
            OSError, Refused, hiredis.ProtocolError: nothing succeeded for too long, or the
                server refuses.
        """
        self._progress = time.monotonic()
        self._again(deque([chunk]), lambda todo: None)

    def drain(self, *, confirm: bool) -> None:
        """Wait for all answers, and with ``confirm`` for a replica.

        Raises:
            OSError, Refused, hiredis.ProtocolError: as `push`.
        """
        self._progress = time.monotonic()
        self._again(deque(), self._drain)
        if confirm:
            self._again(deque(), self._confirm)

    def close(self) -> None:
        for lane in self._lanes.values():
            lane.link.close()

    def _again(self, todo: deque[Chunk], then: Callable[[deque[Chunk]], None]) -> None:
        """Send ``todo``, do ``then``, and what that leaves to do, until there is nothing more."""
        while True:
            try:
                self._send_all(todo)
                then(todo)
                if not todo:
                    return
            except Broken as broken:
                todo.extendleft(reversed(self._give_up(broken)))

    def _send_all(self, todo: deque[Chunk]) -> None:
        while todo:
            node = self._node(todo[0].slot)
            lane = self._lane(node)
            if len(lane.sent) >= self._window:
                self._take_reply(node, lane, todo)
                continue
            try:
                lane.sent.append(todo[0])
                todo.popleft()
                lane.link.send(lane.sent[-1].text, self._due())
            except LOST as error:
                raise Broken(node, error) from error

    def _drain(self, todo: deque[Chunk]) -> None:
        for node, lane in list(self._lanes.items()):
            while lane.sent:
                self._take_reply(node, lane, todo)

    def _take_reply(self, node: Node | None, lane: Lane, todo: deque[Chunk]) -> None:
        try:
            reply = lane.link.receive(self._due())
        except LOST as error:
            raise Broken(node, error) from error
        if isinstance(reply, ReplyError):
            self._refused(node, lane, Refused(str(reply)), todo)
            return
        chunk = lane.sent.popleft()
        self._count(chunk, reply, todo)

    def _count(self, chunk: Chunk, reply: int, todo: deque[Chunk]) -> None:
        self._progress = time.monotonic()
        if chunk.pairs is None:
            self.done += Written(chunk.count - reply, reply)
            return
        self.fresh = reply == 1
        if reply == 1:
            self.done += Written(chunk.count)
        else:
            todo.append(self._recut(chunk))

    def _refused(self, node: Node | None, lane: Lane, refused: Refused, todo: deque[Chunk]) -> None:
        """Ask whom the answer points to, or again if that helps; anything else ends the writer."""
        target = elsewhere(refused, node[0] if node else "")
        if target is not None and target.asking:
            self._ask_once(lane.sent.popleft(), (target.host, target.port), todo)
        elif refused.word == "TRYAGAIN" and lane.sent[0].count > 1:
            todo.extendleft(self._split(lane.sent.popleft()))
        elif refused.passes or refused.word == "NOSCRIPT":
            raise Broken(node, refused)
        else:
            raise refused

    def _ask_once(self, chunk: Chunk, target: Node, todo: deque[Chunk]) -> None:
        """Send a refused chunk to the node that its slot moves to; it takes keys one by one."""
        if chunk.count > 1:
            todo.extendleft(self._split(chunk))
            return
        todo.appendleft(chunk)
        other = self._lane(target)
        while other.sent:
            self._take_reply(target, other, todo)
        try:
            _, reply = other.link.ask(ASKING + chunk.text, 2, self._due())
        except LOST as error:
            raise Broken(target, error) from error
        if isinstance(reply, ReplyError):
            raise Broken(target, Refused(str(reply)))
        todo.remove(chunk)
        self._count(chunk, reply, todo)

    def _give_up(self, broken: Broken) -> list[Chunk]:
        """Close the lane, and return what it did not answer, after a pause.

        Raises:
            OSError, Refused, hiredis.ProtocolError: nothing succeeded for too long.
        """
        lane = self._lanes.pop(broken.node, None)
        self._map = None
        self.repeated += 1
        if lane is not None:
            lane.link.close()
        now = time.monotonic()
        if now - self._progress > PATIENCE_SECONDS or now + PAUSE_SECONDS >= self.due:
            raise broken.cause
        time.sleep(PAUSE_SECONDS)
        return list(lane.sent) if lane is not None else []

    def _confirm(self, todo: deque[Chunk]) -> None:
        """Wait until a replica has what was written, where there is one."""
        for node, lane in list(self._lanes.items()):
            try:
                info, count = self._ask(lane, command("INFO", "replication")), 1
                if b"connected_slaves:0" not in info:
                    count = self._ask(lane, CONFIRM)
            except LOST as error:
                self.replicated = False
                raise Broken(node, error) from error
            self.replicated = self.replicated and count > 0

    def _ask(self, lane: Lane, text: bytes) -> Any:
        reply = lane.link.ask(text, 1, self._due())[0]
        if isinstance(reply, ReplyError):
            raise Refused(str(reply))
        return reply

    def _node(self, slot: int) -> Node | None:
        if self._options.topology is not Topology.CLUSTER:
            return None
        try:
            if self._map is None:
                self._map = find_slots(self._options, [n for n in self._lanes if n], self._due())
        except LOST as error:
            raise Broken(None, error) from error
        node = self._map.owners[slot]
        if node is None:
            raise Broken(None, Refused(f"CLUSTERDOWN nobody serves slot {slot}"))
        return node

    def _lane(self, node: Node | None) -> Lane:
        lane = self._lanes.get(node)
        if lane is None:
            lane = self._lanes[node] = Lane(self._connect(node))
        return lane

    def _connect(self, node: Node | None) -> Link:
        try:
            where = node
            if self._options.topology is Topology.SENTINEL:
                where = find_primary(self._options, self._due())
            endpoint = self._options.endpoint(*where) if where else self._options.endpoint()
            link = Link(endpoint, self._due())
            reply = link.ask(self._script, 1, self._due())[0]
        except LOST as error:
            raise Broken(node, error) from error
        if isinstance(reply, ReplyError):
            link.close()
            refused = Refused(str(reply))
            raise Broken(node, refused) if refused.passes else refused
        return link

    def _due(self) -> float:
        return min(time.monotonic() + self._options.answer_seconds, self.due)
