from dataclasses import replace

import pytest

from provender.core.audit import EventKind
from provender.core.errors import NotFound
from tests.catalog.world import (
    FLIGHTS,
    REPO,
    SALARIES,
    SERVED,
    Clock,
    Connect,
    manifest,
    training_set,
)


def test_the_same_definitions_again_write_nothing(connect: Connect):
    ana, gov = connect("ana"), connect("gov")
    ana.record(REPO)
    ana.record(SERVED)
    before = gov.verify_audit()
    ana.record(replace(REPO, commit="abc"))
    ana.record(replace(SERVED, compiled_at=Clock()()))
    assert gov.verify_audit() == before
    assert ana.serving_manifest("delays") == SERVED


def test_the_definitions_recorded_last_are_in_force_even_if_they_are_old_ones(connect: Connect):
    ana = connect("ana")
    smaller = replace(REPO, services=())
    for repo in (REPO, smaller, REPO):
        ana.record(repo)
        assert ana.repo("delays") == repo
    events = connect("gov").audit_events(kind=EventKind.FEATURES_APPLY)
    assert [event.detail["number"] for event in events] == [3, 2, 1]


def test_projects_do_not_mix_even_if_one_name_ends_with_the_other(connect: Connect):
    ana = connect("ana")
    other = replace(REPO, project="more_delays", views=REPO.views[:1], on_demand=(), services=())
    ana.record(REPO)
    ana.record(other)
    assert ana.projects() == ["delays", "more_delays"]
    ana.record(replace(REPO, views=(), on_demand=(), services=()))
    assert ana.repo("more_delays") == other
    assert [(h.project, h.name) for h in ana.search("sky", kind="feature-view")] == [
        ("more_delays", "weather")
    ]


def test_what_was_never_served_is_not_found(connect: Connect):
    with pytest.raises(NotFound, match="serving manifest of project 'delays' not found"):
        connect("ana").serving_manifest("delays")


def test_a_training_set_is_found_by_the_start_of_its_id(connect: Connect):
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest())
    one, two = (
        training_set(FLIGHTS.at(1), by="person:ops", content=content) for content in ("a", "b")
    )
    ops.record(one)
    ops.record(two)
    ops.record(replace(one, seconds=9.0))
    assert connect("ana").training_set(one.id) == one
    assert connect("ana").training_set(two.id[:9]) == two
    assert {m.id for m in connect("ana").training_sets()} == {one.id, two.id}
    for unclear in ("ts_", "", "ts_0", "%"):
        with pytest.raises(NotFound, match=r"training set .* not found"):
            connect("ana").training_set(unclear)


def test_a_training_set_of_a_hidden_dataset_is_hidden(connect: Connect):
    gov, sam = connect("gov"), connect("sam")
    hr = replace(gov_salaries(), stewards=("person:sam",))
    from provender.core.governance import Governance

    gov.apply_governance(Governance(datasets=(hr,)))
    with pytest.raises(NotFound):
        sam.record(training_set(SALARIES.at(1), by="person:sam"))
    sam.publish(SALARIES, manifest(event_timestamp=None))
    made = training_set(SALARIES.at(1), by="person:sam")
    sam.record(made)
    assert sam.training_sets() == [made]
    assert connect("ana").training_sets() == []
    with pytest.raises(NotFound) as error:
        connect("ana").training_set(made.id)
    assert made.id not in error.value.hint


def gov_salaries():
    from tests.catalog.world import GOVERNANCE

    return next(d for d in GOVERNANCE.datasets if d.ref == SALARIES)
