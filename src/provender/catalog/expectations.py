"""The rules of a table in ODCS as expectations of counted numbers; those that we cannot count, said."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from provender.core.contracts import (
    OPERATORS,
    CheckResult,
    Expectation,
    Metric,
    Outcome,
    Valid,
)
from provender.core.errors import InvalidInput
from provender.core.lifecycle import Severity

Said = Mapping[str, Any]

WARNING = frozenset({"info", "warning", "warn", "low", "minor"})
"""Severities of rules that keep no version from its readers; all others do."""
PERCENT = frozenset({"percent", "%"})
NOT_RUN = {
    "text": "it is for people to read",
    "sql": "SQL of a contract is not run here",
    "custom": "it is for another engine",
}
LIMITS = ("minimum", "maximum")
IN_TIME = ("date", "timestamp")
"""Logical types whose limits are instants."""
OPTIONS = (*LIMITS, "pattern", "minLength", "maxLength")
"""Of ``logicalTypeOptions``, those that are checked."""


def of(table: Said) -> tuple[tuple[Expectation, ...], tuple[CheckResult, ...]]:
    """Return what is expected of ``table`` and its columns, and the rules that are not checked.

    Raises:
        InvalidInput: a rule cannot be what is meant, such as a limit that is no number.
    """
    columns: Sequence[Said] = table.get("properties") or []
    expected = [*_key(columns)]
    unchecked: list[CheckResult] = []
    for column in columns:
        expected += _of_column(column)
        unchecked += _unchecked_options(column)
    for place, rules in (
        ("", table.get("quality")),
        *((name_of(c), c.get("quality")) for c in columns),
    ):
        for rule in rules or ():
            if _is_library(rule):
                expected.append(_rule(rule, place))
            else:
                unchecked.append(_not_run(rule, place))
    return tuple(expected), tuple(unchecked)


def name_of(column: Said) -> str:
    """Return what a column is called where it is kept."""
    return str(column.get("physicalName") or column.get("name"))


def primary_key(columns: Sequence[Said]) -> tuple[str, ...]:
    """Return the columns of the primary key, in their order."""
    key = [column for column in columns if column.get("primaryKey")]
    return tuple(name_of(one) for one in sorted(key, key=lambda c: c.get("primaryKeyPosition", -1)))


def _key(columns: Sequence[Said]) -> Iterator[Expectation]:
    key = primary_key(columns)
    if key:
        yield _none("primary key", Metric.DUPLICATE_VALUES, *key)
    for name in key:
        yield _none("primary key", Metric.NULL_VALUES, name)


def _of_column(column: Said) -> Iterator[Expectation]:
    name = name_of(column)
    if column.get("required") and not column.get("primaryKey"):
        yield _none("required", Metric.NULL_VALUES, name)
    if column.get("unique"):
        yield _none("unique", Metric.DUPLICATE_VALUES, name)
    options = column.get("logicalTypeOptions") or {}
    first, last = (_end(column, options.get(limit)) for limit in LIMITS)
    valid = Valid(
        values=tuple(entry["value"] for entry in column.get("enum") or ()),
        pattern=str(options.get("pattern") or ""),
        least=_limit(options.get("minimum")),
        most=_limit(options.get("maximum")),
        shortest=options.get("minLength"),
        longest=options.get("maxLength"),
        first=first,
        last=last,
    )
    if valid != Valid():
        yield _none("valid", Metric.INVALID_VALUES, name, valid=valid)


def _unchecked_options(column: Said) -> Iterator[CheckResult]:
    """What is said of a column's values and not counted here, such as an earliest time of day."""
    for option, said in (column.get("logicalTypeOptions") or {}).items():
        is_limit = option in LIMITS
        is_end = _limit(said) is not None or _end(column, said) is not None
        if option not in OPTIONS or (is_limit and not is_end):
            yield CheckResult(
                name=option,
                outcome=Outcome.UNEVALUATED,
                severity=Severity.REFUSE,
                detail=f"{said} is neither a number nor an instant"
                if is_limit
                else f"{option} is not checked here",
                column=name_of(column),
            )


def _none(name: str, metric: Metric, *columns: str, valid: Valid | None = None) -> Expectation:
    """Not one row may be so."""
    return Expectation(
        name=name,
        metric=metric,
        columns=columns,
        operator="mustBe",
        limits=(0.0,),
        severity=Severity.REFUSE,
        valid=valid,
    )


def _is_library(rule: Said) -> bool:
    return bool(rule.get("metric")) or rule.get("type", "library") == "library"


def _rule(rule: Said, column: str) -> Expectation:
    metric = Metric(rule["metric"])
    arguments: Said = rule.get("arguments") or {}
    columns = (column,) if column else tuple(map(str, arguments.get("properties") or ()))
    name = str(rule.get("name") or rule.get("id") or metric)
    is_several = len(columns) > 1 and metric is not Metric.DUPLICATE_VALUES
    if is_several or (metric is Metric.ROW_COUNT) != (not columns):
        raise InvalidInput(
            f"rule {name!r} of the contract counts {metric} of {', '.join(columns) or 'no column'}",
            hint="rowCount is of a table, duplicateValues of one or several columns, which a rule of "
            "a table names as its properties; all others are of one column",
        )
    operator = next(operator for operator in OPERATORS if operator in rule)
    return Expectation(
        name=name,
        metric=metric,
        columns=columns,
        operator=operator,
        limits=_limits(rule[operator], name),
        severity=_severity(rule),
        is_percent=str(rule.get("unit") or "").lower() in PERCENT,
        missing=tuple(arguments.get("missingValues") or ()),
        valid=_valid(arguments) if metric is Metric.INVALID_VALUES else None,
    )


def _valid(arguments: Said) -> Valid:
    return Valid(
        values=tuple(arguments.get("validValues") or ()),
        pattern=str(arguments.get("pattern") or ""),
    )


def _limits(said: object, name: str) -> tuple[float, ...]:
    limits = said if isinstance(said, list) else [said]
    found = [_limit(one) for one in limits]
    numbers = tuple(one for one in found if one is not None)
    if len(numbers) != len(found):
        raise InvalidInput(
            f"rule {name!r} of the contract has the limit {said!r}", hint="give a number"
        )
    return numbers


def _limit(said: object) -> float | None:
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    return float(said)


def _end(column: Said, said: object) -> datetime | None:
    """The instant that a limit of dates or instants is; without a zone it is in UTC."""
    if column.get("logicalType") not in IN_TIME or not isinstance(said, str):
        return None
    try:
        found = datetime.fromisoformat(said)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _severity(rule: Said) -> Severity:
    said = str(rule.get("severity") or "").lower()
    return Severity.WARN if said in WARNING else Severity.REFUSE


def _not_run(rule: Said, column: str) -> CheckResult:
    kind = str(rule.get("type"))
    return CheckResult(
        name=str(rule.get("name") or rule.get("id") or kind),
        outcome=Outcome.UNEVALUATED,
        severity=_severity(rule),
        detail=f"{NOT_RUN.get(kind, 'it is of an unknown kind')}"
        + (f": {rule['description']}" if rule.get("description") else ""),
        column=column,
    )
