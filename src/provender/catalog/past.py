"""Where search looks: at what is found now, or at what was found as of an instant.

As of an instant are the documents that are as they were then, and those that other ones took the
place of since. Who may see what is decided by today's rights, of what a document rested on then
and rests on now: what is closed today stays closed, whatever it said when it was open.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from provender.catalog import namesakes, nominate, queries
from provender.catalog.epoch import Visible
from provender.catalog.namesakes import Once
from provender.catalog.nominate import LAST, NOW, PAST, Place, Seen, Sought
from provender.catalog.rows import HistoryRow
from provender.catalog.scopes import among, within
from provender.core.clock import to_utc
from provender.core.errors import InvalidInput
from provender.core.finding import KINDS, Question
from provender.core.lineage import NodeKind

MOST_OPENED = 5_000
"""Documents that grants open to one actor, and that are found."""

ENTITY, VIEW = KINDS.index(NodeKind.ENTITY.value), KINDS.index(NodeKind.VIEW.value)

Number = tuple[Place, int]
"""A document: where it lies, and its number there."""


@dataclass(frozen=True, slots=True)
class View:
    """The documents that an actor sees, at one time: a condition for each place that holds some."""

    places: tuple[tuple[Place, str], ...]

    def narrowed(self, condition: str) -> "View":
        """Return the part of the view that fulfils ``condition`` on the document ``d``."""
        if not condition:
            return self
        return View(tuple((p, f"({shown}) AND ({condition})") for p, shown in self.places))

    def nominated(self, db: Session, sought: Sought, *, limit: int) -> list[Number]:
        """Return documents that hold what is sought, up to ``limit`` from each place."""
        return self.nominees(db, sought, limit=limit)[0]

    def nominees(
        self, db: Session, sought: Sought, *, limit: int, upto: int = 0
    ) -> tuple[list[Number], Seen]:
        """Return what `nominated` does, and how many were seen.

        Up to ``upto`` are seen where that takes less than to count them afterwards.
        """
        found = [
            (place, nominate.nominated(db, place, _shown(sought, shown), limit=limit, upto=upto))
            for place, shown in self.places
        ]
        numbers = [(place, number) for place, some in found for number in some.numbers]
        return numbers, sum((some.seen for _, some in found), Seen())

    def counts(
        self, db: Session, every: Sequence[Sought], *, most: int, rare: bool = False
    ) -> list[int]:
        """Return how many documents hold each of what is sought; ``most`` if there are more."""
        totals = [0] * len(every)
        for place, shown in self.places:
            asked = [_shown(sought, shown) for sought in every]
            for at, number in enumerate(nominate.counts(db, place, asked, most=most, rare=rare)):
                totals[at] += number
        return [min(most, total) for total in totals]

    @contextmanager
    def count_ahead(
        self, db: Session, sought: Sought, *, most: int, rare: bool
    ) -> Iterator[Callable[[], int]]:
        """Let one of `counts` be counted meanwhile: `queries.ahead`."""
        if len(self.places) > 1:
            yield lambda: self.counts(db, [sought], most=most, rare=rare)[0]
            return
        ((place, shown),) = self.places
        asked = _shown(sought, shown)
        with nominate.count_ahead(db, place, asked, most=most, rare=rare) as answer:
            yield lambda: min(most, *answer()[0])

    def named(
        self, db: Session, names: Sequence[str], key: str, once: Once, *, limit: int
    ) -> list[tuple[Number, bool]]:
        """Return documents with one of ``names``, or whose short name runs together as ``key``.

        And those of datasets that were ``once`` called so: these are True, and come first.
        """
        return [
            ((place, number), was)
            for place, shown in self.places
            for number, was in namesakes.named(
                db, place, names, key, once, shown=shown, limit=limit
            )
        ]

    def beginning(self, db: Session, key: str, *, limit: int) -> list[Number]:
        """Return documents whose short name begins with ``key``."""
        return [
            (place, number)
            for place, shown in self.places
            for number in namesakes.beginning(db, place, key, shown=shown, limit=limit)
        ]


def view(
    db: Session,
    visible: Visible,
    *,
    as_of: datetime | None,
    withdrawn: frozenset[int] = frozenset(),
) -> View:
    """Return what somebody who sees ``visible`` may find, now or as of an instant.

    Of the datasets that are ``withdrawn`` what was found of them then.
    """
    seen = within(db, "d.scope", visible.scopes)
    opened = opened_documents(db, visible)
    if opened:
        seen = f"({seen}) OR {among('d.id', opened)}"
    if as_of is None:
        return View(((NOW, seen),))
    then = nominate.instant(db, as_of)
    looked_back = replace(visible, datasets=visible.datasets | withdrawn)
    began = f"d.from_at <= {then}"
    return View(
        (
            (NOW, f"({seen}) AND {began}"),
            (PAST, f"{_seen_then(db, looked_back)} AND {began} AND d.until_at > {then}"),
        )
    )


def views_by_project(db: Session, view: View, *, of: str = "") -> dict[str, bool]:
    """Return the projects that have feature views now, and whether ``view`` shows one of them.

    Of one project, if it is named: the nodes of its views begin with it and a slash.
    """
    mark = "%s" if queries.is_postgresql(db) else "?"
    begins = f"AND n.name >= {mark} AND n.name < {mark}" if of else ""
    bounds = (f"{of}/", f"{of}/{LAST}") if of else ()
    found: dict[str, bool] = {}
    for place, shown in view.places:
        documents = f"{place.table} d"
        if queries.is_postgresql(db):  # which would read all of them
            documents = f"LATERAL (SELECT * FROM {documents} WHERE d.node = n.id OFFSET 0) d"
        query = (
            f"SELECT v.value, max(CASE WHEN {shown} THEN 1 ELSE 0 END) FROM nodes n "
            f"CROSS JOIN {documents} CROSS JOIN facet_values v "  # by nodes, which are few
            f"WHERE n.kind = '{NodeKind.VIEW.value}' AND n.column_name = '' {begins} "
            f"AND d.node = n.id AND d.kind = {VIEW} AND v.id = d.project GROUP BY v.value"
        )
        rows = db.connection().exec_driver_sql(query, bounds)
        found |= {name: bool(seen) for name, seen in rows}
    return found


def node_names(db: Session, view: View, kind: str, *, limit: int) -> list[str]:
    """Return the names of nodes of a kind that ``view`` shows documents of."""
    if kind not in KINDS:
        return []
    found: list[str] = []
    for place, shown in view.places:
        query = (
            f"SELECT n.name FROM {place.table} d JOIN nodes n ON n.id = d.node "
            f"WHERE d.kind = {KINDS.index(kind)} AND ({shown}) ORDER BY n.name LIMIT {limit}"
        )
        found += (row[0] for row in db.connection().exec_driver_sql(query))
    return found


def check(db: Session, question: Question, *, now: datetime) -> None:
    """Check that the catalog knows what is asked of an instant, where an instant is asked about.

    Raises:
        InvalidInput: it is still to come, without a time zone, or before the catalog's memory;
            or it is asked how fresh things were, which is not kept.
    """
    as_of = question.as_of
    if as_of is None:
        return
    if "freshness" in question.filters:
        raise InvalidInput(
            "the catalog does not keep how fresh things were, only how fresh they are",
            hint="leave out freshness, or as_of",
        )
    if as_of.tzinfo is None:
        raise InvalidInput(f"as of {as_of} has no time zone", hint="give an instant in UTC")
    if to_utc(as_of) > now:
        raise InvalidInput(
            f"{as_of.isoformat()} is still to come", hint="ask for an instant that is over"
        )
    first = db.scalar(select(func.min(HistoryRow.from_at)))
    if first is None or as_of < first:
        since = (
            "nothing is known yet" if first is None else f"history begins at {first.isoformat()}"
        )
        raise InvalidInput(
            f"the catalog cannot say what it said at {as_of.isoformat()}: {since}",
            hint="ask for a later instant",
        )


def opened_documents(db: Session, visible: Visible) -> list[int]:
    """Return the documents outside the visible scopes that rest on open datasets only."""
    if not visible.datasets:
        return []
    granted = among("r.dataset", visible.datasets)
    query = (
        "SELECT DISTINCT d.id FROM rests_on r JOIN search_documents d ON d.node = r.node "
        f"WHERE {granted} AND NOT ({within(db, 'd.scope', visible.scopes)}) "
        f"AND {_all_open(db, 'rests_on q WHERE q.node = d.node', visible)} "
        f"ORDER BY d.id LIMIT {MOST_OPENED}"
    )
    return [row[0] for row in db.connection().exec_driver_sql(query)]


def _seen_then(db: Session, visible: Visible) -> str:
    """What the document rested on, and what its node rests on, is open now."""
    return (
        f"{_all_open(db, 'past_rests_on q WHERE q.past = d.id', visible)} "
        f"AND {_all_open(db, 'rests_on q WHERE q.node = d.node', visible)}"
    )


def _all_open(db: Session, resting: str, visible: Visible) -> str:
    """Every dataset is open; of an entity one is: `derivation.is_seen`."""
    of, _, which = resting.partition(" WHERE ")
    dataset = f"SELECT 1 FROM {of} JOIN datasets s ON s.id = q.dataset WHERE {which}"
    is_open = _open(db, "s", visible)
    return (
        f"(NOT EXISTS ({dataset} AND NOT ({is_open})) "
        f"OR d.kind = {ENTITY} AND EXISTS ({dataset} AND ({is_open})))"
    )


def _open(db: Session, dataset: str, visible: Visible) -> str:
    inside = within(db, f"{dataset}.scope", visible.scopes)
    return f"({inside}) OR {among(f'{dataset}.id', visible.datasets)}"


def _shown(sought: Sought, shown: str) -> Sought:
    return Sought(
        words=sought.words,
        facets=sought.facets,
        missing=sought.missing,
        in_title=sought.in_title,
        shown=shown if not sought.shown else f"({shown}) AND ({sought.shown})",
    )
