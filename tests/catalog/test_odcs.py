"""Contracts as they are written, and what is read in them."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from provender.catalog import odcs
from provender.core.contracts import Contract, Expectation, Metric, Outcome, Promise, Valid
from provender.core.errors import InvalidInput, Problems
from provender.core.lifecycle import Severity

NAMES = ("shop.orders",)
HEAD = """\
apiVersion: v3.1.0
kind: DataContract
id: 53581432-6c55-4ba2-a65f-72344a91553a
version: 1.2.0
status: active
contractCreatedTs: 2026-01-02T03:04:05+00:00
"""
ORDERS = (
    HEAD
    + """\
schema:
  - name: orders
    logicalType: object
    properties:
      - {name: line, primaryKey: true, primaryKeyPosition: 2, logicalType: integer}
      - {name: order_id, primaryKey: true, primaryKeyPosition: 1, logicalType: string}
      - name: customer
        physicalName: customer_id
        logicalType: string
        required: true
        unique: true
        logicalTypeOptions: {pattern: '^c[0-9]+$', minLength: 2, maxLength: 9}
        quality:
          - {metric: missingValues, arguments: {missingValues: [null, '', N/A]}, mustBeLessThan: 5, unit: percent}
          - {type: text, description: The customer was asked., severity: info}
      - name: unit
        quality:
          - metric: invalidValues
            name: known units
            arguments: {validValues: [kg, lb]}
            mustBe: 0
            severity: warning
      - {name: amount, logicalType: number, logicalTypeOptions: {minimum: 0, maximum: 99.5}}
    quality:
      - {metric: rowCount, mustBeBetween: [1, 1000]}
      - {metric: duplicateValues, arguments: {properties: [order_id, unit]}, mustBe: 0}
      - {type: sql, query: SELECT 1, mustBe: 1}
      - {type: custom, engine: soda, implementation: 'x'}
slaProperties:
  - {property: latency, value: 4, unit: d, element: orders.ordered_at}
  - {property: Freshness, value: 12, unit: h}
  - {property: retention, value: 3, unit: y}
  - {property: generalAvailability, value: 2022-05-12T09:30:10-08:00}
"""
)


def read(text: str, *names: str) -> Contract:
    return odcs.read(text.encode(), names or NAMES)


def none(name: str, metric: Metric, *columns: str, valid: Valid | None = None) -> Expectation:
    return Expectation(
        name=name,
        metric=metric,
        columns=columns,
        operator="mustBe",
        limits=(0.0,),
        severity=Severity.REFUSE,
        valid=valid,
    )


def test_promises_and_rules_are_read() -> None:
    found = read(ORDERS)
    assert str(found) == "53581432-6c55-4ba2-a65f-72344a91553a 1.2.0"
    assert found.columns == (
        Promise(name="line", type="integer"),
        Promise(name="order_id", type="string"),
        Promise(name="customer_id", type="string"),
        Promise(name="unit"),
        Promise(name="amount", type="number"),
    )
    assert (found.keys, found.required) == (("order_id", "line"), ("customer_id",))
    assert found.fresh_within == timedelta(hours=12)
    assert found.expectations == (
        none("primary key", Metric.DUPLICATE_VALUES, "order_id", "line"),
        none("primary key", Metric.NULL_VALUES, "order_id"),
        none("primary key", Metric.NULL_VALUES, "line"),
        none("required", Metric.NULL_VALUES, "customer_id"),
        none("unique", Metric.DUPLICATE_VALUES, "customer_id"),
        none(
            "valid",
            Metric.INVALID_VALUES,
            "customer_id",
            valid=Valid(pattern="^c[0-9]+$", shortest=2, longest=9),
        ),
        none("valid", Metric.INVALID_VALUES, "amount", valid=Valid(least=0, most=99.5)),
        Expectation(
            name="rowCount",
            metric=Metric.ROW_COUNT,
            columns=(),
            operator="mustBeBetween",
            limits=(1, 1000),
            severity=Severity.REFUSE,
        ),
        none("duplicateValues", Metric.DUPLICATE_VALUES, "order_id", "unit"),
        Expectation(
            name="missingValues",
            metric=Metric.MISSING_VALUES,
            columns=("customer_id",),
            operator="mustBeLessThan",
            limits=(5,),
            severity=Severity.REFUSE,
            is_percent=True,
            missing=(None, "", "N/A"),
        ),
        Expectation(
            name="known units",
            metric=Metric.INVALID_VALUES,
            columns=("unit",),
            operator="mustBe",
            limits=(0,),
            severity=Severity.WARN,
            valid=Valid(values=("kg", "lb")),
        ),
    )
    assert [(check.name, check.outcome, check.severity) for check in found.unchecked] == [
        ("sql", Outcome.UNEVALUATED, Severity.REFUSE),
        ("custom", Outcome.UNEVALUATED, Severity.REFUSE),
        ("text", Outcome.UNEVALUATED, Severity.WARN),
    ]
    assert found.unchecked[2].detail == "it is for people to read: The customer was asked."


def test_of_several_tables_the_one_with_the_datasets_name_counts() -> None:
    tables = "schema:\n  - {name: a, properties: [{name: x}]}\n  - {name: b, physicalName: orders, properties: [{name: y}]}\n"
    assert read(HEAD + tables).columns == (Promise(name="y"),)
    assert read(HEAD + tables, "shop.a").columns == (Promise(name="x"),)
    assert read(HEAD + tables, "shop.renamed", "shop.a").columns == (Promise(name="x"),)
    with pytest.raises(InvalidInput, match=r"says nothing of shop\.c; its tables are a, b"):
        read(HEAD + tables, "shop.c")
    with pytest.raises(InvalidInput, match="has no schema"):
        read(HEAD)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no mapping"),
        ("- a\n", "is no mapping"),
        ("a: [", r"is no YAML: while parsing .*, line \d, column \d\n"),
        ("a: 1\na: 2\n", "key 'a' is there twice"),
        ("a: &x [*x]\n", "is nested too deep, or holds itself"),
        ("a: !!python/object/apply:os.system [ls]\n", "is no YAML"),
        ("a: 1\n---\nb: 1\n", "is no YAML"),
        ("[" * 2_000, "is no YAML"),
        ("apiVersion: v2.2.2\n", "written by apiVersion 'v2.2.2'"),
        ("x" * 1_000_001, "has 1,000,001 bytes"),
        (ORDERS.replace("mustBe: 0\n", "mustBe: none\n"), "has the limit 'none'"),
        (
            ORDERS.replace("metric: rowCount", "metric: nullValues"),
            "counts nullValues of no column",
        ),
        (
            ORDERS.replace(
                "metric: rowCount", "metric: invalidValues, arguments: {properties: [id, amount]}"
            ),
            "counts invalidValues of id, amount",
        ),
    ],
)
def test_what_is_no_contract_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read(text)


def test_a_text_that_explodes_is_refused_before_it_does() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    with pytest.raises(InvalidInput, match="holds more than 50,000 values"):
        read(bomb)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x: [" + "1," * 400_000 + "1]", "holds more than 50,000 values"),
        ("x: " + "[" * 20_000, "nested too deep"),
        ("- " * 20_000, "nested too deep"),
        ("a: &a [*a]", "holds itself"),
    ],
    ids=["many", "deep", "lists", "round"],
)
def test_a_text_of_very_much_is_refused_at_once(text: str, said: str) -> None:
    began = time.process_time()
    with pytest.raises(InvalidInput, match=said):
        read(text)
    assert time.process_time() - began < 1.5


def test_text_in_another_encoding_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not UTF-8"):
        odcs.read(ORDERS.encode("utf-16"), NAMES)


def test_every_problem_with_the_standard_is_named_with_its_place() -> None:
    wrong = ORDERS.replace("version: 1.2.0\n", "").replace(
        "logicalType: number", "logicalType: money"
    )
    with pytest.raises(Problems) as error:
        read(wrong)
    assert "the whole: 'version' is a required property" in error.value.problems
    assert any(
        problem.startswith("schema/0/properties/4/logicalType: 'money' is not one of")
        for problem in error.value.problems
    )


def test_norway_is_no_truth() -> None:
    countries = ORDERS.replace("validValues: [kg, lb]", "validValues: [NO, on, SE, true]")
    (known,) = [rule for rule in read(countries).expectations if rule.name == "known units"]
    assert known.valid == Valid(values=("NO", "on", "SE", True))
    with pytest.raises(Problems, match="'yes' is not of type 'boolean'"):
        read(ORDERS.replace("unique: true", "unique: yes"))


def test_what_is_said_of_values_and_not_counted_is_listed():
    said = """\
schema:
  - name: orders
    properties:
      - {name: day, logicalType: date, logicalTypeOptions: {minimum: "2020-01-01", maximum: "2030-01-01"}}
      - {name: at, logicalType: timestamp, logicalTypeOptions: {maximum: "2030-01-01T02:00:00+02:00"}}
      - {name: hour, logicalType: time, logicalTypeOptions: {minimum: "08:00:00"}}
      - {name: amount, logicalType: number, logicalTypeOptions: {minimum: 0, exclusiveMaximum: 10}}
slaProperties:
  - {property: latency, value: 1, unit: fortnight}
"""
    contract = odcs.read((HEAD + said).encode(), NAMES)
    assert [(one.column, one.name, one.outcome) for one in contract.unchecked] == [
        ("hour", "minimum", Outcome.UNEVALUATED),
        ("amount", "exclusiveMaximum", Outcome.UNEVALUATED),
        ("", "latency", Outcome.UNEVALUATED),
    ]
    first, last = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    assert [(one.columns, one.valid) for one in contract.expectations] == [
        (("day",), Valid(first=first, last=last)),
        (("at",), Valid(last=last)),
        (("amount",), Valid(least=0.0)),
    ]


@pytest.mark.parametrize("pattern", ["(", "(?=k)", r"(k)\1"])
def test_a_pattern_that_no_value_can_be_looked_at_for_is_refused_with_its_place(pattern: str):
    raw = ORDERS.replace("'^c[0-9]+$'", f"'{pattern}'").encode()
    with pytest.raises(Problems, match="column customer_id, rule valid: "):
        odcs.read(raw, NAMES)
    odcs.read(raw, NAMES, is_new=False)


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf"])
@pytest.mark.parametrize(
    "rule",
    [
        "logicalTypeOptions: {{minimum: {}}}",
        "enum: [{{value: {}}}]",
        "quality: [{{metric: nullValues, mustBe: {}}}]",
    ],
)
def test_a_number_that_is_not_finite_is_refused(number: str, rule: str):
    column = f"{{name: a, logicalType: number, {rule.format(number)}}}"
    said = f"schema:\n  - name: orders\n    properties:\n      - {column}\n"
    with pytest.raises(InvalidInput, match="not finite"):
        odcs.read((HEAD + said).encode(), NAMES)
