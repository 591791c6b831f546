"""Drafts, and rows that come back: which version they are, and whether readers get it."""

from datetime import timedelta

import pytest

from provender.core.audit import EventKind
from provender.core.errors import Conflict, NotFound
from provender.core.lifecycle import State, Step
from tests.catalog.world import FLIGHTS, Clock, Connect, manifest


def test_a_draft_is_published_by_publishing_the_same_rows_again(connect: Connect):
    ops, ana = connect("ops"), connect("ana")
    made = ops.publish(FLIGHTS, manifest(1), draft=True)
    with pytest.raises(NotFound, match="has no version for reading: @1 is draft"):
        ana.resolve(FLIGHTS)
    assert ops.publish(FLIGHTS, manifest(1), draft=True) == made
    assert ops.finder.releases(FLIGHTS).items[0].standing.state is State.DRAFT
    assert ops.publish(FLIGHTS, manifest(1)) == made
    assert ana.resolve(FLIGHTS) == made
    assert ops.records.audit_events(limit=1)[0].kind is EventKind.VERSION_PUBLISH


def test_of_a_draft_nobody_is_told_that_it_is_published(connect: Connect, clock: Clock):
    ops, ana = connect("ops"), connect("ana")
    ops.publish(FLIGHTS, manifest(1), draft=True)
    clock.advance(timedelta(hours=1))
    with pytest.raises(NotFound, match="had no version for reading at") as refused:
        ana.resolve(FLIGHTS, as_of=clock.now)
    assert "published" not in refused.value.hint
    with pytest.raises(NotFound) as refused:
        ana.resolve(FLIGHTS.at(9))
    assert refused.value.hint == "did you mean aviation.flights@1 (it is draft)?"
    for rows in range(2, 9):
        ops.publish(FLIGHTS, manifest(rows), draft=True)
    with pytest.raises(NotFound, match=r"for reading: …, @4 is draft, .*, @8 is draft\n"):
        ana.resolve(FLIGHTS)


def test_a_draft_that_was_overtaken_is_not_published_into_the_past(connect: Connect):
    ops, ana = connect("ops"), connect("ana")
    ops.publish(FLIGHTS, manifest(1), draft=True)
    ops.publish(FLIGHTS, manifest(2))
    with pytest.raises(Conflict, match=r"@2 was published after the draft aviation\.flights@1"):
        ops.desk.step(FLIGHTS.at(1), Step.PUBLISH, reason="")
    made = ops.publish(FLIGHTS, manifest(1))
    assert (made.number, made.parent) == (3, 2)
    assert ana.resolve(FLIGHTS) == made


def test_rows_that_come_back_are_what_readers_get(connect: Connect):
    ops, ana = connect("ops"), connect("ana")
    ops.publish(FLIGHTS, manifest(1))
    ops.publish(FLIGHTS, manifest(2))
    back = ops.publish(FLIGHTS, manifest(1))
    assert (back.number, back.parent) == (3, 2)
    assert ana.resolve(FLIGHTS) == back
    assert ops.publish(FLIGHTS, manifest(1)) == back
    assert ops.publish(FLIGHTS, manifest(2), parent=1).number == 2
