"""A process within limits: waited for, watched, and killed when it takes too long or too much memory."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

GLANCE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may take, imports included."""

    seconds: float
    memory_mb: float


@dataclass(frozen=True, slots=True)
class End:
    """Why a process was stopped (empty: it ended by itself), after how long, with what peak."""

    why: str
    seconds: float
    peak_mb: float


def watch(process: subprocess.Popen[bytes], limits: Limits) -> End:
    """Return how the process ended: by itself, or killed at the first limit it crossed.

    It does not outlive the call, whatever ends that.
    """
    try:
        return _watch(process, limits)
    finally:
        process.kill()
        process.wait()


def _watch(process: subprocess.Popen[bytes], limits: Limits) -> End:
    began, peak = time.monotonic(), 0.0
    while process.poll() is None:
        peak = max(peak, _resident_mb(process.pid))
        elapsed = time.monotonic() - began
        if peak > limits.memory_mb:
            return End(f"killed at {peak / 1000:.1f} GB", elapsed, peak)
        if elapsed > limits.seconds:
            return End(f"> {limits.seconds:g} s", limits.seconds, peak)
        time.sleep(GLANCE_SECONDS)
    return End("", time.monotonic() - began, peak)


def _resident_mb(pid: int) -> float:
    try:
        resident = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0.0
    return int(resident) * os.sysconf("SC_PAGE_SIZE") / 1e6
