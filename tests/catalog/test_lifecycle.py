"""States of versions in the catalog: who gets which, and what they are told."""

from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest

from provender.catalog.local import LocalCatalog
from provender.core.contracts import CheckResult, Outcome
from provender.core.datasets import Evidence
from provender.core.errors import (
    Conflict,
    Denied,
    Gone,
    Incompatible,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    Recalled,
)
from provender.core.lifecycle import READABLE, REASONED, TRANSITIONS, Severity, State, Step
from provender.core.lineage import Edge, Node
from provender.core.policy import Action, ColumnRef
from provender.core.retention import Retention
from provender.core.schema import Column, Schema
from tests.catalog.world import (
    FLIGHTS,
    HOURLY,
    NOW,
    SALARIES,
    SCHEMA,
    VISIBLE,
    Clock,
    Connect,
    manifest,
    permitted,
    searched,
    training_set,
)

FAILED = Evidence(
    checks=(CheckResult(name="rows", outcome=Outcome.FAIL, severity=Severity.REFUSE),)
)


def draft(ops: LocalCatalog) -> None:
    ops.publish(FLIGHTS, manifest(2), draft=True)


def published(ops: LocalCatalog) -> None:
    ops.publish(FLIGHTS, manifest(2))


def quarantined(ops: LocalCatalog) -> None:
    ops.publish(FLIGHTS, manifest(2), evidence=FAILED)


def deprecated(ops: LocalCatalog) -> None:
    published(ops)
    ops.desk.step(FLIGHTS.at(2), Step.DEPRECATE, reason="old")


def recalled(ops: LocalCatalog) -> None:
    published(ops)
    ops.desk.step(FLIGHTS.at(2), Step.RECALL, reason="wrong", severity=Severity.REFUSE)


MADE: dict[State, Callable[[LocalCatalog], None]] = {
    State.DRAFT: draft,
    State.PUBLISHED: published,
    State.QUARANTINED: quarantined,
    State.DEPRECATED: deprecated,
    State.RECALLED: recalled,
}


def latest_edge(catalog: LocalCatalog) -> list[Edge]:
    """What the dataset as a whole is made from."""
    whole = Node.parse(f"dataset:{FLIGHTS}")
    return [
        edge
        for edge in list(catalog.finder.lineage(whole, depth=1).edges)
        if edge.downstream == whole
    ]


@pytest.mark.parametrize(("state", "step"), list(product(State, Step)))
def test_each_step_from_each_state_is_taken_or_refused_and_readers_get_the_newest_they_may(
    connect: Connect, clock: Clock, state: State, step: Step
):
    ops, ana = connect("ops"), connect("ana")
    ops.publish(FLIGHTS, manifest(1))
    MADE[state](ops)
    before = ops.finder.releases(FLIGHTS).items[0].standing
    assert before.state is state
    entry = ops.finder.entry(FLIGHTS)
    clock.advance(timedelta(hours=1))
    reason = "because" if step in REASONED else ""
    after = TRANSITIONS.get((state, step))
    if after is None:
        with pytest.raises(Conflict, match=f"cannot {step} a version that is {state}"):
            ops.desk.step(FLIGHTS.at(2), step, reason=reason)
        assert ops.finder.releases(FLIGHTS).items[0].standing == before
        assert ops.finder.entry(FLIGHTS) == entry
        after = state
    else:
        release = ops.desk.step(FLIGHTS.at(2), step, reason=reason)
        assert release == ops.finder.releases(FLIGHTS).items[0]
        stands = release.standing
        assert (stands.state, stands.by, stands.at) == (after, "person:ops", clock.now)
        assert stands.reason == reason
        event = ops.records.audit_events(limit=1)[0]
        assert (event.kind.value, event.subject) == (f"version:{step}", "aviation.flights@2")
        assert event.detail["was"] == state.value
        assert ops.finder.entry(FLIGHTS).revision == entry.revision + 1
    newest = 2 if after in READABLE else 1
    assert ana.resolve(FLIGHTS).number == newest
    assert ana.finder.entry(FLIGHTS).latest == newest
    assert latest_edge(ana) == [
        Edge(Node.parse(f"dataset:{FLIGHTS.at(newest)}"), Node.parse(f"dataset:{FLIGHTS}"))
    ]


@pytest.mark.parametrize("state", State)
def test_who_names_a_version_is_warned_of_every_state_but_one_and_refused_where_a_recall_says_so(
    connect: Connect, state: State
):
    ops, ana = connect("ops"), connect("ana")
    ops.publish(FLIGHTS, manifest(1))
    MADE[state](ops)
    if state is State.RECALLED:
        for ask in (ana.resolve, ana.release):
            with pytest.raises(Recalled, match=r"flights@2 was recalled by person:ops.*: wrong"):
                ask(FLIGHTS.at(2))
        return
    told = ana.release(FLIGHTS.at(2))
    assert told.version == ana.resolve(FLIGHTS.at(2))
    assert told.standing.state is state
    if state is State.PUBLISHED:
        assert told.warnings == ()
    else:
        assert len(told.warnings) == 1
        assert state.value in told.warnings[0]


def test_a_recall_says_who_recalled_what_why_and_what_to_read_instead(connect: Connect):
    ops, ana = connect("ops"), connect("ana")
    for rows in (1, 2, 3):
        ops.publish(FLIGHTS, manifest(rows))
    connect("sam").desk.step(
        FLIGHTS.at(2), Step.RECALL, reason="delays are negative", replacement=3
    )
    assert ana.release(FLIGHTS.at(2)).warnings == (
        "aviation.flights@2 was recalled by person:sam on 2026-03-01: delays are negative: "
        "read aviation.flights@3 instead",
    )
    ops.desk.step(FLIGHTS.at(2), Step.RESTORE, reason="")
    assert ana.release(FLIGHTS.at(2)).warnings == ()
    connect("sam").desk.step(
        FLIGHTS.at(2), Step.RECALL, reason="again", replacement=3, severity=Severity.REFUSE
    )
    with pytest.raises(Recalled) as refused:
        ana.release(FLIGHTS.at(2))
    assert refused.value.hint == "read aviation.flights@3 instead"


@pytest.mark.parametrize("severity", Severity)
def test_a_recall_between_resolving_and_reading_reaches_the_reader(
    connect: Connect, severity: Severity
):
    connect("dev").record(VISIBLE)
    ops, ana = connect("ops"), connect("ana")
    ops.publish(FLIGHTS, manifest(1))
    ops.publish(HOURLY, manifest(1, of=HOURLY))
    pin, columns = ana.resolve(FLIGHTS).ref, [ColumnRef(FLIGHTS.dataset, "arr_delay")]
    decision = permitted(ana, pin, HOURLY.at(1))
    ops.desk.step(pin, Step.RECALL, reason="wrong", severity=severity)
    made = training_set(pin, HOURLY.at(1), by="person:ana", decision=decision)
    before = connect("gov").records.verify_audit()
    if severity is Severity.WARN:
        ana.permit(Action.READ, columns, purpose="report", versions=[pin])
        ana.record(made)
        return
    with pytest.raises(Recalled):
        ana.permit(Action.READ, columns, purpose="report", versions=[pin])
    with pytest.raises(Recalled):
        ana.record(made)
    with pytest.raises(Recalled):
        ops.publish(HOURLY, manifest(2, inputs=(pin,), of=HOURLY))
    assert (
        connect("gov").records.verify_audit() == before
    )  # no permit is in the trail that nobody got


def test_equal_content_of_a_recalled_version_is_a_conflict_that_names_it(connect: Connect):
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest(1))
    ops.publish(FLIGHTS, manifest(2))
    ops.desk.step(FLIGHTS.at(2), Step.RECALL, reason="wrong unit")
    said = r"these rows are known: aviation.flights@2 was recalled by person:ops on 2026-03-01: wrong unit"
    with pytest.raises(Conflict, match=said) as conflict:
        ops.publish(FLIGHTS, manifest(2))
    assert "restore aviation.flights@2" in conflict.value.hint
    ops.desk.step(FLIGHTS.at(2), Step.RESTORE, reason="it was right")
    assert ops.publish(FLIGHTS, manifest(2)).number == 2


def test_the_next_version_follows_the_newest_that_readers_get(connect: Connect):
    """A schema that was recalled, quarantined or a draft is nobody's to break."""
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest(1))
    odd = Schema((*SCHEMA.columns[:2], Column(name="arr_delay", type="string")))
    ops.publish(FLIGHTS, manifest(2, schema=odd), breaking_reason="words")
    ops.desk.step(FLIGHTS.at(2), Step.RECALL, reason="no words please")
    made = ops.publish(FLIGHTS, manifest(3), parent=1)
    assert (made.number, made.parent) == (3, 1)
    ops.publish(FLIGHTS, manifest(4), evidence=FAILED)
    with pytest.raises(Conflict, match="is at version 3, not 4"):
        ops.publish(FLIGHTS, manifest(5), parent=4)
    assert ops.publish(FLIGHTS, manifest(5), parent=3).number == 5


NARROWER = Schema(SCHEMA.columns[:2])


@pytest.mark.parametrize("state", [State.DRAFT, State.QUARANTINED, State.RECALLED])
def test_a_step_that_gives_readers_a_schema_that_breaks_them_needs_a_reason(
    connect: Connect, state: State
):
    """Nobody read the first when the second was published, so nobody was broken then."""
    ops = connect("ops")
    evidence = FAILED if state is State.QUARANTINED else Evidence()
    ops.publish(FLIGHTS, manifest(1), draft=True)
    is_draft = state is State.DRAFT
    ops.publish(FLIGHTS, manifest(2, schema=NARROWER), draft=is_draft, evidence=evidence)
    if state is State.RECALLED:
        ops.desk.step(FLIGHTS.at(2), Step.RECALL, reason="wrong")
    ops.desk.step(FLIGHTS.at(1), Step.PUBLISH, reason="")
    step = next(step for at, step in TRANSITIONS if at is state and step is not Step.RECALL)
    with pytest.raises(Incompatible, match="@2 would break readers of @1: column arr_delay"):
        ops.desk.step(FLIGHTS.at(2), step, reason="")
    if is_draft:
        with pytest.raises(Incompatible, match="@2 would break readers of @1"):
            ops.publish(FLIGHTS, manifest(2, schema=NARROWER))
    assert ops.resolve(FLIGHTS).number == 1
    ops.desk.step(FLIGHTS.at(2), step, reason="nobody needs it")
    assert ops.resolve(FLIGHTS).number == 2
    assert ops.records.audit_events(limit=1)[0].detail["schema"] == "breaking"


def test_what_broke_readers_with_a_reason_is_restored_without_another(connect: Connect):
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest(1))
    ops.publish(FLIGHTS, manifest(2, schema=NARROWER), breaking_reason="nobody needs it")
    ops.desk.step(FLIGHTS.at(2), Step.RECALL, reason="somebody does")
    ops.desk.step(FLIGHTS.at(2), Step.RESTORE, reason="")
    assert ops.resolve(FLIGHTS).number == 2


@pytest.mark.parametrize("state", [State.DRAFT, State.QUARANTINED, State.RECALLED])
def test_no_step_gives_readers_a_version_whose_data_is_gone(
    connect: Connect, clock: Clock, state: State
):
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest(1))
    MADE[state](ops)
    ops.desk.retention(FLIGHTS, Retention(keep_days=0), expected=None, dry_run=False)
    clock.advance(timedelta(days=1))
    due = ops.desk.retention(FLIGHTS, None, expected=None, dry_run=False)
    assert [one.goes for one in due] == [False, True]
    step = next(step for at, step in TRANSITIONS if at is state and step is not Step.RECALL)
    with pytest.raises(Gone, match=r"the data of aviation\.flights@2 was deleted"):
        ops.desk.step(FLIGHTS.at(2), step, reason="because")
    assert ops.resolve(FLIGHTS).number == 1


def test_search_finds_the_columns_of_the_newest_version_for_readers(connect: Connect):
    ops, ana = connect("ops"), connect("ana")
    ops.publish(FLIGHTS, manifest(1))
    wider = Schema((*SCHEMA.columns, Column(name="gust", type="float64")))
    ops.publish(FLIGHTS, manifest(2, schema=wider))
    assert searched(ana, "gust")
    ops.desk.step(FLIGHTS.at(2), Step.RECALL, reason="made up")
    assert not searched(ana, "gust")
    ops.desk.step(FLIGHTS.at(2), Step.RESTORE, reason="")
    assert searched(ana, "gust")


def test_as_of_is_what_readers_got_then_with_what_is_known_of_it_now(
    connect: Connect, clock: Clock
):
    ops, ana = connect("ops"), connect("ana")
    hours = [NOW + timedelta(hours=hour) for hour in range(6)]

    def at(hour: int) -> None:
        clock.now = hours[hour]

    ops.publish(FLIGHTS, manifest(1))
    at(1)
    ops.publish(FLIGHTS, manifest(2), draft=True)
    at(2)
    ops.desk.step(FLIGHTS.at(2), Step.PUBLISH, reason="")
    at(3)
    ops.desk.step(FLIGHTS.at(2), Step.RECALL, reason="wrong", severity=Severity.REFUSE)
    at(4)
    assert ana.resolve(FLIGHTS).number == 1
    assert [ana.resolve(FLIGHTS, as_of=hours[hour]).number for hour in (0, 1, 3)] == [1, 1, 1]
    with pytest.raises(Recalled):  # it is what they got, and it is not for reading any more
        ana.resolve(FLIGHTS, as_of=hours[2])
    ops.desk.step(FLIGHTS.at(2), Step.RESTORE, reason="")
    assert ana.resolve(FLIGHTS, as_of=hours[2]).number == 2
    assert ana.resolve(FLIGHTS, as_of=hours[3]).number == 1


def test_stewards_take_steps_and_nobody_else(connect: Connect):
    ops, ana = connect("ops"), connect("ana")
    ops.publish(FLIGHTS, manifest(1))
    ops.publish(FLIGHTS, manifest(2), draft=True)
    for step in Step:
        with pytest.raises(Denied):
            ana.desk.step(FLIGHTS.at(1), step, reason="because")
        with pytest.raises(NotFound):
            ana.desk.step(SALARIES.at(1), step, reason="because")
    assert ops.finder.releases(FLIGHTS).items[1].standing.state is State.PUBLISHED


def test_steps_that_make_no_sense_are_refused(connect: Connect):
    ops = connect("ops")
    for rows in (1, 2, 3):
        ops.publish(FLIGHTS, manifest(rows))
    step = ops.desk.step
    with pytest.raises(InvalidInput, match="names no version"):
        step(FLIGHTS, Step.RECALL, reason="x")
    with pytest.raises(NotFound, match="versions are 1–3"):
        step(FLIGHTS.at(9), Step.RECALL, reason="x")
    with pytest.raises(InvalidInput, match="without a reason"):
        step(FLIGHTS.at(1), Step.DEPRECATE, reason="")
    with pytest.raises(InvalidInput, match="cannot be refused a version that is deprecated"):
        step(FLIGHTS.at(1), Step.DEPRECATE, reason="x", severity=Severity.REFUSE)
    with pytest.raises(InvalidInput, match="cannot take its own place"):
        step(FLIGHTS.at(1), Step.RECALL, reason="x", replacement=1)
    step(FLIGHTS.at(1), Step.RECALL, reason="x", replacement=2)
    with pytest.raises(InvalidInput, match="instead of a version that is published"):
        step(FLIGHTS.at(1), Step.RESTORE, reason="x", replacement=2)
    with pytest.raises(InvalidInput, match="@1 is recalled: readers cannot be sent there"):
        step(FLIGHTS.at(3), Step.RECALL, reason="x", replacement=1)
    with pytest.raises(NotFound):
        step(FLIGHTS.at(3), Step.RECALL, reason="x", replacement=7)


def test_a_step_on_what_changed_meanwhile_fails(connect: Connect):
    ops = connect("ops")
    for rows in (1, 2):
        ops.publish(FLIGHTS, manifest(rows))
    seen = ops.finder.entry(FLIGHTS).revision
    ops.desk.step(FLIGHTS.at(1), Step.DEPRECATE, reason="old", expected=seen)
    with pytest.raises(PreconditionFailed, match=f"at revision {seen + 1}, not {seen}"):
        ops.desk.step(FLIGHTS.at(1), Step.RECALL, reason="wrong", expected=seen)


def test_every_version_recalled_leaves_readers_none_and_says_so(connect: Connect):
    ops, ana = connect("ops"), connect("ana")
    for rows in (1, 2):
        ops.publish(FLIGHTS, manifest(rows))
        ops.desk.step(FLIGHTS.at(rows), Step.RECALL, reason="wrong")
    with pytest.raises(NotFound, match="@1 is recalled, @2 is recalled"):
        ana.resolve(FLIGHTS)
    assert ana.finder.entry(FLIGHTS).latest is None
    assert latest_edge(ana) == []
