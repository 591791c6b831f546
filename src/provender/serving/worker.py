"""One process that answers: its loop, its connections, and its end on a signal."""

import asyncio
import gc
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvloop

from provender.serving.app import OnlineApp
from provender.serving.front import Front

BACKLOG = 2048
SWITCH_SECONDS = 0.0005
"""How long a thread that compiles may keep the loop waiting at a time: Python's own 5 ms are a late answer."""


@contextmanager
def ending_on_signals() -> Iterator[int]:
    """Give a file descriptor that can be read once SIGTERM or SIGINT came."""
    reads, writes = os.pipe()

    def note(number: int, frame: FrameType | None) -> None:
        os.write(writes, b"x")

    mine = threading.current_thread() is threading.main_thread()
    before = {n: signal.signal(n, note) for n in (signal.SIGTERM, signal.SIGINT) if mine}
    try:
        yield reads
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reads)
        os.close(writes)


def work(make: Callable[[], OnlineApp], listener: socket.socket) -> None:
    """Be a worker of a supervisor: the target of its processes. Ends when the supervisor does."""
    supervisor = multiprocessing.parent_process()
    with ending_on_signals() as ending:
        endings = [ending] if supervisor is None else [ending, int(supervisor.sentinel)]
        answer_requests(make, listener, endings)


def answer_requests(
    make: Callable[[], OnlineApp], listener: socket.socket, endings: list[int]
) -> None:
    """Answer requests on ``listener`` until one of the files ``endings`` can be read."""
    uvloop.run(_answer_requests(make, listener, endings))


async def _answer_requests(
    make: Callable[[], OnlineApp], listener: socket.socket, endings: list[int]
) -> None:
    sys.setswitchinterval(SWITCH_SECONDS)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for ending in endings:
        loop.add_reader(ending, ended.set)
    app = make()
    await app.start()
    front = Front(app)
    server = await _accept(front, listener)
    gc.collect()
    gc.freeze()  # what is there now stays: later collections need not walk it
    await ended.wait()
    for ending in endings:
        loop.remove_reader(ending)
    server.close()
    await front.drain()
    await app.stop()


async def _accept(front: Front, listener: socket.socket) -> asyncio.AbstractServer:
    loop = asyncio.get_running_loop()
    own = listener.dup()  # the loop closes what it listens on
    own.settimeout(0)
    if listener.family is socket.AF_UNIX:
        return await loop.create_unix_server(front.connect, sock=own, backlog=BACKLOG)
    return await loop.create_server(front.connect, sock=own, backlog=BACKLOG)
