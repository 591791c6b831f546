"""What fits a question: its words are read, documents nominated, the nominated ranked.

The vocabulary says what words mean, the index which documents hold them, `core.ranking` which is
best; here they are put together, the same for both databases. Only what the actor may discover is
counted, corrected to, suggested or found, so that what is hidden and what is not there look alike.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from provender.catalog import (
    candidates,
    epoch,
    facets,
    hindsight,
    naming,
    nominate,
    past,
)
from provender.catalog.candidates import Told
from provender.catalog.namesakes import Once
from provender.catalog.narrowing import Narrowing, check, held, narrowing
from provender.catalog.nominate import Seen, Sought
from provender.catalog.past import Number, View
from provender.catalog.reading import Reading, reading_of
from provender.core.finding import FACETS, FacetValue, Found, Hit, Question
from provender.core.people import Actor
from provender.core.policy import Action
from provender.core.ranking import Asked, Closeness, Rated, rank
from provender.core.reasons import in_words, parts
from provender.core.words import asked_words, legible, run_together

MOST_LETTERS = 400
"""Of a question; what is behind them is not read."""
NOMINATED = 100
"""Documents of each kind of nomination."""
ENOUGH = 50
"""Nominees from which on words that are missing are not tried."""
REACHED = 10_000
"""Documents that can be paged to; those behind the rated ones come by their impact."""
TOTALLED = facets.OVER
"""Hits that are counted, as many as the values beside them; where there are as many, there may be more."""
NAMED = 50
BEGUN = 20
OF_URN = "SELECT c.name FROM datasets c WHERE c.urn = {} AND c.name <> {}"
ONCE_CALLED = (
    "SELECT c.name FROM dataset_names n JOIN datasets c ON c.id = n.dataset "
    "WHERE n.name = {} AND c.name <> {}"
)
KEPT_FACETS = tuple(facet for facet in FACETS if facet != "freshness")
"""What is known of documents as of an instant."""


@dataclass(frozen=True, slots=True)
class _Nominated:
    """Documents, the loosest thing that was sought to find them, and how many hold that."""

    numbers: list[Number]
    sought: Sought
    is_complete: bool
    seen: Seen


def search(
    db: Session,
    who: Actor,
    question: Question,
    *,
    limit: int,
    first: int = 0,
    totals: bool = True,
    now: datetime,
) -> Found:
    """Return the hits from the one numbered ``first`` on, best first; without words, everything.

    Without ``totals`` no more of them are counted than were ranked.

    Raises:
        NotFound: there is nothing like it to narrow by, or no such type.
        InvalidInput: nobody can say what was found at that time.
    """
    moment = question.as_of or now
    past.check(db, question, now=now)
    narrowed = narrowing(db, question.filters, now=moment)
    text = legible(question.text[:MOST_LETTERS])
    if narrowed is None or (question.typing and not text):
        counts = counted(db, who, question, most=facets.SHOWN, now=now) if question.facets else {}
        return Found(hits=(), total=0, facets=counts)
    view = _view(db, who, question, now=now)
    reading = reading_of(db, view, text, typing=question.typing)
    upto = TOTALLED if totals and not narrowed.parts else 0
    asked, found = _find(db, view, reading, narrowed, typing=question.typing, upto=upto)
    fetched = candidates.fetch(db, found.numbers, as_of=question.as_of)
    narrow, is_open = view.narrowed(narrowed.condition), not found.is_complete
    wanted = totals and is_open and not narrowed.parts
    with _total(db, narrow, found, wanted=wanted) as counted_all:
        rated = rank(fetched, asked, now=moment)
        total = counted_all()
    if narrowed.parts:
        rated = [one for one in rated if _is_or_has(one, asked, narrowed)]
    shown, goes_on = rated[first : first + limit], first + limit < len(rated)
    if not (goes_on or found.is_complete):
        part = slice(max(0, first - len(rated)), max(0, first + limit - len(rated)))
        others = _others(db, narrow, found)
        behind, goes_on = _behind(db, others, part, asked, narrowed, question, now=moment)
        shown += behind
    more = is_open if total is None else total >= TOTALLED
    missing = len(asked.terms) - len(rated[0].held) if rated else 0
    return Found(
        hits=_hits(db, shown, asked, explain=question.explain, now=moment),
        total=max(total or 0, len(rated)),
        approximate=more,
        missing=missing + reading.unread if rated else 0,
        ignored=len(asked_words(question.text)) - reading.asked,
        read_as=reading.read_as,
        facets=_facets(db, who, view, question, reading, found, now=now),
        next=str(first + limit) if goes_on else None,
    )


def counted(
    db: Session,
    who: Actor,
    question: Question,
    *,
    among: Collection[str] = FACETS,
    most: int = facets.LISTED,
    now: datetime,
) -> dict[str, tuple[FacetValue, ...]]:
    """Return how many documents that fit the question have each value of facets ``among`` all.

    Each facet is counted without what the question asks of it: what else could be chosen.

    Raises:
        NotFound, InvalidInput: as `search`.
    """
    text = legible(question.text[:MOST_LETTERS])
    past.check(db, question, now=now)
    check(question.filters)
    if not text and not question.filters and question.as_of is None:
        visible = epoch.visible_scopes(db, who, Action.DISCOVER, now=now)
        besides = past.opened_documents(db, visible)
        wanted = [FACETS.index(facet) for facet in among]
        return facets.browse(db, visible, besides, wanted, most=most, now=now)
    view = _view(db, who, question, now=now)
    reading = reading_of(db, view, text, typing=question.typing)
    moment = question.as_of or now
    return _counted(db, view, question, reading, None, among=among, most=most, now=moment)


def _facets(
    db: Session,
    who: Actor,
    view: View,
    question: Question,
    reading: Reading,
    found: _Nominated,
    *,
    now: datetime,
) -> dict[str, tuple[FacetValue, ...]]:
    if not question.facets:
        return {}
    if not (reading.text or question.filters):
        return counted(db, who, question, most=facets.SHOWN, now=now)
    return _counted(
        db, view, question, reading, found, most=facets.SHOWN, now=question.as_of or now
    )


def _counted(
    db: Session,
    view: View,
    question: Question,
    reading: Reading,
    whole: _Nominated | None,
    *,
    among: Collection[str] = FACETS,
    most: int,
    now: datetime,
) -> dict[str, tuple[FacetValue, ...]]:
    """The counts beside a question that was read; ``whole``: what was nominated for all of it."""
    found: dict[str, tuple[FacetValue, ...]] = {}
    known = held(db, question.filters)
    possible = FACETS if question.as_of is None else KEPT_FACETS
    kept = [facet for facet in possible if facet in among]
    free = [facet for facet in kept if facet not in question.filters]
    for group in (free, *([facet] for facet in kept if facet in question.filters)):
        if not group:
            continue
        filters = {name: v for name, v in question.filters.items() if name not in group}
        narrowed = narrowing(db, filters, known=known, now=now)
        if narrowed is None or (reading.text and not reading.codes):
            continue
        narrow = view.narrowed(narrowed.condition)
        sought = Sought((), narrowed.groups)
        if reading.text:
            loosest = whole.sought.missing if whole is not None else len(reading.codes) - 1
            same = whole.sought if whole is not None and group is free else None
            sought = same or _sought(db, narrow, reading.codes, narrowed, loosest)
        numbers = [FACETS.index(facet) for facet in group]
        found |= facets.over(db, narrow, sought, numbers, most=most, now=now)
    return {facet: found[facet] for facet in FACETS if facet in found}


def _view(db: Session, who: Actor, question: Question, *, now: datetime) -> View:
    visible = epoch.visible_scopes(db, who, Action.DISCOVER, now=now)
    if question.as_of is None:
        return past.view(db, visible, as_of=None)
    gone = hindsight.withdrawn(db, who, now=now)
    return past.view(db, visible, as_of=question.as_of, withdrawn=gone)


def _find(
    db: Session, view: View, reading: Reading, narrowed: Narrowing, *, typing: bool, upto: int
) -> tuple[Asked, _Nominated]:
    """Nominate what holds the words that were read, and what is called so; ``upto``: as `nominees`.

    What narrows the search does not change what its words mean.
    """
    narrow, text = view.narrowed(narrowed.condition), reading.text
    if not text:
        sought = Sought((), narrowed.groups)
        numbers, seen = narrow.nominees(db, sought, limit=2 * NOMINATED, upto=upto)
        is_complete = len(numbers) < 2 * NOMINATED
        return Asked.of("", ()), _Nominated(numbers, sought, is_complete, seen)
    found = _nominate(db, narrow, reading.codes, narrowed, upto)
    exact, former = _named(db, narrow, text)
    begun = narrow.beginning(db, run_together(text), limit=BEGUN) if typing else []
    if narrowed.groups:
        exact = _fitting(db, narrow, exact, narrowed)
        begun = _fitting(db, narrow, begun, narrowed)
    numbers = list(dict.fromkeys((*exact, *found.numbers, *begun)))
    asked = Asked.of(text, reading.terms, map(candidates.key_of, former))
    return asked, replace(found, numbers=numbers)


def _nominate(
    db: Session, view: View, groups: Sequence[Sequence[str]], narrowed: Narrowing, upto: int
) -> _Nominated:
    """All the words first, in the name and anywhere; then one missing, until there are enough."""
    numbers: dict[Number, None] = {}
    sought, is_complete, seen = Sought((), narrowed.groups), True, Seen()
    for missing in range(len(groups)):
        sought = Sought(groups, narrowed.groups, missing)
        anywhere, seen = view.nominees(db, sought, limit=NOMINATED, upto=upto)
        is_complete = len(anywhere) < NOMINATED
        if not is_complete:  # else those that have them in the name are all there
            titled = view.nominated(db, replace(sought, in_title=True), limit=NOMINATED)
            numbers.update(dict.fromkeys(titled))
        numbers.update(dict.fromkeys(anywhere))
        if len(numbers) >= ENOUGH:
            break
    return _Nominated(list(numbers), sought, is_complete, seen)


def _sought(
    db: Session,
    view: View,
    groups: Sequence[Sequence[str]],
    narrowed: Narrowing,
    loosest: int,
) -> Sought:
    """The loosest thing that `_nominate` would seek, without what it would find.

    With less to narrow by there is more: no more than ``loosest`` words are missing then.
    """
    for missing in range(loosest):
        sought = Sought(groups, narrowed.groups, missing)
        if view.counts(db, [sought], most=ENOUGH)[0] >= ENOUGH:
            return sought
    return Sought(groups, narrowed.groups, loosest)


def _others(db: Session, view: View, found: _Nominated) -> list[Number]:
    """What holds the words, too, behind what was nominated: by its impact."""
    known = set(found.numbers)
    every = view.nominated(db, found.sought, limit=REACHED)
    return [number for number in every if number not in known]


def _behind(
    db: Session,
    others: Sequence[Number],
    part: slice,
    asked: Asked,
    narrowed: Narrowing,
    question: Question,
    *,
    now: datetime,
) -> tuple[list[Rated], bool]:
    """That ``part`` of the others that fit, and whether more of them do."""

    def rated(numbers: Sequence[Number]) -> list[Rated]:
        return rank(candidates.fetch(db, numbers, as_of=question.as_of), asked, now=now)

    if not narrowed.parts:
        return rated(others[part]), part.stop < len(others)
    fitting: list[Rated] = []
    for start in range(0, len(others), NOMINATED):
        some = rated(others[start : start + NOMINATED])
        fitting += [one for one in some if _is_or_has(one, asked, narrowed)]
        if len(fitting) > part.stop:
            break
    return fitting[part], len(fitting) > part.stop


def _is_or_has(rated: Rated, asked: Asked, narrowed: Narrowing) -> bool:
    """Whether it is of a type that was asked for, or was found by a part that is."""
    found_by = {part.kind for part in parts(rated, asked)}
    return rated.candidate.kind in narrowed.kinds or not found_by.isdisjoint(narrowed.parts)


@contextmanager
def _total(
    db: Session, view: View, found: _Nominated, *, wanted: bool
) -> Iterator[Callable[[], int | None]]:
    """How many documents there are, counted meanwhile; None where it is not ``wanted``."""
    total, sought = min(found.seen.known, TOTALLED), found.sought
    if not wanted or total >= TOTALLED or found.seen.is_all:
        yield lambda: total if wanted else None
        return
    rare = bool(sought.words) and found.seen.is_high  # these were counted with the nomination
    with view.count_ahead(db, sought, most=TOTALLED, rare=rare) as count:
        yield count


def _named(db: Session, view: View, text: str) -> tuple[list[Number], list[Number]]:
    """Documents that are called ``text``; of these, those that were, or that have it as a URN."""
    folded = text.casefold()
    names = (text, folded, folded.rpartition("/")[2])
    is_urn = text.startswith(naming.PREFIX)
    once = Once(OF_URN, text, folded) if is_urn else Once(ONCE_CALLED, folded, folded)
    found = view.named(db, names, run_together(text), once, limit=NAMED)
    exact = list(dict.fromkeys(number for number, _ in found))
    return exact, [number for number, was in found if was]


def _fitting(
    db: Session, view: View, numbers: Sequence[Number], narrowed: Narrowing
) -> list[Number]:
    """Those of ``numbers`` that have the values asked for."""
    kept: list[Number] = []
    for place, number in numbers:
        same = nominate.is_document(db, place, number)
        one = View(tuple((p, s) for p, s in view.places if p is place)).narrowed(same)
        kept += one.nominated(db, Sought((), narrowed.groups), limit=1)
    return kept


def _hits(
    db: Session, rated: Sequence[Rated], asked: Asked, *, explain: bool, now: datetime
) -> tuple[Hit, ...]:
    told = candidates.told(db, [one.candidate.id for one in rated])
    return tuple(
        _hit(one, told[one.candidate.id], asked, explain=explain, now=now) for one in rated
    )


def _hit(rated: Rated, told: Told, asked: Asked, *, explain: bool, now: datetime) -> Hit:
    one = rated.candidate
    return Hit(
        kind=one.kind,
        name=one.name,
        node=told.node,
        description=told.description,
        owner=told.owner,
        project=one.project,
        score=rated.score,
        why=in_words(rated, asked) or _otherwise(rated, asked),
        parts=parts(rated, asked),
        explain=rated.points if explain else (),
        state=one.state,
        fresh=one.is_fresh(now=now),
    )


def _otherwise(rated: Rated, asked: Asked) -> str:
    if not asked.text:
        return "it is among all that fits: no word was asked for"
    if rated.candidate.short_key.startswith(asked.key):
        return "the name begins so"
    return "the name is near" if rated.closeness is Closeness.FEWER else "by name"
