"""Lookups: keys out of entities, rows out of the store, columns with statuses out of rows.

The server and the SDK both answer with this, so they cannot differ. What the status of a row
means is told in `online.blocks`; NULL_VALUE is what is there and stored as null.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import NoneType
from typing import Any, Generic

from provender.core.clock import Clock, utc_now
from provender.core.errors import InvalidInput
from provender.core.features import FieldSpec, OnDemandSpec
from provender.core.freshness import Staleness, refuse, staleness
from provender.online.answer import NULL_VALUE, Answer, R
from provender.online.blocks import (
    CLOCK_SKEW_US,
    NOT_FOUND,
    OUTSIDE_MAX_AGE,
    PRESENT,
    Block,
    read_views,
)
from provender.online.columns import row_count
from provender.online.decoder import Span
from provender.online.kinds import MICROSECOND, from_micros, is_null, kind_of, micros
from provender.online.nesting import shown
from provender.online.plan import Demand, LookupPlan, Values, compile_plan
from provender.online.store import OnlineStore
from provender.online.stream import Stream

__all__ = [
    "CLOCK_SKEW_US",
    "NOT_FOUND",
    "NULL_VALUE",
    "OUTSIDE_MAX_AGE",
    "PRESENT",
    "Lookup",
    "Lookups",
    "compile_plan",
]

EXACT: Mapping[str, type] = {"bool": bool, "float64": float}
"""The types of which every Python value of one type is one."""
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

    @classmethod
    def of(cls, answer: Answer[Any]) -> "Lookups":
        """Return the columns of ``answer``, made of what was read."""
        columns = answer.columns()
        return cls(
            names=answer.names,
            types=answer.types,
            values=tuple(column.values for column in columns),
            statuses=tuple(column.statuses for column in columns),
            event_us=tuple(column.event_us for column in columns),
            oldest_us=tuple(answer.oldest_us()),
            freshness=answer.freshness,
        )

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
        self, entities: Entities, reader: Stream, now: datetime | None = None
    ) -> Lookups:
        """Do as `columns`, through the event loop's ``reader``."""
        question = Question(self.plan, entities, now or self._now())
        return question.answer(await reader.read(question.keys))


class Inquiry(ABC, Generic[R]):
    """One lookup between its two halves: `keys` to read, then `judge` what was read.

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

    @abstractmethod
    def _keys(self) -> Sequence[bytes]:
        """Return the keys of all reads."""

    def judge(self, stored: Sequence[bytes | None]) -> Answer[R]:
        """Return the answer before any column is made of it, as `serving.wire` renders it.

        Raises:
            Stale: rows are staler than their view lets serve.
        """
        return self.answered(self._blocks(stored))

    def answered(self, blocks: Sequence[R]) -> Answer[R]:
        """Return the answer out of the rows of each read, judged.

        Raises:
            Stale: rows are staler than their view lets serve.
        """
        plan = self.plan
        return Answer(
            given=tuple([pair for pair in self.entities.items() if pair[0] in plan.echoed]),
            outputs=plan.outputs,
            blocks=blocks,
            freshness=self._freshness(blocks),
            computed=tuple([self._compute(demand, blocks) for demand in plan.demands]),
            inputs=tuple(
                [tuple({source.read for _, source in demand.inputs}) for demand in plan.demands]
            ),
            size=self.rows,
        )

    @abstractmethod
    def _blocks(self, stored: Sequence[bytes | None]) -> Sequence[R]:
        """Return the rows of each read as columns."""

    def _freshness(self, blocks: Sequence[R]) -> dict[str, Staleness]:
        """Return how stale the rows are of each view that says how stale they may be.

        Raises:
            Stale: they are staler, and must not be served then.
        """
        told: dict[str, Staleness] = {}
        for at, read in enumerate(self.plan.reads):
            limit = read.view.max_staleness
            if limit is not None:
                told[read.name] = staleness(
                    blocks[at].event_us,
                    self.now_us,
                    limit_us=limit // MICROSECOND,
                    on_stale=read.view.on_stale,
                )
                refuse(read.name, told[read.name], limit)
        return told

    def _compute(self, demand: Demand, blocks: Sequence[R]) -> Values:
        inputs = {name: blocks[source.read].python(source.column) for name, source in demand.inputs}
        for item in demand.spec.request:
            inputs[item.name] = _requested(item, self.entities[item.name])
        if not self.rows:
            return {field.name: [] for field in demand.spec.features}
        result = demand.transform(inputs)
        spec = demand.spec
        return {field.name: _typed(spec, field, result[field.name]) for field in spec.features}


class Question(Inquiry[Block]):
    """A lookup that is answered without numpy, as the server does."""

    def _keys(self) -> list[bytes]:
        """Return the keys of all reads; what views with the same join keys share is made once."""
        shared: dict[int, list[bytes | None]] = {}
        keys: list[bytes] = []
        for read, same in zip(self.plan.reads, self.plan.alike, strict=True):
            if same not in shared:
                columns = [self.entities[name] for name in read.given]
                shared[same] = read.keys.tails(columns, self.rows)
            keys += read.keys.after_prefix(shared[same])
        return keys

    def _blocks(self, stored: Sequence[bytes | None]) -> Sequence[Block]:
        """Return the rows of each read as columns."""
        return read_views(self.plan.readers, self.keys, stored, self.spans())

    def spans(self) -> list[Span]:
        """Return how the rows of each read are judged."""
        rows, now = self.rows, self.now_us
        return [
            read.reader.span(rows, now, read.max_age_us, awaits=read.awaits)
            for read in self.plan.reads
        ]

    def answer(self, stored: Sequence[bytes | None]) -> Lookups:
        """Return the answer out of the stored rows, which come in the order of `keys`.

        Raises:
            Stale: rows are staler than their view lets serve.
        """
        return Lookups.of(self.judge(stored))


def _values(name: str, column: Any) -> list[Any]:
    if type(column) is list:
        return column.copy()
    if hasattr(column, "tolist"):
        column = column.tolist()
    if isinstance(column, str | bytes | dict) or not isinstance(column, Sequence):
        raise InvalidInput(
            f"entity column {name!r} is not a list of values",
            hint="write a list with one value per entity, even for one entity",
        )
    return list(column)


def _check_given(plan: LookupPlan, entities: Mapping[str, list[Any]]) -> None:
    if entities.keys() >= plan.join_keys.keys() and entities.keys() >= plan.request.keys():
        return
    needed = {**dict.fromkeys(plan.join_keys, "join key")}
    needed |= dict.fromkeys(plan.request, "request column")
    missing = [f"{what} {name!r}" for name, what in needed.items() if name not in entities]
    if missing:
        raise InvalidInput(
            f"the entities have no {', no '.join(missing)}",
            hint=f"there are {', '.join(map(str, entities))}"
            if entities
            else "give a list of values for each",
        )


def _requested(field: FieldSpec, values: Sequence[Any]) -> list[Any]:
    """Return request values in the one Python type of the field's word."""
    what = f"request column {field.name!r}"
    return _converted(field, values, what, f"give values of type {field.type}", told=True)


def _typed(spec: OnDemandSpec, field: FieldSpec, values: Any) -> list[Any]:
    """Return computed values in the one Python type of the field's word: a float is always a float.

    Raises:
        InvalidInput: one is none of the type; the function and the feature are named.
    """
    exact = EXACT.get(field.type)
    if exact is not None and {type(value) for value in values} <= {exact, NoneType}:
        return list(values)
    what = f"on-demand view {spec.name}: {field.name}, which {spec.function} returned,"
    hint = "make the function return values of the declared type, or declare another"
    return _converted(field, values, what, hint, told=False)


def _converted(
    field: FieldSpec, values: Sequence[Any], what: str, hint: str, *, told: bool
) -> list[Any]:
    """Return ``values`` as they would come back if they were stored; None where null.

    Which of them is none is ``told`` where whoever asks has sent it.
    """
    kind = kind_of(field.type)
    checked: list[Any] = []
    for value in values:
        if is_null(value):
            checked.append(None)
            continue
        try:
            written = kind.write(value)
        except (TypeError, ValueError, OverflowError) as error:
            which = f"{shown(value)} is not: {error}" if told else "a value is not"
            raise InvalidInput(f"{what} is {field.type}, and {which}", hint=hint) from None
        checked.append(kind.read(written) if kind.read else written)
    return checked
