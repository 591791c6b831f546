"""What publishers of the scenario measured: profiles with the shapes that real columns have."""

import math
from datetime import UTC, datetime

from provender.core.contracts import CheckResult, Outcome
from provender.core.datasets import Evidence, Run
from provender.core.lifecycle import Severity
from provender.core.profiles import QUANTILES, ColumnProfile, Profile, Relation
from tests.web.clock import NOW

BINS = 32


def bell(name: str, rows: int, *, low: float, high: float, middle: float, nulls: int = 0):
    """A column of numbers around ``middle``, leaning to the right."""
    edges = tuple(low + (high - low) * at / BINS for at in range(BINS + 1))
    weights = [
        math.exp(-(((edge - middle) / (high - low) * (5 if edge < middle else 3)) ** 2))
        for edge in edges[:-1]
    ]
    there = rows - nulls
    counts = tuple(round(there * weight / sum(weights)) for weight in weights)
    return ColumnProfile(
        column=name,
        count=rows,
        nulls=nulls,
        distinct=min(there, 1200),
        lowest=f"{low:g}",
        highest=repr(high + 1e-7),
        mean=middle + (high - low) / 40,
        deviation=(high - low) / 8,
        quantiles=tuple(below(share, edges, counts) for share in QUANTILES),
        edges=edges,
        counts=counts,
    )


def below(share: float, edges: tuple[float, ...], counts: tuple[int, ...]) -> float:
    """The value that ``share`` of the values are below, as evenly as each bin is filled."""
    left = share * sum(counts)
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        if left <= count:
            return low + (high - low) * left / count
        left -= count
    return edges[-1]


def instants(name: str, rows: int, *, low: datetime, high: datetime) -> ColumnProfile:
    """A column of instants, as many at any time of the year; its edges are seconds since 1970."""
    edges = [low.timestamp() + (high - low).total_seconds() * at / BINS for at in range(BINS + 1)]
    return ColumnProfile(
        column=name,
        count=rows,
        nulls=0,
        distinct=rows // 3,
        lowest=f"{low:%Y-%m-%d %H:%M:%S}",
        highest=f"{high:%Y-%m-%d %H:%M:%S}",
        mean=(low.timestamp() + high.timestamp()) / 2,
        edges=tuple(edges),
        counts=tuple(rows // BINS + (at * 37) % 900 for at in range(BINS)),
    )


def words(name: str, rows: int, values: dict[str, float], *, nulls: int = 0):
    """A column of words, each with its part of the rows."""
    return ColumnProfile(
        column=name,
        count=rows,
        nulls=nulls,
        distinct=len(values),
        exact=True,
        lowest=min(values),
        highest=max(values),
        frequent=tuple((value, round(rows * part)) for value, part in values.items()),
    )


def closed(name: str, rows: int, *, nulls: int = 0):
    """A protected column: counts and nothing of its values."""
    return ColumnProfile(column=name, count=rows, nulls=nulls, distinct=4_044)


def flights(year: int, rows: int) -> Evidence:
    later = year > 2013
    carriers = {"UA": 0.18, "B6": 0.16, "EV": 0.15, "DL": 0.14, "AA": 0.1, "MQ": 0.08, "US": 0.06}
    columns = [
        words("carrier", rows, carriers if not later else {"YX": 0.21, **carriers}),
        closed("tailnum", rows, nulls=2_512),
        instants(
            "sched_dep_ts",
            rows,
            low=datetime(year, 1, 1, 10, 15, tzinfo=UTC),
            high=datetime(year, 12, 31, 23, 30, tzinfo=UTC),
        ),
    ]
    if later:
        columns.append(bell("arr_delay", rows, low=-90, high=240, middle=-6, nulls=rows // 36))
    return Evidence(
        run=Run(id=f"run-{year}", job="demo/data.py", commit="0123456789abcdef"),
        profile=Profile(row_count=rows, columns=tuple(columns)),
        checks=(
            CheckResult(
                name="row count",
                outcome=Outcome.PASS,
                severity=Severity.REFUSE,
                detail=f"{rows:,} rows, at least 100,000 promised",
            ),
            CheckResult(
                name="no nulls",
                outcome=Outcome.FAIL,
                severity=Severity.WARN,
                column="tailnum",
                detail="2,512 nulls, none promised",
            ),
        ),
    )


def weather(rows: int, columns: tuple[str, ...]) -> Evidence:
    found = [
        bell(name, rows, low=0, high=100 + 20 * at, middle=30 + 9 * at, nulls=at * 900)
        for at, name in enumerate(columns)
    ]
    related = Relation(column="wind_speed", of="visib", slope=1.15078, intercept=0.0, rows=rows)
    return Evidence(
        profile=Profile(row_count=rows, columns=tuple(found), relations=(related,)),
        run=Run(id="w1", job="demo/weather.py", started_at=NOW, ended_at=NOW),
    )


def wide(names: tuple[str, ...], rows: int, number: int) -> Evidence:
    """Many columns, each shifted a little from version to version."""
    columns = tuple(
        bell(name, rows, low=-50, high=50, middle=(at + number) % 60 - 30, nulls=at * 7)
        for at, name in enumerate(names)
    )
    return Evidence(profile=Profile(row_count=rows, columns=columns))
