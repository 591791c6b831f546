"""A home in which drivers are in datasets of every kind of table."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import pyarrow as pa

from provender.core.datasets import Dataset, Format
from provender.core.governance import Domain, Governance
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.sdk import Workspace, connect
from provender.settings import Settings

FORMATS = (Format.PARQUET, Format.DELTA, Format.ICEBERG)
SECRET = "7d1f3c52-9b60-4a5e-8f21-d3b0c6a4e917"
"""The subject, unmistakable in bytes."""
NUMBER = 918_273_645_017
"""Another, as a number."""
SUBJECT = f"driver={SECRET}"
TRIPS = {fmt: DatasetRef("fleet", f"trips_{fmt}") for fmt in FORMATS}
PAY = DatasetRef("fleet", "pay")
TOTALS = DatasetRef("fleet", "totals")
Connect = Callable[[str], Workspace]


def declared(ref: DatasetRef, fmt: Format = Format.PARQUET, **more: object) -> Dataset:
    return Dataset(  # type: ignore[arg-type]
        ref=ref, description="x", owner="person:ops", format=fmt, event_timestamp="at", **more
    )


GOVERNANCE = Governance(
    domains=(Domain(name="fleet"),),
    people=tuple(Person(id=f"person:{name}", name=name) for name in ("gov", "ops", "ana")),
    purposes={"report": "Count."},
    rules=(
        Rule(id="gov", actors=("person:gov",), actions=(Action.GOVERN,)),
        Rule(id="known", actors=("anyone",), actions=(Action.DISCOVER,)),
        Rule(id="report", actors=("anyone",), actions=(Action.READ,), purposes=("report",)),
    ),
    datasets=(
        *(declared(ref, fmt) for fmt, ref in TRIPS.items()),
        declared(PAY, column_from={"payee": ("fleet.trips_parquet.driver",)}),
        declared(TOTALS),
    ),
)


def trips(drivers: int, *, first: int = 0, with_subject: bool = True) -> pa.Table:
    """Two trips of each driver, some of which are the subject's."""
    names = [f"driver-{n}" for n in range(first, first + drivers)]
    numbers = list(range(1_000, 1_000 + drivers))
    if with_subject:
        names, numbers = [*names, SECRET], [*numbers, NUMBER]
    names, numbers = names * 2, numbers * 2
    instants = [(1_700_000_000 + n) * 1_000_000 for n in range(len(names))]
    return pa.table(
        {
            "driver": names,
            "license": pa.array(numbers, pa.int64()),
            "at": pa.array(instants, pa.timestamp("us", "UTC")),
            "km": [n / 4 for n in range(len(names))],
        }
    )


def made(home: Path, formats: Sequence[Format] = FORMATS) -> Path:
    """Return ``home`` with three versions in each of ``formats``, the first without the subject.

    And with one made from them that calls the key otherwise, and one that has none.
    """
    with connect(settings=Settings(home=home, actor="person:gov")) as workspace:
        workspace.catalog.desk.apply(GOVERNANCE)
    with connect(settings=Settings(home=home, actor="person:ops")) as ops:
        for ref in (TRIPS[fmt] for fmt in formats):
            for rows in (trips(5, with_subject=False), trips(5), trips(6)):
                ops.publish(str(ref), rows)
        sources = [f"{TRIPS[fmt]}@3" for fmt in formats[:1]]
        paid = trips(3).select(["driver", "at", "km"]).rename_columns(["payee", "at", "amount"])
        ops.publish(str(PAY), paid, inputs=sources)
        ops.publish(str(TOTALS), trips(4).select(["at", "km"]), inputs=sources)
    return home


@contextmanager
def people(home: Path, url: str = "") -> Iterator[Connect]:
    """Connects a person, who asks for a report."""
    with ExitStack() as opened:

        @cache
        def acting(name: str) -> Workspace:
            settings = Settings(
                home=home, actor=f"person:{name}", purpose="report", catalog_url=url
            )
            return opened.enter_context(connect(settings=settings))

        yield acting
