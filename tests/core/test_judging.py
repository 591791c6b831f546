from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from provender.core.contracts import (
    CheckResult,
    Contract,
    Expectation,
    Metric,
    Outcome,
    Promise,
    Valid,
    keeps_back,
)
from provender.core.judging import FITTING, Facts, evaluate
from provender.core.lifecycle import Severity
from provender.core.profiles import ColumnProfile, KeyCount, Measure, Profile
from provender.core.schema import Column, Schema

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONTRACT = Contract(
    id="orders",
    version="1.2.0",
    status="active",
    columns=(),
    required=(),
    keys=(),
    expectations=(),
)
SCHEMA = Schema(
    (
        Column(name="id", type="int64", nullable=False),
        Column(name="amount", type="decimal(10,2)"),
        Column(name="items", type="list<struct<sku:string>>"),
    )
)
WEIGHTS = Valid(values=("kg", "lb"))


def rule(metric: Metric, *columns: str, operator: str = "mustBe", **said: object) -> Expectation:
    facts = {"name": "r", "limits": (0.0,), "severity": Severity.REFUSE, **said}
    return Expectation(metric=metric, columns=columns, operator=operator, **facts)  # type: ignore[arg-type]


INVALID = rule(Metric.INVALID_VALUES, "amount", valid=WEIGHTS)
MISSING = rule(Metric.MISSING_VALUES, "amount", missing=("", None))
PROFILE = Profile(
    row_count=200,
    columns=(
        ColumnProfile(column="id", count=200, nulls=0, distinct=190, duplicates=10, exact=True),
        ColumnProfile(column="amount", count=200, nulls=3, distinct=150),
    ),
    keys=(KeyCount(columns=("id", "amount"), duplicates=2),),
    measures=(Measure(name=INVALID.measure, value=5), Measure(name=MISSING.measure, value=0)),
)
FACTS = Facts(schema=SCHEMA, row_count=200, profile=PROFILE, latest=NOW - timedelta(hours=3))


def judged(contract: Contract, facts: Facts = FACTS) -> list[CheckResult]:
    return list(evaluate(contract, facts, now=NOW))


def outcome(expectation: Expectation, facts: Facts = FACTS) -> Outcome:
    (check,) = judged(replace(CONTRACT, expectations=(expectation,)), facts)
    return check.outcome


@pytest.mark.parametrize(
    ("expectation", "found"),
    [
        (rule(Metric.ROW_COUNT), 200),
        (rule(Metric.NULL_VALUES, "amount"), 3),
        (rule(Metric.NULL_VALUES, "id"), 0),
        (rule(Metric.DUPLICATE_VALUES, "id"), 10),
        (rule(Metric.DUPLICATE_VALUES, "id", "amount"), 2),
        (INVALID, 5),
        (MISSING, 0),
    ],
)
def test_every_metric_is_held_against_its_number(expectation: Expectation, found: int) -> None:
    assert outcome(replace(expectation, limits=(float(found),))) is Outcome.PASS
    assert outcome(replace(expectation, limits=(found + 1.0,))) is Outcome.FAIL
    in_percent = replace(expectation, limits=(found / 2,), is_percent=True)
    assert outcome(in_percent) is Outcome.PASS


@pytest.mark.parametrize(
    ("operator", "kept", "broken"),
    [
        ("mustBe", (200,), (199,)),
        ("mustNotBe", (199,), (200,)),
        ("mustBeGreaterThan", (199,), (200,)),
        ("mustBeGreaterOrEqualTo", (200,), (201,)),
        ("mustBeLessThan", (201,), (200,)),
        ("mustBeLessOrEqualTo", (200,), (199,)),
        ("mustBeBetween", (200, 300), (201, 300)),
        ("mustNotBeBetween", (201, 300), (100, 200)),
    ],
)
def test_every_operator_holds_at_its_limit(
    operator: str, kept: tuple[float, ...], broken: tuple[float, ...]
) -> None:
    rows = rule(Metric.ROW_COUNT, operator=operator)
    assert outcome(replace(rows, limits=kept)) is Outcome.PASS
    assert outcome(replace(rows, limits=broken)) is Outcome.FAIL


def test_what_was_found_is_said_beside_what_was_promised() -> None:
    nulls = rule(
        Metric.NULL_VALUES, "amount", operator="mustBeLessThan", limits=(1.0,), is_percent=True
    )
    (check,) = judged(replace(CONTRACT, expectations=(nulls,)))
    assert check == CheckResult(
        name="r",
        outcome=Outcome.FAIL,
        severity=Severity.REFUSE,
        detail="nullValues is 1.5%, must be less than 1%",
        column="amount",
        contract="orders 1.2.0",
    )


@pytest.mark.parametrize("expectation", [INVALID, MISSING, rule(Metric.NULL_VALUES, "amount")])
def test_a_number_that_nobody_counted_keeps_the_version_back(expectation: Expectation) -> None:
    checks = judged(replace(CONTRACT, expectations=(expectation,)), replace(FACTS, profile=None))
    assert checks[0].outcome is Outcome.ERROR
    assert keeps_back(checks)
    unlike = replace(expectation, metric=Metric.INVALID_VALUES, valid=Valid(pattern="x"))
    assert outcome(unlike) is Outcome.ERROR


def test_an_estimate_does_not_stand_for_a_count() -> None:
    assert outcome(rule(Metric.DUPLICATE_VALUES, "amount")) is Outcome.ERROR


@pytest.mark.parametrize("logical", FITTING)
def test_a_column_is_of_the_type_that_was_promised_or_is_not(logical: str) -> None:
    fits = {"id": ("integer", "number"), "amount": ("number",), "items": ("array", "vector")}
    for name, types in fits.items():
        (check,) = judged(replace(CONTRACT, columns=(Promise(name=name, type=logical),)))
        assert (check.outcome is Outcome.PASS) == (logical in types), (name, check.detail)


def test_a_column_that_is_not_there_fails_whatever_is_said_of_it() -> None:
    contract = replace(
        CONTRACT,
        columns=(Promise(name="gone"),),
        expectations=(rule(Metric.NULL_VALUES, "gone"),),
    )
    schema, nulls = judged(contract)
    assert (schema.outcome, schema.detail) == (Outcome.FAIL, "there is no column gone")
    assert nulls.outcome is Outcome.ERROR


@pytest.mark.parametrize(
    ("status", "kept_back"),
    [
        ("active", True),
        ("deprecated", True),
        ("proposed", False),
        ("draft", False),
        ("retired", False),
    ],
)
def test_a_contract_binds_while_it_is_in_force(status: str, kept_back: bool) -> None:
    broken = replace(CONTRACT, status=status, expectations=(rule(Metric.ROW_COUNT),))
    checks = judged(broken)
    assert keeps_back(checks) is kept_back
    assert bool(checks) == (status != "retired")


def test_a_late_version_is_said_to_be_late_and_stays_readable() -> None:
    within = replace(CONTRACT, fresh_within=timedelta(hours=3))
    assert judged(within)[0].outcome is Outcome.PASS
    late = judged(replace(within, fresh_within=timedelta(hours=3) - timedelta(microseconds=1)))
    assert late[0].outcome is Outcome.FAIL
    assert not keeps_back(late)
    assert judged(within, replace(FACTS, latest=None))[0].outcome is Outcome.UNEVALUATED


def test_rules_that_are_not_run_are_listed_as_such() -> None:
    sql = CheckResult(name="s", outcome=Outcome.UNEVALUATED, severity=Severity.REFUSE)
    (check,) = judged(replace(CONTRACT, unchecked=(sql,)))
    assert check.outcome is Outcome.UNEVALUATED
    assert not keeps_back([check])
