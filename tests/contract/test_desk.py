"""What every Desk must do, whatever it is made of."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provender.core.datasets import Dataset, Format, whole
from provender.core.editing import Edit
from provender.core.errors import (
    Conflict,
    Denied,
    InvalidInput,
    KeyReused,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    Problems,
    Recalled,
)
from provender.core.glossary import Term
from provender.core.governance import Change, Declared, Domain, plan_digest
from provender.core.lifecycle import Severity, State, Step
from provender.core.names import DatasetRef
from provender.core.people import Owner, Person, Role
from provender.core.policy import Action, Rule
from provender.core.retention import Retention
from provender.core.tags import Assignment, Tag
from tests.catalog.test_contracts import CONTRACT
from tests.catalog.world import FLIGHTS, GOVERNANCE, HOURLY, NOW, SALARIES, WEATHER, Clock, manifest
from tests.contract.conftest import Connect


def test_an_edit_changes_what_it_names_and_nothing_else(connect: Connect):
    sam = connect("sam")
    before = sam.finder.entry(FLIGHTS)
    edit = Edit(
        description="Every flight.",
        owners=(Owner("team:ops"), Owner("person:sam", Role.STEWARD)),
        links=("https://example.com/flights",),
        unassign=(Assignment("source.bts"),),
        assign=(Assignment("source.bts", column="arr_delay"),),
        column_descriptions={"tailnum": "The plane."},
    )
    after = sam.desk.edit(FLIGHTS, edit, expected=before.revision, reason="clearer")
    assert after.revision == before.revision + 1
    assert after.dataset.description == "Every flight."
    assert (after.dataset.tags, after.dataset.column_tags["arr_delay"]) == ((), ("source.bts",))
    assert after.dataset.column_tags["tailnum"] == before.dataset.column_tags["tailnum"]
    assert sam.finder.entry(FLIGHTS) == after
    told = sam.desk.history("dataset", str(FLIGHTS), limit=1).items[0]
    assert (told.by, told.reason) == ("person:sam", "clearer")


def test_an_edit_of_what_somebody_changed_meanwhile_is_refused(connect: Connect):
    sam = connect("sam").desk
    sam.edit(FLIGHTS, Edit(description="One."), expected=1)
    with pytest.raises(PreconditionFailed, match="is at revision 2, not 1"):
        sam.edit(FLIGHTS, Edit(description="Two."), expected=1)
    with pytest.raises(PreconditionRequired):
        sam.edit(FLIGHTS, Edit(description="Two."), expected=None)
    assert sam.edit(FLIGHTS, Edit(description="Three."), expected=None, reason="r").revision == 3


def test_an_edit_that_is_sent_twice_is_made_once(connect: Connect):
    sam = connect("sam").desk
    first = sam.edit(FLIGHTS, Edit(description="One."), expected=1, key="k1")
    sam.edit(FLIGHTS, Edit(description="Two."), expected=2)
    assert sam.edit(FLIGHTS, Edit(description="One."), expected=1, key="k1") == first
    with pytest.raises(KeyReused):
        sam.edit(FLIGHTS, Edit(description="Three."), expected=1, key="k1")
    why = "whatever it says"
    anew = sam.edit(FLIGHTS, Edit(description="Two!"), expected=None, reason=why, key="k2")
    sam.edit(FLIGHTS, Edit(description="Two."), expected=None, reason=why)
    again = sam.edit(FLIGHTS, Edit(description="Two!"), expected=None, reason=why, key="k2")
    assert again == anew
    assert connect("ana").dataset(FLIGHTS).description == "Two."


def test_everything_that_is_wrong_with_an_edit_is_told_at_once(connect: Connect):
    edit = Edit(assign=(Assignment("no.tag"),), terms=("nothing",), owners=())
    with pytest.raises(Problems) as error:
        connect("sam").desk.edit(FLIGHTS, edit, expected=1)
    assert len(error.value.problems) >= 3
    assert error.value.message.count("\n  - ") == len(error.value.problems)


def test_editing_is_for_stewards(connect: Connect):
    with pytest.raises(Denied):
        connect("ana").desk.edit(FLIGHTS, Edit(description="Mine."), expected=1)
    with pytest.raises(NotFound):
        connect("ana").desk.edit(SALARIES, Edit(), expected=1)


def test_a_version_is_recalled_and_readers_are_told(connect: Connect):
    ops = connect("ops")
    for rows in (1, 2):
        ops.publish(FLIGHTS, manifest(rows))
    revision = ops.finder.entry(FLIGHTS).revision
    done = ops.desk.step(
        FLIGHTS.at(2),
        Step.RECALL,
        reason="wrong unit",
        severity=Severity.REFUSE,
        replacement=1,
        expected=revision,
    )
    assert (done.standing.state, done.standing.replacement) == (State.RECALLED, 1)
    assert ops.resolve(FLIGHTS).number == 1
    with pytest.raises(Recalled, match="wrong unit"):
        ops.resolve(FLIGHTS.at(2))
    with pytest.raises(Conflict):
        ops.desk.step(FLIGHTS.at(2), Step.DEPRECATE, reason="r")
    restored = ops.desk.step(FLIGHTS.at(2), Step.RESTORE, reason="it was right")
    assert restored.standing.state is State.PUBLISHED
    with pytest.raises(InvalidInput):
        ops.desk.step(
            FLIGHTS.at(2), Step.RECALL, reason="", expected=ops.finder.entry(FLIGHTS).revision
        )


def test_what_waits_for_a_steward_is_settled(connect: Connect):
    ops = connect("ops").desk
    tasks = whole(lambda after: ops.inbox(limit=1, after=after))
    assert len({task.id for task in tasks}) == len(tasks) > 1
    task = next(task for task in tasks if task.node and task.node.name == str(WEATHER))
    assert {one.kind for one in ops.inbox(kind=task.kind).items} == {task.kind}
    with pytest.raises(PreconditionFailed):
        ops.settle(task.id, expected=task.revision + 1)
    ops.settle(task.id, expected=task.revision)
    assert task.id not in [one.id for one in ops.inbox(limit=200).items]
    with pytest.raises(NotFound):
        ops.settle(task.id, expected=task.revision)


def test_the_history_of_an_object_is_told_in_parts(connect: Connect):
    sam = connect("sam").desk
    for number in (1, 2, 3):
        sam.edit(FLIGHTS, Edit(description=f"Number {number}."), expected=number)
    told = whole(lambda after: sam.history("dataset", str(FLIGHTS), limit=2, after=after))
    assert [one.value and one.value["description"] for one in told][:3] == [
        "Number 3.",
        "Number 2.",
        "Number 1.",
    ]
    assert len(told) == 4
    with pytest.raises(NotFound):
        sam.history("dataset", "people.salaries")


def test_a_contract_is_kept_byte_for_byte_and_replaced_by_who_saw_it(connect: Connect):
    sam, raw = connect("sam").desk, b"\xef\xbb\xbf" + CONTRACT.replace("\n", "\r\n").encode()
    with pytest.raises(NotFound, match="has no contract"):
        sam.contract(FLIGHTS)
    with pytest.raises(PreconditionFailed):
        sam.attach(FLIGHTS, raw, expected=1)
    attached = sam.attach(FLIGHTS, raw, expected=0)
    assert connect("ana").desk.contract(FLIGHTS) == attached
    assert (attached.raw, attached.revision) == (raw, 1)
    with pytest.raises(PreconditionFailed):
        sam.attach(FLIGHTS, CONTRACT.encode(), expected=0)
    assert sam.attach(FLIGHTS, CONTRACT.encode(), expected=None).revision == 2
    with pytest.raises(InvalidInput):
        sam.attach(FLIGHTS, b"no: contract", expected=2)
    with pytest.raises(Denied):
        connect("ana").desk.attach(FLIGHTS, raw, expected=2)


def test_governance_is_told_as_of_an_instant(connect: Connect, clock: Clock):
    before = connect("gov").desk.governance()
    clock.advance(timedelta(hours=1))
    connect("sam").desk.edit(FLIGHTS, Edit(description="New."), expected=1)
    gov = connect("gov").desk
    assert gov.governance(as_of=NOW) == before
    assert gov.governance() != before
    assert gov.governance() == connect("gov").governance()


def test_a_renamed_dataset_is_found_by_its_former_name_with_all_that_it_had(connect: Connect):
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest(1))
    before = ops.finder.entry(FLIGHTS)
    desk = ops.desk
    done = desk.rename(FLIGHTS, "aviation.departures", expected=before.revision)
    assert (done.urn, done.former_names) == (before.urn, (str(FLIGHTS),))
    departures = DatasetRef("aviation", "departures")
    for ref in (FLIGHTS, departures):
        assert ops.dataset(ref).ref == departures
        assert ops.finder.entry(ref) == done
        assert ops.resolve(ref).ref == departures.at(1)
        assert len(ops.finder.releases(ref).items) == 1
    with pytest.raises(PreconditionFailed):
        desk.rename(departures, "aviation.other", expected=before.revision)
    with pytest.raises(Conflict):
        desk.rename(HOURLY, str(FLIGHTS), expected=1)
    assert desk.rename(departures, str(FLIGHTS), expected=None).dataset.ref == FLIGHTS


def test_retention_is_foreseen_set_and_followed(connect: Connect):
    ops = connect("ops")
    for rows in (1, 2, 3):
        ops.publish(FLIGHTS, manifest(rows))
    desk, rule = ops.desk, Retention(keep_versions=1)
    foreseen = desk.retention(FLIGHTS, rule, expected=None, dry_run=True)
    assert [(one.ref.version, one.goes) for one in foreseen] == [(1, True), (2, True), (3, False)]
    assert ops.release(FLIGHTS.at(1)).data_gone_at is None
    revision = ops.finder.entry(FLIGHTS).revision
    with pytest.raises(PreconditionFailed):
        desk.retention(FLIGHTS, rule, expected=revision + 1, dry_run=False)
    assert desk.retention(FLIGHTS, rule, expected=revision, dry_run=False) == foreseen
    assert ops.release(FLIGHTS.at(1)).data_gone_at is None
    assert desk.retention(FLIGHTS, None, expected=None, dry_run=False) == foreseen
    releases = ops.finder.releases(FLIGHTS).items
    assert [one.data_gone_at is not None for one in releases] == [False, True, True]
    with pytest.raises(InvalidInput):
        desk.retention(FLIGHTS, Retention(keep_versions=0), expected=None, dry_run=True)
    with pytest.raises(Denied):
        connect("ana").desk.retention(FLIGHTS, rule, expected=None, dry_run=True)


def test_governance_is_planned_and_applied_with_what_it_would_undo(connect: Connect):
    connect("sam").desk.edit(FLIGHTS, Edit(description="Edited."), expected=1)
    gov = connect("gov").desk
    more = replace(GOVERNANCE, purposes={**GOVERNANCE.purposes, "audit": "Look."})
    planned = gov.plan(more)
    (drifted,) = (step for step in planned if step.drift)
    assert drifted.drift
    assert isinstance(drifted.drift.theirs, Dataset)
    assert drifted.drift.theirs.description == "Edited."
    assert [step.name for step in planned if step.change is Change.ADD] == ["audit"]
    with pytest.raises(Conflict, match="would undo 1 change"):
        gov.apply(more)
    looked_at = plan_digest(gov.plan(more))
    with pytest.raises(PreconditionFailed, match="not any more the plan"):
        gov.apply(more, overwrite=True, expected="another")
    done = gov.apply(more, overwrite=True, expected=looked_at)
    assert [step.name for step in done if step.change is Change.ADD] == ["audit"]
    assert gov.governance().purposes["audit"] == "Look."
    broken = replace(GOVERNANCE, teams=())
    with pytest.raises(Problems):
        gov.plan(broken)
    with pytest.raises(Denied):
        connect("ana").desk.apply(more)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("tag", "pii.email", Tag(name="pii.email", values=("own", "other"))),
        ("term", "tail number", Term(name="tail number", definition="Of a plane.", synonyms=("tailnum",))),
        ("person", "person:new", Person(id="person:new", teams=("team:ops",))),
        ("domain", "rail", Domain(name="rail")),
        ("rule", "r9", Rule(id="r9", actors=("anyone",), actions=(Action.DISCOVER,), datasets=("rail.*",))),
        ("dataset", "aviation.gates", Dataset(ref=DatasetRef("aviation", "gates"), description="Gates.", owner="team:ops", format=Format.CSV)),
    ],
)  # fmt: skip
def test_an_object_is_declared_and_withdrawn_alone(
    connect: Connect, kind: str, name: str, value: Declared
):
    gov = connect("gov").desk
    with pytest.raises(PreconditionFailed, match="is not there, not 1"):
        gov.declare(value, expected=1)
    step = gov.declare(value, expected=0, reason="needed")
    assert (step.change, step.kind, step.name, step.value) == (Change.ADD, kind, name, value)
    assert gov.declare(value).change is Change.KEEP
    there = 1 if kind == "dataset" else gov.history(kind, name).items[0].revision
    for seen in (0, there + 1):
        with pytest.raises(PreconditionFailed, match=f"is at revision {there}"):
            gov.declare(value, expected=seen)
        with pytest.raises(PreconditionFailed, match=f"is at revision {there}"):
            gov.withdraw(kind, name, expected=seen)
    assert gov.declare(value, expected=there).change is Change.KEEP
    with pytest.raises(Denied):
        connect("ana").desk.declare(value)
    assert gov.withdraw(kind, name, expected=there).change is Change.REMOVE
    with pytest.raises(NotFound):
        gov.withdraw(kind, name)
