"""What the catalog said then, case by case."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from provender.catalog import hindsight
from provender.core.datasets import Dataset
from provender.core.editing import Edit
from provender.core.errors import InvalidInput, NotFound
from provender.core.names import DatasetRef
from provender.core.people import Owner, Person, Role
from provender.core.tags import Assignment
from tests.catalog.world import (
    FLIGHTS,
    HOURLY,
    NOW,
    SALARIES,
    WEATHER,
    Clock,
    Connect,
    dataset,
    declared,
    governing,
)

MINUTE = timedelta(minutes=1)
TICK = timedelta(microseconds=1)


def test_a_page_of_then_reads_no_more_than_a_portion(
    connect: Connect, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    many = [dataset(DatasetRef("aviation", f"many_{n:02}"), f"Number {n}.") for n in range(20)]
    connect("gov").desk.apply(governing(*many))
    clock.advance(MINUTE)
    read: list[object] = []
    parse = hindsight.from_json
    monkeypatch.setattr(
        hindsight, "from_json", lambda kind, text: read.append(kind) or parse(kind, text)
    )
    monkeypatch.setattr(hindsight, "PORTION", 4)
    ana = connect("ana")
    page = ana.finder.entries({}, as_of=clock.now - MINUTE, limit=2, after="aviation.many_03")
    assert [one.name for one in page.items] == ["aviation.many_04", "aviation.many_05"]
    assert len(read) == 4
    ours = ana.finder.entries({"domain": ("people",)}, as_of=clock.now - MINUTE)
    assert ours.items == ()
    assert len(read) == 5
    ana.desk.governance(as_of=clock.now - MINUTE, datasets=False)
    assert Dataset not in read[5:]


@pytest.fixture
def told(connect: Connect, clock: Clock) -> Connect:
    """Flights said one thing at NOW, another a minute later, and nothing was said for an hour."""
    clock.advance(MINUTE)
    connect("sam").desk.edit(FLIGHTS, Edit(description="Anew."), expected=None, reason="r")
    clock.advance(60 * MINUTE)
    return connect


def test_a_state_holds_from_its_instant_until_the_next(told: Connect):
    def said(instant: datetime) -> str:
        return told("ana").finder.entry(FLIGHTS, as_of=instant).dataset.description

    first = declared(FLIGHTS).description
    assert [said(NOW), said(NOW + MINUTE - TICK)] == [first, first]
    assert [said(NOW + MINUTE), said(NOW + 60 * MINUTE)] == ["Anew.", "Anew."]


def test_an_instant_that_nobody_knows_of_is_refused(told: Connect, clock: Clock):
    finder, desk = told("ana").finder, told("ana").desk
    asks: list[Callable[[datetime], object]] = [
        lambda instant: finder.entry(FLIGHTS, as_of=instant),
        lambda instant: finder.entries({}, as_of=instant),
        lambda instant: desk.governance(as_of=instant),
    ]
    for ask in asks:
        with pytest.raises(InvalidInput, match=r"its history begins at 2026-03-01T12:00:00\+00"):
            ask(NOW - TICK)
        with pytest.raises(InvalidInput, match="nobody knows what the catalog says at"):
            ask(clock.now + TICK)
        with pytest.raises(InvalidInput, match="has no time zone"):
            ask(NOW.replace(tzinfo=None))
        assert ask(clock.now)


def test_a_dataset_that_came_later_was_not_there_then(told: Connect, clock: Clock):
    new = dataset(DatasetRef("aviation", "gates"), "Gates.")
    told("gov").desk.apply(governing(declared(FLIGHTS), new), overwrite=True)
    with pytest.raises(NotFound, match=r"aviation\.gates was not in the catalog at") as error:
        told("ana").finder.entry(new.ref, as_of=NOW)
    assert error.value.hint == f"its history begins at {clock.now.isoformat()}"
    then = told("ana").finder.entries({}, as_of=NOW).items
    assert new.ref.dataset not in [summary.name for summary in then]
    with pytest.raises(NotFound, match="not found"):
        told("ana").finder.entry(DatasetRef("aviation", "never"), as_of=NOW)


def test_looking_back_opens_nothing_that_is_closed_now_or_was_then(connect: Connect, clock: Clock):
    ana, ops = connect("ana"), connect("ops")
    personal = (Assignment("personal"),)
    for ref, first, second in (
        (WEATHER, Edit(assign=personal), Edit(unassign=personal)),  # closed then, open now
        (HOURLY, Edit(description="Open."), Edit(assign=personal)),  # open then, closed now
    ):
        ops.desk.edit(ref, first, expected=None, reason="r")
        clock.advance(MINUTE)
        ops.desk.edit(ref, second, expected=None, reason="r")
    then = clock.now - MINUTE
    clock.advance(MINUTE)
    for instant in (NOW, then):
        listed = [s.name for s in ana.finder.entries({}, as_of=instant).items]
        said = [d.ref for d in ana.desk.governance(as_of=instant).datasets]
        assert HOURLY.dataset not in listed
        assert SALARIES not in said
        for ref in (HOURLY, SALARIES):
            with pytest.raises(NotFound):
                ana.finder.entry(ref, as_of=instant)
    assert ops.finder.entry(WEATHER, as_of=NOW).dataset.tags == ("personal",)
    with pytest.raises(NotFound):
        ana.finder.entry(WEATHER, as_of=NOW)
    assert WEATHER.dataset not in [s.name for s in ana.finder.entries({}, as_of=NOW).items]
    assert WEATHER.dataset in [s.name for s in ana.finder.entries({}, as_of=clock.now).items]


def test_what_was_withdrawn_since_is_for_who_governs(told: Connect):
    without = tuple(d for d in governing().datasets if d.ref != WEATHER)
    told("gov").desk.apply(replace(governing(), datasets=without), overwrite=True)
    assert told("gov").finder.entry(WEATHER, as_of=NOW).dataset == declared(WEATHER)
    assert WEATHER.dataset in [s.name for s in told("gov").finder.entries({}, as_of=NOW).items]
    for name in ("ana", "ops"):
        with pytest.raises(NotFound):
            told(name).finder.entry(WEATHER, as_of=NOW)
        listed = told(name).finder.entries({}, as_of=NOW).items
        assert WEATHER.dataset not in [s.name for s in listed]


def test_people_who_were_taken_away_are_for_who_governs(told: Connect, clock: Clock):
    gone = Person(id="person:gone", name="Gone", contact="gone@a.example")
    told("gov").desk.declare(gone)
    instant = clock.now
    clock.advance(MINUTE)
    assert gone in told("ana").desk.governance(as_of=instant).people
    told("gov").desk.withdraw("person", gone.id)
    assert gone not in told("ana").desk.governance(as_of=instant).people
    with pytest.raises(NotFound) as error:
        told("ana").desk.history("person", gone.id)
    assert "did you mean" in error.value.hint
    assert gone in told("gov").desk.governance(as_of=instant).people
    assert len(told("gov").desk.history("person", gone.id).items) == 2
    assert told("ana").desk.history("person", "person:max").items


def test_a_name_of_then_tells_nothing_of_what_is_hidden(connect: Connect, clock: Clock):
    gov, ana, hr = connect("gov"), connect("ana"), DatasetRef("people", "payroll")
    gov.desk.declare(replace(declared(SALARIES), owner="person:sam"))
    urn = connect("sam").finder.entry(SALARIES).urn
    connect("sam").desk.rename(SALARIES, hr.dataset, expected=None)
    gone = DatasetRef("aviation", "gone")
    gov.desk.declare(dataset(gone, "Gone."))
    gov.desk.withdraw("dataset", gone.dataset, reason="it was a mistake")
    clock.advance(MINUTE)
    for name in (SALARIES.dataset, gone.dataset, "people.never"):
        for ask in (
            lambda: ana.finder.entry(DatasetRef.parse(name), as_of=clock.now),  # noqa: B023
            lambda: ana.desk.history("dataset", name),  # noqa: B023
        ):
            with pytest.raises(NotFound) as error:
                ask()
            assert error.value.message == f"dataset {name!r} not found"
            assert "begins" not in error.value.hint
    with pytest.raises(NotFound) as error:
        ana.desk.history("dataset", urn)
    assert hr.dataset not in str(error.value)


def test_who_governs_reads_why_a_dataset_was_withdrawn(told: Connect):
    gone = DatasetRef("aviation", "gone")
    told("gov").desk.declare(dataset(gone, "Gone."))
    urn = told("gov").finder.entry(gone).urn
    told("gov").desk.withdraw("dataset", gone.dataset, reason="it was a mistake")
    for key in (gone.dataset, urn):
        last, first = told("gov").desk.history("dataset", key).items
        assert (last.value, last.reason, last.by) == (None, "it was a mistake", "person:gov")
        assert first.value is not None
        with pytest.raises(NotFound):
            told("ops").desk.history("dataset", key)


def test_a_list_of_then_is_narrowed_and_goes_on_by_what_was_said_then(told: Connect):
    finder = told("ana").finder
    moved = Edit(owners=(Owner("team:models"), Owner("person:ops", Role.STEWARD)))
    told("ops").desk.edit(WEATHER, moved, expected=None, reason="moved")

    def names(after: str = "", limit: int = 50, **filters: tuple[str, ...]) -> list[str]:
        part = finder.entries(filters, as_of=NOW, limit=limit, after=after)
        assert (part.next is None) == (len(part.items) < limit)
        return [s.name for s in part.items]

    assert names(owner=("team:models",)) == []
    every = names(owner=("team:ops",))
    assert every == [FLIGHTS.dataset, WEATHER.dataset, HOURLY.dataset]
    assert names(limit=1, after=every[0]) == every[1:2]
    assert names(tag=("source.bts", "x"), domain=("aviation",)) == [FLIGHTS.dataset]
    assert names(term=("delay",)) == names(domain=("people",)) == []
    with pytest.raises(NotFound, match="filter of datasets 'tags' not found"):
        names(tags=("x",))
