"""Contracts: what the publisher of a dataset promises, and whether a version keeps it."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum

from provender.core.digest import digest
from provender.core.lifecycle import Severity


class Outcome(StrEnum):
    """How a check ended."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    ERROR = "error"
    UNEVALUATED = "unevaluated"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What one check said about a version; one that refuses and failed keeps it from readers."""

    name: str
    outcome: Outcome
    severity: Severity
    detail: str = ""
    column: str = ""
    contract: str = ""

    def told(self, names: Collection[str], *, is_whole: bool) -> "CheckResult":
        """Return what is told to who may know the values of the columns ``names``, or of all.

        Of others whether it passed; the detail is a number that was counted of their values, or
        what a publisher wrote.
        """
        may = self.column in names if self.column else is_whole
        return self if may or not self._is_of_values else replace(self, detail="")

    @property
    def _is_of_values(self) -> bool:
        """Whether the detail may tell of values, as that of an own check of a publisher may."""
        if not self.contract:
            return True
        of_type = self.name == "schema" and self.detail.startswith(f"{self.column} is ")
        if of_type and self.column not in frozenset(Metric):
            return False
        is_counted = self.outcome in (Outcome.PASS, Outcome.FAIL)
        return is_counted and not self.detail.startswith(OF_NO_VALUE)

    @property
    def refused(self) -> bool:
        """Whether this keeps the version from readers."""
        failed = self.outcome in (Outcome.FAIL, Outcome.ERROR)
        return failed and self.severity is Severity.REFUSE


def keeps_back(checks: Iterable[CheckResult]) -> bool:
    """Return whether a version with these results is not for readers: one that refuses has failed."""
    return any(check.refused for check in checks)


class Metric(StrEnum):
    """What is counted of the rows, by the names of ODCS."""

    ROW_COUNT = "rowCount"
    NULL_VALUES = "nullValues"
    MISSING_VALUES = "missingValues"
    INVALID_VALUES = "invalidValues"
    DUPLICATE_VALUES = "duplicateValues"


OF_NO_VALUE = (f"{Metric.ROW_COUNT} is ", "the last event is ", "there is no column ")
"""How details begin that tell no more than a manifest does."""
OPERATORS: dict[str, Callable[[float, Sequence[float]], bool]] = {
    "mustBe": lambda found, limits: found == limits[0],
    "mustNotBe": lambda found, limits: found != limits[0],
    "mustBeGreaterThan": lambda found, limits: found > limits[0],
    "mustBeGreaterOrEqualTo": lambda found, limits: found >= limits[0],
    "mustBeLessThan": lambda found, limits: found < limits[0],
    "mustBeLessOrEqualTo": lambda found, limits: found <= limits[0],
    "mustBeBetween": lambda found, limits: limits[0] <= found <= limits[1],
    "mustNotBeBetween": lambda found, limits: not limits[0] <= found <= limits[1],
}
PLAIN = str | float | bool | None
"""A value as YAML has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Valid:
    """What a value must be, as far as it is said; a null is valid.

    ``first`` and ``last`` are of instants and dates, inclusive; a date begins at midnight UTC.
    """

    values: tuple[PLAIN, ...] = ()
    pattern: str = ""
    least: float | None = None
    most: float | None = None
    shortest: int | None = None
    longest: int | None = None
    first: datetime | None = None
    last: datetime | None = None

    @property
    def identity(self) -> dict[str, object]:
        """What is said; without the ends in time where there are none, as before there were any."""
        said = {part.name: getattr(self, part.name) for part in fields(self)}
        ends = {name: said.pop(name) for name in ("first", "last")}
        return said if ends == {"first": None, "last": None} else said | ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A number that is taken of the rows, and the limits that it must keep.

    ``columns`` are several for values that must not be repeated together, one for a column's
    own, none for the rows as a whole. ``missing`` and ``valid`` say what is counted; of
    ``is_percent`` the limits are in percent of the rows.
    """

    name: str
    metric: Metric
    columns: tuple[str, ...]
    operator: str
    limits: tuple[float, ...]
    severity: Severity
    is_percent: bool = False
    missing: tuple[PLAIN, ...] = ()
    valid: Valid | None = None

    @property
    def asks_values(self) -> bool:
        """Whether somebody learns values, or counts of them, by such rules and whether versions pass.

        All but that no row may be null, or none repeated.
        """
        special = self.metric in (Metric.MISSING_VALUES, Metric.INVALID_VALUES)
        return special or (self.operator, self.limits) != ("mustBe", (0.0,))

    @property
    def measure(self) -> str:
        """The name under which the number is kept that has to be counted for this and no other."""
        valid = self.valid.identity if self.valid else None
        asked = [self.metric, self.columns, self.missing, valid]
        return f"{self.metric}:{'+'.join(self.columns)}:{digest(asked)[7:19]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A column as a contract has it; ``type`` is a logical type of ODCS, empty where none is said."""

    name: str
    type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a contract's text promises, as far as we check it, and the rules that we do not.

    ``keys`` are the columns of the primary key in their order; that they are filled and not
    repeated is among the ``expectations``.
    """

    id: str
    version: str
    status: str
    columns: tuple[Promise, ...]
    required: tuple[str, ...]
    keys: tuple[str, ...]
    expectations: tuple[Expectation, ...]
    fresh_within: timedelta | None = None
    unchecked: tuple[CheckResult, ...] = ()

    def __str__(self) -> str:
        return f"{self.id} {self.version}"

    @property
    def counted(self) -> tuple[Expectation, ...]:
        """The expectations whose numbers no profile holds unless it is asked for them."""
        special = (Metric.MISSING_VALUES, Metric.INVALID_VALUES)
        return tuple(one for one in self.expectations if one.metric in special)

    @property
    def unrepeated(self) -> tuple[tuple[str, ...], ...]:
        """The columns, alone or several together, of which repeated values have to be counted."""
        metric = Metric.DUPLICATE_VALUES
        found = (one.columns for one in self.expectations if one.metric is metric)
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractText:
    """A contract as it was written, and what we read in it.

    ``text`` is UTF-8 decoded and nothing else, so `raw` is what was handed in, byte for byte.
    """

    dataset: str
    text: str
    sha256: str
    contract: Contract
    revision: int
    attached_at: datetime
    attached_by: str

    @property
    def raw(self) -> bytes:
        return self.text.encode()
