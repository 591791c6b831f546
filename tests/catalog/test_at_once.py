"""Many questions at once: of one instant, and with all that single questions leave behind."""

import pytest

from provender.catalog.db import open_database, transaction
from provender.catalog.rows import UnansweredRow
from provender.core.audit import EventKind
from provender.core.errors import NotFound
from provender.core.finding import Question
from tests.catalog.world import FLIGHTS, SALARIES, Connect, manifest


def denied(connect: Connect) -> list[str]:
    events = connect("gov").records.audit_events(kind=EventKind.ACCESS_DENY)
    return [event.subject for event in events]


def test_what_is_read_at_once_is_of_one_instant(connect: Connect):
    ana = connect("ana")
    with ana.at_once() as seen:
        assert seen.finder.entry(FLIGHTS).latest is None
        connect("ops").publish(FLIGHTS, manifest())
        assert seen.finder.entry(FLIGHTS).latest is None
        assert seen.finder.releases(FLIGHTS).items == ()
    assert ana.finder.entry(FLIGHTS).latest == 1


def test_at_once_as_one_by_one(connect: Connect):
    connect("ops").publish(FLIGHTS, manifest())
    ana = connect("ana")
    with ana.at_once() as seen:
        assert seen.actor == ana.actor
        assert seen.finder.entries({}) == ana.finder.entries({})
        assert seen.finder.facets(Question()) == ana.finder.facets(Question())
        assert seen.governance() == ana.governance()


def test_what_is_refused_at_once_is_written_down(connect: Connect):
    with pytest.raises(NotFound), connect("ana").at_once() as seen:
        seen.dataset(SALARIES)
    assert denied(connect) == [str(SALARIES)]


def test_so_is_what_the_questioner_puts_up_with(connect: Connect):
    with connect("ana").at_once() as seen:
        for _ in range(2):
            with pytest.raises(NotFound):
                seen.dataset(SALARIES)
        assert seen.dataset(FLIGHTS).ref == FLIGHTS
    assert denied(connect) == [str(SALARIES)] * 2


def test_what_is_searched_for_in_vain_at_once_waits_for_a_steward(
    connect: Connect, governed_url: str
):
    with connect("ana").at_once() as seen:
        assert seen.finder.search(Question(text="unobtainium")).total == 0
    engine = open_database(governed_url)
    with transaction(engine) as db:
        row = db.get(UnansweredRow, "unobtainium")
        assert row is not None
        assert row.times == 1
    engine.dispose()
