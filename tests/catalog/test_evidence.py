"""What is kept of a profile and told of it, and of which columns."""

import time
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from provender.catalog import datasets, manifests
from provender.catalog.rows import VersionRow
from provender.core.contracts import CheckResult, Outcome
from provender.core.datasets import Evidence
from provender.core.effects import Effect
from provender.core.errors import InvalidInput
from provender.core.lifecycle import Severity
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.profiles import ColumnProfile, KeyCount, Measure, Profile, Relation
from provender.core.schema import Column, Schema
from provender.core.tags import Tag
from tests.catalog.world import FLIGHTS, GOVERNANCE, HOURLY, Connect, declared, governing, manifest

CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: flights
version: 1.0.0
status: active
schema:
  - name: flights
    properties:
      - {name: tailnum, logicalType: number, required: true}
      - {name: arr_delay, logicalType: number, required: true}
      - {name: gate, logicalType: string}
    quality:
      - {name: few, metric: rowCount, mustBeLessThan: 5}
      - {name: together, metric: duplicateValues, arguments: {properties: [tailnum, arr_delay]}, mustBe: 0}
"""
CANARY = "N14228"
TAILNUM = ColumnProfile(
    column="tailnum",
    count=10,
    nulls=1,
    distinct=9,
    exact=True,
    lowest=CANARY,
    highest=CANARY,
    frequent=((CANARY, 9),),
)
DELAY = ColumnProfile(
    column="arr_delay", count=10, nulls=0, quantiles=(1.0,), edges=(0, 2), counts=(10,)
)
RELATION = Relation(column="arr_delay", of="tailnum", slope=1, intercept=0, rows=10)
PROFILE = Profile(
    row_count=10,
    columns=(TAILNUM, DELAY),
    relations=(RELATION,),
    keys=(KeyCount(columns=("tailnum",), duplicates=0),),
    measures=(
        Measure(name="invalidValues:arr_delay:0123456789ab", value=3),
        Measure(name="invalidValues:tailnum:0123456789ab", value=4),
    ),
)
CLOSED = replace(
    PROFILE,
    columns=(DELAY,),
    relations=(),
    keys=(),
    measures=PROFILE.measures[:1],
)
"""What is told to who may know the values of ``arr_delay`` alone."""


def test_of_a_protected_column_nothing_but_counts_is_stored(
    connect: Connect, governed_url: str
) -> None:
    made = connect("ops").publish(FLIGHTS, manifest(), evidence=Evidence(profile=PROFILE))
    assert connect("ana").finder.evidence(made.ref).profile == CLOSED
    engine = create_engine(governed_url)
    with engine.connect() as database:
        stored = database.execute(text("SELECT value FROM profiles")).scalars().all()
    engine.dispose()
    assert len(stored) == 3
    assert not [value for value in stored if CANARY in str(value)]


def test_a_column_that_is_protected_later_is_closed_from_then_on(connect: Connect) -> None:
    gov, ana = connect("gov"), connect("ana")
    open_to_all = replace(declared(FLIGHTS), column_tags={})
    gov.desk.apply(governing(open_to_all))
    made = connect("ops").publish(FLIGHTS, manifest(), evidence=Evidence(profile=PROFILE))
    assert ana.finder.evidence(made.ref).profile == PROFILE
    gov.desk.apply(GOVERNANCE)
    assert ana.finder.evidence(made.ref).profile == CLOSED


def test_a_tag_that_protects_later_closes_what_it_is_on(connect: Connect) -> None:
    gov, ana = connect("gov"), connect("ana")
    tags = (Tag(name="personal"), Tag(name="source.bts"))
    gov.desk.apply(governing(tags=tags))
    made = connect("ops").publish(FLIGHTS, manifest(), evidence=Evidence(profile=PROFILE))
    assert ana.finder.evidence(made.ref).profile == PROFILE
    gov.desk.apply(GOVERNANCE)
    assert ana.finder.evidence(made.ref).profile == CLOSED


def test_values_are_told_to_who_may_read_them_or_publish_them_and_to_nobody_else(
    connect: Connect,
) -> None:
    anyone, *others = [rule for rule in GOVERNANCE.rules if rule.id == "report"]
    assert not others
    models = replace(anyone, actors=("team:models",))
    rest = tuple(rule for rule in GOVERNANCE.rules if rule is not anyone)
    connect("gov").desk.apply(governing(rules=(*rest, models)))
    made = connect("ops").publish(FLIGHTS, manifest(), evidence=Evidence(profile=PROFILE))
    assert connect("ana").finder.evidence(made.ref).profile == CLOSED
    assert connect("sam").finder.evidence(made.ref).profile == CLOSED
    seen = connect("max").finder.evidence(made.ref).profile
    assert seen == replace(CLOSED, columns=(), measures=())
    connect("sam").records.grant(
        FLIGHTS, grantee="person:max", columns=("arr_delay",), purposes=("report",)
    )
    assert connect("max").finder.evidence(made.ref).profile == CLOSED


def test_of_checks_of_a_closed_column_no_more_is_told_than_whether_they_passed(
    connect: Connect,
) -> None:
    """Whether a publisher wrote them, or a contract counted; ops has the office to publish, and no more."""
    by = {"outcome": Outcome.FAIL, "severity": Severity.WARN, "detail": "it is so 3 times"}
    own = tuple(CheckResult(name=f"own {c}", column=c, **by) for c in ("tailnum", "arr_delay", ""))
    connect("ops").publish(FLIGHTS, manifest(), evidence=Evidence(profile=PROFILE, checks=own))
    grant = {"columns": ("tailnum",), "purposes": ("report",)}
    connect("sam").records.grant(FLIGHTS, grantee="person:max", **grant)
    for name, told in (("ops", 1), ("ana", 1), ("max", 3)):
        checks = connect(name).finder.evidence(FLIGHTS.at(1)).checks
        assert [(one.name, one.outcome) for one in checks] == [(o.name, o.outcome) for o in own]
        assert sum(bool(one.detail) for one in checks) == told


def test_of_a_contract_what_no_value_tells_is_told_to_everybody(connect: Connect) -> None:
    contract = CONTRACT.encode()
    connect("sam").desk.attach(FLIGHTS, contract, expected=0)
    key = KeyCount(columns=("tailnum", "arr_delay"), duplicates=2)
    counted = replace(PROFILE, keys=(key,))
    connect("ops").publish(FLIGHTS, manifest(), evidence=Evidence(profile=counted))
    told = {
        (one.name, one.column): one.detail
        for one in connect("ana").finder.evidence(FLIGHTS.at(1)).checks
    }
    assert told["few", ""] == "rowCount is 10, must be less than 5"
    assert told["required", "tailnum"] == ""
    assert told["schema", "tailnum"] == "tailnum is string, not number"
    assert told["schema", "gate"] == "there is no column gate"
    assert told["together", ""] == ""
    assert told["required", "arr_delay"] == "nullValues is 0, must be 0"


def test_to_who_is_given_masked_values_or_some_rows_no_counts_are_told(connect: Connect) -> None:
    """They are of all rows, and of the values as they are."""
    gov, ops = connect("gov"), connect("ops")
    ops.publish(FLIGHTS, manifest(), evidence=Evidence(profile=PROFILE))
    report = next(rule for rule in GOVERNANCE.rules if rule.id == "report")
    mask = {"actors": ("person:max",), "datasets": (str(FLIGHTS),)}
    part = replace(report, id="part", **mask)
    for rule in (
        replace(part, filter="arr_delay > 5"),
        replace(part, effect=Effect.MASK, mask="bucket(10)"),
        replace(part, effect=Effect.COMPUTE),
    ):
        gov.desk.apply(governing(rules=(*GOVERNANCE.rules, rule)), overwrite=True)
        seen = connect("max").finder.evidence(FLIGHTS.at(1)).profile
        assert seen == replace(CLOSED, columns=(), measures=())
        assert connect("ana").finder.evidence(FLIGHTS.at(1)).profile == CLOSED


def test_a_profile_of_thousands_of_columns_is_checked_in_no_time():
    columns = tuple(Column(name=f"c{n}", type="int64") for n in range(8_000))
    wide = replace(manifest(7), schema=Schema(columns))
    parts = tuple(ColumnProfile(column=one.name, count=7, nulls=0) for one in columns)
    began = time.process_time()
    manifests.check_profile(wide, Profile(row_count=7, columns=parts))
    assert time.process_time() - began < 1
    with pytest.raises(InvalidInput, match="2 parts about 'c1'"):
        manifests.check_profile(wide, Profile(row_count=7, columns=(*parts, parts[1])))


def test_an_input_that_is_named_again_is_looked_up_once(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
):
    ops = connect("ops")
    first = ops.publish(FLIGHTS, manifest())
    asked: list[object] = []
    found = datasets.found

    def noting(db: Session, by: Actor, ref: DatasetRef, *, now: datetime) -> VersionRow:
        asked.append(ref)
        return found(db, by, ref, now=now)

    monkeypatch.setattr(datasets, "found", noting)
    made = ops.publish(HOURLY, manifest(2, inputs=(first.ref,) * 500, of=HOURLY))
    assert asked == [first.ref]
    assert made.manifest.inputs == (first.ref,) * 500
