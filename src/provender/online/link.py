"""Connections of our own to the online store, for reading as fast as the socket gives.

A connection answers in the order it was asked. So after a timeout, an error of the protocol
or anything else unforeseen it is dropped, never used again: what it would say next may be
the answer to an earlier question. redis-py stays for all that is not done per lookup.
"""

import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Sequence
from typing import Any, cast

import hiredis

from provender.online.endpoint import Endpoint
from provender.online.epoch import Epoch
from provender.online.resp import Words, answered, command, mget

CHUNK_BYTES = 65_536
TIMEVAL = struct.Struct("@ll")


class Late(TimeoutError):
    """No answer within the deadline."""

    def __init__(self) -> None:
        super().__init__("no answer in time")


class Link:
    """One connection; for one thread at a time. Instants are `time.monotonic`'s."""

    __slots__ = ("_reader", "_socket", "_timeout", "endpoint")

    def __init__(self, endpoint: Endpoint, due: float) -> None:
        """Connect and say who we are.

        Raises:
            OSError: nobody listens, or no answer until ``due``.
            Refused: the server does not let us in.
        """
        self.endpoint = endpoint
        self._timeout = _left(due)
        self._reader = hiredis.Reader()
        self._socket = endpoint.dial(self._timeout)
        try:
            _limit(self._socket, self._timeout)
            if endpoint.greeting:
                for reply in self.ask(endpoint.greeting, endpoint.greetings, due):
                    answered(reply)
        except BaseException:
            self.close()
            raise

    def ask(self, text: bytes, replies: int, due: float) -> list[Any]:
        """Send commands and return as many replies; errors among them as `ReplyError`.

        Raises:
            OSError, hiredis.ProtocolError: the connection is of no more use, and closed.
        """
        try:
            self.send(text, due)
            return [self.receive(due) for _ in range(replies)]
        except BaseException:
            self.close()
            raise

    def send(self, text: bytes, due: float) -> None:
        """Send commands; the caller drops the link where that fails.

        Raises:
            OSError: they could not be sent until ``due``.
        """
        self._wait_until(due)
        try:
            self._socket.sendall(text)
        except BlockingIOError:
            raise Late from None

    def receive(self, due: float) -> Any:
        """Return the next reply; the caller drops the link where that fails.

        Raises:
            OSError: it did not come until ``due``, or the connection ended.
            hiredis.ProtocolError: what came is no reply.
        """
        reader = self._reader
        while (reply := reader.gets()) is False:
            self._wait_until(due)
            try:
                data = self._socket.recv(CHUNK_BYTES)
            except BlockingIOError:
                raise Late from None
            if not data:
                raise ConnectionResetError("the server closed the connection")
            reader.feed(data)
        return reply

    def close(self) -> None:
        self._socket.close()

    def __del__(self) -> None:
        if hasattr(self, "_socket"):
            self.close()

    def _wait_until(self, due: float) -> None:
        """Let the socket wait so long; a twentieth more or less is no reason for a system call."""
        left = _left(due)
        if not 0.95 * left <= self._timeout <= 1.05 * left:
            self._timeout = left
            _limit(self._socket, left)


class Links:
    """The connections to one server that no thread is using; safe to share."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._idle: list[Link] = []
        self._process = os.getpid()
        self._lock = threading.Lock()

    def read(
        self, keys: Sequence[bytes], due: float, epoch: Epoch | None = None
    ) -> list[bytes | None]:
        """Return the row of each key, None where there is none; ``epoch`` sees its word first.

        Raises:
            OSError, hiredis.ProtocolError: two connections, one of them fresh, gave no answer.
            Refused: the server answered with an error.
        """
        text = mget(keys, epoch.text, epoch.size) if epoch is not None else mget(keys)
        rows = cast("list[bytes | None]", answered(self.ask(text, 1, due)[0]))
        if epoch is not None:
            epoch.take(rows)
        return rows

    def call(self, commands: Sequence[Words], due: float) -> list[Any]:
        """Return the reply to each command, which may be sent twice; in one round trip.

        Raises:
            OSError, hiredis.ProtocolError: two connections, one of them fresh, gave no answer.
            Refused: the server answered with an error.
        """
        text = b"".join([command(*words) for words in commands])
        return [answered(reply) for reply in self.ask(text, len(commands), due)]

    def ask(self, text: bytes, replies: int, due: float) -> list[Any]:
        """Return the replies to commands that may be sent twice.

        Raises:
            OSError, hiredis.ProtocolError: two connections, one of them fresh, gave no answer.
            Refused: the server does not let us in.
        """
        link = self._take()
        if link is not None:
            try:
                got = link.ask(text, replies, due)
            except (OSError, hiredis.ProtocolError) as error:
                self.close()
                if isinstance(error, TimeoutError):
                    raise
            else:
                self._idle.append(link)
                return got
        link = Link(self.endpoint, due)
        got = link.ask(text, replies, due)
        self._idle.append(link)
        return got

    def close(self) -> None:
        """Close what is idle; what is in use closes when it fails, or is kept."""
        while (link := self._take()) is not None:
            link.close()

    def _take(self) -> Link | None:
        if self._process != os.getpid():
            with self._lock:
                self._forget()
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _forget(self) -> None:
        """Leave the parent process's connections to it: two readers of one would mix answers."""
        for link in self._idle:
            link.close()
        self._idle = []
        self._process = os.getpid()


def _limit(connected: socket.socket, seconds: float) -> None:
    """Let every wait of the socket end after ``seconds``.

    The kernel keeps the time where it can: Python's own way costs a poll per call, which is
    a tenth of a small lookup. TLS needs Python's.
    """
    if isinstance(connected, ssl.SSLSocket):
        connected.settimeout(seconds)
        return
    whole, part = divmod(max(seconds, 1e-6), 1)
    told = TIMEVAL.pack(int(whole), int(part * 1e6) or (0 if whole else 1))
    connected.settimeout(None)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, told)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, told)


def _left(due: float) -> float:
    left = due - time.monotonic()
    if left <= 0:
        raise Late
    return left
