"""Where the embedded Valkey lives inside the state folder, and how to see who answers there.

Standard library only: the keeper, which outlives its starters, imports nothing else.
"""

import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from provender.core.digest import digest_bytes, short
from provender.core.errors import Misconfigured, Unavailable

SOCKET_BYTES = 100
"""The longest socket path that every system takes, with some room."""
SHORT_ROOT = Path("/tmp")  # noqa: S108 - not TMPDIR, which may differ between users of one folder
POLL_SECONDS = 0.02


class Answer(Enum):
    """Who answers at the socket."""

    NOBODY = auto()
    LOADING = auto()
    READY = auto()
    FOREIGN = auto()


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one embedded server; ``folder`` is real, so that every spelling is one place."""

    folder: Path

    @classmethod
    def of(cls, home: Path) -> "Place":
        """Return the place inside the state folder ``home``."""
        return cls(Path(os.path.realpath(home)) / "valkey")

    @property
    def config(self) -> Path:
        return self.folder / "valkey.conf"

    @property
    def log(self) -> Path:
        return self.folder / "valkey.log"

    @property
    def keeper_log(self) -> Path:
        return self.folder / "keeper.log"

    @property
    def users_lock(self) -> Path:
        """Shared by all users; held alone by the keeper while it stops the server."""
        return self.folder / "users.lock"

    @property
    def start_lock(self) -> Path:
        """Held by the one user that looks whether the server runs, and starts it."""
        return self.folder / "start.lock"

    @property
    def keeper_lock(self) -> Path:
        """Held by the one keeper, as long as it lives."""
        return self.folder / "keeper.lock"

    @property
    def socket(self) -> Path:
        """The server's UNIX socket: in the folder, or in a short private one if that is too long."""
        near = self.folder / "valkey.sock"
        if len(os.fsencode(near)) <= SOCKET_BYTES:
            return near
        name = short(digest_bytes(os.fsencode(self.folder)), length=16)
        return SHORT_ROOT / f"provender-{os.getuid()}-{name}" / "valkey.sock"

    def prepare(self) -> None:
        """Make the folder, private to its owner.

        Raises:
            Misconfigured: it cannot be made or written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.start_lock.touch(mode=0o600)
        except OSError as error:
            raise Misconfigured(
                f"the state folder {self.folder} cannot be written: {error.strerror or error}",
                hint="set PROVENDER_HOME to a folder that you may write",
            ) from error

    def prepare_socket(self) -> None:
        """Make the folder of the socket, private to its owner.

        Raises:
            Misconfigured: it belongs to somebody else.
        """
        self.socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = self.socket.parent.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise Misconfigured(
                f"the socket folder {self.socket.parent} belongs to somebody else",
                hint="remove it, or set PROVENDER_HOME to a shorter path",
            )

    def who_answers(self) -> Answer:
        """Return who answers at the socket; only a server with our configuration file is ours."""
        try:
            info = ask(self.socket, "INFO")
        except (FileNotFoundError, ConnectionRefusedError):
            return Answer.NOBODY
        except OSError:
            return Answer.FOREIGN if self.socket.is_socket() else Answer.NOBODY
        facts = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
        if facts.get("config_file") != str(self.config):
            return Answer.FOREIGN
        return Answer.LOADING if facts.get("loading") == "1" else Answer.READY

    def last_words(self) -> str:
        """Return the last lines of the server's log that say what is wrong."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()[-200:]
        except OSError:
            return "it wrote no log"
        telling = [line.split(" # ", 1)[1] for line in lines if " # " in line]
        return "; ".join(telling[-3:]) or "its log does not say why"


def ask(path: Path, *words: str, timeout: float = 1.0) -> str:
    """Return the server's answer to one command, as text.

    Raises:
        OSError: nobody listens, or no answer comes in time or in the protocol.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        connection.sendall(" ".join(words).encode() + b"\r\n")
        with connection.makefile("rb") as stream:
            head = stream.readline(65536)
            if head[:1] == b"$":
                return stream.read(int(head[1:])).decode(errors="replace")
            if head[:1] in (b"+", b"-"):
                return head[1:].decode(errors="replace").strip()
    raise OSError("no answer in the protocol of Redis")


def lock(path: Path, kind: int) -> int | None:
    """Return a descriptor holding the lock (``fcntl.LOCK_SH`` or ``LOCK_EX``), or None if taken.

    The lock ends when the descriptor is closed: also when its process is killed.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def wait_for_lock(path: Path, kind: int, *, seconds: float) -> int:
    """Return a descriptor holding the lock as soon as it is free.

    Raises:
        Unavailable: it stays taken for ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while (descriptor := lock(path, kind)) is None:
        if time.monotonic() > deadline:
            raise Unavailable(
                f"{path} stays locked for {seconds:.0f} s",
                hint=f"another process starts or stops the embedded Valkey; see {path.parent}",
            )
        time.sleep(POLL_SECONDS)
    return descriptor


@contextmanager
def holding(path: Path, kind: int, *, seconds: float) -> Iterator[None]:
    """Hold the lock inside the block."""
    descriptor = wait_for_lock(path, kind, seconds=seconds)
    try:
        yield
    finally:
        os.close(descriptor)
