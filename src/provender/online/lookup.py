"""Lookups: keys out of entities, rows out of the store, columns with statuses out of rows.

The server and the SDK both answer with this, so they cannot differ. What a status means:
PRESENT has a value; NULL_VALUE is stored as null; NOT_FOUND has no row (or none of the layout
that is served, or a null join key, or one from after the time of asking, which retrieval would
not see either; a minute is allowed for clocks that differ); OUTSIDE_MAX_AGE has a row older than the view's TTL at
the time of asking, whose values are withheld.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from provender.core.clock import Clock, utc_now
from provender.core.errors import InvalidInput
from provender.core.features import FieldSpec
from provender.core.freshness import Staleness, refuse, staleness
from provender.online.codec import ReadRows
from provender.online.columns import row_count
from provender.online.kinds import INTEGERS, MICROSECOND, from_micros, is_null, kind_of, micros
from provender.online.plan import Demand, LookupPlan, Output, Source, Values, ViewRead, compile_plan
from provender.online.reader import AsyncReader
from provender.online.store import OnlineStore

__all__ = ["Lookup", "Lookups", "compile_plan"]

PRESENT = "PRESENT"
NULL_VALUE = "NULL_VALUE"
NOT_FOUND = "NOT_FOUND"
OUTSIDE_MAX_AGE = "OUTSIDE_MAX_AGE"

CLOCK_SKEW_US = 60_000_000
LAST_US = 1 << 63
"""After all instants."""

Entities = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Lookups:
    """An answer, column by column: first the join keys as given, then the features asked for.

    ``types`` are type words, empty for entity columns. ``event_us`` are the event timestamps
    in microseconds since 1970; 0 for what has none, as what is computed. ``oldest_us`` are the
    same but for that: there they are of the oldest input. ``freshness`` tells of the views that
    say how stale they may be. Columns may share one list: do not
    change them in place.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]
    values: tuple[list[Any], ...]
    statuses: tuple[list[str], ...]
    event_us: tuple[list[int], ...]
    oldest_us: tuple[list[int], ...] = ()
    freshness: Mapping[str, Staleness] = field(default_factory=dict)

    @property
    def event_timestamps(self) -> tuple[list[datetime | None], ...]:
        """The event timestamps as instants; None for what has none."""
        return tuple([from_micros(us) if us else None for us in column] for column in self.event_us)

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the values by name."""
        return dict(zip(self.names, self.values, strict=True))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one dict of values per entity."""
        for row in zip(*self.values, strict=True):
            yield dict(zip(self.names, row, strict=True))


class Lookup:
    """A plan bound to a store: call `columns` with the entities' keys."""

    def __init__(self, store: OnlineStore, plan: LookupPlan, *, now: Clock = utc_now) -> None:
        self.store = store
        self.plan = plan
        self._now = now

    def columns(self, entities: Entities, now: datetime | None = None) -> Lookups:
        """Return the features of ``entities``: a list of values per join key and request column.

        Raises:
            InvalidInput: a column is missing, of another length or of the wrong type.
            Denied: the permission to serve a feature is over.
            Unavailable: the store does not answer.
        """
        question = Question(self.plan, entities, now or self._now())
        return question.answer(self.store.read(question.keys))

    async def columns_async(
        self, entities: Entities, reader: AsyncReader, now: datetime | None = None
    ) -> Lookups:
        """Do as `columns`, through the event loop's ``reader``."""
        question = Question(self.plan, entities, now or self._now())
        return question.answer(await reader.read(question.keys))


class Question:
    """One lookup between its two halves: `keys` to read, then `answer` from the rows.

    Raises:
        InvalidInput: the entities do not fit the plan.
        Denied: the permission to serve a feature is over.
    """

    def __init__(self, plan: LookupPlan, entities: Entities, now: datetime) -> None:
        plan.still_open(now)
        self.plan = plan
        self.now_us = micros(now)
        self.entities = {name: _values(name, entities[name]) for name in entities}
        _check_given(plan, self.entities)
        self.rows = row_count(self.entities) if self.entities else 1
        self.keys = self._keys()

    def _keys(self) -> list[bytes]:
        """Return the keys of all reads; what views with the same join keys share is made once."""
        shared: dict[tuple[Any, ...], list[bytes | None]] = {}
        keys: list[bytes] = []
        for read in self.plan.reads:
            same = (read.given, read.view.join_keys)
            if same not in shared:
                columns = [self.entities[name] for name in read.given]
                shared[same] = read.keys.tails(columns, self.rows)
            keys += read.keys.after_prefix(shared[same])
        return keys

    def answer(self, stored: Sequence[bytes | None]) -> Lookups:
        """Return the answer out of the stored rows, which come in the order of `keys`.

        Raises:
            Stale: rows are staler than their view lets serve.
        """
        plan, size = self.plan, self.rows
        blocks = [
            _block(read, stored[index * size : (index + 1) * size], self.now_us)
            for index, read in enumerate(plan.reads)
        ]
        told = self._freshness(blocks)
        computed = [self._compute(demand, blocks) for demand in plan.demands]
        echoed = [(name, self.entities[name]) for name in self.entities if name in plan.echoed]
        epoch = [0] * size
        present = [PRESENT] * size
        ages = [_oldest(demand, blocks, size) for demand in plan.demands]
        features = [_feature(output, blocks, computed, present, epoch) for output in plan.outputs]
        return Lookups(
            names=(*(name for name, _ in echoed), *(output.name for output in plan.outputs)),
            types=(*("" for _ in echoed), *(output.type for output in plan.outputs)),
            values=(*(values for _, values in echoed), *(feature[0] for feature in features)),
            statuses=(
                *(_statuses(values, present) for _, values in echoed),
                *(feature[1] for feature in features),
            ),
            event_us=(*(epoch for _ in echoed), *(feature[2] for feature in features)),
            freshness=told,
            oldest_us=(
                *(epoch for _ in echoed),
                *(
                    feature[2] if output.source is not None else ages[output.demand]
                    for output, feature in zip(plan.outputs, features, strict=True)
                ),
            ),
        )

    def _freshness(self, blocks: "Sequence[Block]") -> dict[str, Staleness]:
        """Return how stale the rows are of each view that says how stale they may be.

        Raises:
            Stale: they are staler, and must not be served then.
        """
        told: dict[str, Staleness] = {}
        for read, block in zip(self.plan.reads, blocks, strict=True):
            limit = read.view.max_staleness
            if limit is not None:
                told[read.name] = staleness(
                    block.rows.event_us,
                    self.now_us,
                    limit_us=limit // MICROSECOND,
                    on_stale=read.view.on_stale,
                )
                refuse(read.name, told[read.name], limit)
        return told

    def _compute(self, demand: Demand, blocks: "Sequence[Block]") -> Values:
        inputs = {
            name: list(blocks[source.read].rows.columns[source.column])
            for name, source in demand.inputs
        }
        for item in demand.spec.request:
            inputs[item.name] = _requested(item, self.entities[item.name])
        if not self.rows:
            return {field.name: [] for field in demand.spec.features}
        result = demand.transform(inputs)
        return {field.name: _typed(field, result[field.name]) for field in demand.spec.features}


@dataclass(slots=True)
class Block:
    """The rows of one view, judged: statuses hold for a row unless its column is null."""

    rows: ReadRows
    statuses: list[str]


def _block(read: ViewRead, stored: Sequence[bytes | None], now_us: int) -> Block:
    oldest = None if read.max_age_us is None else now_us - read.max_age_us
    rows = read.reader.read(stored)
    newest = now_us + CLOCK_SKEW_US if read.awaits else LAST_US
    statuses = [
        NOT_FOUND
        if not found or event > newest
        else OUTSIDE_MAX_AGE
        if oldest is not None and event < oldest
        else PRESENT
        for found, event in zip(rows.found, rows.event_us, strict=True)
    ]
    if OUTSIDE_MAX_AGE in statuses or NOT_FOUND in statuses:
        outside = [index for index, status in enumerate(statuses) if status is not PRESENT]
        for column in rows.columns:
            for index in outside:
                column[index] = None
        for index in outside:
            if statuses[index] is NOT_FOUND:
                rows.event_us[index] = 0
    return Block(rows, statuses)


def _oldest(demand: Demand, blocks: Sequence[Block], size: int) -> list[int]:
    """Return per entity the event timestamp of the oldest input that is there; 0 if none is."""
    reads = {source.read for _, source in demand.inputs}
    stamps = [blocks[read].rows.event_us for read in reads]
    if not stamps:
        return [0] * size
    return [min((us for us in found if us), default=0) for found in zip(*stamps, strict=True)]


def _feature(
    output: Output,
    blocks: Sequence[Block],
    computed: Sequence[Values],
    present: list[str],
    epoch: list[int],
) -> tuple[list[Any], list[str], list[int]]:
    source: Source | None = output.source
    if source is None:
        values = computed[output.demand][output.feature]
        return values, _statuses(values, present), epoch
    block = blocks[source.read]
    values = block.rows.columns[source.column]
    return values, _statuses(values, block.statuses), block.rows.event_us


def _statuses(values: Sequence[Any], rows: list[str]) -> list[str]:
    """Return the statuses of one column: its rows', but for the nulls of rows that are there."""
    if None not in values:
        return rows
    return [
        NULL_VALUE if value is None and status is PRESENT else status
        for value, status in zip(values, rows, strict=True)
    ]


def _values(name: str, column: Any) -> list[Any]:
    if hasattr(column, "tolist"):
        column = column.tolist()
    if isinstance(column, str | bytes | dict) or not isinstance(column, Sequence):
        raise InvalidInput(
            f"entity column {name!r} is not a list of values",
            hint="write a list with one value per entity, even for one entity",
        )
    return list(column)


def _check_given(plan: LookupPlan, entities: Mapping[str, list[Any]]) -> None:
    needed = {**dict.fromkeys(plan.join_keys, "join key")}
    needed |= dict.fromkeys(plan.request, "request column")
    missing = [f"{what} {name!r}" for name, what in needed.items() if name not in entities]
    if missing:
        raise InvalidInput(
            f"the entities have no {', no '.join(missing)}",
            hint=f"there are {', '.join(entities)}"
            if entities
            else "give a list of values for each",
        )


def _requested(field: FieldSpec, values: Sequence[Any]) -> list[Any]:
    """Return request values in the one Python type of the field's word."""
    kind = kind_of(field.type)
    checked: list[Any] = []
    for value in values:
        if is_null(value):
            checked.append(None)
            continue
        try:
            written = kind.write(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidInput(
                f"request column {field.name!r} is {field.type}, and {value!r:.80} is not: {error}",
                hint=f"give values of type {field.type}",
            ) from None
        checked.append(kind.read(written) if kind.read else written)
    return checked


def _typed(field: FieldSpec, values: Any) -> list[Any]:
    """Return computed values as the declared number type, so that a float is always a float."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    if field.type in ("float32", "float64"):
        return [None if value is None else float(value) for value in values]
    if field.type in INTEGERS:
        return [None if value is None else int(value) for value in values]
    return list(values)
