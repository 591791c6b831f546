"""What who asks is told: of a purpose that is not there, of nobody who governs, of values and names."""

import pytest

from provender.catalog import access, naming
from provender.core.errors import Denied, NotFound
from provender.core.policy import Action, ColumnRef
from tests.catalog.world import FLIGHTS, NOW, SALARIES, Connect

DELAY = ColumnRef("aviation.flights", "arr_delay")


def test_a_purpose_that_is_not_declared_is_named_with_a_near_one(connect: Connect):
    with pytest.raises(NotFound, match="purpose 'reprot' is not declared") as error:
        connect("ana").permit(Action.READ, [DELAY], purpose="reprot")
    assert "did you mean report?" in str(error.value.hint)


def test_where_no_rule_lets_anybody_govern_the_hint_is_a_backup(connect_empty: Connect):
    with connect_empty("gov")._door.reading() as db:
        gov = access.actor(db, "person:gov")
        with pytest.raises(Denied, match="person:gov may not change governance") as error:
            access.check(db, gov, Action.GOVERN, [access.EVERYTHING], now=NOW)
    assert error.value.hint == "no rule lets anybody; restore the catalog from a backup"


@pytest.mark.parametrize(
    ("name", "grants", "told"),
    [
        ("ops", False, {"arr_delay"}),
        ("ana", False, {"arr_delay"}),
        ("ana", True, {"tailnum", "arr_delay"}),
    ],
)
def test_values_are_told_to_who_reads_them_for_some_purpose_or_publishes_them_unprotected(
    connect: Connect, name: str, grants: bool, told: set[str]
):
    """Publishing takes an office, which opens no protected column."""
    if grants:
        what = {"columns": ("tailnum",), "purposes": ("report",)}
        connect("sam").records.grant(FLIGHTS, grantee="person:ana", **what)
    with connect(name)._door.reading() as db:
        row = naming.locate(db, str(FLIGHTS))
        assert row is not None
        who = access.actor(db, f"person:{name}")
        assert access.told_values(db, who, row, ("tailnum", "arr_delay"), now=NOW) == told
        assert access.told_values(db, who, row, ("arr_delay",), now=NOW) == {"arr_delay"}


def test_of_many_datasets_those_are_told_that_an_actor_may_discover(connect: Connect):
    with connect("ana")._door.reading() as db:
        ana = access.actor(db, "person:ana")
        rows = [naming.locate(db, str(ref)) for ref in (FLIGHTS, SALARIES)]
        asked = {row.name: row.value for row in rows if row is not None}
        assert len(asked) == 2
        assert access.discoverable(db, ana, asked, now=NOW) == {str(FLIGHTS)}
