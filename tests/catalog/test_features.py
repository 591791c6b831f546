import re
from contextlib import nullcontext
from dataclasses import replace

import pytest
from sqlalchemy.event import listen

from provender.catalog import features
from provender.catalog.db import open_database, transaction
from provender.catalog.local import LocalCatalog
from provender.core.audit import EventKind
from provender.core.errors import Denied, InvalidInput, NotFound
from provender.core.features import RepoSpec
from provender.core.finding import Question
from provender.core.lineage import Node
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import Action, Rule
from tests.catalog.world import (
    FLIGHTS,
    GOVERNANCE,
    HOURLY,
    REPO,
    SALARIES,
    VISIBLE,
    Clock,
    Connect,
    declared,
    governing,
    manifest,
    permitted,
    searched,
    training_set,
)

SERVES = Rule(id="serve", actors=("service:online",), actions=(Action.SERVE,))


def test_the_same_definitions_again_write_nothing(connect: Connect):
    dev, gov = connect("dev"), connect("gov")
    dev.record(REPO)
    before = gov.records.verify_audit()
    dev.record(replace(REPO, commit="abc"))
    assert gov.records.verify_audit() == before


def test_the_definitions_recorded_last_are_in_force_even_if_they_are_old_ones(connect: Connect):
    dev = connect("dev")
    smaller = replace(REPO, services=())
    for repo in (REPO, smaller, REPO):
        dev.record(repo)
        assert dev.repo("delays") == repo
    events = connect("gov").records.audit_events(kind=EventKind.FEATURES_APPLY)
    numbers = [event.detail["number"] for event in events if "definitions" in event.detail]
    assert numbers == [3, 2, 1]


def test_projects_do_not_mix_even_if_one_name_ends_with_the_other(connect: Connect):
    dev = connect("dev")
    other = replace(VISIBLE, project="more_delays", on_demand=(), services=())
    dev.record(REPO)
    dev.record(other)
    assert dev.records.projects() == ["delays", "more_delays"]
    dev.record(replace(REPO, views=(), on_demand=(), services=()))
    assert dev.repo("more_delays") == other
    assert [(h.project, h.name) for h in searched(dev, "sky", kind="feature-view")] == [
        ("more_delays", "weather")
    ]


def test_what_was_never_applied_is_not_served(connect: Connect):
    for ask in (connect("ana").records.serving_manifest, connect("ana").records.serving_digest):
        with pytest.raises(NotFound, match="project 'delays' not found"):
            ask("delays")


def test_defining_needs_an_office_over_every_dataset_that_is_read(connect: Connect):
    before = connect("gov").records.verify_audit()
    for asks in (connect("max").record, connect("max").compile_serving):
        with pytest.raises(Denied, match=r"person:max may not define aviation\.weather_hourly"):
            asks(VISIBLE)
    event, _ = connect("gov").records.audit_events(
        limit=connect("gov").records.verify_audit() - before
    )
    assert (event.kind, event.actor, event.subject) == (
        EventKind.ACCESS_DENY,
        "person:max",
        "aviation.weather_hourly",
    )
    assert event.detail["action"] == "define"
    with pytest.raises(NotFound, match=r"dataset 'people\.salaries' not found"):
        connect("ana").record(REPO)
    assert connect("dev").records.projects() == []
    connect("sam").records.grant(FLIGHTS, grantee="person:max", action=Action.DEFINE)
    over_flights = replace(VISIBLE.views[0], dataset=FLIGHTS)
    connect("max").record(replace(VISIBLE, views=(over_flights,)))
    assert connect("ana").repo("delays").view("weather").dataset == FLIGHTS


def test_a_view_of_a_file_needs_a_right_to_define_anything(connect: Connect):
    files = replace(VISIBLE, views=(replace(VISIBLE.views[0], dataset=None),))
    with pytest.raises(Denied, match="make no project"):
        connect("max").record(files)
    connect("ana").record(files)
    assert connect("max").repo("delays") == files
    with pytest.raises(Denied, match="make no project"):  # what rests on no data is no dataset
        connect("max").record(replace(files, project="mine"))


def test_an_unowned_project_is_changed_by_who_recorded_it_last_and_who_governs(connect: Connect):
    files = replace(VISIBLE, views=(replace(VISIBLE.views[0], dataset=None),), services=())
    connect("ana").record(files)
    for repo in (files, replace(files, views=()), replace(files, owner="person:max")):
        for asks in (connect("max").record, connect("max").compile_serving):
            with pytest.raises(Denied, match="delays was applied last by person:ana") as error:
                asks(repo)
            assert "ask person:ana" in error.value.hint
    assert connect("ana").repo("delays") == files
    connect("ana").record(replace(files, description="Theirs."))
    connect("gov").record(replace(files, owner="team:models"))
    connect("ana").record(replace(files, owner="team:models", views=()))


def test_a_project_is_owned_by_somebody_who_is_declared(connect: Connect):
    files = replace(VISIBLE, views=(), on_demand=(), services=())
    for owner in ("whoever I like", "person:anna", "team:model"):
        with pytest.raises(InvalidInput, match=f"owner '{owner}' of project delays") as error:
            connect("ana").record(replace(files, owner=owner))
    assert error.value.hint == "did you mean team:models?"


def test_who_may_not_define_over_what_was_read_may_not_take_its_place_either(connect: Connect):
    given = connect("sam").records.grant(FLIGHTS, grantee="person:max", action=Action.DEFINE)
    connect("max").record(replace(VISIBLE, views=(replace(VISIBLE.views[0], dataset=FLIGHTS),)))
    connect("sam").records.revoke(given.id)
    files = replace(VISIBLE, views=(replace(VISIBLE.views[0], dataset=None),))
    with pytest.raises(Denied, match=r"person:max may not define aviation\.flights"):
        connect("max").record(files)


def test_a_dataset_that_is_gone_does_not_hold_up_the_definitions(connect: Connect):
    connect("dev").record(REPO)
    connect("gov").desk.apply(replace(GOVERNANCE, datasets=GOVERNANCE.datasets[:3]))
    connect("dev").record(VISIBLE)
    assert connect("ana").repo("delays") == VISIBLE


def test_definitions_are_shown_as_far_as_what_they_rest_on_may_be_discovered(connect: Connect):
    dev, ana = connect("dev"), connect("ana")
    dev.record(REPO)
    seen = ana.repo("delays")
    assert seen == replace(VISIBLE, whole=REPO.digest)
    assert seen.digest == dev.repo("delays").digest == REPO.digest
    served = ana.records.serving_manifest("delays")
    assert [view.name for view in served.views] == ["weather"]
    assert [service.name for service in served.services] == ["delay_v1"]
    assert set(served.closed) == {"weather:temp", "heat:celsius"}
    assert served.repo_digest == REPO.digest
    assert "pay" not in str(served)
    assert ana.records.serving_digest("delays") == dev.records.serving_manifest("delays").digest


def test_a_project_that_rests_on_hidden_data_only_is_not_there(connect: Connect):
    connect("dev").record(replace(REPO, project="payroll", views=REPO.views[1:], on_demand=()))
    connect("dev").record(VISIBLE)
    assert connect("ana").records.projects() == ["delays"]
    said = []
    for project in ("payroll", "paybill"):
        ana = connect("ana")
        for ask in (ana.repo, ana.records.serving_manifest, ana.records.serving_digest):
            with pytest.raises(NotFound) as error:
                ask(project)
            said.append(str(error.value).replace(project, "…"))
    assert len(set(said)) == 1


def test_whose_a_hidden_project_is_is_told_to_nobody_who_defines_something(connect: Connect):
    hidden = replace(REPO, project="payroll", views=REPO.views[1:], on_demand=(), owner="team:hr")
    connect("dev").record(hidden)
    files = replace(VISIBLE, views=(replace(VISIBLE.views[0], dataset=None),), services=())
    said: dict[str, list[str]] = {}
    for project in ("payroll", "paybill"):
        for name, repo in (("max", files), ("max", VISIBLE), ("ana", REPO)):
            for ask in (connect(name).record, connect(name).compile_serving):
                with pytest.raises((Denied, NotFound)) as error:
                    ask(replace(repo, project=project))
                said.setdefault(project, []).append(str(error.value).replace(project, "…"))
    assert said["payroll"] == said["paybill"]
    with pytest.raises(Denied, match="name payroll is not to be had") as taken:
        connect("ana").record(replace(VISIBLE, project="payroll"))
    with pytest.raises(NotFound, match="project 'payroll' not found"):
        connect("ana").compile_serving(replace(VISIBLE, project="payroll"))
    assert not re.search("hr|dev", str(taken.value))
    assert connect("dev").repo("payroll") == hidden


def test_what_a_reader_was_shown_is_no_forgery_when_it_is_recorded(connect: Connect):
    connect("dev").record(replace(VISIBLE, whole="sha256:forged"))
    assert connect("dev").repo("delays").digest == VISIBLE.digest


def test_an_entity_is_seen_by_who_sees_one_of_its_views_wherever_it_is_asked_for(
    connect: Connect, clock: Clock
):
    entity = replace(REPO.entities[0], name="employee", description="Earns.")
    pay = replace(REPO.views[1], entities=("employee", "origin"))
    connect("dev").record(
        replace(REPO, entities=(*REPO.entities, entity), views=(REPO.views[0], pay))
    )
    asked = Question(filters={"type": ("entity",)})

    def check(catalog: LocalCatalog, *seen: str) -> None:
        assert {e.name for e in catalog.repo("delays").entities} == set(seen)
        (state,) = catalog.desk.history("definitions", "delays").items
        assert {e["name"] for e in (state.value or {})["entities"]} == set(seen)
        now = catalog.finder.search(asked)
        then = catalog.finder.search(replace(asked, as_of=clock.now))
        for found in (now, then):
            assert {hit.name for hit in found.hits} == set(seen)
        for name in ("employee", "origin"):
            with nullcontext() if name in seen else pytest.raises(NotFound):
                catalog.finder.lineage(Node.parse(f"entity:delays/{name}"))

    check(connect("ana"), "origin")
    check(connect("gov"), "employee", "origin")
    assert searched(connect("ana"), "pay") == []
    ours = replace(declared(SALARIES), stewards=("person:sam",))
    connect("gov").desk.apply(governing(ours))
    connect("sam").records.grant(SALARIES, grantee="person:max")
    hidden = Rule(id="h", actors=("person:ana",), actions=(Action.DISCOVER,))
    rules = (*(r for r in GOVERNANCE.rules if Action.DISCOVER not in r.actions), hidden)
    connect("gov").desk.apply(governing(ours, rules=rules))
    assert {h.name for h in connect("max").finder.search(asked).hits} == {"employee", "origin"}


def test_definitions_as_they_were_bring_what_is_served_up_to_the_policy(connect: Connect):
    ana, gov = connect("ana"), connect("gov")
    ana.record(VISIBLE)
    assert "weather:temp" in ana.records.serving_manifest("delays").closed
    person = replace(GOVERNANCE.people[0], id="service:online", teams=())
    gov.desk.apply(
        governing(rules=(*GOVERNANCE.rules, SERVES), people=(*GOVERNANCE.people, person))
    )
    assert ana.records.serving_manifest("delays").digest != ana.records.serving_digest("delays")
    before = gov.records.verify_audit()
    ana.record(VISIBLE)
    assert ana.records.serving_manifest("delays").closed == {}
    assert ana.records.serving_manifest("delays").digest == ana.records.serving_digest("delays")
    (event,) = gov.records.audit_events(limit=gov.records.verify_audit() - before)
    assert event.kind == EventKind.FEATURES_APPLY
    assert event.detail["closed"] == []


def test_a_training_set_is_found_by_the_start_of_its_id(connect: Connect):
    connect("dev").record(VISIBLE)
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest())
    decision = permitted(ops, FLIGHTS)
    one, two = (
        training_set(FLIGHTS.at(1), by="person:ops", content=content, decision=decision)
        for content in ("a", "b")
    )
    ops.record(one)
    ops.record(two)
    ops.record(replace(one, seconds=9.0))
    assert connect("ana").records.training_set(one.id) == one
    assert connect("ana").records.training_set(two.id[:9]) == two
    assert {m.id for m in list(connect("ana").records.training_sets().items)} == {one.id, two.id}
    for unclear in ("ts_", "", "ts_0", "%"):
        with pytest.raises(NotFound, match=r"training set .* not found"):
            connect("ana").records.training_set(unclear)


def test_every_maker_of_a_training_set_is_written_down(connect: Connect):
    connect("dev").record(VISIBLE)
    connect("ops").publish(FLIGHTS, manifest())
    made = {}
    for name in ("ops", "ana"):
        decision = permitted(connect(name), FLIGHTS)
        made[name] = training_set(FLIGHTS.at(1), by=f"person:{name}", decision=decision)
        connect(name).record(made[name])
    assert {one.id for one in connect("max").records.training_sets().items} == {
        made["ops"].id,
        made["ana"].id,
    }
    events = connect("gov").records.audit_events(kind=EventKind.TRAINING_SET_RECORD)
    assert [(e.actor, e.subject, e.detail["decision"]) for e in events] == [
        ("person:ana", made["ana"].id, made["ana"].decision),
        ("person:ops", made["ops"].id, made["ops"].decision),
    ]


def test_a_training_set_rests_on_a_permit_of_its_maker_for_its_data_and_purpose(connect: Connect):
    connect("dev").record(VISIBLE)
    ops = connect("ops")
    for ref in (FLIGHTS, HOURLY):
        ops.publish(ref, manifest(of=ref))
    rule = Rule(id="delay", actors=("anyone",), actions=(Action.READ,), purposes=("delay",))
    connect("gov").desk.apply(governing(rules=(*GOVERNANCE.rules, rule)))
    own = permitted(ops, FLIGHTS)
    forged = [
        "dec_1",
        "",
        "%",
        own[:-1],
        permitted(connect("ana"), FLIGHTS),
        permitted(ops, HOURLY),
        permitted(ops, FLIGHTS, purpose="delay"),
    ]
    for decision in forged:
        with pytest.raises(InvalidInput, match=r"did not let person:ops read aviation\.flights"):
            ops.record(training_set(FLIGHTS.at(1), by="person:ops", decision=decision))
    both = (FLIGHTS.at(1), HOURLY.at(1))
    with pytest.raises(InvalidInput, match=r"did not let person:ops read aviation\.weather_hourly"):
        ops.record(training_set(*both, by="person:ops", decision=own))
    assert list(ops.records.training_sets().items) == []
    assert connect("gov").records.audit_events(kind=EventKind.TRAINING_SET_RECORD) == []
    together = permitted(ops, FLIGHTS, HOURLY)
    ops.record(training_set(*both, by="person:ops", decision=together))
    ops.record(training_set(by="person:ops", decision="dec_1"))
    assert len(list(ops.records.training_sets().items)) == 2


def test_a_training_set_of_a_hidden_dataset_is_hidden(connect: Connect):
    gov, sam = connect("gov"), connect("sam")
    reads = Rule(
        id="pay", actors=("person:sam",), actions=(Action.READ,), datasets=("people.salaries",)
    )
    hr = replace(declared(SALARIES), stewards=("person:sam",))
    gov.desk.apply(governing(hr, rules=(*GOVERNANCE.rules, reads)))
    for hidden in (SALARIES, DatasetRef("people", "nothing")):
        with pytest.raises(InvalidInput, match=f"did not let person:sam read {hidden}"):
            sam.record(training_set(hidden.at(1), by="person:sam"))
    sam.publish(SALARIES, manifest(event_timestamp=None, of=SALARIES))
    made = training_set(SALARIES.at(1), by="person:sam", decision=permitted(sam, SALARIES))
    sam.record(made)
    assert list(sam.records.training_sets().items) == [made]
    assert list(connect("ana").records.training_sets().items) == []
    with pytest.raises(NotFound) as error:
        connect("ana").records.training_set(made.id)
    assert made.id not in error.value.hint


def test_what_happens_to_features_elsewhere_can_be_noted_and_nothing_else(connect: Connect):
    ops = connect("ops")
    permitted(ops, HOURLY)
    for kind in (EventKind.FEATURES_MATERIALIZE, EventKind.FEATURES_PUSH):
        ops.records.note(kind, str(HOURLY), {"rows": 3, "view": "weather"})
        (event,) = connect("gov").records.audit_events(kind=kind)
        assert (event.actor, event.subject) == ("person:ops", str(HOURLY))
        assert event.detail == {"rows": 3, "view": "weather"}
    before = connect("gov").records.verify_audit()
    for kind in set(EventKind) - {EventKind.FEATURES_MATERIALIZE, EventKind.FEATURES_PUSH}:
        with pytest.raises(InvalidInput, match="is not for noting"):
            ops.records.note(kind, "aviation.flights", {})
    assert connect("gov").records.verify_audit() == before


def test_projects_are_those_whose_definitions_are_known_however_many_there_are(
    connect: Connect, governed_url: str, clock: Clock
):
    dev, ana = connect("dev"), connect("ana")
    dev.record(REPO)
    dev.record(replace(REPO, project="hidden", views=REPO.views[1:], on_demand=(), services=()))
    files = (replace(VISIBLE.views[0], dataset=None),)
    dev.record(replace(REPO, project="files", views=files, on_demand=(), services=()))
    dev.record(RepoSpec(project="empty", entities=REPO.entities))
    assert ana.records.projects() == ["delays", "empty", "files"]
    assert connect("gov").records.projects() == ["delays", "empty", "files", "hidden"]
    for name in ana.records.projects():
        assert ana.repo(name)
    with pytest.raises(NotFound, match="project 'hidden' not found"):
        ana.repo("hidden")
    engine = open_database(governed_url)
    asked: list[str] = []
    listen(engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    with transaction(engine) as db:
        features.named_projects(db, Actor("person:ana"), now=clock.now)
    engine.dispose()
    assert not [statement for statement in asked if "repos.value" in statement]


def test_the_state_of_a_project_tells_nothing_of_one_that_may_not_be_known(connect: Connect):
    repo = replace(REPO, project="hidden", views=REPO.views[1:], on_demand=(), services=())
    readers = {name: connect(name).records for name in ("ana", "dev", "gov")}
    readers["server"] = connect("dev").as_actor("service:online").records

    def told(project: str) -> dict[str, str]:
        return {name: records.policy_state(project) for name, records in readers.items()}

    states = [told("hidden")]
    for commit in ("first", "second"):
        connect("dev").record(replace(repo, commit=commit, description=commit))
        states.append(told("hidden"))
    assert len({state["ana"] for state in states}) == 1
    for state in states:
        assert state["dev"] == state["gov"] == state["server"]
    assert len({state["dev"] for state in states} | {states[0]["ana"]}) == 3
    connect("dev").record(VISIBLE)
    assert len(set(told("delays").values())) == 1
