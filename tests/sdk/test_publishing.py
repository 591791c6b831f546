"""Publishing from Python: what comes back, what waits, and what it costs to ask."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Engine, event

from provender.core.lifecycle import State
from provender.core.retention import Retention
from provender.sdk.publishing import InputsNotKept
from tests.sdk.conftest import ORDERS, Connect, orders


def test_rows_that_come_back_are_a_version_with_the_files_of_the_old_one(acting: Connect) -> None:
    sam = acting("sam")
    first = sam.publish("shop.orders", orders(5))
    sam.publish("shop.orders", orders(6))
    back = sam.publish("shop.orders", orders(5))
    assert (back.number, back.parent) == (3, 2)
    assert back.manifest == first.manifest
    assert sam.publish("shop.orders", orders(5)) == back
    assert sam.publish("shop.orders", orders(6), parent=1).number == 2
    assert sam.catalog.finder.evidence(back.ref).profile is not None
    sam.catalog.desk.retention(ORDERS, Retention(keep_versions=1), expected=None, dry_run=False)
    assert [one.goes for one in sam.expire("shop.orders").due] == [True, True, False]
    assert sam.read("shop.orders").num_rows == 5
    report = sam.fsck()
    assert (report.faults, report.findings) == ((), ())


def test_a_draft_waits_for_the_same_rows_or_a_step(acting: Connect) -> None:
    sam = acting("sam")
    made = sam.publish("shop.orders", orders(5), draft=True)
    assert sam.catalog.release(made.ref).standing.state is State.DRAFT
    assert sam.publish("shop.orders", orders(5), draft=True) == made
    assert sam.publish("shop.orders", orders(5)) == made
    assert sam.version("shop.orders") == made


def test_who_names_other_inputs_of_rows_that_are_there_is_told_that_they_are_not_kept(
    acting: Connect,
) -> None:
    sam = acting("sam")
    first = sam.publish("shop.orders", orders(5))
    second = sam.publish("shop.orders", orders(6))
    with pytest.warns(InputsNotKept, match=r"its inputs are none: shop\.orders@1 is not kept"):
        assert sam.publish("shop.orders", orders(6), inputs=[str(first.ref)]) == second


def test_publishing_asks_as_much_whatever_came_before(acting: Connect) -> None:
    sam = acting("sam")
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    def asked(work: Callable[[], object]) -> int:
        statements.clear()
        event.listen(Engine, "before_cursor_execute", note)
        try:
            work()
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        return len(statements)

    def published(count: int) -> int:
        return asked(lambda: sam.publish("shop.orders", orders(count), profile=False))

    def listed() -> int:
        return asked(lambda: sam.catalog.finder.releases(ORDERS))

    sam.publish("shop.orders", orders(5))
    few = published(6), listed()
    first = sam.version("shop.orders@1").manifest
    for number in range(60):
        sam.catalog.publish(ORDERS, replace(first, logical_digest=f"sha256:{number}"))
    assert (published(7), listed()) == few
