"""Whether a version keeps its contract: every promise against the schema and what was counted.

Pure: the numbers come from a profile. A number that nobody counted fails a check that refuses:
else a publisher could pass by not looking. Contracts that are proposed or drafts only warn.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from provender.core.contracts import (
    OPERATORS,
    CheckResult,
    Contract,
    Expectation,
    Metric,
    Outcome,
    Promise,
)
from provender.core.lifecycle import Severity
from provender.core.profiles import Profile
from provender.core.schema import Schema

NOT_BINDING = frozenset({"proposed", "draft"})
"""A contract in these states is not promised yet."""
RETIRED = frozenset({"retired"})
"""A contract in these states is not promised any more."""
WHOLE = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"})
FITTING: dict[str, frozenset[str]] = {
    "string": frozenset({"string"}),
    "date": frozenset({"date"}),
    "timestamp": frozenset({"timestamp", "timestamp_ns", "timestamp_local"}),
    "time": frozenset({"time"}),
    "number": WHOLE | {"float32", "float64", "decimal"},
    "integer": WHOLE,
    "object": frozenset({"struct", "map"}),
    "map": frozenset({"map"}),
    "array": frozenset({"list"}),
    "vector": frozenset({"list"}),
    "boolean": frozenset({"bool"}),
}
"""The kinds of columns that are what a logical type of ODCS says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a version. ``latest`` is its last event, None where it has none."""

    schema: Schema
    row_count: int
    profile: Profile | None = None
    latest: datetime | None = None


def evaluate(contract: Contract, facts: Facts, *, now: datetime) -> tuple[CheckResult, ...]:
    """Return what every promise of ``contract`` comes to, in the order of its text."""
    if contract.status in RETIRED:
        return ()
    checks = [
        *_columns(contract, facts.schema),
        *(_expected(one, facts) for one in contract.expectations),
        *_freshness(contract, facts, now),
        *contract.unchecked,
    ]
    named = [replace(check, contract=str(contract)) for check in checks]
    if contract.status not in NOT_BINDING:
        return tuple(named)
    return tuple(replace(check, severity=Severity.WARN) for check in named)


def _columns(contract: Contract, schema: Schema) -> Iterator[CheckResult]:
    for promise in contract.columns:
        wrong = _wrong_column(promise, schema)
        yield CheckResult(
            name="schema",
            outcome=Outcome.FAIL if wrong else Outcome.PASS,
            severity=Severity.REFUSE,
            detail=wrong,
            column=promise.name,
        )


def _wrong_column(promise: Promise, schema: Schema) -> str:
    if promise.name not in schema:
        return f"there is no column {promise.name}"
    found = schema.column(promise.name).type
    if promise.type and found.partition("<")[0].partition("(")[0] not in FITTING[promise.type]:
        return f"{promise.name} is {found}, not {promise.type}"
    return ""


def _expected(expectation: Expectation, facts: Facts) -> CheckResult:
    missing = [name for name in expectation.columns if name not in facts.schema]
    count = None if missing else _counted(expectation, facts)
    if missing:
        outcome, detail = Outcome.ERROR, f"there is no column {', '.join(missing)}"
    elif count is None:
        outcome, detail = Outcome.ERROR, "it was not counted: publish with a profile"
    else:
        outcome, detail = _compared(expectation, count, facts.row_count)
    return CheckResult(
        name=expectation.name,
        outcome=outcome,
        severity=expectation.severity,
        detail=detail,
        column=expectation.columns[0] if len(expectation.columns) == 1 else "",
    )


def _counted(expectation: Expectation, facts: Facts) -> int | None:
    """The number that is expected something of; None if nobody counted it."""
    columns = expectation.columns
    if expectation.metric is Metric.ROW_COUNT:
        return facts.row_count
    if expectation.metric is Metric.NULL_VALUES and not facts.schema.column(columns[0]).nullable:
        return 0
    profile = facts.profile
    if profile is None:
        return None
    if expectation.metric is Metric.NULL_VALUES:
        column = profile.column(columns[0])
        return column.nulls if column else None
    if expectation.metric is Metric.DUPLICATE_VALUES:
        return _repeated(profile, columns)
    measured = {measure.name: measure.value for measure in profile.measures}
    return measured.get(expectation.measure)


def _repeated(profile: Profile, columns: tuple[str, ...]) -> int | None:
    for key in profile.keys:
        if key.columns == columns:
            return key.duplicates
    column = profile.column(columns[0]) if len(columns) == 1 else None
    return column.duplicates if column else None


def _compared(expectation: Expectation, count: int, rows: int) -> tuple[Outcome, str]:
    found = 100 * count / max(rows, 1) if expectation.is_percent else float(count)
    kept = OPERATORS[expectation.operator](found, expectation.limits)
    unit = "%" if expectation.is_percent else ""
    limits = " and ".join(f"{limit:g}{unit}" for limit in expectation.limits)
    said = f"{found:,.6g}{unit}" if expectation.is_percent else f"{count:,}"
    words = f"{expectation.metric} is {said}, {_WORDS[expectation.operator]} {limits}"
    return (Outcome.PASS if kept else Outcome.FAIL), words


_WORDS = {
    "mustBe": "must be",
    "mustNotBe": "must not be",
    "mustBeGreaterThan": "must be greater than",
    "mustBeGreaterOrEqualTo": "must be at least",
    "mustBeLessThan": "must be less than",
    "mustBeLessOrEqualTo": "must be at most",
    "mustBeBetween": "must be between",
    "mustNotBeBetween": "must not be between",
}


def _freshness(contract: Contract, facts: Facts, now: datetime) -> Iterator[CheckResult]:
    """A late version is still the newest there is, so that it is late never keeps it from readers."""
    within = contract.fresh_within
    if within is None:
        return
    if facts.latest is None:
        outcome, detail = Outcome.UNEVALUATED, "the dataset has no event timestamp"
    else:
        age = now - facts.latest
        outcome = Outcome.PASS if age <= within else Outcome.FAIL
        detail = f"the last event is {age} old, must be at most {within}"
    yield CheckResult(name="latency", outcome=outcome, severity=Severity.WARN, detail=detail)
