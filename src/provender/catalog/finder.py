"""What is there and where it comes from, for one actor."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select

from provender.catalog import (
    access,
    audit,
    datasets,
    entries,
    evidence,
    lineage,
    listing,
    releases,
    search,
)
from provender.catalog.door import Door
from provender.catalog.records import check_limit
from provender.catalog.rows import ConsumptionRow
from provender.core.audit import ChangeRecord
from provender.core.datasets import DatasetSummary, Entry, Evidence, Listed, Release
from provender.core.errors import InvalidInput
from provender.core.finding import FacetValue, Found, Hit, Question
from provender.core.lineage import Consumer, Neighbourhood, Node
from provender.core.names import DatasetRef, unknown

FACETED = 300
"""Hits that facets are counted over."""


class LocalFinder:
    """`core.protocols.Finder` in this process."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def search(self, question: Question, *, limit: int = 20, after: str = "") -> Found:
        """Return what the actor may discover that fits the question, best first, with why."""
        check_limit(limit)
        _check_now(question.as_of)
        kinds = _kinds(question)
        with self._door.reading() as db:
            who, now = self._door.who(db), self._now()
            wanted = limit + _number(after) + 1
            found = [
                hit
                for kind in kinds
                for hit in search.search(db, who, question.text, limit=wanted, kind=kind, now=now)
            ]
        if len(kinds) > 1:
            found.sort(key=lambda hit: (-hit.score, hit.name))
        first = _number(after)
        hits = tuple(found[first : first + limit])
        more = len(found) > first + limit
        return Found(
            hits=hits,
            total=min(len(found), first + limit),
            approximate=more,
            next=str(first + limit) if more else None,
        )

    def suggest(self, text: str, *, limit: int = 8) -> tuple[Hit, ...]:
        """Return what a text that is not whole yet may become."""
        return self.search(Question(text=text, typing=True), limit=limit).hits

    def facets(self, question: Question) -> dict[str, tuple[FacetValue, ...]]:
        """Return how many hits there are of each type, each project and each owner."""
        everything = Question(text=question.text, as_of=question.as_of)
        hits = self.search(everything, limit=FACETED).hits
        counted = {
            "type": Counter(hit.kind for hit in hits),
            "project": Counter(hit.project for hit in hits if hit.project),
            "owner": Counter(hit.owner for hit in hits if hit.owner),
        }
        return {
            facet: tuple(
                FacetValue(value=value, documents=number, approximate=len(hits) == FACETED)
                for value, number in sorted(values.items(), key=lambda one: (-one[1], one[0]))
            )
            for facet, values in counted.items()
        }

    def entry(self, ref: DatasetRef, *, as_of: datetime | None = None) -> Entry:
        """Return a dataset as it is in the catalog, with its URN and its revision."""
        _check_now(as_of)
        with self._door.reading() as db:
            row = access.discovered(db, self._door.who(db), ref.dataset, now=self._now())
            return entries.entry(db, row)

    def entries(
        self,
        filters: Mapping[str, tuple[str, ...]],
        *,
        as_of: datetime | None = None,
        limit: int = 50,
        after: str = "",
    ) -> Listed[DatasetSummary]:
        """Return the datasets that the actor may discover and that fit, by name."""
        check_limit(limit)
        _check_now(as_of)
        with self._door.reading() as db:
            found = listing.summaries(
                db,
                self._door.who(db),
                filters=filters,
                after=after,
                limit=limit + 1,
                now=self._now(),
            )
        shown = tuple(found[:limit])
        return Listed(shown, shown[-1].name if len(found) > limit else None)

    def releases(self, ref: DatasetRef, *, limit: int = 50, after: str = "") -> Listed[Release]:
        """Return the versions of a dataset, the newest first."""
        check_limit(limit)
        with self._door.reading() as db:
            who, now = self._door.who(db), self._now()
            return releases.releases(db, who, ref, limit=limit, after=_number(after), now=now)

    def evidence(self, ref: DatasetRef) -> Evidence:
        """Return what the publisher of a version measured."""
        with self._door.reading() as db:
            row = datasets.found(db, self._door.who(db), ref, now=self._now())
            return evidence.of(db, row)

    def lineage(
        self,
        node: Node,
        *,
        depth: int = 3,
        columns: bool = False,
        as_of: datetime | None = None,
    ) -> Neighbourhood:
        """Return the edges within ``depth`` steps up and down from ``node``."""
        _check_now(as_of)
        with self._door.reading() as db:
            who, now = self._door.who(db), self._now()
            return lineage.neighbourhood(db, who, node, depth=depth, columns=columns, now=now)

    def consumers(self, ref: DatasetRef, *, limit: int = 50, after: str = "") -> Listed[Consumer]:
        """Return who reads a dataset, or one version of it, by kind and name."""
        check_limit(limit)
        with self._door.reading() as db:
            row = access.discovered(db, self._door.who(db), ref.dataset, now=self._now())
            key = (ConsumptionRow.consumer_kind, ConsumptionRow.consumer, ConsumptionRow.number)
            wanted = select(ConsumptionRow).where(ConsumptionRow.dataset == row.id)
            if ref.version is not None:
                wanted = wanted.where(ConsumptionRow.number == ref.version)
            first = _number(after)
            rows = db.scalars(wanted.order_by(*key).offset(first).limit(limit + 1)).all()
            shown = tuple(map(_consumer, rows[:limit]))
        return Listed(shown, str(first + limit) if len(rows) > limit else None)

    def changes(self, *, after: int = 0, limit: int = 100) -> Listed[ChangeRecord]:
        """Return what happened after the event numbered ``after``, as far as the actor may read it."""
        check_limit(limit)
        with self._door.reading() as db:
            readable = access.readable_events(db, self._door.who(db), now=self._now())
            found = audit.following(db, readable=readable, after=after, limit=limit + 1)
        shown = tuple(
            ChangeRecord(
                sequence=event.sequence,
                at=event.at,
                actor=event.actor,
                kind=event.kind.value,
                subject=event.subject,
                request=event.request,
            )
            for event in found[:limit]
        )
        return Listed(shown, str(shown[-1].sequence) if len(found) > limit else None)

    def _now(self) -> datetime:
        return self._door.clock()


def _consumer(row: ConsumptionRow) -> Consumer:
    return Consumer(
        kind=row.consumer_kind,
        name=row.consumer,
        version=row.number or None,
        first_at=row.first_at,
        last_at=row.last_at,
        times=row.times,
    )


def _kinds(question: Question) -> list[str | None]:
    for name in question.filters:
        if name != "type":
            raise unknown("filter of search", name, ("type",))
    return [*question.filters.get("type", ())] or [None]


def _check_now(as_of: datetime | None) -> None:
    if as_of is not None:
        raise InvalidInput(
            f"the catalog cannot say what it said at {as_of.isoformat()}",
            hint="ask for what it says now; versions can be resolved as of an instant",
        )


def _number(after: str) -> int:
    if after and not (after.isascii() and after.isdecimal() and len(after) < 10):
        raise InvalidInput(
            f"{after!r} is not where a list goes on", hint="give what the last answer calls next"
        )
    return int(after or 0)
