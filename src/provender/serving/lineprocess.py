"""A process that answers each line on its input with a line on its output, in bounded time.

It may hang, die, or not want to end: who asks it gets an answer or an error nevertheless.
"""

import logging
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Lock, Timer

log = logging.getLogger(__name__)

END_SECONDS = 3.0
"""How long a process may take to end when it is told to; then it is killed."""

Process = subprocess.Popen[bytes]


class Ended(Exception):
    """The process ended, or was ended, before it answered; what it had done by then is not known."""


class LineProcess:
    """Starts with the first line, and again where it ended; may be stopped from any thread.

    An answer takes ``seconds`` at most, the first one of a process ``start_seconds`` more.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        seconds: float,
        start_seconds: float,
    ) -> None:
        self._command = command
        self._env = env
        self._seconds = seconds
        self._start_seconds = start_seconds
        self._process: Process | None = None
        self._stopped = False
        self._lock = Lock()

    def ask(self, line: bytes) -> bytes:
        """Return the answer to ``line``, both with their ends of line. For one thread at a time.

        Raises:
            Ended: there is none.
        """
        process, seconds = self._running()
        with _killed_after(process, seconds) as late:
            answer = _exchange(process, line)
        if answer.endswith(b"\n"):
            return answer
        _close(process)
        if late.is_set():
            raise Ended(f"did not answer within {seconds:g} s, and was ended")
        raise Ended("ended")

    def stop(self) -> None:
        """Have the process end, and start no other; who waits for an answer is told."""
        with self._lock:
            self._stopped = True
            process = self._process
        if process is not None:
            _signal(process, signal.SIGTERM)
            _await_end(process)

    def close(self) -> None:
        """Close the pipes of a process that was stopped, when nobody asks any more."""
        if self._process is not None:
            _close(self._process)

    def _running(self) -> tuple[Process, float]:
        """Return the process, and how many seconds its answer may take."""
        with self._lock:
            if self._stopped:
                raise Ended("is ending")
            if self._process is not None:
                if self._process.poll() is None:
                    return self._process, self._seconds
                _close(self._process)
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._env,
                start_new_session=True,
            )
            return self._process, self._seconds + self._start_seconds


@contextmanager
def _killed_after(process: Process, seconds: float) -> Iterator[Event]:
    """Kill the process when the time is over; what is given is set then."""
    late = Event()

    def kill() -> None:
        late.set()
        _signal(process, signal.SIGKILL)

    timer = Timer(seconds, kill)
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
        timer.join()


def _exchange(process: Process, line: bytes) -> bytes:
    """Return what the process answers to ``line``: less than a line where it ended."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process was started without pipes")
    try:
        process.stdin.write(line)
        process.stdin.flush()
    except BrokenPipeError:
        return b""
    return process.stdout.readline()


def _close(process: Process) -> None:
    """Close the pipes, and wait for the end, which a process that lost them comes to."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()
    _await_end(process)


def _await_end(process: Process) -> None:
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        log.warning("process %d does not end, and is killed", process.pid)
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: Process, number: signal.Signals) -> None:
    """Signal the process and its children, which may hold its pipes."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
