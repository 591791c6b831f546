"""Servers of one state folder: each holds a lock while it lives, so none is started twice and none is lost."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from provender.core.errors import Conflict, Unavailable

START_SECONDS = 30.0
STOP_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is running: its process and where it answers."""

    name: str
    pid: int
    url: str


@contextmanager
def registered(home: Path, name: str, url: str) -> Iterator[None]:
    """Hold the name of a server while the block runs.

    Raises:
        Conflict: a server of that name runs for this state folder already.
    """
    path = _lock_path(home, name)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a+") as lock:
        if not _taken(lock):
            there = running(home, name)
            where = f" at {there.url} (process {there.pid})" if there else ""
            raise Conflict(
                f"the {name} server of {home} is running already{where}",
                hint="provender down stops it",
            )
        lock.truncate(0)
        lock.write(json.dumps({"pid": os.getpid(), "url": url}))
        lock.flush()
        yield
        lock.truncate(0)


def running(home: Path, name: str) -> Server | None:
    """Return the server called ``name``, or None if it is not running."""
    try:
        with _lock_path(home, name).open("r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                text = lock.read()
                if not text.endswith("}"):
                    return None  # it is about to say so
                known = json.loads(text)
                return Server(name, int(known["pid"]), str(known["url"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return None


def check_port(host: str, port: int, *, option: str = "--port") -> None:
    """Return if nothing listens on ``host:port``.

    Raises:
        Unavailable: something does.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Unavailable(
                f"cannot listen on {host}:{port}: {error.strerror or error}",
                hint=f"choose another with {option}, or stop what listens there",
            ) from error


def start(home: Path, name: str, arguments: list[str], *, health: str) -> Server:
    """Start a server in the background and return it when ``health`` answers.

    Its output goes to ``home/log/<name>.log``.

    Raises:
        Unavailable: it ended or did not answer in time; the end of its log is shown.
    """
    there = running(home, name)
    if there:
        return there
    log_path = home / "log" / f"{name}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log_path.open("ab") as log:
        began = log.tell()
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "provender.cli.main", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        there = running(home, name)
        if there and answers(there.url + health):
            process.returncode = 0  # it lives on by itself: Popen need not warn that it does
            return there
        if process.poll() is not None:
            break
        time.sleep(0.1)
    if process.poll() is None:
        process.terminate()
        process.wait(STOP_SECONDS)
    with log_path.open("rb") as log:
        log.seek(began)
        said = log.read().decode(errors="replace").strip()[-2000:]
    raise Unavailable(
        f"the {name} server did not start:\n{said or '(it said nothing)'}",
        hint=f"its log is {log_path}",
    )


def stop(home: Path, name: str) -> Server | None:
    """Stop the server called ``name`` and return it, or None if it was not running."""
    there = running(home, name)
    if there is None:
        return None
    os.kill(there.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while running(home, name) and time.monotonic() < deadline:
        time.sleep(0.05)
    if running(home, name):
        os.kill(there.pid, signal.SIGKILL)
    with suppress(ChildProcessError):  # it may be a child of this very process
        os.waitpid(there.pid, os.WNOHANG)
    return there


def answers(url: str) -> bool:
    """Return whether ``url`` answers at all, within two seconds."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own URL
            return bool(response.status < 500)
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def _taken(lock: IO[str]) -> bool:
    """Take the lock; a moment of patience, because asking who runs holds it for an instant."""
    for _ in range(20):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return True
    return False


def _lock_path(home: Path, name: str) -> Path:
    return home / "run" / f"{name}.lock"
