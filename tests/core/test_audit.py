from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provender.core.audit import GENESIS, AuditEvent, EventKind, chain, stored
from provender.core.digest import digest
from provender.core.errors import InvalidInput
from provender.core.trail import Breach, examine

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DETAILS = st.dictionaries(
    st.text(max_size=3), st.none() | st.booleans() | st.integers() | st.text(max_size=3), max_size=2
)


def verify(events: list[AuditEvent]) -> int | None:
    """The number of the first event that does not fit."""
    found = examine(map(stored, events))
    return found.sequence if isinstance(found, Breach) else None


def trail(length: int, details: list[dict[str, Any]] | None = None) -> list[AuditEvent]:
    events: list[AuditEvent] = []
    for number in range(length):
        event = chain(
            events[-1] if events else None,
            at=NOW + timedelta(seconds=number),
            actor="person:ana",
            kind=EventKind.DATASET_PUBLISH,
            subject=f"a.b@{number}",
            detail=details[number] if details else {"rows": number},
        )
        events.append(event)
    return events


@given(st.lists(DETAILS, max_size=6))
def test_a_trail_that_nobody_touched_verifies(details: list[dict[str, Any]]) -> None:
    events = trail(len(details), details)
    assert verify(events) is None
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))


def test_the_first_event_follows_nothing() -> None:
    assert trail(1)[0].previous == GENESIS
    assert verify([]) is None


CHANGES: list[dict[str, Any]] = [
    {"at": NOW - timedelta(days=1)},
    {"actor": "person:eve"},
    {"kind": EventKind.ACCESS_GRANT},
    {"subject": "a.c"},
    {"request": "r2"},
    {"detail": {"rows": 7}},
    {"detail": {"rows": True}, "subject": "a.d"},
    {"sequence": 99},
    {"previous": GENESIS.replace("0", "1")},
    {"digest": GENESIS},
]


@pytest.mark.parametrize("change", CHANGES, ids="+".join)
@pytest.mark.parametrize("position", range(4))
def test_a_changed_event_is_found_where_it_is(position: int, change: dict[str, Any]) -> None:
    events = trail(4)
    events[position] = replace(events[position], **change)
    assert verify(events) == position + 1


def test_a_changed_event_that_was_sealed_again_is_found_at_the_next() -> None:
    events = trail(4)
    forged = chain(
        events[0], at=NOW, actor="person:eve", kind=EventKind.ACCESS_GRANT, subject="x", detail={}
    )
    assert verify([events[0], forged, *events[2:]]) == 3


@given(st.integers(2, 6), st.data())
def test_a_missing_event_is_found_where_it_should_be(length: int, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, length - 2))
    events = trail(length)
    del events[position]
    assert verify(events) == position + 1


@given(st.integers(2, 6), st.data())
def test_swapped_events_are_found_at_the_first_of_them(length: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, length - 2))
    second = data.draw(st.integers(first + 1, length - 1))
    events = trail(length)
    events[first], events[second] = events[second], events[first]
    assert verify(events) == first + 1


def test_an_event_repeated_is_found() -> None:
    events = trail(3)
    assert verify([*events, events[-1]]) == 4


def test_the_zone_an_instant_is_written_in_does_not_matter() -> None:
    elsewhere = timezone(timedelta(hours=-5))
    events = [replace(event, at=event.at.astimezone(elsewhere)) for event in trail(3)]
    assert verify(events) is None


def test_the_kinds_are_one_alphabetised_list_of_object_and_verb() -> None:
    kinds = [str(kind) for kind in EventKind]
    assert kinds == sorted(kinds)
    assert all(kind.count(":") == 1 for kind in kinds)


@pytest.mark.parametrize("request_id", ["", "r1"])
@given(detail=DETAILS)
def test_a_seal_is_the_digest_of_the_canonical_list(
    request_id: str, detail: dict[str, Any]
) -> None:
    event = chain(
        None,
        at=NOW,
        actor="person:zoë",
        kind=EventKind.ACCESS_DENY,
        subject='a."b"\n',
        detail=detail,
        request=request_id,
    )
    said = [1, NOW, "person:zoë", "access:deny", 'a."b"\n', detail, GENESIS]
    assert event.digest == digest([*said, request_id] if request_id else said)


def test_half_of_a_character_is_refused_with_its_words() -> None:
    with pytest.raises(InvalidInput, match="half of a character"):
        chain(
            None,
            at=NOW,
            actor="person:ana",
            kind=EventKind.ACCESS_DENY,
            subject="a\ud800",
            detail={},
        )
