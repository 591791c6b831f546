"""Edits by stewards: who may, what is found and decided after, and that none is lost."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from provender.catalog import epoch
from provender.catalog.db import open_database, transaction
from provender.catalog.local import LocalCatalog
from provender.core.audit import EventKind
from provender.core.datasets import Entry
from provender.core.editing import Edit
from provender.core.errors import (
    Denied,
    InvalidInput,
    KeyReused,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    Problems,
)
from provender.core.people import Owner, Role
from provender.core.tags import Assignment, Tag
from tests.catalog.stewarded import STEWARDED
from tests.catalog.world import (
    FLIGHTS,
    NOW,
    SALARIES,
    WEATHER,
    Clock,
    Connect,
    listed,
    manifest,
    searched,
)
from tests.stress import times

STEWARDS = 8
EDITS = 20


@pytest.fixture
def connect(connect: Connect) -> Connect:
    connect("gov").desk.apply(STEWARDED)
    return connect


def revised(entry: Entry) -> tuple[int, str]:
    return entry.revision, entry.dataset.description


def test_an_edit_is_a_revision_that_everybody_finds_at_once(connect: Connect, clock: Clock):
    sam, ana = connect("sam"), connect("ana")
    before = ana.finder.entry(FLIGHTS)
    clock.advance(timedelta(minutes=1))
    edit = Edit(
        description="Cancellations out of New York.",
        documentation="# How it is made",
        terms=("delay",),
        links=("https://example.org",),
        assign=(Assignment("quality", "good"), Assignment("quality", "bad", "arr_delay")),
        column_descriptions={"tailnum": "Painted on."},
    )
    after = sam.desk.edit(FLIGHTS, edit, expected=before.revision)
    assert after == ana.finder.entry(FLIGHTS)
    assert (after.urn, after.revision) == (before.urn, before.revision + 1)
    assert after.changed_at == clock.now
    said = after.dataset
    assert said.description == "Cancellations out of New York."
    assert (said.documentation, said.terms) == ("# How it is made", ("delay",))
    assert said.tags == ("source.bts", "quality=good")
    assert said.column_tags["arr_delay"] == ("quality=bad",)
    assert FLIGHTS.dataset in [hit.name for hit in searched(ana, "cancellations")]
    for fits in ({"tag": ("quality",)}, {"term": ("delay",)}):
        assert [s.name for s in ana.finder.entries(fits).items] == [FLIGHTS.dataset]


def test_an_edit_that_says_what_is_said_changes_nothing(connect: Connect):
    sam = connect("sam")
    before, events = sam.finder.entry(FLIGHTS), connect("gov").records.verify_audit()
    same = Edit(description=before.dataset.description, assign=(Assignment("source.bts"),))
    assert sam.desk.edit(FLIGHTS, same, expected=before.revision) == before
    assert connect("gov").records.verify_audit() == events


@pytest.mark.parametrize("name", ["sam", "max", "ops"])
def test_steward_deputy_and_owner_edit_and_others_do_not(connect: Connect, name: str):
    edit = Edit(description="Anew.")
    connect(name).desk.edit(FLIGHTS, edit, expected=None, reason="tried")
    with pytest.raises(Denied, match=r"person:ana may not steward aviation\.flights"):
        connect("ana").desk.edit(FLIGHTS, edit, expected=None, reason="tried")
    with pytest.raises(NotFound, match=r"'people\.salaries' not found"):
        connect("ana").desk.edit(SALARIES, edit, expected=None, reason="tried")


def test_who_looked_at_an_older_revision_is_told_so(connect: Connect):
    sam, max_ = connect("sam"), connect("max")
    seen = sam.finder.entry(FLIGHTS).revision
    max_.desk.edit(FLIGHTS, Edit(description="By Max."), expected=seen)
    with pytest.raises(PreconditionFailed, match=f"at revision {seen + 1}, not {seen}"):
        sam.desk.edit(FLIGHTS, Edit(description="By Sam."), expected=seen)
    assert sam.dataset(FLIGHTS).description == "By Max."


def test_who_looked_at_nothing_needs_a_reason(connect: Connect):
    with pytest.raises(PreconditionRequired, match="has to say which revision was looked at"):
        connect("sam").desk.edit(FLIGHTS, Edit(description="Blind."), expected=None)


def test_every_problem_is_told_and_nothing_is_written(connect: Connect):
    sam = connect("sam")
    sam_may = connect("ops").publish(FLIGHTS, manifest())
    before = sam.finder.entry(FLIGHTS)
    wrong = Edit(
        owners=(Owner("person:nobody"),),
        terms=("dely",),
        assign=(Assignment("quality", "fine"), Assignment("legal.hold"), Assignment("persnal")),
        column_descriptions={"arr_dely": "?"},
    )
    with pytest.raises(Problems) as error:
        sam.desk.edit(FLIGHTS, wrong, expected=before.revision)
    assert len(error.value.problems) == 6
    assert "tags: person:sam may not assign 'legal.hold'; person:max may" in error.value.problems
    assert sam.finder.entry(FLIGHTS) == before
    assert sam_may.number == before.latest


def test_an_assigner_may_put_a_tag_that_a_steward_may_not(connect: Connect):
    held = Edit(assign=(Assignment("legal.hold"),))
    entry = connect("max").desk.edit(FLIGHTS, held, expected=None, reason="case 7")
    assert "legal.hold" in entry.dataset.tags


def test_columns_of_a_draft_can_be_described(connect: Connect):
    connect("ops").publish(FLIGHTS, manifest(), draft=True)
    edit = Edit(column_descriptions={"event_timestamp": "When."})
    connect("sam").desk.edit(FLIGHTS, edit, expected=None, reason="new")
    stray = Edit(column_descriptions={"event_time": "When."})
    with pytest.raises(Problems, match="column 'event_time': there is none"):
        connect("sam").desk.edit(FLIGHTS, stray, expected=None, reason="new")


def test_owners_and_tags_decide_at_once_and_move_the_epoch(connect: Connect, governed_url: str):
    engine = open_database(governed_url)

    def now() -> int:
        with transaction(engine) as db:
            return epoch.now(db)

    sam, ana = connect("sam"), connect("ana")
    seen = now()
    sam.desk.edit(FLIGHTS, Edit(description="Anew."), expected=None, reason="r")
    assert now() == seen
    sam.desk.edit(FLIGHTS, Edit(assign=(Assignment("personal"),)), expected=None, reason="r")
    assert now() > seen
    assert FLIGHTS.dataset not in [s.name for s in listed(ana)]
    seen = now()
    owners = (Owner("team:ops"), Owner("person:ana", Role.STEWARD))
    sam.desk.edit(FLIGHTS, Edit(owners=owners), expected=None, reason="r")
    assert now() > seen
    assert FLIGHTS.dataset in [s.name for s in listed(ana)]
    with pytest.raises(NotFound):
        sam.dataset(FLIGHTS)
    engine.dispose()


def test_an_edit_is_in_the_trail_with_its_parts_and_its_reason(connect: Connect):
    edit = Edit(description="Anew.", assign=(Assignment("quality", "good"),))
    connect("sam").desk.edit(FLIGHTS, edit, expected=None, reason="was vague")
    (event,) = connect("gov").records.audit_events(kind=EventKind.DATASET_EDIT)
    assert (event.actor, event.subject) == ("person:sam", FLIGHTS.dataset)
    assert event.detail["parts"] == ["description", "assignments"]
    assert event.detail["reason"] == "was vague"


def test_an_edit_with_a_key_is_done_once(connect: Connect):
    sam = connect("sam")
    seen = sam.finder.entry(FLIGHTS).revision
    edit = Edit(description="Once.")
    first = sam.desk.edit(FLIGHTS, edit, expected=seen, key="k1")
    assert sam.desk.edit(FLIGHTS, edit, expected=seen, key="k1") == first
    assert sam.finder.entry(FLIGHTS).revision == seen + 1
    with pytest.raises(KeyReused):
        sam.desk.edit(FLIGHTS, Edit(description="Twice."), expected=seen, key="k1")


def test_history_tells_each_state_with_who_and_why(connect: Connect, clock: Clock):
    sam = connect("sam")
    for minute, text in enumerate(("One.", "Two.", "Three."), 1):
        clock.advance(timedelta(minutes=1))
        sam.desk.edit(FLIGHTS, Edit(description=text), expected=None, reason=f"reason {minute}")
    found = sam.desk.history("dataset", FLIGHTS.dataset, limit=2)
    rest = sam.desk.history("dataset", FLIGHTS.dataset, after=found.next or "")
    states = [*found.items, *rest.items]
    assert [s.value and s.value["description"] for s in states][:3] == ["Three.", "Two.", "One."]
    assert [s.reason for s in states][:3] == ["reason 3", "reason 2", "reason 1"]
    assert [(s.since, s.until) for s in states][:2] == [
        (NOW + timedelta(minutes=3), None),
        (NOW + timedelta(minutes=2), NOW + timedelta(minutes=3)),
    ]
    assert {s.by for s in states[:3]} == {"person:sam"}
    urn = sam.finder.entry(FLIGHTS).urn
    assert sam.desk.history("dataset", urn, limit=2) == found
    assert rest.next is None


def test_history_is_for_who_may_discover_what_it_is_of(connect: Connect):
    ana, gov = connect("ana"), connect("gov")
    connect("ops").publish(FLIGHTS, manifest())
    given = connect("sam").records.grant(FLIGHTS, grantee="person:ana")
    for key in (SALARIES.dataset, gov.finder.entry(SALARIES).urn):
        with pytest.raises(NotFound):
            ana.desk.history("dataset", key)
    (version,) = ana.desk.history("version", f"{FLIGHTS}@1").items
    assert version.value is not None
    assert version.value["state"] == "published"
    assert len(ana.desk.history("grant", given.id).items) == 1
    assert len(ana.desk.history("tag", "quality").items) == 1
    for kind, key in (("grant", given.id), ("version", f"{WEATHER}@1"), ("tag", "qualty")):
        with pytest.raises(NotFound):
            connect("max" if kind != "grant" else "dev").desk.history(kind, key)
    with pytest.raises(NotFound, match="kind of history 'datset' not found"):
        ana.desk.history("datset", FLIGHTS.dataset)
    with pytest.raises(InvalidInput, match="is not where a list goes on"):
        ana.desk.history("dataset", FLIGHTS.dataset, after="x")


def test_what_was_closed_then_is_not_shown_by_history_now(connect: Connect):
    sam, ana = connect("sam"), connect("ana")
    closed = Edit(assign=(Assignment("personal"),), description="Names of passengers.")
    sam.desk.edit(FLIGHTS, closed, expected=None, reason="secret")
    opened = Edit(unassign=(Assignment("personal"),), description="Open again.")
    sam.desk.edit(FLIGHTS, opened, expected=None, reason="cleaned")
    said = [s.value and s.value["description"] for s in history(ana)]
    assert "Names of passengers." not in said
    assert "Open again." in said
    assert "Names of passengers." in [s.value and s.value["description"] for s in history(sam)]


def test_one_steward_alone_does_not_open_what_takes_two_people(connect: Connect):
    sam, tailnum = connect("sam"), Assignment("personal", column="tailnum")
    connect("gov").desk.declare(Tag(name="personal", protected=True, four_eyes=True))
    off = Edit(unassign=(tailnum,))
    with pytest.raises(Denied, match=r"may not take 'personal' from aviation\.flights") as error:
        sam.desk.edit(FLIGHTS, off, expected=None, reason="no need")
    assert error.value.hint == "person:gov can"
    wider = Edit(assign=(Assignment("personal"),), unassign=(tailnum,))
    entry = sam.desk.edit(FLIGHTS, wider, expected=None, reason="all of it")
    assert "personal" in entry.dataset.tags
    back = Edit(assign=(tailnum,), unassign=(Assignment("personal"),))
    with pytest.raises(Denied):
        sam.desk.edit(FLIGHTS, back, expected=None, reason="less of it")
    assert connect("sam").finder.entry(FLIGHTS).revision == entry.revision


def history(catalog: LocalCatalog):
    return catalog.desk.history("dataset", FLIGHTS.dataset).items


def edit_many(url: str, steward: int, edits: int) -> list[str]:
    """Edit one dataset with the revision that was looked at; return what was said and kept."""
    kept: list[str] = []
    name = ("sam", "max", "ops")[steward % 3]
    with LocalCatalog(url, actor=f"person:{name}", clock=Clock()) as catalog:
        for n in range(edits):
            text = f"Steward {steward}, edit {n}."
            seen = catalog.finder.entry(FLIGHTS).revision
            try:
                catalog.desk.edit(FLIGHTS, Edit(description=text), expected=seen, reason=text)
                kept.append(text)
            except PreconditionFailed:
                continue
    return kept


def test_no_edit_of_many_stewards_is_lost(connect: Connect, governed_url: str):
    """T4: the revision rises by what succeeded, and history shows each of those once."""
    first = connect("sam").finder.entry(FLIGHTS).revision
    each = times(EDITS)
    with ThreadPoolExecutor(STEWARDS) as pool:
        made = pool.map(edit_many, [governed_url] * STEWARDS, range(STEWARDS), [each] * STEWARDS)
        kept = [text for texts in made for text in texts]
    assert each <= len(kept) <= STEWARDS * each
    assert connect("sam").finder.entry(FLIGHTS).revision == first + len(kept)
    states = connect("sam").desk.history("dataset", FLIGHTS.dataset, limit=10_000).items
    said = Counter(s.value["description"] for s in states if s.value)
    assert [said[text] for text in kept] == [1] * len(kept)
    assert Counter(s.reason for s in states if s.reason) == Counter(kept)
    events = connect("gov").records.audit_events(kind=EventKind.DATASET_EDIT, limit=10_000)
    assert len(events) == len(kept)
