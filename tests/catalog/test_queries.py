import re
from itertools import combinations, product

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from provender.catalog.db import open_database, transaction
from provender.catalog.queries import ahead, at_least, plain
from provender.core.errors import ProvenderError, Unavailable

NAMES = "abcde"


@pytest.mark.parametrize(
    ("number", "of"), [(n, of) for of in range(1, len(NAMES) + 1) for n in range(1, of + 1)]
)
def test_so_many_parts_hold_whichever_they_are(number: int, of: int):
    parts = list(NAMES[:of])
    written = at_least(number, parts, " and ", " or ")
    for held in product((False, True), repeat=of):
        assert eval(written, dict(zip(parts, held, strict=True))) is (sum(held) >= number)


def test_no_part_is_said_as_often_as_there_are_choices():
    written = at_least(3, list(NAMES), " and ", " or ")
    choices = 3 * len(list(combinations(NAMES, 3)))
    assert len(re.findall(r"\b[a-e]\b", written)) <= choices * 2 / 3


def test_what_is_asked_ahead_is_answered_when_it_is_wanted(blank_url: str):
    engine = open_database(blank_url)
    with transaction(engine) as db:
        with ahead(db, "SELECT 1 UNION ALL SELECT 2", ()) as answer:
            assert [tuple(row) for row in answer()] == [(1,), (2,)]
        assert db.scalar(text("SELECT 3")) == 3
    with pytest.raises(ZeroDivisionError), transaction(engine) as db, ahead(db, "SELECT 1", ()):
        raise ZeroDivisionError
    wrong = "SELECT 1 FROM nowhere"
    with (
        pytest.raises((DBAPIError, ProvenderError), match="nowhere"),
        transaction(engine) as db,
        ahead(db, wrong, ()) as answer,
    ):
        answer()
    with transaction(engine) as db:  # the same connection
        assert db.scalar(text("SELECT 3")) == 3
    engine.dispose()


def test_a_server_that_goes_while_it_is_asked_is_unavailable(blank_postgresql: str):
    engine = open_database(blank_postgresql)
    gone = "SELECT pg_terminate_backend(pg_backend_pid())"
    with pytest.raises(Unavailable), transaction(engine) as db:
        plain(db, gone)
    with pytest.raises(Unavailable), transaction(engine) as db, ahead(db, gone, ()) as answer:
        answer()
    with transaction(engine) as db:
        assert plain(db, "SELECT 3") == [(3,)]
    engine.dispose()
