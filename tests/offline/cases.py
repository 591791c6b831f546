"""Many small random point-in-time joins answered as one, and compared with the oracle cell by cell.

A cluster takes half a second for any job, so the number of the case is part of the key: one plan
answers all cases. Within a case there are few keys and few instants, so that ties, late rows and
rows out of reach are common.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from provender.core.datasets import Format
from provender.core.policy import Action, Permit
from provender.core.training import PointInTimePlan, Table, ViewJoin
from provender.offline.spine import Spine
from tests.oracle.asof import asof

START = datetime(2026, 1, 1, tzinfo=UTC)
INSTANT = pa.timestamp("us", tz="UTC")
NOTHING_GOVERNED = Permit(
    decision="dec_test", actor="person:test", action=Action.READ, purpose="test",
    columns=frozenset(), decided_at=START,
)  # fmt: skip
TICKS = (timedelta(microseconds=1), timedelta(minutes=1), timedelta(days=1))
ANYWHERE_ROWS = 25


@dataclass(frozen=True)
class Compared:
    """How many cells were compared, and how many were not what the oracle says."""

    cells: int
    differing: int

    def __add__(self, other):
        return Compared(self.cells + other.cells, self.differing + other.differing)


def compare(engine, folder: Path, *, seed: int, cases: int, known_by_then: bool) -> Compared:
    """Answer ``cases`` random cases (about six spine rows each) with ``engine`` and compare all cells.

    Each spine row is asked six views: one key or two, with and without a TTL, with and without
    a created timestamp; and views with no keys at all.
    """
    chance = random.Random(seed)
    tick = chance.choice(TICKS)
    spine = [
        (case, _maybe(chance, "ab"), _maybe(chance, "ab"), _maybe(chance, range(7)))
        for case in range(cases)
        for _ in range(chance.randint(1, 11))
    ]
    chance.shuffle(spine)
    asked = [Asked.random(chance, number, cases) for number in range(6)]
    plan = PointInTimePlan(
        event_timestamp="t",
        joins=tuple(view.join(folder, tick) for view in asked),
        known_by_then=known_by_then,
    )
    answer = engine.run(plan, Spine(_spine_table(spine, tick)), NOTHING_GOVERNED, now=START)
    table = answer.table()
    total = _compared(
        table.drop_columns(table.column_names[4:]).to_pylist(),
        _spine_table(spine, tick).to_pylist(),
    )
    for view in asked:
        total += view.compared(table, spine, known_by_then=known_by_then, later=answer.known_later)
    return total


@dataclass(frozen=True)
class Asked:
    """One view of the plan: its rows are ``(case, k1, k2, event, created, (p, q))``."""

    name: str
    keys: int
    ttl: int | None
    has_created: bool
    rows: list

    @classmethod
    def random(cls, chance, number, cases):
        keys = number % 3
        count = ANYWHERE_ROWS if keys == 0 else cases * 6
        rows = [
            (
                chance.randrange(cases), _maybe(chance, "ab"), _maybe(chance, "ab"),
                _maybe(chance, range(8)), _maybe(chance, range(8)),
                (_maybe(chance, range(3)), _maybe(chance, range(2))),
            )
            for _ in range(count)
        ]  # fmt: skip
        return cls(f"v{number}", keys, chance.choice([None, 1, 3]), chance.random() < 0.7, rows)

    def join(self, folder, tick):
        columns = list(zip(*self.rows, strict=True))
        p, q = zip(*columns[5], strict=True)
        path = folder / f"{self.name}.parquet"
        pq.write_table(
            pa.table(
                {
                    "case": columns[0], "k1": columns[1], "k2": columns[2],
                    "event": _instants(columns[3], tick), "created": _instants(columns[4], tick),
                    "p": pa.array(p, pa.int64()), "q": pa.array(q, pa.int64()),
                }
            ),
            path,
        )  # fmt: skip
        keys = (("case", "case"), ("p1", "k1"), ("p2", "k2"))
        return ViewJoin(
            view=self.name,
            table=Table(format=Format.PARQUET, location=str(path)),
            keys=keys[: self.keys + 1] if self.keys else (),
            features=(("q", f"{self.name}__q"),),
            event_timestamp="event",
            created_timestamp="created" if self.has_created else None,
            ttl=self.ttl * tick if self.ttl else None,
            ranked_by=("p", "q"),
        )

    def compared(self, table, spine, *, known_by_then, later):
        found = table.column(f"{self.name}__q").to_pylist()
        expected = [None] * len(spine)
        count = 0
        for places, rows in self._groups(spine):
            answers = asof(
                [(self._key(spine[place]), spine[place][3]) for place in places],
                [self._row(row) for row in rows],
                ttl=self.ttl,
                known_by_then=known_by_then and self.has_created,
            )
            for place, answer in zip(places, answers, strict=True):
                expected[place] = answer and answer[1]
                count += bool(answer and answer[2] is not None and answer[2] > spine[place][3])
        told = later.get(self.name)
        counted = count if self.has_created and not known_by_then else None
        return _compared([*found, told], [*expected, counted])

    def _groups(self, spine):
        """Places in the spine with the rows that can answer them: those of their case."""
        if not self.keys:
            return [(range(len(spine)), self.rows)]
        places, rows = {}, {}
        for place, row in enumerate(spine):
            places.setdefault(row[0], []).append(place)
        for row in self.rows:
            rows.setdefault(row[0], []).append(row)
        return [(found, rows.get(case, [])) for case, found in places.items()]

    def _key(self, row):
        return row[1 : self.keys + 1]

    def _row(self, row):
        """The row as the oracle takes it; the created timestamp rides along to be counted."""
        *_, event, created, (p, q) = row
        known = created if self.has_created else None
        return row[1 : self.keys + 1], event, known, (p, q, known)


def _spine_table(spine, tick):
    case, p1, p2, t = zip(*spine, strict=True)
    return pa.table({"case": case, "p1": p1, "p2": p2, "t": _instants(t, tick)})


def _instants(numbers, tick):
    return pa.array([None if n is None else START + n * tick for n in numbers], INSTANT)


def _maybe(chance, values):
    return None if chance.random() < 0.1 else chance.choice(values)


def _compared(found, expected):
    pairs = list(zip(found, expected, strict=True))
    return Compared(len(pairs), sum(left != right for left, right in pairs))
