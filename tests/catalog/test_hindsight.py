"""What the catalog said then (T24): against copies that were taken at the time."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

import pytest

from provender.core.contracts import CheckResult, Outcome
from provender.core.datasets import DatasetSummary, Entry, Evidence
from provender.core.editing import Edit
from provender.core.errors import InvalidInput, NotFound
from provender.core.glossary import Term
from provender.core.governance import Governance
from provender.core.lifecycle import TRANSITIONS, Severity, Step
from provender.core.names import DatasetRef
from provender.core.people import Owner, Person, Role
from provender.core.policy import Action, Rule
from provender.core.retention import Retention
from provender.core.tags import Assignment, Tag
from tests.catalog.stewarded import STEWARDED
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
    manifest,
)
from tests.stress import times

MUTATIONS = 200
INSTANTS = 20
MINUTE = timedelta(minutes=1)
TICK = timedelta(microseconds=1)
FAILED = CheckResult(name="rows", outcome=Outcome.FAIL, severity=Severity.REFUSE)
ALL_RULE = Rule(id="all", actors=("person:ops",), actions=tuple(Action))


@dataclass
class Copy:
    """What the catalog said of everything, after one change."""

    governance: Governance
    entries: dict[str, Entry]
    listed: tuple[DatasetSummary, ...]


@dataclass
class Mutator:
    """Changes a catalog at random, and keeps a copy of what it says after each change."""

    connect: Connect
    clock: Clock
    random: Random
    at: datetime = NOW
    rows: int = 0
    touched: set[str] = field(default_factory=set)
    instants: list[datetime] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)

    def mutate(self) -> None:
        self.clock.advance(self.random.choice([0, 0, 1, 7, -3]) * MINUTE)
        change = self.random.choices(
            [self.edit, self.apply, self.publish, self.step, self.rename, self.grant, self.keep],
            weights=[10, 3, 5, 4, 1, 1, 1],
        )[0]
        change()
        (last,) = self.connect("gov").audit_events(limit=1)
        assert last.at >= self.at, "an instant of the catalog never falls"
        self.at = last.at
        self.copy()

    def copy(self) -> None:
        gov = self.connect("gov")
        said = gov.desk.governance()
        before = self.copies[-1] if self.copies else Copy(Governance(), {}, ())
        same = {d.ref.dataset for d in said.datasets if d in before.governance.datasets}
        entries = {
            d.ref.dataset: before.entries[d.ref.dataset]
            if d.ref.dataset in same - self.touched
            else gov.finder.entry(d.ref)
            for d in said.datasets
        }
        self.touched.clear()
        self.instants.append(self.at)
        self.copies.append(Copy(said, entries, gov.finder.entries({}, limit=1000).items))

    def edit(self) -> None:
        ref = self.some_dataset()
        said = self.copies[-1].entries[ref.dataset].dataset
        self.touched.add(ref.dataset)
        put = Assignment("quality", self.random.choice(["good", "bad"]), self.some_column())
        there = put in said.assignments
        owners = (Owner(said.owner), Owner(self.random.choice(PEOPLE), Role.STEWARD))
        edit = self.random.choice(
            [
                Edit(description=f"Said {self.random.randrange(9)}."),
                Edit(unassign=(put,)) if there else Edit(assign=(put,)),
                Edit(owners=owners),
                Edit(terms=tuple(self.random.sample(["delay", "tail number"], k=1))),
                Edit(column_descriptions={self.some_column() or "x": self.random.choice("ab")}),
            ]
        )
        try:
            self.connect("ops").desk.edit(ref, edit, expected=None, reason="at random")
        except InvalidInput:  # a column that the published schema does not have
            self.connect("ops").desk.edit(
                ref, Edit(documentation=f"# {self.random.random()}"), expected=None, reason="r"
            )

    def apply(self) -> None:
        gov, pick = self.connect("gov"), self.random.choice("abc")
        said = gov.desk.governance()
        extra = dataset(DatasetRef("aviation", f"extra_{pick}"), f"Extra {pick}.")
        new: dict[str, tuple[object, ...]] = {
            "datasets": (extra,),
            "people": (Person(id=f"person:{pick}"),),
            "tags": (Tag(name=f"extra.{pick}"),),
            "terms": (Term(name=f"term {pick}", definition=self.random.choice("xyz")),),
            "rules": (Rule(id=pick, actors=("anyone",), actions=(Action.READ,)),),
        }
        kind = self.random.choice([*new, "purposes", "domains"])
        toggled = _toggled(said, kind, new, pick, self.random)
        gov.desk.apply(toggled, overwrite=True)  # what is removed may have been edited

    def publish(self) -> None:
        self.rows += 1
        evidence = Evidence(checks=(FAILED,) if self.random.random() < 0.2 else ())
        ref = self.random.choice([FLIGHTS, HOURLY])
        self.touched.add(ref.dataset)
        self.connect("ops").publish(
            ref,
            manifest(self.rows, of=ref),
            evidence=evidence,
            draft=self.random.random() < 0.2,
        )

    def step(self) -> None:
        ref = self.random.choice([FLIGHTS, HOURLY])
        finder = self.connect("ops").finder
        there, latest = finder.releases(ref, limit=5).items, finder.entry(ref).latest or 0
        possible = [
            (release.version.ref, step)
            for release in there
            for state, step in TRANSITIONS
            if state is release.standing.state
            and release.data_gone_at is None
            and (step is not Step.PUBLISH or release.version.number > latest)  # not overtaken
        ]
        if possible:
            self.touched.add(ref.dataset)
            version, step = self.random.choice(possible)
            self.connect("ops").desk.step(version, step, reason="at random")

    def rename(self) -> None:
        """Weather gets another name, perhaps one that it had."""
        there = [d.ref for d in self.copies[-1].governance.datasets if d.owner == "team:ops"]
        (weather,) = (ref for ref in there if ref.name.startswith("weather") and ref != HOURLY)
        new = f"aviation.weather{self.random.choice(['', '_a', '_b'])}"
        self.connect("ops").desk.rename(weather, new, expected=None)

    def keep(self) -> None:
        self.touched.add(FLIGHTS.dataset)
        desk = self.connect("ops").desk
        if self.random.random() < 0.5:
            rule = Retention(keep_versions=self.random.randrange(1, 4))
            desk.retention(FLIGHTS, rule, expected=None, dry_run=False)
        elif self.random.random() < 0.5:  # data that went cannot be published again
            desk.retention(FLIGHTS, None, expected=None, dry_run=False)

    def grant(self) -> None:
        given = self.connect("ops").grant(FLIGHTS, grantee=self.random.choice(PEOPLE))
        if self.random.random() < 0.5:
            self.connect("ops").revoke(given.id)

    def some_dataset(self) -> DatasetRef:
        mine = [s.name for s in self.copies[-1].listed if s.owner == "team:ops"]
        return DatasetRef.parse(self.random.choice(mine))

    def some_column(self) -> str:
        return self.random.choice(["", "tailnum", "arr_delay"])


PEOPLE = ("person:ana", "person:max", "person:sam")


def _toggled(
    said: Governance, kind: str, new: dict[str, tuple[object, ...]], pick: str, random: Random
) -> Governance:
    """``said`` with one object more, or less, or other words for one that is there."""
    if kind == "purposes":
        return replace(said, purposes={**said.purposes, f"p {pick}": random.choice("xyz")})
    if kind == "domains":
        first = replace(said.domains[0], description=random.choice("xyz"))
        return replace(said, domains=(first, *said.domains[1:]))
    there: tuple[object, ...] = getattr(said, kind)
    name = _name(new[kind][0])
    without = tuple(one for one in there if _name(one) != name)
    wanted = without if len(without) < len(there) else (*there, *new[kind])
    return replace(said, **{kind: wanted})  # type: ignore[arg-type]


def _name(one: object) -> object:
    return getattr(one, "name", None) or getattr(one, "id", None) or getattr(one, "ref", None)


def test_what_is_said_of_an_instant_is_what_was_said_at_it(connect: Connect, clock: Clock):
    connect("gov").apply_governance(replace(STEWARDED, rules=(*STEWARDED.rules, ALL_RULE)))
    random = Random(24)
    mutator = Mutator(connect, clock, random)
    mutator.copy()
    for _ in range(times(MUTATIONS)):
        mutator.mutate()
    assert mutator.at > NOW + 60 * MINUTE
    clock.now = mutator.at
    gov = connect("gov")
    seen = 0
    for _ in range(times(INSTANTS)):
        instant = random.choice(mutator.instants) + random.choice([-TICK, 0 * TICK, TICK])
        instant = min(max(instant, NOW), mutator.at)
        copy = mutator.copies[bisect_right(mutator.instants, instant) - 1]
        assert gov.desk.governance(as_of=instant) == copy.governance
        assert gov.finder.entries({}, as_of=instant, limit=1000).items == copy.listed
        for name, entry in copy.entries.items():
            assert gov.finder.entry(DatasetRef.parse(name), as_of=instant) == entry
            seen += 1
    assert seen >= times(INSTANTS) * 4


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
