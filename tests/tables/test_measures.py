import re
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from provender.core.contracts import PLAIN, Expectation, Metric, Valid
from provender.core.lifecycle import Severity
from provender.tables.arrow import schema_of
from provender.tables.profile import profile
from provender.tables.session import session

TEXTS = ["kg", "lb", "", None, "N/A", "kg ", "it's", "KG", None, "漢字漢字漢字"]
NUMBERS = [1.0, 2.5, None, -3.0, float("nan"), 100.0, 0.0, 7.0, 8.0, 9.0]
ROWS = pa.table({"unit": TEXTS, "weight": NUMBERS})


def expected(column: str, metric: Metric, *others: str, **said: object) -> Expectation:
    return Expectation(
        name="r",
        metric=metric,
        columns=(column, *others),
        operator="mustBe",
        limits=(0.0,),
        severity=Severity.REFUSE,
        **said,  # type: ignore[arg-type]
    )


def counted(
    column: str, metric: Metric, *others: str, rows: pa.Table = ROWS, **said: object
) -> int | None:
    expectation = expected(column, metric, *others, **said)
    with session() as connection:
        found = profile(
            connection.from_arrow(rows), schema_of(rows.schema), connection, counted=[expectation]
        )
    assert {measure.name for measure in found.measures} <= {expectation.measure}
    return found.measures[0].value if found.measures else None


@pytest.mark.parametrize(
    "missing", [(None,), ("",), (None, "", "N/A"), ("it's",), (), ("nothing",)]
)
def test_missing_values_are_those_that_are_listed(missing: tuple[PLAIN, ...]) -> None:
    found = counted("unit", Metric.MISSING_VALUES, missing=missing)
    assert found == sum(1 for text in TEXTS if text in missing)


def test_missing_numbers_are_compared_as_numbers() -> None:
    assert counted("weight", Metric.MISSING_VALUES, missing=(None, 0, -3)) == 3


@pytest.mark.parametrize("values", [("kg", "lb"), ("", "N/A"), ("it's",)])
def test_invalid_values_are_those_that_are_not_listed_and_no_nulls(values: tuple[str, ...]) -> None:
    found = counted("unit", Metric.INVALID_VALUES, valid=Valid(values=values))
    assert found == sum(1 for text in TEXTS if text is not None and text not in values)


def test_a_pattern_is_looked_for_as_ecma_does() -> None:
    for pattern in map(re.compile, ("^[a-z]+$", "k", "^.{6}$", "'")):
        found = counted("unit", Metric.INVALID_VALUES, valid=Valid(pattern=pattern.pattern))
        assert found == sum(1 for text in TEXTS if text is not None and not pattern.search(text))


def test_numbers_have_ends_and_texts_lengths() -> None:
    assert counted("weight", Metric.INVALID_VALUES, valid=Valid(least=0, most=50)) == 3
    assert counted("weight", Metric.INVALID_VALUES, valid=Valid(values=(1, 2.5, 100))) == 6
    assert counted("unit", Metric.INVALID_VALUES, valid=Valid(shortest=1, longest=4)) == 2


@pytest.mark.parametrize("kind", [pa.timestamp("us", "UTC"), pa.timestamp("us"), pa.string()])
def test_instants_have_ends(kind: pa.DataType) -> None:
    late = datetime(2020, 1, 1, 0, 0, 1, tzinfo=UTC)
    instants = [None, datetime(1990, 6, 1, tzinfo=UTC), late - timedelta(seconds=1), late]
    rows = pa.table({"at": pa.array(instants, pa.timestamp("us", "UTC")).cast(kind)})
    valid = Valid(first=datetime(2000, 1, 1, tzinfo=UTC), last=datetime(2020, 1, 1, tzinfo=UTC))
    assert counted("at", Metric.INVALID_VALUES, rows=rows, valid=valid) == 2


def test_numbers_are_no_instants() -> None:
    valid = Valid(first=datetime(2000, 1, 1, tzinfo=UTC))
    assert counted("weight", Metric.INVALID_VALUES, valid=valid) == 9


def test_what_is_counted_keeps_its_name() -> None:
    """Versions keep what was counted by it; a new kind of limit is not in the names of others."""
    valid = Valid(least=0.0, pattern="x")
    asked = expected("a", Metric.INVALID_VALUES, valid=valid)
    assert asked.measure == "invalidValues:a:2a437a57858d"


def test_what_cannot_be_counted_is_left_out() -> None:
    assert counted("unit", Metric.INVALID_VALUES, valid=Valid(pattern="(?=k)")) is None
    assert counted("gone", Metric.MISSING_VALUES, missing=("",)) is None
    of_two = counted("unit", Metric.INVALID_VALUES, "weight", valid=Valid(longest=1))
    assert of_two is None  # of a contract that was attached before such rules were refused
