"""A tag that moves to a column's new name opens the old one: who stewards does not, who governs is warned."""

import re
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
    said = (
        "take 'personal' from column 'tailnum', which only versions 1, 2 have, of aviation.flights"
    )
    with pytest.raises(Denied, match=re.escape(said)) as error:
        sam.desk.edit(FLIGHTS, MOVED, expected=None, reason="renamed")
    assert error.value.hint == "person:gov can"
    assert sam.finder.entry(FLIGHTS).dataset.column_tags == {"tailnum": (TAG,)}
    both = sam.desk.edit(FLIGHTS, Edit(assign=(NEW,)), expected=None, reason="renamed")
    assert both.dataset.column_tags == {"tailnum": (TAG,), "tail": (TAG,)}


def test_a_tag_of_all_columns_is_not_made_one_of_those_of_today(renamed: Connect):
    sam = renamed("sam")
    sam.desk.edit(FLIGHTS, Edit(assign=(ALL,), unassign=(OLD,)), expected=None, reason="all")
    with pytest.raises(Denied, match="which only versions 1, 2 have"):
        sam.desk.edit(FLIGHTS, Edit(assign=(NEW,), unassign=(ALL,)), expected=None, reason="one")


def test_what_the_newest_version_has_is_untagged_as_before(connect: Connect):
    connect("gov").desk.apply(STEWARDED)
    connect("ops").publish(FLIGHTS, manifest(1))
    entry = connect("sam").desk.edit(FLIGHTS, Edit(unassign=(OLD,)), expected=None, reason="clean")
    assert entry.dataset.column_tags == {}


def test_a_version_that_nobody_reads_is_not_the_newest(renamed: Connect):
    renamed("ops").publish(FLIGHTS, manifest(4), draft=True, breaking_reason="back")  # has tailnum
    with pytest.raises(Denied, match="which only versions 1, 2, 4 have"):
        renamed("sam").desk.edit(FLIGHTS, Edit(unassign=(OLD,)), expected=None, reason="no")


def test_a_draft_without_the_column_keeps_nobody_from_untagging_it(connect: Connect):
    connect("gov").desk.apply(STEWARDED)
    connect("ops").publish(FLIGHTS, manifest(1))
    connect("ops").publish(FLIGHTS, manifest(2, schema=RENAMED), draft=True, breaking_reason="new")
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
        "aviation.flights: takes 'personal' from column 'tailnum', which only versions 1, 2 have",
    )
    gov.desk.apply(desired)
    assert renamed("sam").finder.entry(FLIGHTS).dataset.column_tags == {"tail": (TAG,)}
