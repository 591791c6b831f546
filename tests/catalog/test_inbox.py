"""The inbox: what waits for whom, in portions, until it is settled or done."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from provender.catalog.db import open_database, transaction
from provender.catalog.rows import UnansweredRow
from provender.core.audit import EventKind
from provender.core.contracts import CheckResult, Outcome
from provender.core.datasets import Evidence
from provender.core.editing import Edit
from provender.core.errors import InvalidInput, NotFound, PreconditionFailed
from provender.core.lifecycle import Severity
from provender.core.people import Person
from provender.core.tags import Assignment
from provender.core.tasks import Task, task_id, task_key
from tests.catalog.stewarded import STEWARDED
from tests.catalog.world import (
    FLIGHTS,
    HOURLY,
    NOW,
    SALARIES,
    WEATHER,
    Clock,
    Connect,
    declared,
    manifest,
)

FAILED = CheckResult(name="rows", outcome=Outcome.FAIL, severity=Severity.REFUSE, detail="3")
HR = Person(id="person:hal", teams=("team:hr",))


@pytest.fixture
def connect(connect: Connect) -> Connect:
    """Everybody has an owner, and flights has tags: what waits is that three have no tag."""
    connect("gov").desk.apply(replace(STEWARDED, people=(*STEWARDED.people, HR)))
    return connect


@contextmanager
def writing(url: str) -> Iterator[Session]:
    engine = open_database(url)
    with transaction(engine, write=True) as db:
        yield db
    engine.dispose()


def asked(url: str, words: str, times: int, *, last: int = 0) -> None:
    """Write down that words were searched for in vain, ``last`` minutes after the start."""
    at = NOW + timedelta(minutes=last)
    with writing(url) as db:
        row = UnansweredRow(words=words, times=times, first_at=NOW, last_at=at, settled_by="")
        there = db.get(UnansweredRow, words)
        if there is None:
            db.add(row)
        else:
            there.times, there.last_at = times, at


def tasks(connect: Connect, name: str, kind: str = "") -> list[Task]:
    return list(connect(name).desk.inbox(kind=kind).items)


def about(found: list[Task]) -> list[tuple[str, str]]:
    return [(task.kind, task.node.name if task.node else "") for task in found]


def test_each_sees_the_tasks_of_what_they_look_after(connect: Connect):
    untagged = [("untagged", name.dataset) for name in (WEATHER, HOURLY, SALARIES)]
    assert about(tasks(connect, "gov")) == untagged
    assert about(tasks(connect, "ops")) == untagged[:2]
    assert about(tasks(connect, "hal")) == untagged[2:]
    assert about(tasks(connect, "ana")) == about(tasks(connect, "sam")) == []


def test_a_tag_on_the_dataset_or_a_column_is_enough(connect: Connect):
    ops = connect("ops")
    on_column = Edit(assign=(Assignment("personal", column="station"),))
    ops.desk.edit(WEATHER, on_column, expected=None, reason="r")
    ops.desk.edit(HOURLY, Edit(assign=(Assignment("source.bts"),)), expected=None, reason="r")
    assert tasks(connect, "ops", "untagged") == []


def test_a_version_that_failed_a_check_waits_for_its_stewards(connect: Connect, clock: Clock):
    clock.advance(timedelta(hours=1))
    connect("ops").publish(FLIGHTS, manifest(1))
    connect("ops").publish(FLIGHTS, manifest(2), evidence=Evidence(checks=(FAILED,)))
    (task,) = tasks(connect, "sam")
    assert (task.kind, task.node and task.node.name) == ("quarantined", "aviation.flights@2")
    assert task.says == (
        "aviation.flights@2 is quarantined: failed rows; readers keep the last good version"
    )
    assert (task.since, task.revision) == (
        clock.now,
        connect("sam").finder.entry(FLIGHTS).revision,
    )


def test_nobody_answers_for_a_dataset_whose_team_is_empty_or_owner_is_gone(connect: Connect):
    gov = connect("gov")
    gov.desk.apply(STEWARDED)
    (task,) = tasks(connect, "gov", "ownerless")
    assert task.node is not None
    assert task.node.name == SALARIES.dataset
    assert task.says == (
        "nobody answers for people.salaries: its owner is team:hr, and nobody is in it"
    )
    assert task.suggests == "provender dataset edit people.salaries --owner person:NAME"
    gov.desk.apply(replace(STEWARDED, people=(*STEWARDED.people, HR)))
    assert tasks(connect, "gov", "ownerless") == []


def test_data_older_than_is_promised_waits_from_the_instant_it_became_so(
    connect: Connect, clock: Clock
):
    promised = replace(declared(FLIGHTS), fresh_within=timedelta(hours=6))
    others = tuple(d for d in STEWARDED.datasets if d.ref != FLIGHTS)
    connect("gov").desk.apply(replace(STEWARDED, datasets=(promised, *others)))
    assert tasks(connect, "ops", "stale") == []
    connect("ops").publish(FLIGHTS, manifest())
    clock.advance(timedelta(hours=6))
    assert tasks(connect, "ops", "stale") == []
    clock.advance(timedelta(hours=2, microseconds=1))
    (task,) = tasks(connect, "ops", "stale")
    assert task.says == (
        "the data of aviation.flights@1 is 2 hours older than the 6 hours that are promised"
    )
    assert task.since == NOW + timedelta(hours=6)


def test_words_searched_for_in_vain_wait_for_stewards_the_most_wanted_first(
    connect: Connect, governed_url: str
):
    asked(governed_url, "cancelled", 1)
    asked(governed_url, "cancel / divert", 12)
    for name in ("gov", "sam"):
        found = tasks(connect, name, "zero-result")
        assert [task.says for task in found] == [
            "“cancel / divert” was searched for 12 times, and nothing was found",
            "“cancelled” was searched for once, and nothing was found",
        ]
    assert tasks(connect, "ana", "zero-result") == []


def test_numbers_searched_for_in_vain_are_for_who_governs_only(connect: Connect, governed_url: str):
    for words in ("86753", "driver 7", "canary 7f3a", "plate ١٢", "cancelled"):
        asked(governed_url, words, 12)
    assert len(tasks(connect, "gov", "zero-result")) == 5
    (task,) = tasks(connect, "sam", "zero-result")
    assert "cancelled" in task.says
    for identity in (task_id("zero-result", "86753"), task_id("zero-result", "86754")):
        with pytest.raises(NotFound, match="does not wait for person:sam"):
            connect("sam").desk.settle(identity, expected=None)


def test_what_was_edited_since_it_was_applied_waits_as_drift(connect: Connect):
    connect("sam").desk.edit(FLIGHTS, Edit(description="Anew."), expected=None, reason="r")
    for name in ("sam", "gov"):
        (task,) = tasks(connect, name, "drift")
        assert task.says == ("dataset aviation.flights is not as catalog/ declares it: description")
        assert task.node is not None
        assert task.node.name == FLIGHTS.dataset
    assert tasks(connect, "hal", "drift") == []
    back = Edit(description=declared(FLIGHTS).description)
    connect("sam").desk.edit(FLIGHTS, back, expected=None, reason="r")
    assert tasks(connect, "sam", "drift") == []


def test_the_list_goes_on_where_it_stopped_whatever_the_portion(
    connect: Connect, governed_url: str
):
    connect("ops").publish(FLIGHTS, manifest(2), evidence=Evidence(checks=(FAILED,)))
    connect("ops").publish(FLIGHTS, manifest(3), evidence=Evidence(checks=(FAILED,)))
    connect("sam").desk.edit(FLIGHTS, Edit(description="Anew."), expected=None, reason="r")
    for n in range(4):
        asked(governed_url, f"words {n}", n + 1)
    desk = connect("gov").desk
    every = desk.inbox().items
    assert [task.kind for task in every] == [
        *["quarantined"] * 2,
        "drift",
        *["untagged"] * 3,
        *["zero-result"] * 4,
    ]
    for limit in (1, 2, 3):
        found, after = [], ""
        while True:
            part = desk.inbox(limit=limit, after=after)
            assert len(part.items) <= limit
            found += part.items
            if part.next is None:
                break
            after = part.next
        assert found == list(every)
    assert len({task.id for task in every}) == len(every)


def test_a_settled_task_waits_no_more_while_it_is_about_the_same(
    connect: Connect, governed_url: str, clock: Clock
):
    asked(governed_url, "cancelled", 1)
    sam, ops = connect("sam"), connect("ops")
    sam.desk.edit(FLIGHTS, Edit(description="Anew."), expected=None, reason="r")
    for name in ("sam", "ops"):
        for task in tasks(connect, name):
            connect(name).desk.settle(task.id, expected=task.revision)
    assert tasks(connect, "sam") == tasks(connect, "ops") == []
    assert about(tasks(connect, "gov")) == [("untagged", SALARIES.dataset)]
    events = connect("gov").records.audit_events(kind=EventKind.TASK_SETTLE)
    assert {(event.actor, event.detail["kind"]) for event in events} == {
        ("person:sam", "drift"),
        ("person:sam", "zero-result"),
        ("person:ops", "untagged"),
    }
    asked(governed_url, "cancelled", 2, last=5)
    sam.desk.edit(FLIGHTS, Edit(description="Again."), expected=None, reason="r")
    ops.desk.edit(WEATHER, Edit(description="Anew."), expected=None, reason="r")
    assert [task.kind for task in tasks(connect, "sam")] == ["drift", "zero-result"]
    assert [task.kind for task in tasks(connect, "ops", "untagged")] == []


def test_only_who_sees_a_task_settles_it_and_only_as_they_saw_it(connect: Connect):
    (task,) = tasks(connect, "hal")
    for name in ("sam", "ana"):
        with pytest.raises(NotFound, match=r"task .* does not wait for person:") as error:
            connect(name).desk.settle(task.id, expected=task.revision)
        assert error.value.hint == "see which do: provender inbox"
    with pytest.raises(PreconditionFailed, match="it changed meanwhile"):
        connect("hal").desk.settle(task.id, expected=task.revision + 1)
    connect("hal").desk.settle(task.id, expected=task.revision)
    with pytest.raises(NotFound):
        connect("hal").desk.settle(task.id, expected=task.revision)


def test_what_is_no_task_is_not_found(connect: Connect):
    (task,) = tasks(connect, "hal")
    for wrong in (
        "",
        "untagged",
        task.id[:-1],
        f"{task.id}=",
        task.id.replace("untagged", "ownerless"),
        task_id("untagged", "\0"),
        task_id("zero-result", "never asked"),
        task_id("nothing", "x"),
        "untagged.\ud800",
    ):
        with pytest.raises(NotFound):
            connect("hal").desk.settle(wrong, expected=None)


def test_an_id_holds_its_key_in_letters_for_urls():
    for key in ("urn:provender:dataset:0", "a / b?", "“ü”"):
        identity = task_id("zero-result", key)
        assert task_key(identity) == ("zero-result", key)
        assert set(identity) <= set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
        )


def test_kinds_and_places_that_are_none_are_refused(connect: Connect):
    desk = connect("gov").desk
    with pytest.raises(NotFound, match="kind of task 'untaged' not found"):
        desk.inbox(kind="untaged")
    for after in ("x", "untaged a", "untagged \0", "quarantined \ud800"):
        with pytest.raises(InvalidInput, match="is not where a list goes on"):
            desk.inbox(after=after)
    assert desk.inbox(after="quarantined x@y").items
    assert desk.inbox(limit=1, kind="drift").items == ()
