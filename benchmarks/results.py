"""What a benchmark yields: rows with ratios, and the machine they were seen on."""

import json
import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

PACKAGES = ("provender", "feast", "duckdb", "pyarrow", "ibis-framework", "numpy", "pandas")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured case; medians of alternated runs. Ratios above 1 speak for us over the peer."""

    bench: str
    case: str
    unit: str
    ours: float
    peer: float
    peer_name: str
    floor: float
    peak_mb: float
    peer_peak_mb: float
    lower_is_better: bool = True

    @property
    def peer_over_ours(self) -> float:
        return self.peer / self.ours if self.lower_is_better else self.ours / self.peer

    @property
    def ours_over_floor(self) -> float:
        return self.ours / self.floor if self.lower_is_better else self.floor / self.ours

    def record(self) -> dict[str, Any]:
        """Return the row as JSON has it, ratios included."""
        return asdict(self) | {
            "peer_over_ours": round(self.peer_over_ours, 3),
            "ours_over_floor": round(self.ours_over_floor, 3),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A claim, and the function that measures it; ``quick`` is smaller and ends within a minute."""

    name: str
    claim: str
    run: Callable[..., list[Row]]


def machine() -> dict[str, Any]:
    """Return what the figures were seen on."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(pages * page / 1e9, 1),
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": versions,
        "load_1m": round(os.getloadavg()[0], 2),
    }


def middle(values: list[float]) -> float:
    """Return the median, rounded to what can be believed."""
    return float(f"{median(values):.4g}")


def show(rows: list[Row]) -> None:
    """Print one table."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for heading in (
        "case",
        "unit",
        "ours",
        "peer",
        "",
        "floor",
        "peer/ours",
        "ours/floor",
        "MB",
        "peer MB",
    ):
        grid.add_column(heading, justify="left" if heading in ("case", "unit", "") else "right")
    for row in rows:
        grid.add_row(
            row.case, row.unit, f"{row.ours:g}", f"{row.peer:g}", row.peer_name, f"{row.floor:g}",
            f"{row.peer_over_ours:.2f}", f"{row.ours_over_floor:.2f}", f"{row.peak_mb:.0f}", f"{row.peer_peak_mb:.0f}",
        )  # fmt: skip
    Console(width=140, highlight=False).print(grid)


def save(rows: list[Row], path: Path) -> None:
    """Write the rows and the machine as JSON."""
    document = {"machine": machine(), "rows": [row.record() for row in rows]}
    path.write_text(json.dumps(document, indent=2) + "\n")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()
