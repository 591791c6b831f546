import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from provender.catalog import access, declarations, governance, naming
from provender.catalog.changes import Change
from provender.catalog.db import WRITING, open_database
from provender.catalog.patterns import name_pattern
from provender.catalog.rows import GrantRow
from provender.core.audit import EventKind
from provender.core.datasets import Dataset
from provender.core.errors import Denied, NotFound
from provender.core.governance import Domain, Governance, diff
from provender.core.lineage import Node, NodeKind
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import EVERY, Action, ColumnRef, Grant, Rule
from provender.core.tags import Tag
from tests.catalog.world import FLIGHTS, NOW, SALARIES, Connect, dataset, governing, versions_of

TAILNUM = ColumnRef("aviation.flights", "tailnum")
DELAY = ColumnRef("aviation.flights", "arr_delay")
SALARY = ColumnRef("people.salaries", "salary")


def test_what_is_hidden_is_not_found_in_the_words_of_what_does_not_exist(connect: Connect):
    ana = connect("ana")
    said = []
    for name in ("salaries", "salmiac"):
        ref = DatasetRef("people", name)
        for ask in (
            lambda ref=ref: ana.dataset(ref),
            lambda ref=ref: ana.resolve(ref),
            lambda ref=ref: versions_of(ana, ref),
            lambda ref=ref: list(ana.records.grants(ref).items),
            lambda ref=ref: ana.permit(Action.READ, [ColumnRef(ref.dataset, "x")], purpose=""),
        ):
            with pytest.raises(NotFound) as error:
                ask()
            said.append(str(error.value).replace(name, "…"))
    assert len(set(said)) == 1
    assert "aviation.flights" in said[0]
    assert "people" not in said[0].replace("people.…", "")


def test_who_decides_about_a_dataset_may_see_it(connect: Connect):
    assert connect("ops").dataset(FLIGHTS).ref == FLIGHTS
    with pytest.raises(NotFound):
        connect("ops").dataset(SALARIES)


def test_a_refusal_is_written_down_even_though_nothing_else_happened(connect: Connect):
    ana, gov = connect("ana"), connect("gov")
    before = gov.records.verify_audit()
    with pytest.raises(Denied):
        ana.permit(Action.READ, [TAILNUM, DELAY], purpose="delay")
    with pytest.raises(NotFound):
        ana.permit(Action.READ, [SALARY], purpose="report")
    hidden, denied = gov.records.audit_events(limit=gov.records.verify_audit() - before)
    assert (denied.actor, denied.kind, denied.subject) == (
        "person:ana",
        EventKind.ACCESS_DENY,
        "aviation.flights",
    )
    assert denied.detail["reasons"] == {
        "tailnum": "tagged personal, for purpose delay",
        "arr_delay": "no rule or grant, for purpose delay",
    }
    assert hidden.subject == "people.salaries"


def test_asking_for_what_is_hidden_is_written_down_but_not_for_the_asker_to_read(connect: Connect):
    ana, gov = connect("ana"), connect("gov")
    asks = [
        lambda: ana.dataset(SALARIES),
        lambda: ana.resolve(SALARIES.at(1)),
        lambda: versions_of(ana, SALARIES),
        lambda: list(ana.records.grants(SALARIES).items),
        lambda: list(ana.finder.lineage(Node(NodeKind.DATASET, "people.salaries@1")).edges),
        lambda: ana.permit(Action.READ, [SALARY], purpose="report"),
    ]
    for ask in asks:
        before = gov.records.verify_audit()
        with pytest.raises(NotFound, match=r"dataset 'people.salaries.* not found"):
            ask()
        (event,) = gov.records.audit_events(limit=gov.records.verify_audit() - before)
        assert (event.actor, event.kind, event.subject) == (
            "person:ana",
            EventKind.ACCESS_DENY,
            "people.salaries",
        )
    assert ana.records.audit_events() == []
    with pytest.raises(Denied):
        ana.permit(Action.READ, [TAILNUM], purpose="report")
    assert [event.subject for event in ana.records.audit_events()] == ["aviation.flights"]


def test_asking_for_what_does_not_exist_is_not_written_down(connect: Connect):
    before = connect("gov").records.verify_audit()
    with pytest.raises(NotFound):
        connect("ana").dataset(DatasetRef("people", "salmiac"))
    assert connect("gov").records.verify_audit() == before


def test_a_permit_to_read_is_written_down_with_what_opened_it(connect: Connect):
    permit = connect("ana").permit(Action.READ, [DELAY], purpose="report")
    (event,) = connect("gov").records.audit_events(kind=EventKind.ACCESS_PERMIT)
    assert event.detail == {
        "action": "read",
        "purpose": "report",
        "decision": permit.decision,
        "reasons": {"arr_delay": "rule report"},
    }


def test_a_permit_to_publish_is_not_written_down_for_the_publishing_is(connect: Connect):
    before = connect("gov").records.verify_audit()
    connect("ops").permit(Action.PUBLISH, [ColumnRef("aviation.flights")], purpose="")
    assert connect("gov").records.verify_audit() == before


def test_explaining_leaves_no_trace_and_hides_what_the_asker_may_not_discover(connect: Connect):
    ana, before = connect("ana"), connect("gov").records.verify_audit()
    asked = [DELAY, TAILNUM, SALARY]
    own = ana.records.decide(Action.READ, asked, purpose="report")
    assert [(r.allowed, r.because) for r in own.reasons] == [
        (True, "rule report"),
        (False, "tagged personal, for purpose report"),
        (False, "not in the catalog"),
    ]
    assert own.who_decides == ("person:sam", "team:ops")
    theirs = ana.records.decide(Action.STEWARD, [ColumnRef("aviation.flights")], actor="person:sam")
    assert theirs.allowed
    assert connect("gov").records.verify_audit() == before


def test_an_actor_is_in_the_teams_that_the_catalog_says(connect: Connect):
    assert connect("ana").actor == Actor("person:ana", frozenset({"team:models"}))
    assert connect("nobody").actor == Actor("person:nobody")


PATTERNS = st.text(alphabet="ab._*?[]!-^\\", max_size=8)
NAMES = st.text(alphabet="ab_.", min_size=1, max_size=6)


@given(pattern=PATTERNS, name=NAMES)
@settings(max_examples=500, deadline=None)
def test_a_pattern_means_the_same_in_sql_as_in_the_core(pattern: str, name: str):
    translated = name_pattern(pattern)
    assert bool(re.search(translated, name)) == fnmatchcase(name, pattern)


# A small world in which rules, grants, offices and tags meet often.
REFS = [DatasetRef("a", "x"), DatasetRef("b", "x")]
WHO = Actor("person:p", frozenset({"team:t"}))
names = st.sampled_from(["person:p", "team:t", "person:other"])
officers = st.sampled_from(["person:other"] * 4 + ["person:p", "team:t"])
actions = st.sampled_from(
    [Action.DISCOVER, Action.READ, Action.READ, Action.STEWARD, Action.GOVERN]
)
tags = st.sampled_from([(), ("closed",), ("open",), ("open", "closed")])
purposes = st.sampled_from([("*",), ("work",), ("",), ("work", "*")])
rules = st.builds(
    Rule,
    id=st.just("r"),
    actors=st.tuples(names | st.just("anyone")),
    actions=st.tuples(actions) | st.tuples(actions, actions),
    datasets=st.sampled_from([("*",), ("a.*",), ("c.*", "?.x"), ("[!a].x",), ()]),
    purposes=purposes,
    tags=tags,
)
grants = st.builds(
    Grant,
    id=st.just("g"),
    grantee=names,
    action=st.sampled_from([Action.DISCOVER, Action.READ]),
    dataset=st.sampled_from([ref.dataset for ref in REFS]),
    granted_by=st.just("person:s"),
    granted_at=st.just(NOW),
    columns=st.sampled_from([(), ("c",)]),
    purposes=purposes,
    until=st.sampled_from([None, None, NOW, NOW + timedelta(microseconds=1)]),
    revoked_at=st.sampled_from([None, None, None, NOW]),
)
declared = st.tuples(
    *(
        st.builds(
            lambda ref, owner, steward, tags: dataset(
                ref, "", owner=owner, stewards=(steward,), tags=tags
            ),
            st.just(ref),
            officers,
            officers,
            tags,
        )
        for ref in REFS
    )
)


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    engine = open_database(url)
    try:
        yield engine
    finally:
        engine.dispose()


def check_listing(
    engine: Engine,
    declared: Sequence[Dataset],
    rules: Sequence[Rule],
    grants: Sequence[Grant],
    action: Action,
) -> None:
    world = Governance(
        domains=(Domain(name="a"), Domain(name="b")),
        tags=tuple(Tag(name=name, protected=name != "open") for name in ("open", "closed")),
        rules=tuple(replace(rule, id=f"r{n}") for n, rule in enumerate(rules)),
    )
    with Session(engine.execution_options(**{WRITING: True})) as db:  # never committed
        for step in diff(Governance(), world):
            db.merge(governance.ROWS[step.kind](step.value))
        db.flush()
        for each in declared:
            declarations.keep(db, [each], change=Change(1, NOW, WHO.id, ""))
        there = naming.numbers(db, (ref.dataset for ref in REFS))
        db.add_all(row(number, grant, there) for number, grant in enumerate(grants))
        db.flush()
        listed = set(db.scalars(access.visible(db, WHO, action, now=NOW)))
        asked = {ref.dataset: [ColumnRef(ref.dataset)] for ref in REFS}
        assert listed == {
            name
            for name, columns in asked.items()
            if access.explain(db, WHO, action, columns, purpose="", now=NOW).allowed
        }


worlds = given(
    declared=declared,
    rules=st.lists(rules, max_size=2),
    grants=st.lists(grants, max_size=3),
    action=actions,
)
examples = settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


FOR_WORK_ONLY = Grant(
    id="g",
    grantee="team:t",
    action=Action.READ,
    dataset="a.x",
    granted_by="person:s",
    granted_at=NOW,
    purposes=("work",),
)


@examples
@worlds
@example(
    declared=[dataset(ref, "", owner="person:other") for ref in REFS],
    rules=[],
    grants=[FOR_WORK_ONLY],
    action=Action.READ,
)
def test_a_dataset_is_listed_exactly_when_a_direct_check_allows_it(sqlite_engine: Engine, **world):
    check_listing(sqlite_engine, **world)


@settings(examples, max_examples=60)
@worlds
def test_and_so_it_is_in_postgresql(postgresql_engine: Engine, **world):
    check_listing(postgresql_engine, **world)


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    with opened(f"sqlite:///{tmp_path / 'catalog.db'}") as engine:
        yield engine


@pytest.fixture
def postgresql_engine(postgres_url: str) -> Iterator[Engine]:
    with opened(postgres_url) as engine:
        yield engine


def row(number: int, grant: Grant, datasets: dict[str, int]) -> GrantRow:
    return GrantRow(
        number=number,
        dataset=datasets[grant.dataset],
        grantee=grant.grantee,
        action=grant.action.value,
        whole=not grant.columns,
        any_purpose=EVERY in grant.purposes or "" in grant.purposes,
        until=grant.until,
        revoked_at=grant.revoked_at,
        value=grant,
    )


def test_what_is_not_there_is_answered_without_a_look_at_every_dataset(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
):
    near = [
        dataset(DatasetRef("aviation", f"{letter}_{n}"), "Near.")
        for letter in "abz"
        for n in range(4)
    ]
    connect("gov").desk.apply(governing(*near))
    monkeypatch.setattr(access, "SUGGESTED", 3)
    chosen: list[list[str]] = []
    unknown = access.unknown
    monkeypatch.setattr(
        access, "unknown", lambda *said: chosen.append(list(said[2])) or unknown(*said)
    )
    for asked, hint in (
        ("aviation.flihgts", "did you mean aviation.flights?"),
        ("aviation.z_00", "did you mean aviation.z_0?"),
        ("avaition.a_1", "did you mean aviation.a_1?"),
        ("people.salaires", "there are: aviation.a_0, aviation.a_1, aviation.a_2"),
    ):
        with pytest.raises(NotFound) as error:
            connect("ana").dataset(DatasetRef.parse(asked))
        assert error.value.hint == hint
        assert len(chosen[-1]) <= 9
        assert SALARIES.dataset not in chosen[-1]
