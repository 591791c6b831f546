"""Servers in processes of their own, of a process that has imported what they need: a start is mostly that."""

import atexit
import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from threading import Lock
from typing import IO, Any

NURSERY = """
import json, os, random, signal, socket, sys
IMPORTS
control = socket.socket(fileno=int(sys.argv[1]))
while True:
    asked, files, _, _ = socket.recv_fds(control, 1 << 20, 2)
    if not asked:
        sys.exit()
    order = json.loads(asked)
    if "ended" in order:
        pid, status = os.waitpid(order["ended"], os.WNOHANG)
        control.send(json.dumps(os.waitstatus_to_exitcode(status) if pid else None).encode())
    elif pid := os.fork():
        control.send(str(pid).encode())
        for file in files:
            os.close(file)
    else:
        break
control.close()
for number, file in enumerate(files, start=1):
    os.dup2(file, number)
    os.close(file)
os.environ.clear()
os.environ.update(order["environment"])
os.chdir(order["folder"])
random.seed()
given = order["given"]
PROGRAM
"""


class Nursery:
    """The process that forks; it ends with this one."""

    def __init__(self, imports: str, program: str) -> None:
        self._asking = Lock()
        self._control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        text = NURSERY.replace("IMPORTS", imports).replace("PROGRAM", program)
        command = [sys.executable, "-c", text, str(other.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[other.fileno()])
        other.close()
        atexit.register(self.close)

    def start(self, given: Any, **environment: str) -> "Born":
        """Fork a process that runs the program with ``given``, in this environment, and more, and folder."""
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        surroundings = {"environment": os.environ | environment, "folder": str(Path.cwd())}
        order = {"given": given, **surroundings}
        pid: int = self._ask(order, [out_end, err_end])
        for end in (out_end, err_end):
            os.close(end)
        return Born(self, pid, os.fdopen(out), os.fdopen(err))

    def ended(self, pid: int) -> int | None:
        """Return with what a process that was started has ended; once."""
        found: int | None = self._ask({"ended": pid}, [])
        return found

    def close(self) -> None:
        self._control.close()
        self._process.wait(20)

    def _ask(self, order: Any, files: list[int]) -> Any:
        with self._asking:
            socket.send_fds(self._control, [json.dumps(order).encode()], files)
            return json.loads(self._control.recv(1 << 10))


@cache
def nursery(imports: str, program: str) -> Nursery:
    """The only one of this process for ``program``."""
    return Nursery(imports, program)


class Born:
    """A process of a nursery; what it can is of `subprocess.Popen`."""

    def __init__(self, nursery: Nursery, pid: int, stdout: IO[str], stderr: IO[str]) -> None:
        self._nursery = nursery
        self.pid = pid
        self.stdout, self.stderr = stdout, stderr
        self.returncode: int | None = None
        self._said: tuple[str, str] | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._nursery.ended(self.pid)
        return self.returncode

    def wait(self, timeout: float = 60) -> int:
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a server", timeout)
            time.sleep(0.01)
        return code

    def communicate(self, timeout: float = 60) -> tuple[str, str]:
        """Return what it said, when it has ended."""
        if self._said is None:
            with ThreadPoolExecutor(2) as pool:
                reading = [pool.submit(file.read) for file in (self.stdout, self.stderr)]
                out, err = (one.result(timeout) for one in reading)
            self._said = out, err
            self.stdout.close()
            self.stderr.close()
        self.wait(timeout)
        return self._said

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(15)

    def kill(self) -> None:
        self.send_signal(9)
