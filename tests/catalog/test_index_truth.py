"""T22: whatever happens, in whatever order, the index says what is there and nothing else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from provender.catalog import (
    access,
    consumption,
    declarations,
    epoch,
    features,
    indexing,
    indextruth,
    lifecycle,
    naming,
    publication,
    remaking,
    renaming,
)
from provender.catalog.changes import Change
from provender.catalog.db import open_database, transaction
from provender.catalog.door import Door
from provender.catalog.rows import DatasetRow, PersonRow, RuleRow, TagRow, TermRow, VersionRow
from provender.core.datasets import EventRange, Manifest
from provender.core.errors import ProvenderError
from provender.core.features import FieldSpec, RepoSpec, ViewSpec
from provender.core.glossary import Term
from provender.core.lifecycle import Severity, Step
from provender.core.names import DatasetRef
from provender.core.people import Actor, Person
from provender.core.policy import Action, Rule
from provender.core.schema import Column, Schema
from provender.core.tags import Tag
from tests.catalog.world import Clock, Connect, dataset, manifest
from tests.stress import times

OPERATIONS = 500
"""In each database: in both 10,000 with STRESS=10."""
A_TRANSACTION = 25
WORDS = ("flight", "delay", "weather", "tail_num", "carrier2", "Ankunft", "spät", "天気", "price")
TAGS = ("closed", "open", "quality.good")
PEOPLE = ("person:ana", "person:ops", "person:sam")
OPS = Actor("person:ops", frozenset({"team:ops"}))


@dataclass
class World:
    """Does one random thing after the other to a catalog."""

    db: Session
    change: Change
    random: Random

    def some(self, most: int) -> str:
        return " ".join(self.random.choices(WORDS, k=self.random.randint(0, most)))

    def ref(self) -> DatasetRef:
        return DatasetRef(self.random.choice(("a", "b")), f"d{self.random.randrange(8)}")

    def columns(self) -> list[str]:
        return self.random.sample(["x", "tail_num", "arrDelay", "späť", "price2"], k=3)

    def declare(self) -> None:
        ref, columns = self.ref(), self.columns()
        said = dataset(
            ref,
            self.some(4),
            owner=self.random.choice(["team:ops", *PEOPLE]),
            stewards=("person:ops",),
            tags=tuple(self.random.sample(TAGS, k=self.random.randint(0, 2))),
            terms=tuple(self.random.sample(("delay", "price"), k=self.random.randint(0, 2))),
            column_descriptions={column: self.some(2) for column in columns[:2]},
            column_tags={
                column: (self.random.choice(TAGS),) for column in ("x", "event_timestamp")
            },
            documentation=self.some(3),
            fresh_within=self.random.choice([None, timedelta(hours=2)]),
        )
        declarations.declare(self.db, [said], change=self.change)

    def withdraw(self) -> None:
        row = declarations.row_of(self.db, self.ref().dataset)
        if row is not None and self.db.get(VersionRow, (row.id, 1)) is None:
            declarations.withdraw(self.db, row.name, change=self.change)

    def publish(self) -> None:
        row = declarations.row_of(self.db, self.ref().dataset)
        if row is None or row.withdrawn_at is not None:
            return
        columns = self.random.choice([("x",), ("x", "tail_num"), ("x", "price2")])
        schema = Schema(
            tuple(Column(name=name, type="string") for name in ("event_timestamp", *columns))
        )
        ends = self.change.at - timedelta(minutes=self.random.randrange(300))
        made: Manifest = manifest(
            self.random.randrange(1, 10_000),
            of=row.value.ref,
            schema=schema,
            event_range=EventRange(earliest=ends - timedelta(days=1), latest=ends),
        )
        draft = self.random.random() < 0.2
        reason = {"breaking_reason": "because"}
        who = access.actor(self.db, self.change.actor)
        publication.publish(
            self.db, who, row.value.ref, made, draft=draft, change=self.change, **reason
        )

    def step(self) -> None:
        ref = self.ref().at(self.random.randrange(1, 4))
        step = self.random.choice(list(Step))
        lifecycle.step(
            self.db, OPS, ref, step, reason="so", severity=Severity.WARN, change=self.change
        )

    def define(self) -> None:
        views = tuple(
            ViewSpec(
                name=f"v{n}",
                entities=(),
                join_keys=(),
                features=(FieldSpec(name="x", type="string", description=self.some(2)),),
                dataset=self.ref() if self.random.random() < 0.8 else None,
                event_timestamp="event_timestamp",
                description=self.some(3),
                owner=self.random.choice(PEOPLE),
            )
            for n in self.random.sample(range(4), k=2)
        )
        repo = RepoSpec(project=self.random.choice(["p", "q"]), views=views)
        features.record_repo(self.db, OPS, repo, change=self.change)

    def rename(self) -> None:
        row = declarations.row_of(self.db, self.ref().dataset)
        if row is None or row.withdrawn_at is not None:
            return
        to = f"{row.domain}.d{self.random.randrange(20)}"
        renaming.rename(self.db, OPS, row.value.ref, to, expected=row.revision, change=self.change)

    def consume(self) -> None:
        who = f"person:p{self.random.randrange(5)}"
        consumption.keep(self.db, self.change, [consumption.Use(self.ref(), "actor", who)])

    def protect(self) -> None:
        name = self.random.choice(TAGS)
        protected = self.random.random() < 0.5
        epoch.bump(self.db)
        tag = Tag(name=name, protected=protected)
        self.db.merge(TagRow(name=name, protected=protected, value=tag))
        self.db.flush()
        indexing.settle_all(self.db)

    def rule(self) -> None:
        pattern = self.random.choice(["*", "a.*", "b.d?", "a.d[0-3]"])
        rule = Rule(
            id=f"r{self.random.randrange(3)}",
            actors=("anyone",),
            actions=(Action.DISCOVER, Action.DEFINE),
            datasets=(pattern,),
            tags=TAGS,
        )
        epoch.bump(self.db)
        self.db.merge(RuleRow(id=rule.id, value=rule))
        self.db.flush()
        indexing.settle_all(self.db)

    def explain_term(self) -> None:
        name = self.random.choice(("delay", "price"))
        synonyms = tuple(self.random.sample(["lateness", "cost", "fee paid"], k=2))
        term = Term(name=name, definition="", synonyms=synonyms)
        self.db.merge(TermRow(name=name, value=term))
        self.db.flush()
        indexing.learn_terms(self.db, self.change, [name])

    def rename_somebody(self) -> None:
        who = self.random.choice(PEOPLE)
        person = Person(id=who, name=self.random.choice(["Ana Lee", "Sam Roe", ""]))
        self.db.merge(PersonRow(id=who, value=person))
        self.db.flush()
        indexing.rename_people(self.db, self.change, [who])

    def anything(self) -> None:
        often: list[Callable[[], None]] = [self.declare] * 4 + [self.publish] * 5 + [self.step] * 3
        seldom = [self.withdraw, self.rename, self.define, self.consume, self.explain_term]
        rare = [self.protect, self.rule, self.rename_somebody]
        self.random.choice([*often, *often, *seldom, *seldom, *rare])()


@contextmanager
def world(door: Door, random: Random) -> Iterator[World]:
    with door.writing() as (db, change):
        yield World(db, change, random)


def wrong(door: Door) -> list[tuple[str, str]]:
    with door.reading() as db:
        return list(indextruth.check(db))


@pytest.mark.parametrize("seed", [5])
def test_the_index_is_the_truth_after_many_random_operations(blank_url: str, seed: int):
    engine, clock, random = open_database(blank_url), Clock(), Random(seed)
    door = Door(engine, actor="person:ops", clock=clock)
    refused = done = 0
    while done < times(OPERATIONS):
        clock.advance(timedelta(minutes=1))
        with world(door, random) as here:
            for _ in range(A_TRANSACTION):
                done += 1
                with here.db.begin_nested() as nested:
                    try:
                        here.anything()
                    except ProvenderError:
                        refused += 1
                        nested.rollback()
        if done % (A_TRANSACTION * 8) == 0:
            assert wrong(door) == []
    assert refused < done / 2
    assert wrong(door) == []
    with transaction(engine, write=True) as db:
        remaking.rebuild(db)
    assert wrong(door) == []
    engine.dispose()


def test_a_difference_is_found_and_named(governed_url: str, connect: Connect):
    connect("gov")
    engine = open_database(governed_url)
    door = Door(engine, actor="person:gov", clock=Clock())
    assert wrong(door) == []
    breaks = {
        "UPDATE search_texts SET body = ' x '": "is found by other words than are said of it",
        "UPDATE search_words SET documents = documents + 1 WHERE word = 'flights'": "counted in 2",
        "UPDATE facet_counts SET documents = documents + 1": "counted in",
        "UPDATE search_documents SET used = 7": "is found with the used 7",
        "UPDATE datasets SET scope = 99": "is shown to those who might see it before",
        "DELETE FROM search_stubs": "are not as the words have them",
    }
    for statement, said in breaks.items():
        with transaction(engine, write=True) as db:
            db.execute(text(statement))
            found = list(indextruth.check(db))
            assert any(said in what for _, what in found), statement
            db.rollback()
    with transaction(engine, write=True) as db:
        number = naming.take(db, "dataset")
        lost = replace(db.get_one(DatasetRow, 1).value, ref=DatasetRef("a", "lost"))
        declarations.declare(db, [lost], change=Change(9, Clock().now, "person:gov", ""))
        assert number
        indexing.put(db, Change(9, Clock().now, "person:gov", ""), _node("a.lost"), ())
        assert ("a.lost", "is not found") in list(indextruth.check(db))
        db.rollback()
    engine.dispose()


def _node(name: str):
    from provender.core.lineage import Node, NodeKind

    return Node(NodeKind.DATASET, name)
