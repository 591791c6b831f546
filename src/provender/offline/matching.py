"""Matching one chunk of the spine with views by slots: DuckDB reads and codes keys, the kernel matches."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from provender.core.training import PointInTimePlan
from provender.offline import asof
from provender.offline.numbered import LEAST_ROWS, Numbered
from provender.offline.slots import Best, Codes, Integers, Slots
from provender.offline.sources import Source

BATCH_ROWS = 262_144
TIES = "ties"
TIES_HELD = 1 << 20
"""At most so many rows that tied wait for the others; then it is settled which of them is best so far."""
TIE_BYTES = 64
"""What a row that tied takes beside its tie-breakers."""


@dataclass
class Matching:
    """The table ``spine`` of a session, and its slots for each set of join keys that a view has."""

    session: duckdb.DuckDBPyConnection
    plan: PointInTimePlan
    reach: asof.Reach
    spine_rows: int
    tie_bytes: float
    """What rows that tied, with their tie-breakers, may take."""
    _slots: dict[tuple[str, ...], Slots] = field(default_factory=dict)

    def prepare(self, sources: Iterable[Source]) -> None:
        """Find the slots for all of ``sources``; the table ``spine`` is not needed any more then."""
        for source in sources:
            self._slots_of(self._columns(source))

    def wanted(self, source: Source) -> tuple[Integers, Codes, int]:
        """Return the numbers of the rows that are answers, sorted, the spine rows that they answer, and how many came later."""
        rows, later = self._answers(source)
        positions = np.flatnonzero(rows >= 0).astype(np.int32)
        rows = rows[positions]
        order = np.argsort(rows, kind="stable")
        return rows[order], positions[order], later

    def close(self) -> None:
        """Give back the slots; and the table ``spine``, if it is there still."""
        self._slots.clear()
        self.session.unregister(asof.SPINE)

    def _answers(self, source: Source) -> tuple[Integers, int]:
        """The number of the row that answers each spine row, -1 for none, and how many came later."""
        if source.numbered is None:
            raise RuntimeError(f"the rows of {source.join.view} have no numbers")
        join, numbered = source.join, source.numbered
        columns = list(self._columns(source))
        slots = self._slots_of(tuple(columns))
        by_then = self.plan.counts_from_creation(join)
        best = Best.none_yet(slots, join.ttl, by_then=by_then)
        query = asof.render_numbered(
            join, source.position, self.reach,
            columns=columns, table=_table(columns), by_then=by_then,
        )  # fmt: skip
        for batch in self.session.sql(query).to_arrow_reader(BATCH_ROWS):
            code, event, created, file, row = (_numbers(column) for column in batch.columns)
            best.offer(
                code.astype(np.int32, copy=False), event, created, numbered.number(file, row)
            )
            if best.tie_count >= self._ties_held(source):
                self._break_ties(best, source, numbered)
        self._break_ties(best, source, numbered)
        return best.answers()

    def _columns(self, source: Source) -> tuple[str, ...]:
        short = asof.spine_columns(self.plan)
        return tuple(short[name] for name, _ in source.join.keys)

    def _slots_of(self, columns: tuple[str, ...]) -> Slots:
        if columns not in self._slots:
            count, codes, instants = self._coded(list(columns))
            self._slots[columns] = Slots.of(codes, instants, count)
        return self._slots[columns]

    def _coded(self, columns: list[str]) -> tuple[int, Codes, Integers]:
        """How many keys there are, and each spine row's code and instant."""
        count, table = 1, _table(columns)
        if columns:
            self.session.execute(asof.render_keys(columns, table))
            ((count,),) = self.session.execute(f"SELECT count(*) FROM {table}").fetchall()
        codes = np.full(self.spine_rows, -1, np.int32)
        instants = np.zeros(self.spine_rows, np.int64)
        query = self.session.sql(asof.render_coded(columns, table))
        for batch in query.to_arrow_reader(BATCH_ROWS):
            row, instant, code = (_numbers(column) for column in batch.columns)
            codes[row], instants[row] = code, instant
        return count, codes, instants

    def _ties_held(self, source: Source) -> int:
        width = source.numbered.width(source.join.tie_breakers) if source.numbered else 0.0
        return max(LEAST_ROWS, min(TIES_HELD, int(self.tie_bytes / (TIE_BYTES + width))))

    def _break_ties(self, best: Best, source: Source, numbered: Numbered) -> None:
        """Of rows equal in event and created timestamp the greatest values win, null last."""
        slots, rows = best.take_ties()
        order = np.argsort(rows, kind="stable")
        slots, rows = slots[order], rows[order]
        step = self._ties_held(source)
        for start in range(0, rows.size, step):
            slot, row = slots[start : start + step], rows[start : start + step]
            those = np.unique(slot)
            self._rank(
                best, source, numbered,
                np.concatenate([slot, those]), np.concatenate([row, best.row[those]]),
            )  # fmt: skip

    def _rank(
        self, best: Best, source: Source, numbered: Numbered, slot: Integers, row: Integers
    ) -> None:
        """Let the greatest of the rows ``row`` of each slot be its best."""
        order = np.argsort(row, kind="stable")
        slot, row = slot[order], row[order]
        columns = list(source.join.tie_breakers)
        names = ["slot", "row", *(f"r{n}" for n in range(len(columns)))]
        read = numbered.fetch(columns, row, self.session) if columns else [(slice(None), None)]
        tied = pa.concat_tables(
            pa.table([slot[at], row[at], *(values.columns if values else ())], names=names)
            for at, values in read
        )
        ranked = "".join(f"r{n} DESC NULLS LAST, " for n in range(len(columns)))
        with self.session.cursor() as beside:  # the session itself is in the midst of a query
            beside.register(TIES, tied)
            won = beside.sql(
                f"SELECT slot, row FROM {TIES} "
                f"QUALIFY row_number() OVER (PARTITION BY slot ORDER BY {ranked}row) = 1"
            ).to_arrow_table()
        best.settle(won.column("slot").to_numpy(), won.column("row").to_numpy())


def _table(columns: list[str]) -> str:
    return "_".join(["keys", *columns])


def _numbers(column: pa.Array) -> NDArray[np.int64]:
    found: NDArray[np.int64] = column.to_numpy(zero_copy_only=False)
    return found
