from datetime import UTC, datetime
from itertools import product

import pytest

from provender.core.errors import Conflict, InvalidInput
from provender.core.lifecycle import (
    READABLE,
    TRANSITIONS,
    Severity,
    Standing,
    State,
    Step,
    advance,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(("state", "step"), list(product(State, Step)))
def test_a_step_is_taken_where_the_table_has_it_and_refused_elsewhere(state: State, step: Step):
    standing = Standing(state=state)
    if (state, step) not in TRANSITIONS:
        with pytest.raises(Conflict, match=f"cannot {step} a version that is {state}") as error:
            advance(standing, step, by="person:ana", reason="because", now=NOW)
        assert error.value.hint.startswith("possible is ")
        return
    after = advance(standing, step, by="person:ana", reason="because", now=NOW)
    assert after.state is TRANSITIONS[state, step]
    assert (after.by, after.at, after.reason) == ("person:ana", NOW, "because")


def test_from_every_state_there_is_a_way_to_be_read_again():
    for state in State:
        reached = {state}
        for _ in State:
            reached |= {after for (before, _), after in TRANSITIONS.items() if before in reached}
        assert reached & READABLE


def test_readers_are_told_why_a_version_is_not_for_reading_and_what_is():
    published = Standing(state=State.PUBLISHED)
    with pytest.raises(InvalidInput, match="cannot be recalled without a reason"):
        advance(published, Step.RECALL, by="person:ana", reason="", now=NOW)
    recalled = advance(
        published,
        Step.RECALL,
        by="person:ana",
        reason="delays are negative",
        now=NOW,
        severity=Severity.REFUSE,
        replacement=3,
    )
    assert (recalled.severity, recalled.replacement) == (Severity.REFUSE, 3)


def test_what_a_recall_said_is_over_once_a_version_is_restored():
    recalled = Standing(state=State.RECALLED, severity=Severity.REFUSE, reason="wrong")
    restored = advance(recalled, Step.RESTORE, by="person:ana", reason="", now=NOW)
    assert restored == Standing(state=State.PUBLISHED, by="person:ana", at=NOW)
