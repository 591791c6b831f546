"""Writing a few rows now and then, each time within a deadline: connections that stay open.

A `Writer` is for many rows, has a thread of its own, and waits out a failover. A pen writes what
one request brought, in the caller's thread, and gives up when its time is over.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hiredis import ProtocolError

from provender.core.closing import Closing
from provender.online.options import StoreOptions, Topology, unavailable
from provender.online.resp import Refused, framed
from provender.online.routes import positions_by_slot
from provender.online.script import CHUNK_ROWS, Expiry, WriteScript, script_pairs
from provender.online.sender import Chunk, Sender, Written

WINDOW = 8
"""Commands under way per server."""
Pairs = Sequence[tuple[bytes, bytes]]


class Pen(Closing):
    """Connections over which rows are written, each unless a newer one is stored; for one thread."""

    def __init__(self, options: StoreOptions) -> None:
        self._options = options
        self._script = WriteScript()
        self._expiry = Expiry()
        self._sender = Sender(
            options,
            window=WINDOW,
            script=self._script.load,
            recut=_as_it_is,
            split=self._single,
        )

    def write(self, pairs: Pairs, *, expiry: Expiry, due: float) -> Written:
        """Write (key, row) pairs until ``due``, of `time.monotonic`.

        Raises:
            OSError, Refused, ProtocolError: the store did not answer, or refused: rows may be
                written or not, and the pen is of no more use.
        """
        self._expiry, self._sender.due = expiry, due
        for slot, group in self._by_slot(pairs):
            for first in range(0, len(group), CHUNK_ROWS):
                self._sender.push(self._chunk(group[first : first + CHUNK_ROWS], slot))
        self._sender.drain(confirm=False)
        done, self._sender.done = self._sender.done, Written()
        return done

    def close(self) -> None:
        self._sender.close()

    def _by_slot(self, pairs: Pairs) -> list[tuple[int, Pairs]]:
        if self._options.topology is not Topology.CLUSTER:
            return [(0, pairs)]
        places = positions_by_slot([key for key, _ in pairs])
        return [(slot, [pairs[at] for at in some]) for slot, some in places.items()]

    def _chunk(self, pairs: Pairs, slot: int) -> Chunk:
        keys, rows = framed([key for key, _ in pairs]), framed([row for _, row in pairs])
        now_ms = time.time_ns() // 1_000_000
        text = self._script.call(len(pairs), keys, rows, self._expiry, now_ms)
        return Chunk(len(pairs), text, slot)

    def _single(self, chunk: Chunk) -> list[Chunk]:
        """Return a chunk per row: a cluster that moves a slot refuses several keys at once."""
        return [self._chunk([pair], chunk.slot) for pair in script_pairs(chunk.text)]


class Pens(Closing):
    """The pens that nobody uses; safe to share between threads."""

    def __init__(self, options: StoreOptions) -> None:
        self._options = options
        self._idle: deque[Pen] = deque()
        self._closed = False

    def write(self, pairs: Pairs, *, expiry: Expiry, due: float) -> Written:
        """Write (key, row) pairs until ``due``, of `time.monotonic`, over a connection that is open.

        Raises:
            Unavailable: the store did not answer, or refused: rows may be written or not.
        """
        with self._pen() as pen:
            return pen.write(pairs, expiry=expiry, due=due)

    def close(self) -> None:
        """Close what nobody uses; what is in use closes when it was."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _pen(self) -> Iterator[Pen]:
        try:
            pen = self._idle.pop()
        except IndexError:
            pen = Pen(self._options)
        try:
            yield pen
        except BaseException as error:
            pen.close()
            if isinstance(error, OSError | Refused | ProtocolError):
                raise unavailable(self._options, error) from error
            raise
        if self._closed:
            pen.close()
        else:
            self._idle.append(pen)


def _as_it_is(chunk: Chunk) -> Chunk:
    """Return the chunk: none is tried as if no key existed."""
    return chunk
