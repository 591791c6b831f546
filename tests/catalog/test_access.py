from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from provender.catalog import access, declarations, governance, naming
from provender.catalog.changes import Change
from provender.catalog.db import WRITING, open_database
from provender.catalog.rows import GrantRow
from provender.core.audit import EventKind
from provender.core.datasets import Dataset
from provender.core.effects import Effect
from provender.core.errors import Denied, NotFound
from provender.core.governance import Domain, Governance, diff
from provender.core.lineage import Node, NodeKind
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import EVERY, Action, ColumnRef, Grant, Mode, Rule
from provender.core.tags import Tag
from tests.catalog.world import FLIGHTS, NOW, SALARIES, Connect, dataset, governing, versions_of
from tests.stress import times

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
    assert (denied.actor, denied.subject) == ("person:ana", "aviation.flights")
    assert denied.kind is EventKind.ACCESS_DENY
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


def test_asking_for_what_is_not_there_is_written_down_as_for_what_is_hidden(connect: Connect):
    """So that it takes as long, and its audit trail tells nobody which it was."""
    ana, gov = connect("ana"), connect("gov")
    before = gov.records.verify_audit()
    with pytest.raises(NotFound):
        ana.dataset(DatasetRef("people", "salmiac"))
    (event,) = gov.records.audit_events(limit=gov.records.verify_audit() - before)
    assert (event.kind, event.subject) == (EventKind.ACCESS_DENY, "people.salmiac")
    assert ana.records.audit_events() == []


def test_a_permit_to_read_is_written_down_with_what_opened_it(connect: Connect):
    permit = connect("ana").permit(Action.READ, [DELAY], purpose="report")
    (event,) = connect("gov").records.audit_events(kind=EventKind.ACCESS_PERMIT)
    assert event.detail == {
        "action": "read",
        "purpose": "report",
        "decision": permit.decision,
        "reasons": {"arr_delay": "rule report"},
        "tags": {"arr_delay": ["source.bts"]},
        "verdict": "allow",
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
    asked = [ColumnRef("aviation.flights")]
    theirs = connect("ops").records.decide(Action.STEWARD, asked, actor="person:sam")
    assert theirs.allowed
    assert connect("gov").records.verify_audit() == before


def test_an_actor_is_in_the_teams_that_the_catalog_says(connect: Connect):
    assert connect("ana").actor == Actor("person:ana", frozenset({"team:models"}))
    assert connect("nobody").actor == Actor("person:nobody")


# A small world in which rules, grants, offices, tags, projects and attributes meet often.
REFS = [DatasetRef("a", "x"), DatasetRef("b", "x")]
WHO = Actor("person:p", frozenset({"team:t"}), frozenset({"risk"}), frozenset({("region", "eu")}))
names = st.sampled_from(["person:p", "team:t", "person:other", "project:risk"])
officers = st.sampled_from(["person:other"] * 4 + ["person:p", "team:t"])
actions = st.sampled_from(
    [Action.DISCOVER, Action.READ, Action.READ, Action.STEWARD, Action.GOVERN]
)
tags = st.sampled_from(
    [(), (), ("closed=1",), ("closed=2",), ("open",), ("open", "closed=1"), ("secret",)]
)
named = st.sampled_from([(), ("closed",), ("closed=1",), ("open",), ("open", "closed=2", "secret")])
purposes = st.sampled_from([("*",), ("work",), ("",), ("work", "*")])
rules = st.builds(
    Rule,
    id=st.just("r"),
    actors=st.tuples(names | st.just("anyone")),
    actions=st.tuples(actions) | st.tuples(actions, actions),
    datasets=st.sampled_from([("*",), ("a.*",), ("c.*", "?.x"), ("[!a].x",), ()]),
    purposes=purposes,
    tags=named,
)
FILTERS = ("", "", "r = actor.region", "r = actor.team", "r = 1")
parts = st.builds(
    lambda rule, effect, rows, projects, attributes, mode: replace(
        rule,
        actions=rule.actions if effect is Effect.DENY else (Action.READ,),
        effect=effect,
        mask="hash" if effect is Effect.MASK else "",
        filter="" if effect is Effect.DENY else rows,
        projects=projects,
        attributes=attributes,
        mode=mode,
    ),
    rules,
    st.sampled_from(Effect),
    st.sampled_from(FILTERS),
    st.sampled_from([(), (), ("risk",), ("other",)]),
    st.sampled_from([{}, {}, {"region": ("us", "eu")}, {"region": ("us",)}, {"team": ("eu",)}]),
    st.sampled_from([Mode.ENFORCE, Mode.ENFORCE, Mode.SHADOW]),
)
rules = rules | parts
grants = st.builds(
    Grant,
    id=st.just("g"),
    grantee=names,
    action=st.sampled_from([Action.DISCOVER, Action.READ]),
    dataset=st.sampled_from([ref.dataset for ref in REFS]),
    granted_by=st.just("person:s"),
    granted_at=st.just(NOW),
    columns=st.sampled_from([(), ("c",)]),
    effect=st.sampled_from([Effect.SEE, Effect.SEE, Effect.MASK, Effect.COMPUTE]),
    through=st.sampled_from(["", "", "risk", "other"]),
    purposes=purposes,
    until=st.sampled_from([None, None, NOW, NOW + timedelta(microseconds=1)]),
    revoked_at=st.sampled_from([None, None, None, NOW]),
)
declared = st.tuples(
    *(
        st.builds(
            lambda ref, owner, steward, tags, of_column: dataset(
                ref,
                "",
                owner=owner,
                stewards=(steward,),
                tags=tags,
                column_tags={"c": of_column},
            ),
            st.just(ref),
            officers,
            officers,
            tags,
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
        tags=tuple(
            Tag(name=name, protected=name != "open") for name in ("open", "closed", "secret")
        ),
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
    rules=st.lists(rules, max_size=3),
    grants=st.lists(grants, max_size=3),
    action=actions,
)
examples = settings(
    max_examples=times(400, calm=120),
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


def others(*tags: str, column: tuple[str, ...] = ()) -> list[Dataset]:
    """Both datasets with nobody known in office, the first with tags."""
    first, second = (dataset(ref, "", owner="person:other") for ref in REFS)
    return [replace(first, tags=tags, column_tags={"c": column}), second]


KNOWN = Rule(id="r", actors=("anyone",), actions=(Action.READ,))
NEEDED: list[dict[str, object]] = [
    {"declared": others(), "rules": [], "grants": [FOR_WORK_ONLY]},
    {
        "declared": others("open"),
        "rules": [KNOWN, replace(KNOWN, effect=Effect.DENY, tags=("open",))],
    },
    {"declared": others("closed=2"), "rules": [replace(KNOWN, tags=("closed=1",))]},
    {"declared": others("closed=1"), "rules": [replace(KNOWN, tags=("closed=1",))]},
    {
        "declared": others(column=("closed=1",)),
        "rules": [replace(KNOWN, effect=Effect.MASK, mask="hash", tags=("closed",))],
        "action": Action.DISCOVER,
    },
    {
        "declared": others(),
        "rules": [replace(KNOWN, effect=Effect.DENY, datasets=("a.*",))],
        "grants": [replace(FOR_WORK_ONLY, purposes=("*",))],
    },
    {"declared": others(), "rules": [replace(KNOWN, filter="r = actor.team")]},
]


def needed(test):
    """Run ``test`` with a world for each thing that the key of a scope has to carry, too."""
    for world in NEEDED:
        test = example(**{"grants": [], "action": Action.READ, **world})(test)
    return test


@examples
@worlds
@needed
def test_a_dataset_is_listed_exactly_when_a_direct_check_allows_it(sqlite_engine: Engine, **world):
    check_listing(sqlite_engine, **world)


@settings(examples, max_examples=times(60, calm=25))
@worlds
@needed
def test_and_so_it_is_in_postgresql(postgresql_engine: Engine, **world):
    check_listing(postgresql_engine, **world)


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    with opened(f"sqlite:///{tmp_path / 'catalog.db'}") as engine:
        yield engine


@pytest.fixture
def postgresql_engine(blank_postgresql: str) -> Iterator[Engine]:
    with opened(blank_postgresql) as engine:
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
    told = access.unknown
    monkeypatch.setattr(
        access, "unknown", lambda *a, **more: chosen.append(list(a[2])) or told(*a, **more)
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
