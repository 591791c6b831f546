"""Claim: the point-in-time frame of all flights of 2013, through plain Feast calls, faster than Feast's DuckDB store.

Both contenders get the same ``FileSource`` views over the same Parquet files, the same pandas
spine, and the same call: ``get_historical_features(...).to_arrow()``, then the frame written
to Parquet. The floor reads the needed columns of every source and writes a frame of that
size, joining nothing. Each run is a process of its own, importing Feast and building the
spine before the clock starts. The frames are compared cell by cell.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.results import Benchmark, Row, middle
from demo import data, derive, labels

CONTENDERS = ("ours", "feast", "floor")


def run(*, quick: bool, runs: int | None, say: Callable[[str], None]) -> list[Row]:
    """Measure ours, Feast's and the floor in turn."""
    rounds = runs or (1 if quick else 5)
    with tempfile.TemporaryDirectory(prefix="provender-bench-") as name:
        folder = Path(name)
        flights = prepare(folder, rows=40_000 if quick else None)
        seen: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
        for number in range(rounds):
            for contender in CONTENDERS:
                figures = measure(folder, contender)
                seen[contender].append(figures)
                say(f"run {number + 1} of {rounds}, {contender}: {figures['seconds']:.2f} s")
        differing = compare(folder)
        say(f"cells that differ between ours and Feast's: {differing}")
        if differing:
            raise SystemExit("the frames differ: the figures mean nothing")

    def seconds(contender: str) -> float:
        return middle([figures["seconds"] for figures in seen[contender]])

    def peak(contender: str) -> float:
        return middle([figures["peak_mb"] for figures in seen[contender]])

    return [
        Row(
            bench="flagship",
            case=f"{flights:,} flights x 6 views",
            unit="s",
            ours=seconds("ours"),
            peer=seconds("feast"),
            peer_name="Feast DuckDB store",
            floor=seconds("floor"),
            peak_mb=peak("ours"),
            peer_peak_mb=peak("feast"),
        )
    ]


def prepare(folder: Path, *, rows: int | None) -> int:
    """Write the feature tables and the spine to ``folder``; return the spine's length."""
    raw = data.load(2013)
    for name, table in derive.derive(raw, year=2013).items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    spine = labels.spine(raw["flights"]).drop_columns(["arr_delay", "late", "distance"])
    spine = spine if rows is None else spine.slice(0, rows)
    pq.write_table(spine, folder / "spine.parquet")
    return int(spine.num_rows)


def measure(folder: Path, contender: str) -> dict[str, float]:
    """Run one contender in a process of its own; return its seconds and peak memory."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.retrieval", contender, str(folder)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{contender} failed:\n{done.stderr[-3000:]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def compare(folder: Path) -> int:
    """Return how many cells of the two frames differ."""
    ours, theirs = (pq.read_table(folder / f"frame-{name}.parquet") for name in ("ours", "feast"))
    if ours.num_rows != theirs.num_rows:
        return abs(ours.num_rows - theirs.num_rows) * ours.num_columns
    keys = ["carrier", "flight", "origin", "dest", "sched_dep_ts", "tailnum"]
    left, right = (
        table.to_pandas().sort_values(keys, ignore_index=True) for table in (ours, theirs)
    )
    differing = 0
    for name in ours.column_names:
        a, b = left[name], right[name]
        differing += int((~((a == b) | (a.isna() & b.isna()))).sum())
    return differing


BENCHMARK = Benchmark(
    name="flagship",
    claim="the 2013 training frame by plain Feast calls: our store beside Feast's DuckDB store",
    run=run,
)
