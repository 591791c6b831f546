"""Who reads what: written with what is written anyway, told to those who may know."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event

from provender.catalog import indextruth
from provender.catalog.db import open_database, transaction
from provender.catalog.door import Door
from provender.core.audit import EventKind
from provender.core.datasets import whole
from provender.core.errors import Denied, InvalidInput, NotFound
from provender.core.finding import Question
from provender.core.lineage import Consumer
from provender.core.names import DatasetRef, FeatureRef
from provender.core.policy import Action, ColumnRef
from tests.catalog.world import (
    FLIGHTS,
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
    training_set,
)

Seen = set[tuple[str, str, int | None]]


def seen(connect: Connect, name: str, ref: DatasetRef) -> Seen:
    found: list[Consumer] = whole(
        lambda after: connect(name).finder.consumers(ref, limit=2, after=after)
    )
    assert len({(c.kind, c.name, c.version) for c in found}) == len(found)
    return {(c.kind, c.name, c.version) for c in found}


@pytest.fixture
def hourly(connect: Connect) -> Connect:
    for rows in (1, 2):
        connect("ops").publish(HOURLY, manifest(rows, of=HOURLY))
    return connect


def read(connect: Connect, name: str, *versions: DatasetRef) -> None:
    columns = [ColumnRef(HOURLY.dataset, "arr_delay")]
    connect(name).permit(Action.READ, columns, purpose="report", versions=versions)


def test_who_may_read_rows_is_known_to_have_with_the_version(hourly: Connect, clock: Clock):
    read(hourly, "max", HOURLY.at(1))
    first = clock.now
    clock.advance(timedelta(hours=1))
    read(hourly, "max", HOURLY.at(1))
    read(hourly, "sam")
    (one,) = hourly("ops").finder.consumers(HOURLY.at(1), limit=1).items
    assert one == Consumer(
        kind="actor", name="person:max", version=1, first_at=first, last_at=clock.now, times=2
    )
    assert seen(hourly, "ops", HOURLY) == {
        ("actor", "person:max", 1),
        ("actor", "person:sam", None),
    }


def test_a_refusal_reads_nothing(hourly: Connect):
    for asks in (Action.READ, Action.SERVE):
        with pytest.raises(Exception, match="may not"):
            hourly("max").permit(asks, [ColumnRef(HOURLY.dataset, "arr_delay")], purpose="delay")
    hourly("dev").permit(Action.DEFINE, [ColumnRef(HOURLY.dataset)], purpose="")
    assert seen(hourly, "ops", HOURLY) == set()


def test_who_read_is_told_to_stewards_and_to_who_governs_others_see_themselves(hourly: Connect):
    for name in ("max", "sam"):
        read(hourly, name, HOURLY.at(2))
    everybody = {("actor", "person:max", 2), ("actor", "person:sam", 2)}
    assert seen(hourly, "ops", HOURLY) == seen(hourly, "gov", HOURLY) == everybody
    assert seen(hourly, "max", HOURLY) == {("actor", "person:max", 2)}
    assert seen(hourly, "ana", HOURLY) == set()


def test_of_one_version_those_are_told_who_may_have_read_it(hourly: Connect):
    read(hourly, "max", HOURLY.at(1))
    read(hourly, "ana", HOURLY.at(2))
    read(hourly, "sam")
    hourly("dev").record(REPO)
    named = {
        ("feature-view", "delays/weather", None),
        ("on-demand-view", "delays/heat", None),
        ("feature-service", "delays/delay_v1", None),
        ("actor", "person:sam", None),
    }
    assert seen(hourly, "ops", HOURLY.at(1)) == named | {("actor", "person:max", 1)}
    assert seen(hourly, "ops", HOURLY.at(2)) == named | {("actor", "person:ana", 2)}


def test_definitions_that_are_gone_read_no_more_but_what_they_were_filled_from_stays(
    hourly: Connect,
):
    dev = hourly("dev")
    dev.record(REPO)
    dev.record(replace(REPO, project="other_delays"))
    detail = {"project": "delays", "view": "weather", "read": 3}
    permitted(hourly("ops"), HOURLY)
    hourly("ops").records.note(EventKind.FEATURES_MATERIALIZE, str(HOURLY.at(2)), detail)
    dev.record(replace(REPO, views=REPO.views[1:], on_demand=(), services=()))
    assert {one for one in seen(hourly, "ops", HOURLY) if one[1].startswith("delays/")} == {
        ("feature-view", "delays/weather", 2)
    }
    assert ("feature-service", "other_delays/delay_v1", None) in seen(hourly, "ops", HOURLY)


def test_a_view_that_moves_to_another_dataset_reads_the_former_no_more(hourly: Connect):
    hourly("ops").publish(FLIGHTS, manifest(1))
    dev, view = hourly("dev"), ("feature-view", "delays/weather", None)
    dev.record(VISIBLE)
    assert view in seen(hourly, "ops", HOURLY)
    dev.record(replace(VISIBLE, views=(replace(VISIBLE.views[0], dataset=FLIGHTS),)))
    assert seen(hourly, "ops", HOURLY) == set()
    assert view in seen(hourly, "ops", FLIGHTS)


def test_a_service_with_the_name_of_a_view_that_is_gone_does_not_keep_it(hourly: Connect):
    dev = hourly("dev")
    dev.record(VISIBLE)
    service = replace(VISIBLE.services[0], name="heat")
    dev.record(replace(VISIBLE, on_demand=(), services=(service,)))
    named = {kind for kind, name, _ in seen(hourly, "ops", HOURLY) if name == "delays/heat"}
    assert named == {"feature-service"}


def test_that_definitions_are_applied_again_is_no_reading(hourly: Connect):
    dev = hourly("dev")
    dev.record(VISIBLE)
    dev.record(replace(VISIBLE, services=()))
    dev.record(VISIBLE)
    found = {one.name: one.times for one in hourly("ops").finder.consumers(HOURLY).items}
    assert found == {"delays/weather": 1, "delays/heat": 1, "delays/delay_v1": 1}


def test_what_rests_on_hidden_data_is_no_consumer_that_others_hear_of(hourly: Connect):
    hourly("ops").publish(FLIGHTS, manifest(1))
    shared = replace(
        REPO.services[0], features=(FeatureRef("weather", "temp"), FeatureRef("pay", "salary"))
    )
    hourly("dev").record(replace(REPO, services=(shared,)))
    service = ("feature-service", "delays/delay_v1", None)
    assert service in seen(hourly, "gov", HOURLY)
    assert service not in seen(hourly, "ana", HOURLY)
    assert ("feature-view", "delays/weather", None) in seen(hourly, "ana", HOURLY)
    assert service in seen(hourly, "gov", SALARIES)


def test_the_score_that_is_explained_counts_no_hidden_consumer(hourly: Connect):
    def explained() -> dict[str, float]:
        asked = Question(text=HOURLY.dataset, explain=True)
        (hit, *_) = hourly("ana").finder.search(asked).hits
        assert hit.name == HOURLY.dataset
        return {one.because: one.points for one in hit.explain}

    hourly("dev").record(REPO)
    before = explained()
    assert before["used by a few"] > 0
    features = (FeatureRef("weather", "temp"), FeatureRef("pay", "salary"))
    hidden = replace(REPO.services[0], name="bonus", features=features)
    hourly("dev").record(replace(REPO, services=(*REPO.services, hidden)))
    assert ("feature-service", "delays/bonus", None) in seen(hourly, "gov", HOURLY)
    assert explained() == before


def test_a_training_set_is_a_consumer_of_each_version_it_was_pinned_to(hourly: Connect):
    ops = hourly("ops")
    made = training_set(HOURLY.at(2), by="person:ops", decision=permitted(ops, HOURLY))
    for _ in range(2):
        ops.record(made)
    assert ("training-set", made.id, 2) in seen(hourly, "ana", HOURLY.at(2))
    assert ("training-set", made.id, 2) not in seen(hourly, "ana", HOURLY.at(1))


def test_search_ranks_by_those_who_read_now(hourly: Connect, governed_url: str):
    def right() -> None:
        engine = open_database(governed_url)
        with transaction(engine) as db:
            assert list(indextruth.check(db)) == []
        engine.dispose()

    read(hourly, "max", HOURLY.at(1))
    read(hourly, "max", HOURLY.at(1))
    read(hourly, "max", HOURLY.at(2))
    read(hourly, "sam")
    right()
    hourly("dev").record(REPO)
    right()
    hourly("dev").record(replace(REPO, views=(), on_demand=(), services=()))
    right()


def test_a_place_in_the_list_that_is_none_is_refused(hourly: Connect):
    with pytest.raises(InvalidInput, match="is not where a list goes on"):
        hourly("ops").finder.consumers(HOURLY, after="actor/x/person:max")


def test_only_what_was_done_by_who_notes_it_is_noted(hourly: Connect):
    ops, max_ = hourly("ops"), hourly("max")
    hourly("dev").record(VISIBLE)
    hourly("gov").desk.apply(governing(replace(declared(SALARIES), owner="person:ops")))
    ops.publish(SALARIES, manifest(1, event_timestamp=None, of=SALARIES))
    before = hourly("gov").records.verify_audit()
    detail = {"project": "delays", "view": "weather"}
    push, fill = EventKind.FEATURES_PUSH, EventKind.FEATURES_MATERIALIZE
    for kind, subject, error in (
        (fill, "aviation.nothing@1", NotFound),
        (fill, str(HOURLY.at(99)), NotFound),
        (fill, str(SALARIES.at(1)), NotFound),
        (fill, str(HOURLY.at(1)), Denied),
        (push, str(HOURLY), Denied),
        (push, str(SALARIES), NotFound),
        (push, "anything at all", InvalidInput),
    ):
        with pytest.raises(error):
            max_.records.note(kind, subject, detail)
    told = [
        event.kind
        for event in hourly("gov").records.audit_events(limit=20)
        if event.sequence > before
    ]
    assert set(told) == {EventKind.ACCESS_DENY}
    permitted(max_, HOURLY)
    max_.records.note(fill, str(HOURLY.at(1)), {"project": "delays", "view": "of nobody"})
    assert not [name for _, name, _ in seen(hourly, "ops", HOURLY) if "nobody" in name]
    max_.records.note(fill, str(HOURLY.at(1)), detail)
    assert ("feature-view", "delays/weather", 1) in seen(hourly, "ops", HOURLY)
    ops.records.note(push, str(HOURLY), detail)
    assert hourly("gov").records.audit_events(kind=push)[0].actor == "person:ops"


def test_a_permit_to_read_one_dataset_makes_nobody_a_reader_of_another(hourly: Connect):
    hourly("ops").publish(FLIGHTS, manifest(1))
    read(hourly, "max", HOURLY.at(1), FLIGHTS.at(1))
    assert ("actor", "person:max", 1) in seen(hourly, "ops", HOURLY)
    assert seen(hourly, "ops", FLIGHTS) == set()


def test_a_permit_writes_all_its_readers_at_once(
    hourly: Connect, statements: Callable[[Door], list[str]]
):
    ops = hourly("ops")
    both = (HOURLY.at(1), HOURLY.at(2))
    read(hourly, "ops", *both)
    said = statements(ops._door)
    read(hourly, "ops", *both)
    assert [s.split()[:3] for s in said if "consumption" in s] == [
        ["INSERT", "INTO", "consumption"]
    ]


@pytest.fixture
def statements() -> Callable[[Door], list[str]]:
    def listen(door: Door) -> list[str]:
        said: list[str] = []

        def keep(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
            said.append(statement)

        event.listen(door.engine, "before_cursor_execute", keep)
        return said

    return listen
