"""Contracts: attached byte for byte, and what becomes of versions that break them."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import create_engine, text

from provender.catalog.db import open_database, transaction
from provender.core.audit import EventKind
from provender.core.contracts import Outcome
from provender.core.datasets import Evidence
from provender.core.effects import Effect
from provender.core.errors import Denied, InvalidInput, NotFound, PreconditionFailed, Problems
from provender.core.lifecycle import State, Step
from provender.core.names import DatasetRef
from provender.core.profiles import ColumnProfile, KeyCount, Profile
from tests.catalog.world import FLIGHTS, NOW, SALARIES, Clock, Connect, manifest

CONTRACT = """\
# What flight-ops promise.
apiVersion: v3.1.0
kind: DataContract
id: flights-contract
version: 1.0.0
status: active
schema:
  - name: flights
    properties:
      - {name: event_timestamp, logicalType: timestamp, primaryKey: true, primaryKeyPosition: 1}
      - {name: tailnum, logicalType: string, primaryKey: true, primaryKeyPosition: 2}
      - {name: arr_delay, logicalType: number, required: true}
    quality:
      - {metric: rowCount, mustBeGreaterThan: 2}
"""
KEY = ("event_timestamp", "tailnum")


def measured(rows: int, nulls: int = 0, repeated: int = 0) -> Evidence:
    columns = tuple(
        ColumnProfile(column=name, count=rows, nulls=nulls if name == "arr_delay" else 0)
        for name in (*KEY, "arr_delay")
    )
    keys = (KeyCount(columns=KEY, duplicates=repeated),)
    return Evidence(profile=Profile(row_count=rows, columns=columns, keys=keys))


@pytest.mark.parametrize(
    "raw",
    [
        CONTRACT.encode(),
        b"\xef\xbb\xbf" + CONTRACT.encode(),
        CONTRACT.replace("\n", "\r\n").encode(),
        CONTRACT.replace("flight-ops", "les équipes ✈ \t ").encode() + b"\n\n# the end",
    ],
)
def test_a_contract_comes_back_byte_for_byte(connect: Connect, raw: bytes) -> None:
    attached = connect("sam").desk.attach(FLIGHTS, raw, expected=0)
    found = connect("ana").desk.contract(FLIGHTS)
    assert found == attached
    assert found.raw == raw
    assert found.sha256 == f"sha256:{hashlib.sha256(raw).hexdigest()}"
    assert (found.revision, found.attached_by) == (1, "person:sam")
    assert found.contract.keys == KEY


def test_stewards_attach_and_those_who_discover_read(connect: Connect) -> None:
    with pytest.raises(NotFound, match=r"aviation\.flights has no contract"):
        connect("ana").desk.contract(FLIGHTS)
    with pytest.raises(Denied):
        connect("ana").desk.attach(FLIGHTS, CONTRACT.encode(), expected=0)
    with pytest.raises(NotFound, match="salaries"):
        connect("ana").desk.contract(SALARIES)
    connect("sam").desk.attach(FLIGHTS, CONTRACT.encode(), expected=0)
    (event,) = connect("gov").records.audit_events(kind=EventKind.CONTRACT_ATTACH)
    assert (event.actor, event.subject) == ("person:sam", FLIGHTS.dataset)
    assert event.detail["contract"] == "flights-contract 1.0.0"


def test_what_is_no_contract_leaves_the_one_in_force(connect: Connect) -> None:
    desk = connect("sam").desk
    attached = desk.attach(FLIGHTS, CONTRACT.encode(), expected=0)
    with pytest.raises(Problems):
        desk.attach(FLIGHTS, CONTRACT.replace("id: flights", "di: flights").encode(), expected=1)
    with pytest.raises(InvalidInput):
        desk.attach(FLIGHTS, b"\xff", expected=1)
    assert desk.contract(FLIGHTS) == attached


def test_a_contract_is_read_while_others_write(connect: Connect, governed_url: str) -> None:
    engine = open_database(governed_url)
    with ThreadPoolExecutor(1) as pool, transaction(engine, write=True):
        attached = pool.submit(connect("sam").desk.attach, FLIGHTS, b"a: [", expected=0)
        assert isinstance(attached.exception(timeout=10), InvalidInput)
    engine.dispose()


def test_who_looked_at_another_contract_attaches_none(connect: Connect, clock: Clock) -> None:
    sam, ops = connect("sam").desk, connect("ops").desk
    first = sam.attach(FLIGHTS, CONTRACT.encode(), expected=0)
    second = CONTRACT.replace("1.0.0", "1.1.0").encode()
    with pytest.raises(PreconditionFailed, match="at revision 1, not 0"):
        ops.attach(FLIGHTS, second, expected=0)
    clock.advance(timedelta(hours=1))
    assert ops.attach(FLIGHTS, second, expected=1).revision == 2
    assert ops.attach(FLIGHTS, second, expected=2).attached_at == clock.now
    assert sam.contract(FLIGHTS).revision == 2
    assert sam.contract(FLIGHTS, as_of=NOW) == first
    with pytest.raises(NotFound, match="has no contract at"):
        sam.contract(FLIGHTS, as_of=NOW - timedelta(microseconds=1))


def test_the_same_bytes_again_are_no_new_contract(connect: Connect, clock: Clock) -> None:
    desk = connect("sam").desk
    first = desk.attach(FLIGHTS, CONTRACT.encode(), expected=None)
    clock.advance(timedelta(hours=1))
    assert desk.attach(FLIGHTS, CONTRACT.encode(), expected=1) == first
    assert len(connect("gov").records.audit_events(kind=EventKind.CONTRACT_ATTACH)) == 1


def test_a_version_that_breaks_its_contract_is_quarantined_and_readers_keep_the_last_good_one(
    connect: Connect,
) -> None:
    ops, ana = connect("ops"), connect("ana")
    connect("sam").desk.attach(FLIGHTS, CONTRACT.encode(), expected=0)
    good = ops.publish(FLIGHTS, manifest(3), evidence=measured(3))
    assert ana.resolve(FLIGHTS) == good
    bad = ops.publish(FLIGHTS, manifest(4), evidence=measured(4, nulls=1, repeated=2))
    assert ana.release(bad.ref).standing.state is State.QUARANTINED
    assert ana.resolve(FLIGHTS) == good
    assert ana.finder.entry(FLIGHTS).latest == good.number
    refused = [one for one in ana.finder.evidence(bad.ref).checks if one.refused]
    assert [(one.name, one.column, one.detail) for one in refused] == [
        ("primary key", "", ""),  # one of its columns is closed to ana
        ("required", "arr_delay", "nullValues is 1, must be 0"),
    ]
    assert {one.contract for one in refused} == {"flights-contract 1.0.0"}
    fixed = ops.publish(FLIGHTS, manifest(5), evidence=measured(5))
    assert (fixed.number, ana.resolve(FLIGHTS)) == (3, fixed)
    assert ana.release(fixed.ref).standing.state is State.PUBLISHED


def test_who_measures_nothing_gets_nothing_past_the_contract(connect: Connect) -> None:
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest(3))
    connect("sam").desk.attach(FLIGHTS, CONTRACT.encode(), expected=0)
    unmeasured = ops.publish(FLIGHTS, manifest(4))
    assert ops.release(unmeasured.ref).standing.state is State.QUARANTINED
    assert ops.resolve(FLIGHTS).number == 1
    checks = ops.finder.evidence(unmeasured.ref).checks
    assert {one.outcome for one in checks if one.refused} == {Outcome.ERROR}


def test_versions_from_before_a_contract_stay_as_they_are(connect: Connect) -> None:
    ops = connect("ops")
    few = ops.publish(FLIGHTS, manifest(1), evidence=measured(1))
    connect("sam").desk.attach(FLIGHTS, CONTRACT.encode(), expected=0)
    assert ops.release(few.ref).standing.state is State.PUBLISHED
    assert ops.publish(FLIGHTS, manifest(1)) == few
    assert ops.resolve(FLIGHTS) == few


def test_what_a_check_was_of_stays_when_another_contract_comes(connect: Connect) -> None:
    ops, desk = connect("ops"), connect("sam").desk
    desk.attach(FLIGHTS, CONTRACT.encode(), expected=0)
    made = ops.publish(FLIGHTS, manifest(3), evidence=measured(3))
    desk.attach(FLIGHTS, CONTRACT.replace("1.0.0", "2.0.0").encode(), expected=1)
    assert {one.contract for one in ops.finder.evidence(made.ref).checks} == {
        "flights-contract 1.0.0"
    }


def test_a_proposed_contract_only_warns(connect: Connect) -> None:
    ops = connect("ops")
    proposed = CONTRACT.replace("status: active", "status: proposed").encode()
    connect("sam").desk.attach(FLIGHTS, proposed, expected=0)
    made = ops.publish(FLIGHTS, manifest(3), evidence=measured(3, nulls=5))
    assert ops.resolve(FLIGHTS) == made
    failed = [one for one in ops.finder.evidence(made.ref).checks if one.outcome is Outcome.FAIL]
    assert [one.name for one in failed] == ["required"]


def test_a_schema_that_is_not_the_promised_one_is_quarantined(connect: Connect) -> None:
    ops = connect("ops")
    connect("sam").desk.attach(FLIGHTS, CONTRACT.encode(), expected=0)
    schema = manifest().schema
    wrong = replace(
        schema, columns=(*schema.columns[:2], replace(schema.columns[2], type="string"))
    )
    made = ops.publish(FLIGHTS, manifest(3, schema=wrong), evidence=measured(3))
    refused = [one.detail for one in ops.finder.evidence(made.ref).checks if one.refused]
    assert refused == ["arr_delay is string, not number"]


def test_a_contract_that_a_newer_schema_would_refuse_is_still_read(
    connect: Connect, governed_url: str
) -> None:
    ops = connect("ops")
    connect("sam").desk.attach(FLIGHTS, CONTRACT.encode(), expected=0)
    old = CONTRACT.replace("kind: DataContract\n", "")
    engine = create_engine(governed_url)
    with engine.begin() as database:
        database.execute(text("UPDATE contracts SET raw = :raw"), {"raw": old.encode()})
    engine.dispose()
    assert ops.desk.contract(FLIGHTS).raw == old.encode()
    made = ops.publish(FLIGHTS, manifest(3), evidence=measured(3, nulls=1))
    assert ops.release(made.ref).standing.state is State.QUARANTINED


def test_a_contract_knows_its_dataset_after_it_was_renamed(connect: Connect) -> None:
    ops, sam = connect("ops"), connect("sam")
    other = "  - {name: others, properties: [{name: x, required: true}]}\n"
    sam.desk.attach(FLIGHTS, (CONTRACT + other).encode(), expected=0)
    sam.desk.rename(FLIGHTS, "aviation.departures", expected=1)
    renamed = DatasetRef("aviation", "departures")
    assert ops.desk.contract(renamed).contract.keys == KEY
    made = ops.publish(renamed, manifest(3, of=renamed), evidence=measured(3))
    assert ops.release(made.ref).standing.state is State.PUBLISHED
    assert len(ops.finder.evidence(made.ref).checks) > 5


def test_a_draft_is_judged_by_the_contract_that_is_in_force_when_it_is_published(
    connect: Connect,
) -> None:
    ops = connect("ops")
    for rows, evidence in ((1, measured(1)), (2, Evidence()), (3, measured(3))):
        ops.publish(FLIGHTS, manifest(rows), evidence=evidence, draft=True)
    connect("sam").desk.attach(FLIGHTS, CONTRACT.encode(), expected=0)
    for number in (1, 2):
        kept = ops.desk.step(FLIGHTS.at(number), Step.PUBLISH, reason="")
        assert kept.standing.state is State.QUARANTINED
        assert any(one.refused for one in ops.finder.evidence(FLIGHTS.at(number)).checks)
    with pytest.raises(NotFound, match="has no version for reading"):
        ops.resolve(FLIGHTS)
    assert ops.desk.step(FLIGHTS.at(3), Step.PUBLISH, reason="").standing.state is State.PUBLISHED
    checks = ops.finder.evidence(FLIGHTS.at(3)).checks
    assert {one.contract for one in checks} == {"flights-contract 1.0.0"}
    assert ops.resolve(FLIGHTS).number == 3
    released = ops.desk.step(FLIGHTS.at(1), Step.RELEASE, reason="few are fine")
    assert released.standing.state is State.PUBLISHED


def test_a_draft_that_is_published_by_its_rows_is_judged_by_what_is_measured_then(
    connect: Connect,
) -> None:
    ops = connect("ops")
    for rows in (3, 4):
        ops.publish(FLIGHTS, manifest(rows), draft=True)
    connect("sam").desk.attach(FLIGHTS, CONTRACT.encode(), expected=0)
    good = ops.publish(FLIGHTS, manifest(3), evidence=measured(3))
    assert ops.release(good.ref).standing.state is State.PUBLISHED
    bad = ops.publish(FLIGHTS, manifest(4), evidence=measured(4, nulls=1))
    assert ops.release(bad.ref).standing.state is State.QUARANTINED


def test_a_quarantined_version_is_judged_again_when_it_is_published_with_what_was_counted(
    connect: Connect,
) -> None:
    ops = connect("ops")
    connect("sam").desk.attach(FLIGHTS, CONTRACT.encode(), expected=0)
    made = ops.publish(FLIGHTS, manifest(3))
    assert ops.publish(FLIGHTS, manifest(3)) == made
    assert ops.release(made.ref).standing.state is State.QUARANTINED
    assert ops.publish(FLIGHTS, manifest(3), evidence=measured(3, nulls=1)) == made
    assert ops.release(made.ref).standing.state is State.QUARANTINED
    assert ops.publish(FLIGHTS, manifest(3), evidence=measured(3)) == made
    assert ops.release(made.ref).standing.state is State.PUBLISHED
    assert ops.resolve(FLIGHTS) == made
    found = ops.finder.evidence(made.ref)
    assert found.profile == measured(3).profile.told(("event_timestamp", "arr_delay"))
    assert not any(one.refused for one in found.checks)


RULES = {
    "a pattern": "logicalTypeOptions: {pattern: '^N1'}",
    "values": "enum: [{value: N1}]",
    "a length": "logicalTypeOptions: {maxLength: 3}",
    "values that count as missing": "quality: [{metric: missingValues, arguments: {missingValues: [N1]}, mustBe: 0}]",
    "counts that are not nothing": "quality: [{metric: nullValues, mustBeLessThan: 7}]",
    "counts of what is repeated": "quality: [{metric: duplicateValues, mustNotBe: 7, severity: info}]",
}


def of_tailnum(rule: str) -> bytes:
    column = "      - {name: tailnum, logicalType: string, primaryKey: true, primaryKeyPosition: 2}"
    assert column in CONTRACT
    return CONTRACT.replace(
        column, f"      - {{name: tailnum, logicalType: string, {rule}}}"
    ).encode()


def test_rules_on_values_of_a_protected_column_are_for_who_may_know_them(connect: Connect) -> None:
    """Else a steward spells the values: a letter more in each pattern, and counts of rows in return."""
    gov, sam = connect("gov"), connect("sam").desk
    for rule in RULES.values():
        with pytest.raises(Denied, match="may not attach rules on values of aviation") as error:
            sam.attach(FLIGHTS, of_tailnum(rule), expected=0)
        assert "access request aviation.flights --columns tailnum" in str(error.value.hint)
    assert gov.records.audit_events(kind=EventKind.ACCESS_DENY)
    sam.attach(FLIGHTS, of_tailnum("required: true, unique: true"), expected=0)
    what = {"columns": ("tailnum",), "purposes": ("report",)}
    connect("ops").records.grant(FLIGHTS, grantee="person:sam", **what)
    for expected, rule in enumerate(RULES.values(), start=1):
        assert sam.attach(FLIGHTS, of_tailnum(rule), expected=expected).revision == expected + 1


def test_who_may_read_a_part_of_a_protected_column_attaches_no_rules_on_its_values(
    connect: Connect,
) -> None:
    what = {"columns": ("tailnum",), "purposes": ("report",)}
    how = {"effect": Effect.MASK, "mask": "hash"}
    connect("ops").records.grant(FLIGHTS, grantee="person:sam", **what, **how)
    with pytest.raises(Denied, match="may not attach rules on values of aviation"):
        connect("sam").desk.attach(FLIGHTS, of_tailnum(RULES["a pattern"]), expected=0)
