"""The form of what is declared, whoever declares it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from provender.core import form
from provender.core.datasets import Dataset, Format
from provender.core.glossary import Term
from provender.core.governance import Domain, Governance
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.core.tags import Tag

FLIGHTS = Dataset(
    ref=DatasetRef("aviation", "flights"),
    description="Flights.",
    owner="team:ops",
    format=Format.PARQUET,
)
RULE = Rule(id="r", actors=("anyone",), actions=(Action.READ,))


def flights(**said: Any) -> Governance:
    return Governance(datasets=(replace(FLIGHTS, **said),))


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (Governance(domains=(Domain(name="UP"),)), "domain UP: 'UP' is not a domain name"),
        (Governance(teams=("ops",)), "team ops: 'ops' is not an actor"),
        (Governance(tags=(Tag(name="a b"),)), "tag a b: the name of a tag has no spaces"),
        (Governance(tags=(Tag(name="a\tb"),)), "a character that is not printed"),
        (Governance(terms=(Term(name="x", definition=" "),)), "term x: definition: is blank"),
        (Governance(terms=(Term(name=" x", definition="X."),)), "has a space at an end"),
        (
            Governance(terms=(Term(name="x", definition="x" * 20_001),)),
            "term x: definition: 20,001 characters are too many; at most 20,000 are kept",
        ),
        (Governance(rules=(replace(RULE, actors=()),)), "rule r: actors: there are none"),
        (Governance(rules=(replace(RULE, actions=()),)), "rule r: actions: there are none"),
        (Governance(people=(Person(id="person:a", name="x" * 201),)), "201 characters"),
        (Governance(purposes={"": "None."}), "purpose : name: is blank"),
        (flights(description=" "), "dataset aviation.flights: description: is blank"),
        (flights(links=("javascript:1",)), "link 'javascript:1': write https://"),
        (flights(fresh_within=timedelta(0)), "fresh_within: 0:00:00 is not more than nothing"),
        (flights(fresh_within=timedelta(days=36_501)), "at most 100 years"),
        (flights(column_tags={"*": ("plain",)}), "columns: * is not a column"),
        (flights(column_descriptions={"": "None."}), "a column's name: is blank"),
        (flights(ref=DatasetRef("Hr", "x y")), "'Hr' is not a dataset name part"),
        (flights(ref=DatasetRef("hr", "x", 3)), "names a version"),
        (flights(documentation="\0"), "documentation: holds NUL"),
    ],
)
def test_what_no_file_could_say_is_refused(said: Governance, problem: str) -> None:
    assert any(problem in fault for fault in form.faults(said)), form.faults(said)


def test_what_says_nothing_is_not_kept() -> None:
    said = flights(
        description=" Flights.\n",
        column_tags={"a": ()},
        column_descriptions={"b": "", "c": " so "},
        event_timestamp="",
    )
    kept = replace(FLIGHTS, column_descriptions={"c": " so "})
    assert form.settled(said) == Governance(datasets=(kept,))
    assert form.faults(form.settled(said)) == []
