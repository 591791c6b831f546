"""What the catalog said then (T24): against copies that were taken at the time."""

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

import pytest

from provender.catalog import hindsight
from provender.core.contracts import CheckResult, Outcome
from provender.core.datasets import DatasetSummary, Entry, Evidence
from provender.core.editing import Edit
from provender.core.errors import InvalidInput
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
    Clock,
    Connect,
    dataset,
    manifest,
)
from tests.stress import times

MUTATIONS = 100
INSTANTS = 10
"""In each database: in both 2,000 and 200 with STRESS=10."""
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
        (last,) = self.connect("gov").records.audit_events(limit=1)
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
        given = self.connect("ops").records.grant(FLIGHTS, grantee=self.random.choice(PEOPLE))
        if self.random.random() < 0.5:
            self.connect("ops").records.revoke(given.id)

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


def test_what_is_said_of_an_instant_is_what_was_said_at_it(
    connect: Connect, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(hindsight, "PORTION", 3)
    connect("gov").desk.apply(replace(STEWARDED, rules=(*STEWARDED.rules, ALL_RULE)))
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
        without = gov.desk.governance(as_of=instant, datasets=False)
        assert without == replace(copy.governance, datasets=())
        assert gov.finder.entries({}, as_of=instant, limit=1000).items == copy.listed
        for name, entry in copy.entries.items():
            assert gov.finder.entry(DatasetRef.parse(name), as_of=instant) == entry
            seen += 1
    assert seen >= times(INSTANTS) * 4
