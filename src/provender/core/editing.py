"""What a steward changes in what is said about a dataset."""

from dataclasses import dataclass

from provender.core.people import Owner
from provender.core.tags import Assignment


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """The parts that change; None leaves a part as it is."""

    description: str | None = None
    documentation: str | None = None
    owners: tuple[Owner, ...] | None = None
    terms: tuple[str, ...] | None = None
    links: tuple[str, ...] | None = None
    assign: tuple[Assignment, ...] = ()
    unassign: tuple[Assignment, ...] = ()
    column_descriptions: dict[str, str] | None = None
