"""Masks and filters against schemas, before they are put on anything; projects that nobody is in."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from provender.core import rulefit
from provender.core.datasets import Dataset, Format
from provender.core.effects import Effect
from provender.core.names import DatasetRef
from provender.core.policy import Action, Grant, Rule
from provender.core.schema import Column, Schema

FLIGHTS = Dataset(
    ref=DatasetRef("aviation", "flights"),
    description="Flights.",
    owner="team:ops",
    format=Format.PARQUET,
    column_tags={"tailnum": ("personal",), "born": ("personal",), "gone": ("personal",)},
)
PLANES = replace(FLIGHTS, ref=DatasetRef("aviation", "planes"), column_tags={})
COMING = replace(FLIGHTS, ref=DatasetRef("aviation", "coming"))
SCHEMAS = {
    "aviation.flights": Schema(
        (
            Column(name="tailnum", type="string"),
            Column(name="born", type="date"),
            Column(name="delay", type="float64"),
        )
    ),
    "aviation.planes": Schema((Column(name="seats", type="int64"),)),
}
DATASETS = (FLIGHTS, PLANES, COMING)
RULE = Rule(id="r", actors=("anyone",), actions=(Action.READ,), datasets=("aviation.*",))
MASK = replace(RULE, effect=Effect.MASK, tags=("personal",), mask="truncate(3)")
GRANT = Grant(
    id="g1",
    grantee="person:ana",
    action=Action.READ,
    dataset="aviation.flights",
    granted_by="person:sam",
    granted_at=datetime(2026, 1, 1, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (RULE, []),
        (replace(MASK, mask="null"), []),
        (MASK, ["mask truncate(3) does not fit born, which is date, of aviation.flights"]),
        (replace(MASK, tags=("other",)), []),
        (replace(MASK, datasets=("aviation.coming",)), []),
        (replace(MASK, tags=(), mask="bucket(5)"), []),
        (replace(RULE, filter="delay > 3"), []),
        (
            replace(RULE, filter="delai > 3", datasets=("aviation.flights",)),
            ["filter delai > 3: of aviation.flights, there is no column 'delai' "],
        ),
        (
            replace(RULE, filter="delay = 'late'", datasets=("aviation.flights",)),
            ["filter delay = 'late': of aviation.flights, delay is float64, and cannot"],
        ),
        (
            replace(RULE, filter="nothing is null"),
            ["filter nothing is null: of aviation.flights, there is no column"],
        ),
    ],
)
def test_what_cannot_be_done_to_the_data_is_said_with_what_is_near(rule, said):
    found = rulefit.problems(rule, DATASETS, SCHEMAS)
    assert len(found) == len(said)
    for told, begins in zip(found, said, strict=True):
        assert told.startswith(f"rule r: {begins}"), told
    if "delai" in rule.filter:
        assert "did you mean delay" in found[0]


FIRST = "only who governs may be the first to apply it"


def test_a_filter_that_some_datasets_of_a_pattern_lack_a_column_for_is_a_warning():
    some, none = replace(RULE, filter="delay > 3"), replace(RULE, filter="x > 3")
    [told] = rulefit.warnings(some, DATASETS, SCHEMAS)
    assert told.startswith("rule r: filter delay > 3: of aviation.planes, there is no column")
    assert rulefit.warnings(none, DATASETS, SCHEMAS) == []
    assert rulefit.warnings(replace(some, datasets=("aviation.flights",)), DATASETS, SCHEMAS) == []
    assert rulefit.warnings(MASK, DATASETS, SCHEMAS) == []


def test_a_mask_of_every_column_that_does_not_fit_all_is_a_warning():
    every = replace(MASK, tags=(), mask="bucket(5)")
    assert rulefit.warnings(every, DATASETS, SCHEMAS) == [
        "rule r: mask bucket(5) does not fit tailnum, which is string; born, which is date, "
        "of aviation.flights"
    ]


def test_a_project_that_there_is_not_is_named_with_a_near_one():
    rule = replace(RULE, actors=("project:flihts", "team:ops"), projects=("flights", "second"))
    assert list(rulefit.homeless(rule, {"flights"})) == [
        "rule r: there is no project 'flihts' now (did you mean flights?): " + FIRST,
        "rule r: there is no project 'second' now (there are: flights): " + FIRST,
    ]
    assert list(rulefit.homeless(RULE, ())) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"effect": Effect.COMPUTE}, []),
        ({"effect": Effect.MASK, "mask": "hash", "columns": ("tailnum",)}, []),
        ({"effect": Effect.DENY}, ["a grant gives"]),
        ({"effect": Effect.MASK}, ["the effect mask has a mask"]),
        ({"mask": "hash", "columns": ("tailnum",)}, ["the effect mask has a mask"]),
        ({"effect": Effect.COMPUTE, "action": Action.DEFINE}, ["only to read and serve"]),
        (
            {"effect": Effect.MASK, "mask": "hash", "columns": ("born",)},
            ["mask hash does not fit born, which is date"],
        ),
        ({"effect": Effect.MASK, "mask": "bucket(5)"}, []),
    ],
)
def test_what_a_grant_cannot_give_is_said(change, said):
    closed = ("tailnum", "born")
    schema = SCHEMAS["aviation.flights"]
    found = list(rulefit.grant_problems(replace(GRANT, **change), schema, closed))
    assert len(found) == len(said)
    for told, begins in zip(found, said, strict=True):
        assert told.startswith(begins), told
    mask = replace(GRANT, effect=Effect.MASK, mask="hash", columns=("born",))
    assert list(rulefit.grant_problems(mask, None, ())) == []
