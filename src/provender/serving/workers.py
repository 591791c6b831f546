"""Several workers: started, started again when they die, ended together.

Workers are spawned, not forked: no thread, lock or connection is inherited. Over TCP each has
a socket of its own on the shared port (SO_REUSEPORT), so that the kernel spreads connections;
the supervisor holds the sockets, so connections that wait for a dead worker get the next one.
"""

import logging
import multiprocessing
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.context import SpawnProcess

from provender.serving.app import OnlineApp
from provender.serving.worker import work

log = logging.getLogger(__name__)

DELAYS = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a worker that died is started again, by how often it did in a row."""
STEADY_SECONDS = 10.0
"""A worker that lived so long did not die of its start."""
STOP_SECONDS = 15.0


@dataclass(slots=True)
class Slot:
    """The place of one worker: its socket, and the process that has it now."""

    listener: socket.socket
    process: SpawnProcess | None = None
    started: float = 0.0
    deaths: int = 0
    due: float = 0.0

    @property
    def running(self) -> SpawnProcess | None:
        return self.process if self.process is not None and self.process.is_alive() else None


class Workers:
    """Keeps one worker on each of ``listeners`` until a signal ends them all."""

    def __init__(
        self, make: Callable[[int], Callable[[], OnlineApp]], listeners: list[socket.socket]
    ) -> None:
        self._make = make
        self._slots = [Slot(listener) for listener in listeners]
        self._context = multiprocessing.get_context("spawn")

    def run(self, ending: int) -> None:
        """Return when the file ``ending`` can be read and all workers have ended."""
        try:
            self._keep(ending)
        finally:
            self._stop()

    def _keep(self, ending: int) -> None:
        while True:
            now = time.monotonic()
            for index, slot in enumerate(self._slots):
                if slot.process is None and slot.due <= now:
                    self._start(index, slot)
            waited = [slot.process.sentinel for slot in self._slots if slot.process]
            due = [slot.due - now for slot in self._slots if slot.process is None]
            ready = connection.wait([*waited, ending], timeout=min(due, default=None))
            if ending in ready:
                return
            for slot in self._slots:
                if slot.process is not None and slot.running is None:
                    self._bury(slot, slot.process)

    def _start(self, index: int, slot: Slot) -> None:
        slot.process = self._context.Process(target=work, args=(self._make(index), slot.listener))
        slot.process.start()
        slot.started = time.monotonic()

    def _bury(self, slot: Slot, process: SpawnProcess) -> None:
        process.join()
        now = time.monotonic()
        slot.deaths = 0 if now > slot.started + STEADY_SECONDS else slot.deaths + 1
        delay = DELAYS[min(slot.deaths, len(DELAYS) - 1)]
        slot.due, slot.process = now + delay, None
        log.error(
            "worker %d ended with %s; another starts in %g s", process.pid, process.exitcode, delay
        )

    def _stop(self) -> None:
        """End all workers; those that do not end in time are killed."""
        running = [slot.running for slot in self._slots]
        for process in running:
            if process is not None:
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            if process is not None:
                process.join(max(0.0, deadline - time.monotonic()))
                if process.is_alive():
                    process.kill()
                    process.join()
