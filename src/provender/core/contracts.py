"""Contracts: what the publisher of a dataset promises, and whether a version keeps it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from provender.core.lifecycle import Severity
from provender.core.schema import Column


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


def keeps_back(checks: Iterable[CheckResult]) -> bool:
    """Return whether a version with these results is not for readers: one that refuses has failed."""
    return any(
        check.severity is Severity.REFUSE and check.outcome in (Outcome.FAIL, Outcome.ERROR)
        for check in checks
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A number that is taken of the rows, and the limits that it must keep."""

    name: str
    column: str
    metric: str
    operator: str
    limits: tuple[float, ...]
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a contract's text promises, as far as we check it."""

    id: str
    version: str
    status: str
    columns: tuple[Column, ...]
    required: tuple[str, ...]
    keys: tuple[str, ...]
    expectations: tuple[Expectation, ...]
    fresh_within: timedelta | None = None


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
