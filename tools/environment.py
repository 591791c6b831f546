"""The working environment: .venv from the hashed locks, ourselves in it, and the demo's data.

Standard library only. Where packages come from is the machine's own pip configuration's affair.
A run that was killed is healed by the next one: what may be half done is marked while it is done.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements/dev.lock", "requirements/data.lock")
INPUTS = (*LOCKS, "pyproject.toml", "tools/environment.py")
HASHED = re.compile(r"--hash=sha256:([0-9a-f]{64})")
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input")
ANNOUNCE_EVERY = 25  # packages between two lines of progress where there is no terminal


class Failure(Exception):
    """Something that stops the set-up, with what to do about it."""

    def __init__(self, message: str, hint: str, *, output: str = "") -> None:
        super().__init__(message)
        self.message, self.hint, self.output = message, hint, output


class Environment:
    """The places of one working tree, and what is known to be in them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.venv = root / ".venv"
        self.python = self.venv / "bin" / "python"
        self.data = root / ".data"
        self.stamp = self.venv / "provender-ready.json"
        self.working = self.data / ".installing"

    def digest(self) -> str:
        """Return what the environment is made from, as one digest; the place is part of it."""
        parts = [str(self.root).encode()]
        for name in INPUTS:
            try:
                parts.append((self.root / name).read_bytes())
            except FileNotFoundError:
                raise Failure(
                    f"{name} is missing", "git checkout it: the clone is not whole"
                ) from None
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def archives(self) -> dict[str, int]:
        """Return the size of every file of the data folder, by name."""
        if not self.data.is_dir():
            return {}
        files = (path for path in self.data.iterdir() if path.is_file())
        return {path.name: path.stat().st_size for path in files if path.name[0] != "."}

    def ready(self) -> bool:
        """Whether the last run finished, from what is there now."""
        stamp = read_json(self.stamp)
        found = self.archives()
        return (
            stamp.get("digest") == self.digest()
            and self.python.exists()
            and not self.working.exists()
            and all(found.get(name) == size for name, size in stamp.get("archives", {}).items())
        )

    def mark_ready(self) -> None:
        """Write down that everything is there."""
        known = {"digest": self.digest(), "root": str(self.root), "archives": self.archives()}
        draft = self.stamp.with_suffix(".draft")
        draft.write_text(json.dumps(known))
        draft.replace(self.stamp)


def main() -> int:
    """Return 0 when the environment is ready, else say what to do."""
    try:
        prepare(Environment(ROOT))
    except Failure as failure:
        tail = "".join(f"  | {line}\n" for line in failure.output.splitlines()[-12:])
        sys.stderr.write(f"{tail}error: {failure.message}\n hint: {failure.hint}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"error: {error}\n hint: is the disk full, or {ROOT} not writable?\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; the same command goes on from here\n")
        return 130
    return 0


def prepare(place: Environment) -> None:
    """Make ``place`` ready; nothing to do when it already is."""
    if place.ready():
        return
    check_python()
    with only_one(place) as lock:
        if place.ready():
            return
        began = time.monotonic()
        make_venv(place, lock)
        install(place, lock)
        fetch_data(place, lock)
        place.mark_ready()
        say(f"ready in {time.monotonic() - began:.0f} s")


def check_python() -> None:
    """Return if this Python can make virtual environments."""
    if sys.prefix != sys.base_prefix and Path(sys.prefix).name == ".venv":
        raise Failure(
            f"this Python is itself in {sys.prefix}",
            "deactivate it, or: make PYTHON=/usr/bin/python3",
        )
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        minor = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise Failure(
            f"Python {minor} ({sys.executable}) has no venv or ensurepip module",
            f"install python3-venv (Debian, Ubuntu: apt-get install python{minor}-venv)",
        )


@contextmanager
def only_one(place: Environment) -> Iterator[IO[str]]:
    """Hold the lock of ``place``; a child that inherits the file goes on holding it."""
    place.data.mkdir(exist_ok=True)
    with (place.data / ".setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another make is setting up; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def make_venv(place: Environment, lock: IO[str]) -> None:
    """Make the virtual environment, anew where the one there is not whole."""
    reason = unusable(place)
    if not reason:
        return
    again = "" if reason == "missing" else f", anew: the one there is {reason}"
    say(f".venv with Python {sys.version.split()[0]}{again}")
    if place.venv.is_symlink():
        place.venv.unlink()  # where it leads to may be another tree's, which goes on using it
    place.working.touch()
    done = run([sys.executable, "-m", "venv", "--clear", str(place.venv)], lock)
    if done.returncode:
        raise Failure(
            "the virtual environment could not be made",
            "install python3-venv, and see whether the disk is full or the folder read-only",
            output=done.stdout,
        )


def unusable(place: Environment) -> str:
    """Return why the virtual environment of ``place`` cannot be built upon, or nothing."""
    if not place.venv.exists():
        return "missing"
    if place.working.exists():
        return "half installed"
    if read_json(place.stamp).get("root", str(place.root)) != str(place.root):
        return "made for another folder"
    question = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    try:
        broken = run([str(place.python), "-c", question]).returncode
    except OSError:
        broken = 1
    return "broken or too old" if broken else ""


def install(place: Environment, lock: IO[str]) -> None:
    """Install the locked packages, then this project as it lies here."""
    place.stamp.unlink(missing_ok=True)
    place.working.touch()
    wanted = len(requirements(place.root / LOCKS[0]))
    say(f"{wanted} packages")
    pip(place, lock, ["install", "--no-compile", "--require-hashes", "-r", LOCKS[0]], total=wanted)
    pip(place, lock, ["install", "--no-deps", "--no-build-isolation", "-e", "."])
    place.working.unlink()


def fetch_data(place: Environment, lock: IO[str]) -> None:
    """Download the archives that the demo's data is in, unless they are there with the right hash.

    Their metadata is built with the pinned build tools of .venv, so that nothing else is fetched.
    """
    wanted = requirements(place.root / LOCKS[1])
    have = {sha256(place.data / name) for name in place.archives()}
    missing = [name for name, hashes in wanted.items() if not hashes & have]
    if not missing:
        return
    say(f"data: {', '.join(missing)}")
    incoming = place.data / ".incoming"
    shutil.rmtree(incoming, ignore_errors=True)
    options = ["--no-deps", "--no-build-isolation", "--require-hashes", "-r", LOCKS[1]]
    pip(place, lock, ["download", *options, "-d", str(incoming)])
    for path in incoming.iterdir():
        path.replace(place.data / path.name)
    incoming.rmdir()


def requirements(lock: Path) -> dict[str, set[str]]:
    """Return the hashes of every requirement of a lock file, by ``name==version``."""
    lines = lock.read_text().replace("\\\n", " ").splitlines()
    pinned = [line for line in lines if "==" in line and not line.startswith("#")]
    return {line.split()[0]: set(HASHED.findall(line)) for line in pinned}


def pip(place: Environment, lock: IO[str], arguments: list[str], *, total: int = 0) -> None:
    """Run pip in .venv, showing how far it is; a failure is explained."""
    command = [str(place.python), *PIP, *arguments]
    lines: list[str] = []
    installing = False
    with subprocess.Popen(
        command,
        cwd=place.root,
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=[lock.fileno()],
    ) as running:
        try:
            for line in running.stdout or ():
                lines.append(line)
                installing = installing or line.startswith("Installing collected")
                progress(line, lines, total)
        except KeyboardInterrupt:
            running.wait()
            forgive(place, installing=installing)
            raise
    if running.returncode:
        forgive(place, installing=installing)
        raise Failure(*explain("".join(lines)), output="".join(lines))


def forgive(place: Environment, *, installing: bool) -> None:
    """Forget that work was begun if it stopped before anything was written."""
    if not installing:
        place.working.unlink(missing_ok=True)


def progress(line: str, lines: list[str], total: int) -> None:
    """Say how many of ``total`` packages pip has come to."""
    if not total:
        return
    count = sum(seen.startswith(("Collecting", "Requirement already")) for seen in lines)
    if line.startswith("Installing collected"):
        say("all there; installing", over=True)
    elif line.startswith(("Collecting", "Requirement already")):
        name = line.split("==")[0].split()[-1]
        if sys.stdout.isatty():
            sys.stdout.write(f"\r\033[Ksetup: {count}/{total} {name}")
            sys.stdout.flush()
        elif count % ANNOUNCE_EVERY == 0:
            say(f"{count}/{total}")


CAUSES = (
    (
        r"DO NOT MATCH THE HASHES",
        "a downloaded file is not the one that the lock names",
        "do not use it; clear the cache with .venv/bin/python -m pip cache purge and try again;"
        " if it stays, the package index serves another file",
    ),
    (
        r"NewConnectionError|Temporary failure in name|Name or service not known|Network is unreach"
        r"|Connection refused|Max retries|[Rr]ead timed out|ProxyError|ConnectionResetError|SSLError",
        "the package index cannot be reached",
        "the first run needs it once: check the network, proxy and pip config list, then run it again",
    ),
    (
        r"No matching distribution|Could not find a version",
        "the package index does not have a package of the lock for this machine",
        "see which above; pip config list shows the index that is asked; Linux and macOS on"
        " x86_64 and arm64 with Python 3.11 to 3.14 are supported",
    ),
    (r"No space left", "the disk is full", "make room, then run it again"),
    (
        r"Permission denied|Read-only file system",
        "a file cannot be written",
        "run it in a folder of yours; see which file above",
    ),
)


def explain(output: str) -> tuple[str, str]:
    """Return what went wrong in ``output`` of pip, and what to do."""
    for pattern, message, hint in CAUSES:
        if re.search(pattern, output):
            return message, hint
    return "pip failed, see above", "run it again; if it stays, make clean and then again"


def child_environment() -> dict[str, str]:
    """Return our environment for pip, without what would lead it out of .venv."""
    astray = {"PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_PREFIX"}
    kept = {name: value for name, value in os.environ.items() if name not in astray}
    return {**kept, "PIP_USER": "0", "PIP_PROGRESS_BAR": "off", "PYTHONUNBUFFERED": "1"}


def run(command: list[str], *held: IO[str]) -> "subprocess.CompletedProcess[str]":
    """Run ``command`` to its end; it goes on holding the locks ``held`` if we are killed."""
    return subprocess.run(
        command,
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        pass_fds=[lock.fileno() for lock in held],
    )


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that ``path`` holds; an empty one if there is none that can be read."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def say(text: str, *, over: bool = False) -> None:
    start = "\r\033[K" if over and sys.stdout.isatty() else ""
    print(f"{start}setup: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
