"""One contender in a process of its own: ``contender KIND WORKLOAD.json FRAME.parquet [REFERENCE]``.

Prints seconds, seconds of all cores, and peak memory as one line of JSON. Imports and definitions come before the
clock, reading the spine and writing the frame (zstd, level 1) are inside, for all alike. The
peak is that of the whole process, imports and all: VmHWM, for ``ru_maxrss`` of a young process
is that of its parent.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from benchmarks.workload import Workload, load

KINDS = {
    "ours": "benchmarks.retrieval",
    "feast": "benchmarks.retrieval",
    "polars": "benchmarks.polars_join",
    "floor": "benchmarks.floor",
    "whole": "benchmarks.shielded",
    "masked": "benchmarks.shielded",
}


class Task(NamedTuple):
    """What a contender is asked: its own kind, the workload, where its frame goes.

    ``reference`` is a finished frame of the same workload; only the floor looks at it.
    """

    kind: str
    workload: Workload
    frame: Path
    reference: Path | None


class Ready(NamedTuple):
    """A contender at the start: what is timed, and what is done with its result afterwards."""

    timed: Callable[[], Any]
    keep: Callable[[Any], None] = lambda _: None


def write(frame: Any, path: Path) -> None:
    """Write an Arrow table as every contender does."""
    pq.write_table(frame, path, compression="zstd", compression_level=1)


def peak_mb() -> float:
    """Return the most memory this process has had, in megabytes."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main(kind: str, workload: str, frame: str, reference: str = "") -> None:
    """Make ready, run, and print the figures."""
    task = Task(kind, load(Path(workload)), Path(frame), Path(reference) if reference else None)
    ready: Ready = import_module(KINDS[kind]).prepare(task)
    began, worked = time.perf_counter(), time.process_time()
    result = ready.timed()
    figures = {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - worked,
        "peak_mb": peak_mb(),
    }
    ready.keep(result)
    print("\n" + json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
