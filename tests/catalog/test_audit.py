from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from provender.catalog import audit, changes
from provender.catalog.db import open_database, transaction
from provender.catalog.door import Door
from provender.catalog.local import LocalCatalog
from provender.catalog.proving import prove
from provender.core.audit import EventKind
from provender.core.errors import Corrupt
from tests.catalog.world import FLIGHTS, GOVERNANCE, NOW, Clock, Connect, manifest

APPLIED = len(GOVERNANCE.datasets) + 1


def append(db, **changed) -> audit.AuditEvent:
    event = {
        "at": NOW,
        "actor": "person:ops",
        "kind": EventKind.DATASET_PUBLISH,
        "subject": "aviation.flights@1",
        "detail": {"ünïcode": [1, 2.5, None, {"x": (1, 2)}], "at": NOW},
    }
    return audit.append(db, **{**event, **changed})


def test_the_chain_holds_after_it_was_stored_and_read(governed_url: str):
    engine = open_database(governed_url)
    with transaction(engine, write=True) as db:
        made = append(db)
    with transaction(engine) as db:
        assert audit.events(db, limit=1) == [made]
        assert prove(db).events == APPLIED + 1
    engine.dispose()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_events SET actor = 'person:eve' WHERE sequence = 2",
        "UPDATE audit_events SET detail = '{}' WHERE sequence = 2",
        "UPDATE audit_events SET sequence = 99 WHERE sequence = 2",
        "DELETE FROM audit_events WHERE sequence = 2",
        "UPDATE audit_events SET at = '2020-01-01T00:00:00.000000+00:00' WHERE sequence = 2",
    ],
)
def test_a_change_of_the_trail_is_found_and_the_first_event_named(governed_url: str, change: str):
    engine = open_database(governed_url)
    with transaction(engine, write=True) as db:
        db.execute(text(change))
    with pytest.raises(Corrupt, match="audit event 2 does not fit"), transaction(engine) as db:
        prove(db)
    engine.dispose()


def test_an_event_that_is_rolled_back_leaves_no_gap(governed_url: str):
    engine = open_database(governed_url)
    with pytest.raises(KeyError):
        fail_after_appending(engine)
    with transaction(engine, write=True) as db:
        assert append(db).sequence == APPLIED + 1
        assert prove(db).events == APPLIED + 1
    engine.dispose()


def fail_after_appending(engine) -> None:
    with transaction(engine, write=True) as db:
        append(db)
        raise KeyError


def test_events_are_found_by_what_who_when_and_page(connect: Connect, clock: Clock):
    ops, gov = connect("ops"), connect("gov")
    for rows in (1, 2, 3):
        clock.advance(timedelta(hours=1))
        ops.publish(FLIGHTS, manifest(rows))

    def subjects(**asked: object) -> list[str]:
        return [event.subject for event in gov.records.audit_events(**asked)]

    published = [f"aviation.flights@{n}" for n in (3, 2, 1)]
    assert subjects(kind=EventKind.DATASET_PUBLISH) == published
    assert subjects(actor="person:ops") == published
    assert subjects(subject="aviation.flights") == [*published, "aviation.flights"]
    assert subjects(subject="aviation.flight") == []
    assert subjects(since=NOW + timedelta(hours=2), until=NOW + timedelta(hours=3)) == [
        published[1]
    ]
    last = gov.records.audit_events(limit=1)[0]
    assert subjects(before=last.sequence, limit=1) == [published[1]]


def test_others_read_what_they_did_and_what_befell_their_datasets(connect: Connect):
    connect("ops").publish(FLIGHTS, manifest())
    seen = {event.subject for event in connect("sam").records.audit_events(limit=100)}
    assert seen == {"aviation.flights", "aviation.flights@1"}
    assert connect("max").records.audit_events() == []
    connect("max").permit(*read_delay(), purpose="report")
    assert [event.actor for event in connect("max").records.audit_events()] == ["person:max"]


def read_delay():
    from provender.core.policy import Action, ColumnRef

    return Action.READ, [ColumnRef("aviation.flights", "arr_delay")]


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=5,
        ),
        max_size=4,
    )
)
def test_a_detail_has_the_same_digest_before_and_after_it_was_stored(detail):
    from provender.core.digest import digest
    from provender.values import from_json, to_json

    assert digest(from_json(dict, to_json(detail))) == digest(detail)


def test_what_a_part_of_a_change_appended_is_forgotten_with_it(governed_url: str):
    """The trail goes on from what is in it, also after a savepoint was rolled back."""
    engine = open_database(governed_url)
    with Door(engine, actor="person:ops", clock=Clock()).writing() as (db, change):
        for keeps in (True, False, True):
            with db.begin_nested() as part:
                changes.tell(db, change, EventKind.TASK_SETTLE, "t", {"keeps": keeps})
                if not keeps:
                    part.rollback()
    engine.dispose()
    with LocalCatalog(governed_url, actor="person:gov", clock=Clock()) as catalog:
        told = catalog.records.audit_events(kind=EventKind.TASK_SETTLE)
        assert [event.detail["keeps"] for event in told] == [True, True]
        assert catalog.records.verify_audit() == told[0].sequence
