"""What is there and where it comes from, for one actor."""

from collections.abc import Collection, Mapping
from datetime import datetime

from provender.catalog import (
    access,
    audit,
    auditors,
    consumption,
    datasets,
    entries,
    evidence,
    hindsight,
    lineage,
    listing,
    releases,
    search,
    tagging,
    unanswered,
)
from provender.catalog.door import Door
from provender.catalog.records import check_limit
from provender.core.audit import ChangeRecord
from provender.core.datasets import DatasetSummary, Entry, Evidence, Listed, Release
from provender.core.errors import InvalidInput
from provender.core.finding import FACETS, FacetValue, Found, Hit, Question
from provender.core.lineage import Consumer, Neighbourhood, Node, check_now
from provender.core.names import DatasetRef
from provender.core.travel import ColumnTag


class LocalFinder:
    """`core.protocols.Finder` in this process."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def search(self, question: Question, *, limit: int = 20, after: str = "") -> Found:
        """Return what the actor may discover that fits the question, best first, with why.

        What somebody searched for in vain is written down, without who it was.
        """
        check_limit(limit)
        first = _number(after)
        with self._door.reading() as db:
            who = self._door.who(db)
            found = search.search(db, who, question, limit=limit, first=first, now=self._now())
        if unanswered.is_one(question, found):
            self._door.afterwards(lambda: unanswered.note(self._door, question.text))
        return found

    def suggest(self, text: str, *, limit: int = 8) -> tuple[Hit, ...]:
        """Return what a text that is not whole yet may become."""
        check_limit(limit)
        question = Question(text=text, typing=True)
        with self._door.reading() as db:
            who, now = self._door.who(db), self._now()
            return search.search(db, who, question, limit=limit, totals=False, now=now).hits

    def facets(
        self, question: Question, *, among: Collection[str] = FACETS
    ) -> dict[str, tuple[FacetValue, ...]]:
        """Return how many documents that fit have each value, each facet without its own filter."""
        with self._door.reading() as db:
            who, now = self._door.who(db), self._now()
            return search.counted(db, who, question, among=among, now=now)

    def entry(self, ref: DatasetRef, *, as_of: datetime | None = None) -> Entry:
        """Return a dataset as it is in the catalog, or was at ``as_of``: its URN, its revision."""
        with self._door.reading() as db:
            who, now = self._door.who(db), self._now()
            if as_of is not None:
                return hindsight.entry(db, who, ref, as_of=as_of, now=now)
            row = access.discovered(db, who, ref.dataset, now=now)
            return entries.entry(db, who, row, now=now)

    def entries(
        self,
        filters: Mapping[str, tuple[str, ...]],
        *,
        as_of: datetime | None = None,
        limit: int = 50,
        after: str = "",
    ) -> Listed[DatasetSummary]:
        """Return the datasets that the actor may discover and that fit, by name; or did then."""
        check_limit(limit)
        with self._door.reading() as db:
            who, now, most = self._door.who(db), self._now(), limit + 1
            if as_of is None:
                found = listing.summaries(
                    db, who, filters=filters, after=after, limit=most, now=now
                )
            else:
                found = hindsight.summaries(
                    db, who, filters=filters, as_of=as_of, after=after, limit=most, now=now
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
        """Return what the publisher of a version measured, without values that are closed to the actor."""
        with self._door.reading() as db:
            who, now = self._door.who(db), self._now()
            return evidence.seen(db, who, datasets.found(db, who, ref, now=now), now=now)

    def lineage(
        self,
        node: Node,
        *,
        depth: int = 3,
        columns: bool = False,
        as_of: datetime | None = None,
    ) -> Neighbourhood:
        """Return the edges within ``depth`` steps up and down from ``node``."""
        check_now(as_of)
        with self._door.reading() as db:
            who, now = self._door.who(db), self._now()
            return lineage.neighbourhood(db, who, node, depth=depth, columns=columns, now=now)

    def tags(self, node: Node) -> tuple[ColumnTag, ...]:
        """Return the tags on the columns of ``node``: put there, or carried, and where from."""
        with self._door.reading() as db:
            return tagging.of_node(db, self._door.who(db), node, now=self._now())

    def consumers(self, ref: DatasetRef, *, limit: int = 50, after: str = "") -> Listed[Consumer]:
        """Return who reads a dataset, or one version of it, by kind and name."""
        check_limit(limit)
        with self._door.reading() as db:
            who, now = self._door.who(db), self._now()
            return consumption.consumers(db, who, ref, limit=limit, after=after, now=now)

    def changes(self, *, after: int = 0, limit: int = 100) -> Listed[ChangeRecord]:
        """Return what happened after the event numbered ``after``, as far as the actor may read it."""
        check_limit(limit)
        with self._door.reading() as db:
            readable = auditors.readable(db, self._door.who(db), now=self._now())
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


def _number(after: str) -> int:
    if after and not (after.isascii() and after.isdecimal() and len(after) < 10):
        raise InvalidInput(
            f"{after!r} is not where a list goes on", hint="give what the last answer calls next"
        )
    return int(after or 0)
