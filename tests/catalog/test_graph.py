"""Walks over the database agree with those done by hand, with circles, rights and two facts at once."""

import random
from collections.abc import Iterator

import pytest
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from provender.catalog import access, graph, naming, nodes
from provender.catalog.db import open_database, transaction
from provender.catalog.graph import Said, Sight, say, walk
from provender.catalog.rows import EdgeRow, FactRow, RestsOnRow
from provender.core.lineage import How, Node, NodeKind
from provender.core.tags import Way
from tests.catalog.world import NOW, SALARIES

NODES = [Node(NodeKind.TRAINING_SET, f"ts_{number}") for number in range(9)]
FACTS = ("one", "two")
Pairs = dict[tuple[int, int], Said]


@pytest.fixture
def db(governed_url: str) -> Iterator[Session]:
    engine = open_database(governed_url)
    with transaction(engine, write=True) as session:
        yield session
    engine.dispose()


def by_hand(
    pairs: set[tuple[int, int]], hidden: set[int], start: int, depth: int, *, down: bool
) -> set[tuple[int, int]]:
    """Every edge whose near end is fewer than ``depth`` steps away over what is not hidden."""
    near = {start}
    found: set[tuple[int, int]] = set()
    for _ in range(depth):
        steps = {p for p in pairs if p[not down] in near and p[down] not in hidden}
        found |= steps
        near |= {pair[down] for pair in steps}
    return found


def test_walks_agree_with_those_done_by_hand_whatever_facts_said_before(db: Session):
    dice = random.Random(7)
    numbers = sorted(nodes.ensured(db, NODES).values())
    secret = naming.numbers(db, [SALARIES.dataset])[SALARIES.dataset]
    who = access.actor(db, "person:ana")
    for _ in range(60):
        said: dict[str, Pairs] = {fact: edges(dice, numbers) for fact in FACTS}
        say(db, said)
        hidden = set(dice.sample(numbers, dice.randrange(4)))
        db.execute(delete(RestsOnRow).where(RestsOnRow.node.in_(numbers)))
        for number in sorted(hidden):
            db.execute(insert(RestsOnRow).values(node=number, dataset=secret))
        start = dice.choice(sorted(set(numbers) - hidden))
        depth, down = dice.randrange(5), dice.random() < 0.5
        every = said["one"].keys() | said["two"].keys()
        found = walk(db, Sight(db, who, now=NOW), [start], depth, down=down, most=100)
        assert found.edges.keys() == by_hand(every, hidden, start, depth, down=down)
        assert not found.truncated
        for pair, how in found.edges.items():
            ways = [said[fact][pair] for fact in FACTS if pair in said[fact]]
            assert how.how == min((way.how for way in ways), key=list(How).index)
            anonymised = [said.way for said in ways]
            assert how.way == (None if None in anonymised else min(anonymised, key=list(Way).index))


def edges(dice: random.Random, numbers: list[int]) -> Pairs:
    return {
        (dice.choice(numbers), dice.choice(numbers)): Said(
            dice.choice(list(How)), dice.choice((None, *Way))
        )
        for _ in range(dice.randrange(14))
    }


def test_a_fact_that_says_the_same_writes_nothing_and_one_that_says_nothing_forgets(db: Session):
    one, two, three = sorted(nodes.ensured(db, NODES[:3]).values())
    circle = {(one, two): Said(How.DECLARED), (two, three): Said(How.DECLARED)}
    assert say(db, {"fact": circle})
    assert not say(db, {"fact": dict(circle)})
    assert say(db, {"fact": circle | {(three, one): Said(How.GUESSED)}})
    assert say(db, {"fact": {(one, two): Said(How.OBSERVED)}})
    fact = db.scalars(select(FactRow.id).where(FactRow.name == "fact")).one()
    [left] = db.execute(
        select(EdgeRow.upstream, EdgeRow.downstream, EdgeRow.how).where(EdgeRow.fact == fact)
    )
    assert tuple(left) == (one, two, "observed")
    assert say(db, {"fact": {}})
    assert not say(db, {"fact": {}})


def test_only_so_many_edges_are_walked_the_nearest_first(db: Session):
    start, *others = sorted(nodes.ensured(db, NODES).values())
    near = {(start, other): Said(How.OBSERVED) for other in others[:4]}
    far = {(others[0], other): Said(How.OBSERVED) for other in others[4:]}
    say(db, {"near": near, "far": far})
    sight = Sight(db, access.actor(db, "person:ana"), now=NOW)
    for most, cut in ((3, True), (4, True), (7, True), (8, False)):
        found = walk(db, sight, [start], 5, down=True, most=most)
        assert (len(found.edges), found.truncated) == (most, cut)
        assert list(found.edges)[:4] == list(near)[:most]


def test_a_walk_reads_no_more_than_so_many_edges_be_they_hidden(
    db: Session, monkeypatch: pytest.MonkeyPatch
):
    start, *others = sorted(nodes.ensured(db, NODES).values())
    hidden, (seen,) = others[:-1], others[-1:]
    say(db, {"all": {(start, other): Said(How.OBSERVED) for other in others}})
    salaries = naming.known_numbers(db, [SALARIES.dataset])[SALARIES.dataset]
    db.execute(insert(RestsOnRow), [{"node": n, "dataset": salaries} for n in hidden])
    monkeypatch.setattr(graph, "PAGE", 2)
    for most, edges, cut in ((4, [], True), (100, [(start, seen)], False)):
        monkeypatch.setattr(graph, "MOST_READ", most)
        sight = Sight(db, access.actor(db, "person:ana"), now=NOW)
        found = walk(db, sight, [start], 5, down=True, most=10)
        assert (list(found.edges), found.truncated) == (edges, cut)
