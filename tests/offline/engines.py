"""The engines that must give the same answers, by name; one is imported when it is made."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class EngineUnderTest:
    """``make`` gives an engine over a lake. ``cannot`` names options of `configurations` it lacks."""

    make: Callable[[Path], Any]
    cannot: frozenset[str] = frozenset()


def _duckdb(lake):
    from provender.offline.duck import DuckEngine

    return DuckEngine(lake)


def _slots(lake):
    from provender.offline.duck import DuckEngine
    from provender.offline.shape import Join

    return DuckEngine(lake, join=Join.SLOTS)


def _spark(lake):
    from provender.offline.spark import SparkEngine

    return SparkEngine(lake, master="local[2]")


ENGINES = {
    "duckdb": EngineUnderTest(_duckdb),
    "slots": EngineUnderTest(_slots),
    "spark": EngineUnderTest(_spark, cannot=frozenset({"rare types too", "ns utc", "ns naive"})),
}
