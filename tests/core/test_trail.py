"""What an examination finds, of trails whose checkpoints say more than their chain."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provender.core.audit import AuditEvent, EventKind, chain, stored
from provender.core.checkpoints import Checkpoint, Rhythm, key_id, leaf_of, signed, state, statement
from provender.core.digest import raw
from provender.core.errors import Corrupt
from provender.core.merkle import Frontier
from provender.core.trail import Breach, Proof, Start, examine
from tests.core.test_audit import NOW, trail


def tree_of(events: list[AuditEvent]) -> Frontier:
    tree = Frontier()
    for event in events:
        tree = tree.with_leaf(leaf_of(event.digest))
    return tree


def checkpoint(events: list[AuditEvent]) -> Checkpoint:
    return signed(state(tree_of(events), events[-1].digest, at=NOW, key="k"), b"\x01")


def looked_at(
    events: list[AuditEvent], *stated: Checkpoint, start: Start | None = None
) -> int | Breach:
    begun = {} if start is None else {"start": start}
    return examine(
        map(stored, events), stated=stated, is_signed=lambda one: one.signature == "01", **begun
    )


def first(found: int | Breach) -> int:
    assert isinstance(found, Breach), f"{found} events hold"
    return found.sequence


def test_a_trail_with_checkpoints_that_say_the_same_holds() -> None:
    events = trail(7)
    assert (
        looked_at(events, checkpoint(events[:3]), checkpoint(events[:3]), checkpoint(events)) == 7
    )


def test_an_illegible_event_is_the_first_that_does_not_hold() -> None:
    events = trail(3)
    assert first(examine([stored(events[0]), None, stored(events[2])])) == 2


def test_a_trail_that_was_written_anew_is_found_after_the_last_checkpoint_that_holds() -> None:
    events = trail(6)
    forged = events[:4]
    for event in events[4:]:
        forged.append(
            chain(
                forged[-1],
                at=event.at,
                actor="person:eve",
                kind=EventKind.ACCESS_GRANT,
                subject="x",
                detail={},
            )
        )
    assert looked_at(forged) == 6
    assert first(looked_at(forged, checkpoint(events[:3]), checkpoint(events))) == 4


@pytest.mark.parametrize("kept", range(6))
def test_a_tail_that_was_cut_off_is_found_by_a_checkpoint(kept: int) -> None:
    events = trail(6)
    found = looked_at(events[:kept], checkpoint(events[:2]), checkpoint(events))
    assert first(found) == kept + 1


def test_a_checkpoint_that_nobody_signed_is_found_wherever_it_is() -> None:
    events = trail(4)
    unsigned = replace(checkpoint(events[:2]), signature="02")
    assert first(looked_at(events, unsigned, checkpoint(events))) == 2
    assert first(looked_at(events, replace(checkpoint(events), size=99, signature="02"))) == 5


def test_an_examination_may_begin_after_what_is_known_to_hold() -> None:
    events = trail(6)
    start = Start(tree_of(events[:3]), events[2].digest)
    assert looked_at(events[3:], checkpoint(events), start=start) == 6
    assert first(looked_at(events[4:], checkpoint(events), start=start)) == 4
    assert first(looked_at(events[3:], checkpoint(events[:2]), start=start)) == 2


def test_a_breach_is_told_with_what_holds_before_it() -> None:
    error = Breach(sequence=3, says="was changed").as_error()
    assert isinstance(error, Corrupt)
    assert (error.message, error.hint) == (
        "audit event 3 was changed",
        "events 1-2 hold; compare the rest with a backup",
    )
    assert Breach(sequence=1, says="x").as_error().hint == "compare the rest with a backup"


def test_a_proof_says_how_many_events_nobody_signed_for_yet() -> None:
    events = trail(5)
    assert Proof(events=5).since == 5
    assert Proof(events=5, checkpoints=1, last=checkpoint(events[:3])).since == 2


def test_a_checkpoint_is_due_first_after_so_many_events_and_after_a_time() -> None:
    events = trail(4)
    last, rhythm = checkpoint(events[:1]), Rhythm(events=3, time=timedelta(minutes=1))
    assert rhythm.is_due(None, events[0])
    assert not rhythm.is_due(last, events[2])
    assert rhythm.is_due(last, events[3])
    assert rhythm.is_due(last, replace(events[1], at=NOW + timedelta(minutes=1)))


def test_what_is_signed_is_six_lines_the_same_in_every_zone() -> None:
    made = checkpoint(trail(2))
    assert statement(made).decode().splitlines() == [
        "provender audit checkpoint 1",
        "2",
        made.root,
        made.head,
        "2026-01-01T00:00:00.000000+00:00",
        "k",
    ]
    assert statement(replace(made, signature="")) == statement(made)


def test_a_key_is_called_by_its_digest() -> None:
    assert key_id(bytes(32)) == "66687aadf862bd77"


@pytest.mark.parametrize(
    "text", ["sha256:00", "sha256:zz", "SHA256:" + "0" * 64, "sha256:" + "A" * 64]
)
def test_what_is_no_digest_has_no_bytes(text: str) -> None:
    with pytest.raises(ValueError, match=r"digest|hexadecimal"):
        raw(text)
