"""What a benchmark yields: rows with ratios, claims beside what was seen, and the machine."""

import json
import os
import platform
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from provender.core.clock import utc_now

PACKAGES = (
    "provender", "feast", "duckdb", "polars", "pyarrow", "ibis-framework", "numpy", "pandas",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What one contender reached: the medians of its runs, or why there are none.

    ``cpu_seconds`` are those of all cores: on a busy machine they say more than the clock.
    ``at_least`` is how long it had been running when it was stopped. ``differing`` counts the
    cells in which its frame is not ours; None: not compared.
    """

    name: str
    value: float | None = None
    cpu_seconds: float | None = None
    peak_mb: float | None = None
    ended: str = ""
    at_least: float | None = None
    differing: int | None = None
    runs: tuple[float, ...] = ()

    @property
    def bound(self) -> float | None:
        """The value, or what it is at least."""
        return self.at_least if self.value is None else self.value


@dataclass(frozen=True, slots=True)
class Claim:
    """What we say of a case: the measure of its row that shall be at most, or at least, a limit.

    Measures: ``value`` and ``peak_mb`` of ours, ``ours_over_floor``, and of a peer
    ``NAME_over_ours`` and ``NAME_differing``.
    """

    says: str
    measure: str
    limit: float
    at_least: bool = False

    def judge(self, row: "Row") -> dict[str, Any]:
        """Return the claim as JSON has it, with what was seen and whether it holds.

        None: it was not seen, or the peer was stopped before the claim could be decided.
        """
        seen = row.measure(self.measure)
        if seen is None:
            return {"says": self.says, "seen": None, "met": None}
        met: bool | None = seen >= self.limit if self.at_least else seen <= self.limit
        if self.at_least and not met and row.stopped(self.measure.removesuffix("_over_ours")):
            met = None
        return {"says": self.says, "seen": round(seen, 3), "met": met}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured case; medians of alternated runs. Ratios above 1 speak for us over a peer."""

    bench: str
    case: str
    figures: tuple[Figure, ...]
    ours: str = "ours"
    peer: str = "feast"
    floor: str = "floor"
    unit: str = "s"
    lower_is_better: bool = True
    claims: tuple[Claim, ...] = ()
    seen: dict[str, Any] = field(default_factory=dict)

    def figure(self, name: str) -> Figure | None:
        return next((figure for figure in self.figures if figure.name == name), None)

    def stopped(self, name: str) -> bool:
        """Return whether a contender was stopped, so that only a bound is known of it."""
        figure = self.figure(name)
        return figure is not None and figure.value is None

    def bound(self, name: str) -> float | None:
        figure = self.figure(name)
        return figure.bound if figure else None

    def over(self, one: str, other: str) -> float | None:
        """Return how many times worse ``one`` is than ``other``; None where either is unknown.

        When ``one`` was stopped it is at least that; when ``other`` was, nothing is known.
        """
        first, second = self.bound(one), self.figure(other)
        if first is None or second is None or second.value is None:
            return None
        return first / second.value if self.lower_is_better else second.value / first

    def measure(self, name: str) -> float | None:
        """Return a measure by the name that `Claim` gives it."""
        if name == "ours_over_floor":
            return self._finished(self.ours) and self.over(self.ours, self.floor)
        if name == "value":
            return self._finished(self.ours)
        if name == "peak_mb":
            return self._finished(self.ours) and self._field(self.ours, "peak_mb")
        peer, _, what = name.rpartition("_over_ours")
        if what == "" and peer:
            return self.over(peer, self.ours)
        return self._field(name.removesuffix("_differing"), "differing")

    def record(self) -> dict[str, Any]:
        """Return the row as JSON has it, ratios included."""
        ratios = {
            "peer_over_ours": self.over(self.peer, self.ours),
            "ours_over_floor": self.measure("ours_over_floor"),
        }
        return {
            "bench": self.bench,
            "case": self.case,
            "unit": self.unit,
            "ours": self._field(self.ours, "value"),
            "peer": self._field(self.peer, "value"),
            "peer_name": self.peer,
            "floor": self._field(self.floor, "value"),
            **{name: value and round(value, 3) for name, value in ratios.items()},
            "peak_mb": self._field(self.ours, "peak_mb"),
            "peer_peak_mb": self._field(self.peer, "peak_mb"),
            "lower_is_better": self.lower_is_better,
            "contenders": [asdict(figure) for figure in self.figures],
            "ours_name": self.ours,
            "floor_name": self.floor,
            "claims": [claim.judge(self) for claim in self.claims],
            "seen": self.seen,
        }

    def _field(self, name: str, attribute: str) -> Any:
        figure = self.figure(name)
        return getattr(figure, attribute) if figure else None

    def _finished(self, name: str) -> float | None:
        return self._field(name, "value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How benchmarks are run: sizes, rounds, which cases and contenders, limits, where data is kept.

    ``case`` and ``contenders`` narrow: the first to cases whose name holds it.
    """

    data: Path
    say: Callable[[str], None]
    quick: bool = False
    runs: int | None = None
    case: str = ""
    contenders: tuple[str, ...] = ()
    seconds: float = 600.0
    memory_gb: float | None = None

    def rounds(self) -> int:
        return self.runs or (1 if self.quick else 5)

    def wants(self, case: str) -> bool:
        return self.case.lower() in case.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A claim, and the function that measures it; ``quick`` is smaller and ends within a minute."""

    name: str
    claim: str
    run: Callable[[Options], Iterable[Row]]


def machine() -> dict[str, Any]:
    """Return what the figures were seen on."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(memory_gb(), 1),
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": versions,
        "load_1m": round(os.getloadavg()[0], 2),
    }


def memory_gb() -> float:
    """Return the machine's memory in 10^9 bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


def middle(values: Iterable[float]) -> float:
    """Return the median, rounded to what can be believed."""
    return float(f"{median(values):.4g}")


def save(rows: list[Row], path: Path, *, quick: bool) -> None:
    """Write the rows, the time and the machine as JSON."""
    document = {
        "at": utc_now().isoformat(timespec="seconds"),
        "quick": quick,
        "machine": machine(),
        "rows": [row.record() for row in rows],
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()
