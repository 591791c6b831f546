"""Numbers about the server, for Prometheus.

Each worker counts in plain numbers. Where there are several, each writes its numbers to a file
of its slot every second and when it is asked; whoever is asked adds up the files, so numbers
that were told once never go down. A worker that replaces a dead one counts on from its file.
"""

import json
import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

PREFIX = "provender_online_"
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds: the upper ends of the histograms' buckets; one more is without end."""
COUNTERS = {
    "requests": ("Requests answered, by path and status.", ("path", "status")),
    "rejected": ("Requests turned away before they were looked at, by reason.", ("why",)),
    "keys": ("Keys read from the online store.", ()),
    "missing_keys": ("Keys that had no row.", ()),
    "lookup_log_written": ("Lookups logged: written to the spool.", ()),
    "lookup_log_dropped": ("Lookups to log that were dropped, by reason.", ("why",)),
    "rows_pushed": ("Rows written by clients, whether newer than the stored ones or not.", ()),
    "rows_appended": ("Rows that clients pushed, in the offline store for good.", ()),
}
HISTOGRAMS = {
    "lookup_seconds": "Time from a whole request to its answer, lookups only.",
    "store_seconds": "Time that lookups waited for the online store.",
}
GAUGES = {
    "in_flight": "Requests under way.",
    "connections": "Connections that are open.",
    "workers": "Workers that count.",
}
SUM_US = "sum_us"
KEYS = ("keys",)
MISSING_KEYS = ("missing_keys",)

Numbers = Counter[tuple[str, ...]]


class Metrics:
    """The numbers of one worker. ``file`` is where its numbers lie for the others to add up."""

    def __init__(self, file: Path | None = None) -> None:
        self.counts: Numbers = Counter()
        self._file = file
        self._seconds = {name: [0] * (len(BUCKETS) + 1) for name in HISTOGRAMS}
        self._sums = dict.fromkeys(HISTOGRAMS, 0.0)
        if file is not None:
            self._count_on(_read(file))

    def count(self, *key: str, by: int = 1) -> None:
        """Add to a counter: its name, then its labels."""
        self.counts[key] += by

    def took(self, name: str, seconds: float) -> None:
        """Add a duration to a histogram."""
        self._seconds[name][bisect_left(BUCKETS, seconds)] += 1
        self._sums[name] += seconds

    def keep(self, **gauges: int) -> None:
        """Write the numbers for the other workers to add up."""
        if self._file is None:
            return
        numbers = [[list(key), value] for key, value in self._numbers(gauges).items()]
        part = self._file.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(numbers))
        part.replace(self._file)

    def page(self, *, alone: Iterable[tuple[str, str, float]] = (), **gauges: int) -> bytes:
        """Return Prometheus' text of all workers' numbers.

        ``alone`` are gauges that are not added up, as (name, help, value); ``gauges`` are.
        """
        self.keep(**gauges)
        total = self._numbers(gauges) if self._file is None else _total(self._file.parent)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Page(total, tuple(alone)))
        return generate_latest(registry)

    def _numbers(self, gauges: dict[str, int]) -> Numbers:
        numbers = Counter(self.counts)
        for name, buckets in self._seconds.items():
            numbers.update({(name, str(at)): count for at, count in enumerate(buckets) if count})
            numbers[name, SUM_US] = int(self._sums[name] * 1e6)
        numbers.update({(name,): value for name, value in gauges.items()})
        numbers["workers",] = 1
        return numbers

    def _count_on(self, numbers: Numbers) -> None:
        for (name, *labels), value in numbers.items():
            if name in HISTOGRAMS and labels[0] == SUM_US:
                self._sums[name] += value / 1e6
            elif name in HISTOGRAMS:
                self._seconds[name][int(labels[0])] += value
            elif name not in GAUGES:
                self.counts[name, *labels] += value


class _Page(Collector):
    def __init__(self, numbers: Numbers, alone: tuple[tuple[str, str, float], ...]) -> None:
        self._numbers = numbers
        self._alone = alone

    def collect(self) -> Iterator[Metric]:
        for name, (text, labels) in COUNTERS.items():
            family = CounterMetricFamily(PREFIX + name, text, labels=labels)
            for key, value in sorted(self._numbers.items()):
                if key[0] == name:
                    family.add_metric(key[1:], value)
            yield family
        for name, text in HISTOGRAMS.items():
            yield HistogramMetricFamily(
                PREFIX + name,
                text,
                buckets=self._buckets(name),
                sum_value=self._numbers[name, SUM_US] / 1e6,
            )
        for name, text in GAUGES.items():
            yield GaugeMetricFamily(PREFIX + name, text, value=self._numbers[name,])
        for name, text, number in self._alone:
            yield GaugeMetricFamily(PREFIX + name, text, value=number)

    def _buckets(self, name: str) -> list[tuple[str, float]]:
        """Return (upper end, durations up to it) of the buckets."""
        total, buckets = 0, list[tuple[str, float]]()
        for at, end in enumerate([*map(str, BUCKETS), "+Inf"]):
            total += self._numbers[name, str(at)]
            buckets.append((end, total))
        return buckets


def _total(folder: Path) -> Numbers:
    total: Numbers = Counter()
    for file in folder.glob("*.json"):
        total.update(_read(file))
    return total


def _read(file: Path) -> Numbers:
    try:
        return Counter({tuple(key): value for key, value in json.loads(file.read_bytes())})
    except FileNotFoundError:
        return Counter()
