from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from provender.core.breakglass import LONGEST, REVIEWED_WITHIN, BreakGlass, check_taken, review
from provender.core.errors import Conflict, Denied, InvalidInput
from provender.core.people import Actor
from provender.core.policy import Action

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TAKEN = BreakGlass(
    id="b1",
    actor="person:ana",
    dataset="aviation.flights",
    columns=("tailnum",),
    action=Action.READ,
    purpose="",
    reason="the plane is missing",
    grant="g1",
    opened_at=NOW,
    until=NOW + timedelta(hours=1),
    review_by=NOW + REVIEWED_WITHIN,
)
SAM, ANA = Actor("person:sam"), Actor("person:ana")


def reviewed(by=SAM, *, decides=True, justified=True, note="looked at the log", of=TAKEN):
    return review(of, by=by, decides=decides, justified=justified, note=note, now=NOW)


def take(action=Action.READ, hours=1.0, reason="why", before=(), now=NOW):
    check_taken(action, hours, reason, before, now=now)


def test_access_is_taken_for_some_hours_with_a_reason():
    take()
    take(Action.SERVE, LONGEST / timedelta(hours=1))
    for hours in (0, -1, 8.01, float("nan")):
        with pytest.raises(InvalidInput, match="hours are not what"):
            take(hours=hours)
    with pytest.raises(InvalidInput, match="needs a reason"):
        take(reason=" ")
    with pytest.raises(InvalidInput, match="publish is not taken"):
        take(Action.PUBLISH)


def test_an_overdue_review_closes_the_glass():
    last, then = TAKEN.review_by - timedelta(microseconds=1), TAKEN.review_by
    take(before=[TAKEN], now=last)
    with pytest.raises(Denied, match="breaks no further glass: b1"):
        take(before=[replace(TAKEN, id="b0", review_by=then + REVIEWED_WITHIN), TAKEN], now=then)
    take(before=[reviewed()], now=then)


def test_somebody_else_who_decides_reviews_it_once():
    done = reviewed(justified=False, note=" no plane was missing ")
    assert (done.reviewed_by, done.reviewed_at, done.justified) == ("person:sam", NOW, False)
    assert done.note == "no plane was missing"
    with pytest.raises(Denied, match="which is theirs"):
        reviewed(ANA)
    with pytest.raises(Denied, match="does not decide about"):
        reviewed(decides=False)
    with pytest.raises(Conflict, match="was reviewed by person:sam already"):
        reviewed(of=done)
    with pytest.raises(InvalidInput, match="needs a note"):
        reviewed(note=" ")
