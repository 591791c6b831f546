"""A tag that moves to a column's new name opens the old one: who stewards does not, who governs is warned."""

from dataclasses import replace

import pytest

from provender.core.editing import Edit
from provender.core.errors import Denied
from provender.core.schema import Schema
from provender.core.tags import Assignment
from tests.catalog.stewarded import STEWARDED
from tests.catalog.world import FLIGHTS, SCHEMA, Connect, declared, manifest

RENAMED = Schema(
    tuple(
        replace(column, name="tail") if column.name == "tailnum" else column
        for column in SCHEMA.columns
    )
)
TAG = "personal"
OLD, NEW, ALL = (Assignment(TAG, column=column) for column in ("tailnum", "tail", ""))
MOVED = Edit(assign=(NEW,), unassign=(OLD,))


@pytest.fixture
def renamed(connect: Connect) -> Connect:
    """Two versions have ``tailnum``, which is personal, and the newest calls it ``tail``."""
    connect("gov").desk.apply(STEWARDED)
    ops = connect("ops")
    for version in (manifest(1), manifest(2), manifest(3, schema=RENAMED)):
        ops.publish(FLIGHTS, version, breaking_reason="tailnum is called tail now")
    return connect


def test_a_steward_moves_no_tag_away_from_what_older_versions_have(renamed: Connect):
    sam = renamed("sam")
    said = r"leave column 'tailnum' of versions 1 to 2, without 'personal', in aviation\.flights"
    with pytest.raises(Denied, match=said) as error:
        sam.desk.edit(FLIGHTS, MOVED, expected=None, reason="renamed")
    assert error.value.hint == "person:gov can"
    assert sam.finder.entry(FLIGHTS).dataset.column_tags == {"tailnum": (TAG,)}
    both = sam.desk.edit(FLIGHTS, Edit(assign=(NEW,)), expected=None, reason="renamed")
    assert both.dataset.column_tags == {"tailnum": (TAG,), "tail": (TAG,)}


def test_a_tag_of_all_columns_is_not_made_one_of_those_of_today(renamed: Connect):
    sam = renamed("sam")
    sam.desk.edit(FLIGHTS, Edit(assign=(ALL,), unassign=(OLD,)), expected=None, reason="all")
    with pytest.raises(Denied, match="column 'tailnum' of versions 1 to 2"):
        sam.desk.edit(FLIGHTS, Edit(assign=(NEW,), unassign=(ALL,)), expected=None, reason="one")


def test_what_the_newest_version_has_is_untagged_as_before(connect: Connect):
    connect("gov").desk.apply(STEWARDED)
    connect("ops").publish(FLIGHTS, manifest(1))
    entry = connect("sam").desk.edit(FLIGHTS, Edit(unassign=(OLD,)), expected=None, reason="clean")
    assert entry.dataset.column_tags == {}


def test_who_governs_may_and_the_plan_says_what_opens(renamed: Connect):
    gov = renamed("gov")
    moved = replace(declared(FLIGHTS), deputies=("person:max",), column_tags={"tail": (TAG,)})
    others = tuple(one for one in STEWARDED.datasets if one.ref != FLIGHTS)
    desired = replace(STEWARDED, datasets=(*others, moved))
    steps = gov.desk.plan(desired)
    [step] = [step for step in steps if step.warnings]
    assert (step.kind, step.name) == ("dataset", FLIGHTS.dataset)
    assert step.warnings == (
        "column 'tailnum' of versions 1 to 2, without 'personal', "
        "would be open to who may read what has no tag",
    )
    gov.desk.apply(desired)
    assert renamed("sam").finder.entry(FLIGHTS).dataset.column_tags == {"tail": (TAG,)}
