"""Governance as code beside edits by people: what drifted, what is undone, what stays."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from provender.catalog.db import open_database, transaction
from provender.catalog.rows import GovernedRow
from provender.core.audit import EventKind
from provender.core.editing import Edit
from provender.core.errors import Conflict, Denied, NotFound, Problems
from provender.core.glossary import Term
from provender.core.governance import Change, Governance, Step
from provender.core.names import DatasetRef
from provender.core.tags import Assignment, Tag
from tests.catalog.stewarded import STEWARDED, TERMS
from tests.catalog.world import FLIGHTS, HOURLY, Clock, Connect, dataset, declared, manifest

NEW = Term(name="gate", definition="Where one boards.")


@pytest.fixture
def connect(connect: Connect, clock: Clock) -> Connect:
    connect("gov").desk.apply(STEWARDED)
    clock.advance(timedelta(minutes=1))
    return connect


def changed(steps: list[Step]) -> list[tuple[Change, str, str]]:
    return [(s.change, s.kind, s.name) for s in steps if s.change is not Change.KEEP]


def saying(description: str, **more: object) -> Governance:
    """`STEWARDED` with other words for flights, and ``more`` changed."""
    said = tuple(
        replace(d, description=description) if d.ref == FLIGHTS else d for d in STEWARDED.datasets
    )
    return replace(STEWARDED, datasets=said, **more)  # type: ignore[arg-type]


def edit(connect: Connect, **parts: object) -> None:
    edited = Edit(**parts)  # type: ignore[arg-type]
    connect("sam").desk.edit(FLIGHTS, edited, expected=None, reason="r")


def test_what_somebody_edited_is_not_undone_unless_told(connect: Connect):
    edit(connect, description="Edited.")
    desk = connect("gov").desk
    for desired in (STEWARDED, saying("By the files.")):
        (step,) = (step for step in desk.plan(desired) if step.overwrites)
        assert (step.change, step.name) == (Change.CHANGE, FLIGHTS.dataset)
        assert step.drift is not None
        assert step.drift.theirs.description == "Edited."
        assert step.drift.parts == ("description",)
        before = connect("gov").records.verify_audit()
        with pytest.raises(Conflict, match="would undo 1 change made since") as error:
            desk.apply(desired)
        assert "change dataset aviation.flights: description" in error.value.message
        assert "provender catalog export" in error.value.hint
        assert connect("gov").records.verify_audit() == before
    assert connect("ana").dataset(FLIGHTS).description == "Edited."
    desk.apply(saying("By the files."), overwrite=True)
    assert connect("ana").dataset(FLIGHTS).description == "By the files."
    assert changed(desk.plan(saying("By the files."))) == []


def test_nothing_at_all_is_applied_if_something_would_be_undone(connect: Connect):
    edit(connect, description="Edited.")
    desired = replace(STEWARDED, terms=(*TERMS, NEW))
    with pytest.raises(Conflict):
        connect("gov").desk.apply(desired)
    assert NEW not in connect("gov").desk.governance().terms


def test_files_that_say_what_was_edited_take_it_over(connect: Connect):
    edit(connect, description="Edited.")
    desk = connect("gov").desk
    assert changed(desk.apply(saying("Edited."))) == []
    assert desk.inbox(kind="drift").items == ()
    assert changed(desk.apply(STEWARDED)) == [(Change.CHANGE, "dataset", FLIGHTS.dataset)]
    assert connect("ana").dataset(FLIGHTS) == STEWARDED.datasets[0]


def test_taking_edits_over_is_written_down_once(connect: Connect):
    edit(connect, description="Edited.")
    desk, gov = connect("gov").desk, connect("gov")
    before = len(gov.records.audit_events(kind=EventKind.GOVERNANCE_APPLY))
    for _ in range(2):
        desk.apply(saying("Edited."))
    assert len(gov.records.audit_events(kind=EventKind.GOVERNANCE_APPLY)) == before + 1


def test_what_is_declared_in_the_catalog_only_stays(connect: Connect):
    desk = connect("gov").desk
    gates = dataset(DatasetRef("aviation", "gates"), "Gates.", terms=("gate",))
    for value in (NEW, gates):
        step = desk.declare(value, reason="asked for")
        assert (step.change, step.value) == (Change.ADD, value)
    assert changed(desk.plan(STEWARDED)) == []
    desk.apply(STEWARDED)
    found = desk.governance()
    assert NEW in found.terms
    assert gates in found.datasets
    (state,) = desk.history("term", "gate").items
    assert (state.by, state.reason) == ("person:gov", "asked for")
    taken_over = replace(STEWARDED, terms=(*TERMS, NEW), datasets=(*STEWARDED.datasets, gates))
    assert changed(desk.apply(taken_over)) == []
    assert changed(desk.apply(STEWARDED)) == [
        (Change.REMOVE, "dataset", "aviation.gates"),
        (Change.REMOVE, "term", "gate"),
    ]


def test_what_files_no_longer_say_rests_on_nothing_that_stays(connect: Connect):
    edit(connect, terms=("delay",))
    desk = connect("gov").desk
    desk.declare(dataset(DatasetRef("aviation", "gates"), "Gates.", tags=("quality=good",)))
    fewer = replace(STEWARDED, tags=tuple(t for t in STEWARDED.tags if t.name != "quality"))
    with pytest.raises(Problems, match=r"dataset aviation\.gates: tag 'quality' is not in"):
        desk.plan(fewer)


def test_an_object_is_declared_only_if_it_fits_and_by_who_governs(connect: Connect):
    desk = connect("gov").desk
    with pytest.raises(Problems, match="term x: owner 'person:nobody' is not declared"):
        desk.declare(Term(name="x", definition="", owner="person:nobody"))
    with pytest.raises(Problems, match="tag 'quality' on the dataset: write one of quality=good"):
        desk.declare(dataset(DatasetRef("aviation", "x"), "X.", tags=("quality",)))
    with pytest.raises(Denied):
        connect("sam").desk.declare(NEW)
    with pytest.raises(Denied):
        connect("sam").desk.withdraw("term", "delay")


def test_what_is_withdrawn_is_gone_until_the_files_bring_it_back(connect: Connect):
    desk = connect("gov").desk
    desk.withdraw("term", "delay", reason="nobody says so")
    assert [term.name for term in desk.governance().terms] == ["tail number"]
    (step,) = (step for step in desk.plan(STEWARDED) if step.overwrites)
    assert (step.change, step.kind, step.name) == (Change.ADD, "term", "delay")
    assert changed(desk.apply(replace(STEWARDED, terms=TERMS[1:]))) == []
    assert changed(desk.apply(STEWARDED)) == [(Change.ADD, "term", "delay")]
    with pytest.raises(NotFound, match=r"term 'dely' not found"):
        desk.withdraw("term", "dely")
    with pytest.raises(Problems, match=r"dataset aviation\.flights: tag 'personal' is not in"):
        desk.withdraw("tag", "personal")
    connect("ops").publish(HOURLY, manifest(of=HOURLY))
    with pytest.raises(Problems, match="is no longer declared, but has 1 version"):
        desk.withdraw("dataset", HOURLY.dataset)
    with pytest.raises(Problems, match="no rule has the action govern"):
        desk.withdraw("rule", "govern")


def test_a_purpose_and_a_team_are_withdrawn_too(connect: Connect):
    desk = connect("gov").desk
    desk.withdraw("purpose", "delay")
    assert set(desk.governance().purposes) == {"report"}
    with pytest.raises(Problems, match="owner 'team:hr' is not declared"):
        desk.withdraw("team", "team:hr")


def test_a_tag_that_was_edited_away_is_seen_by_what_it_closed(connect: Connect):
    edit(connect, unassign=(Assignment("personal", column="tailnum"),))
    (step,) = (step for step in connect("gov").desk.plan(STEWARDED) if step.overwrites)
    assert step.drift is not None
    assert step.drift.parts == ("column_tags",)
    assert step.drift.base == STEWARDED.datasets[0]


def test_what_the_files_said_is_kept_word_for_word(connect: Connect, governed_url: str):
    desk = connect("gov").desk
    desk.apply(saying("Anew.", tags=(*STEWARDED.tags, Tag(name="extra"))))
    edit(connect, description="Edited.")
    engine = open_database(governed_url)
    with transaction(engine) as db:
        kept = {(row.kind, row.name): row for row in db.scalars(select(GovernedRow))}
    engine.dispose()
    assert ("tag", "extra") in kept
    assert '"description":"Anew."' in kept["dataset", FLIGHTS.dataset].value
    assert kept["dataset", FLIGHTS.dataset].applied_by == "person:gov"
    assert declared(FLIGHTS).description not in kept["dataset", FLIGHTS.dataset].value
