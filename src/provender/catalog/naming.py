"""What datasets are called, and the numbers that stand for them inside the catalog.

A number and a URN are given once and never change; a name can. Numbers are given out under the
writer's lock, so they are the same on both databases, without gaps and in the order of commits.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache

from sqlalchemy import Executable, bindparam, case, select, update
from sqlalchemy.orm import Session

from provender.catalog.rows import CounterRow, DatasetNameRow, DatasetRow, VersionRow
from provender.core.datasets import DatasetVersion
from provender.core.errors import Conflict
from provender.core.names import DatasetRef, unknown

PREFIX = "urn:provender:dataset:"
DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
"""Five bits each, without letters that are mistaken for others."""
RANDOM_BITS = 80
LENGTH = 26

# Asked all the time: to put one of these together takes as long as to ask it.
_RAISED = (
    update(CounterRow)
    .where(CounterRow.name == bindparam("counter"))
    .values(value=CounterRow.value + bindparam("count"))
    .returning(CounterRow.value)
)
_NAMES = DatasetNameRow.dataset == DatasetRow.id
_CURRENT = (
    select(DatasetNameRow.name, DatasetRow.name)
    .join(DatasetRow, _NAMES)
    .where(DatasetNameRow.name.in_(bindparam("names", expanding=True)))
)
_NUMBERS = select(DatasetNameRow.name, DatasetNameRow.dataset).where(
    DatasetNameRow.name.in_(bindparam("names", expanding=True))
)
_LOCATED = (
    select(DatasetRow).join(DatasetNameRow, _NAMES).where(DatasetNameRow.name == bindparam("name"))
)


def take(db: Session, counter: str, count: int = 1) -> int:
    """Return the first of ``count`` numbers that nothing of that kind has. Needs the write lock."""
    last: int | None = db.connection().scalar(_RAISED, {"counter": counter, "count": count})
    if last is None:
        db.add(CounterRow(name=counter, value=count))
        db.flush()
        return 1
    return last - count + 1


def take_each(db: Session, counts: Mapping[str, int]) -> dict[str, int]:
    """Return the first of as many numbers of each kind as ``counts`` says, all in one statement."""
    wanted = {counter: count for counter, count in counts.items() if count}
    asked = {"names": list(wanted), **{f"by_{at}": n for at, n in enumerate(wanted.values())}}
    rows = db.connection().execute(_further(tuple(wanted)), asked).all()
    raised = {counter: last for counter, last in rows}  # noqa: C416 - typed
    return {
        counter: raised[counter] - count + 1 if counter in raised else take(db, counter, count)
        for counter, count in wanted.items()
    }


@cache
def _further(counters: tuple[str, ...]) -> Executable:
    count = CounterRow.value.type
    by = case(
        {name: bindparam(f"by_{at}", type_=count) for at, name in enumerate(counters)},
        value=CounterRow.name,
    )
    raised = update(CounterRow).where(CounterRow.name.in_(bindparam("names", expanding=True)))
    further = raised.values(value=CounterRow.value + by)
    return further.returning(CounterRow.name, CounterRow.value)


def new_urn(now: datetime) -> str:
    """Return a URN that nothing has: the milliseconds of ``now``, then 80 random bits."""
    bits = (int(now.timestamp() * 1000) << RANDOM_BITS) | secrets.randbits(RANDOM_BITS)
    return PREFIX + "".join(DIGITS[bits >> 5 * at & 31] for at in reversed(range(LENGTH)))


def numbers(db: Session, names: Iterable[str]) -> dict[str, int]:
    """Return the number of each dataset of ``names``, withdrawn or not.

    Raises:
        NotFound: there never was a dataset of that name.
    """
    wanted = sorted(set(names))
    known = known_numbers(db, wanted)
    for name in wanted:
        if name not in known:
            raise unknown("dataset", name, ())
    return known


def known_numbers(db: Session, names: Iterable[str]) -> dict[str, int]:
    """Return the number of each dataset that is called one of ``names``, or was once."""
    found = db.execute(_NUMBERS, {"names": sorted(set(names))})
    return {name: number for name, number in found}  # noqa: C416 - typed


def locate(db: Session, name: str) -> DatasetRow | None:
    """Return the row of the dataset that is called ``name``, or was once; be it withdrawn."""
    return db.scalars(_LOCATED, {"name": name}).first()


def current(db: Session, names: Iterable[str]) -> dict[str, str]:
    """Return what is called by each of ``names``, or was once, is called now; unknown names as they are."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    found = db.execute(_CURRENT, {"names": wanted})
    return {name: name for name in wanted} | {name: now for name, now in found}  # noqa: C416 - typed


def every(db: Session, name: str) -> list[str]:
    """Return every name of the dataset that is called ``name``, or was once; else ``name`` alone.

    Of a version, ``domain.name@3``, each with its number.
    """
    called, at, number = name.partition("@")
    same = select(DatasetNameRow.dataset).where(DatasetNameRow.name == called)
    names = db.scalars(select(DatasetNameRow.name).where(DatasetNameRow.dataset.in_(same)))
    return [f"{one}{at}{number}" for one in names] or ([name] if name else [])


def of_rows(db: Session, rows: Sequence[VersionRow]) -> list[DatasetVersion]:
    """Return the version of each row under the name that its dataset has now."""
    numbers = sorted({row.dataset for row in rows})
    named = select(DatasetRow.id, DatasetRow.name).where(DatasetRow.id.in_(numbers))
    names = {row.id: row.name for row in db.execute(named)} if rows else {}
    return [called(row.value, names[row.dataset]) for row in rows]


def called(version: DatasetVersion, name: str) -> DatasetVersion:
    """Return ``version`` of a dataset that is called ``name`` now."""
    if version.ref.dataset == name:
        return version
    return replace(version, ref=DatasetRef.parse(name).at(version.number))


def add_names(db: Session, called: Mapping[str, int], *, now: datetime) -> None:
    """Let datasets be ``called`` by these names from ``now`` on.

    Raises:
        Conflict: another dataset is called so, or was once.
    """
    named = select(DatasetNameRow).where(DatasetNameRow.name.in_(list(called)))
    taken = {row.name: row for row in db.scalars(named)}
    for name, row in taken.items():
        if row.dataset != called[name]:
            raise Conflict(
                f"{name} is the name of another dataset, or was once",
                hint="choose another name: old references to that one must keep their meaning",
            )
        row.until_at = None
    db.add_all(
        DatasetNameRow(name=name, dataset=dataset, since_at=now, until_at=None)
        for name, dataset in called.items()
        if name not in taken
    )
