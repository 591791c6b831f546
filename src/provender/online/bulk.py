"""Writing rows in bulk: many commands under way, while the next ones are made.

Into an empty store rows go by MSETNX, which sets all keys or none: as fast as the server
takes bytes. Where a key exists, the script reads all of them at once, compares, and sets those that are newer.
"""

import queue
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Protocol

from provender.core.closing import Closing
from provender.online.options import StoreOptions, Topology, unavailable
from provender.online.resp import framed, unframed
from provender.online.routes import positions_by_slot
from provender.online.script import CHUNK_ROWS, FOREVER, Expiry, WriteScript, msetnx, script_pairs
from provender.online.sender import Chunk, Sender, Written

WINDOW = 8
"""Commands under way per server: enough that it never waits, about a megabyte."""
SPREAD_ROWS = 65_536
"""Rows of a cluster that are sorted by slot at a time."""
PROBE_CHUNKS = 64
"""Where keys exist, only every so manieth chunk is tried as if they did not."""
PROBE_FRAMES = 8
"""And only so many frames: the others go to the script as they are, without Python per row."""
Pairs = Iterable[tuple[bytes, bytes]]


class Frames(Protocol):
    """Rows whose text is ready to be sent."""

    @property
    def keys_differ(self) -> bool: ...

    def resp(self, chunk: int) -> Iterator[tuple[int, Any, Any]]:
        """Yield count, text of keys and text of rows, of at most ``chunk`` rows at a time."""

    def pairs(self, chunk: int) -> Iterator[tuple[int, Any]]:
        """Yield count and text of at most ``chunk`` rows at a time: key, row, key, row."""


class Writer(Closing):
    """Writes rows by a thread of its own, each unless a newer row is stored; for one user.

    Of two rows of one key with the same timestamps, either may stay. ``repeated`` counts the
    times that connections were lost; then the store may have been emptied: see
    `OnlineStore.state`. ``replicated``: whether a replica, where there is one, has all that
    was settled.
    """

    def __init__(
        self,
        options: StoreOptions,
        *,
        window: int = WINDOW,
        expiry: Expiry = FOREVER,
        fresh: bool = True,
        confirm: bool = True,
        script: WriteScript | None = None,
    ) -> None:
        """Start the thread; nothing is connected before there are rows.

        ``fresh``: rows may go where none is, which is tried first. ``confirm``: to settle is to
        wait for a replica, if there is one.
        """
        self.options = options
        self.expiry = expiry
        self._script = script or WriteScript()
        self._sender = Sender(
            options,
            window=window,
            script=self._script.load,
            recut=self._compared,
            split=self._single,
        )
        self._sharded = options.topology is Topology.CLUSTER
        self._tries = fresh and not expiry.how
        self._probe = 0
        self._frames = 0
        self._confirms = confirm
        self._problem: Exception | None = None
        self._queue: queue.Queue[Chunk | threading.Event | None] = queue.Queue(window)
        self._thread = threading.Thread(target=self._run, name="online-writer", daemon=True)
        self._thread.start()

    def send(self, frames: Frames) -> None:
        """Write rows whose text is ready.

        Raises:
            Unavailable: the store does not take rows any more.
        """
        if self._may_try() and frames.keys_differ:
            for count, text in frames.pairs(CHUNK_ROWS):
                self.send_pairs(count, bytes(text))
        else:
            for count, keys, rows in frames.resp(CHUNK_ROWS):
                self.send_arguments(count, bytes(keys), bytes(rows), differ=False)

    def send_pairs(self, count: int, pairs: bytes) -> None:
        """Write ``count`` rows from the text of key, row, key, row; keys differ.

        Raises:
            Unavailable: the store does not take rows any more.
        """
        if self._sharded:
            strings = unframed(pairs)
            self.write(zip(strings[::2], strings[1::2], strict=True))
        elif not self._seems_empty():
            self._put(self._compared(Chunk(count, b"", 0, pairs)))
        else:
            self._put(Chunk(count, msetnx(count, pairs), 0, pairs))

    def send_arguments(self, count: int, keys: bytes, rows: bytes, *, differ: bool = True) -> None:
        """Write ``count`` rows from the text of all keys and that of all rows.

        ``differ`` says that no key is there twice.

        Raises:
            Unavailable: the store does not take rows any more.
        """
        if self._sharded:
            self.write(zip(unframed(keys), unframed(rows), strict=True))
            return
        self._put(Chunk(count, self._call(count, keys, rows, fresh=differ and self._tries)))

    def write(self, pairs: Pairs) -> None:
        """Write (key, row) pairs; keys may repeat.

        Raises:
            Unavailable: the store does not take rows any more.
        """
        remaining = iter(pairs)
        size = SPREAD_ROWS if self._sharded else CHUNK_ROWS
        while batch := list(islice(remaining, size)):
            for slot, group in self._by_slot(batch):
                for first in range(0, len(group), CHUNK_ROWS):
                    self._put(self._chunk(group[first : first + CHUNK_ROWS], slot))

    @property
    def repeated(self) -> int:
        return self._sender.repeated

    @property
    def replicated(self) -> bool:
        return self._sender.replicated

    def settle(self) -> Written:
        """Wait until all rows are answered for; return what became of those since the last time.

        Raises:
            Unavailable: the store does not take rows any more.
        """
        reached = threading.Event()
        self._queue.put(reached)
        reached.wait()
        self._check()
        done, self._sender.done = self._sender.done, Written()
        return done

    def close(self) -> None:
        """End the thread and the connections; what was not settled may be written or not."""
        self._queue.put(None)
        self._thread.join()

    def _put(self, chunk: Chunk) -> None:
        self._check()
        self._queue.put(chunk)

    def _check(self) -> None:
        if self._problem is not None:
            raise unavailable(self.options, self._problem) from self._problem

    def _may_try(self) -> bool:
        """Whether frames may be sent as if no key existed; where some do, its first chunk tells."""
        if self._sharded or self._sender.fresh or not self._tries:
            return self._tries
        self._frames = (self._frames + 1) % PROBE_FRAMES
        if self._frames:
            return False
        self._probe = PROBE_CHUNKS - 1
        return True

    def _seems_empty(self) -> bool:
        if self._sender.fresh or not self._tries:
            return self._tries
        self._probe = (self._probe + 1) % PROBE_CHUNKS
        return self._probe == 0

    def _by_slot(
        self, batch: list[tuple[bytes, bytes]]
    ) -> Iterable[tuple[int, list[tuple[bytes, bytes]]]]:
        if not self._sharded:
            return [(0, batch)]
        places = positions_by_slot([key for key, _ in batch])
        return [(slot, [batch[at] for at in some]) for slot, some in places.items()]

    def _chunk(self, pairs: list[tuple[bytes, bytes]], slot: int) -> Chunk:
        keys = [key for key, _ in pairs]
        differ = len(set(keys)) == len(keys)
        if differ and self._seems_empty():
            text = framed([part for pair in pairs for part in pair])
            return Chunk(len(pairs), msetnx(len(pairs), text), slot, text)
        rows = [row for _, row in pairs]
        return self._compare_all(keys, rows, slot)

    def _compared(self, chunk: Chunk) -> Chunk:
        strings = unframed(chunk.pairs or b"")
        keys, rows = strings[::2], strings[1::2]
        return self._compare_all(keys, rows, chunk.slot)

    def _single(self, chunk: Chunk) -> list[Chunk]:
        """Return a chunk per row: a cluster that moves a slot refuses several keys at once."""
        pairs = script_pairs(chunk.text)
        return [self._compare_all([key], [row], chunk.slot) for key, row in pairs]

    def _compare_all(self, keys: list[bytes], rows: list[bytes], slot: int) -> Chunk:
        return Chunk(len(keys), self._call(len(keys), framed(keys), framed(rows)), slot)

    def _call(self, count: int, keys: bytes, rows: bytes, *, fresh: bool = False) -> bytes:
        now_ms = time.time_ns() // 1_000_000
        return self._script.call(count, keys, rows, self.expiry, now_ms, fresh=fresh)

    def _run(self) -> None:
        """Send what is put into the queue: all that the thread does."""
        while (item := self._queue.get()) is not None:
            try:
                if self._problem is None:
                    self._do(item)
            except Exception as error:  # noqa: BLE001 - told to whoever sends or settles next
                self._problem = error
            if isinstance(item, threading.Event):
                item.set()
        self._sender.close()

    def _do(self, item: Chunk | threading.Event) -> None:
        if isinstance(item, Chunk):
            self._sender.push(item)
        else:
            self._sender.drain(confirm=self._confirms)
