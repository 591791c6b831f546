"""Values of facets that are asked for without words, and where PostgreSQL looks for who has them.

Values that few documents have are looked up in its index, and what they have is sorted by impact.
Where many documents have them all are read in the order of impact until there are enough, and it
is looked into each: the index would list a large part of everything. In between enough is found
among those of high impact, which have an index of their own. PostgreSQL itself would rather not
sort, as if a document that it reads out of turn cost nothing once it was read before; and a
statement that it is given often it plans for values of which it does not know how many documents
have them. So the values are written out, and which way it goes is decided here, by what is kept
counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import prod

IN_TURN = 2
"""Documents that are read in the order of impact while one is listed and sorted."""
HIGH_SHARE = 0.1
"""About so many of all documents are of high impact. If they are not, it takes longer, no more."""
MOSTLY = 0.5
"""The share of all documents from which on the index lists too many to be asked."""
HIGHEST_IMPACT, HIGH_IMPACT = 6, 4
"""From each of these on PostgreSQL has an index of its own: of one document in 30, and in 10."""
OF_HIGH_IMPACT = f"d.impact >= {HIGH_IMPACT}"
TIERS = (  # with + 0 it does not ask the index of impacts, too, which takes longer
    f"d.impact + 0 >= {HIGHEST_IMPACT}",
    f"{OF_HIGH_IMPACT} AND d.impact + 0 < {HIGHEST_IMPACT}",
    f"d.impact < {HIGH_IMPACT}",
)
LOWEST = len(TIERS) - 1
IMPACT, SORTED = "d.impact", "d.impact + 0"
"""What documents are in the order of: as they lie in the index of impacts, or sorted."""


class Way(Enum):
    """How documents with some values are found, those of the greatest impact first."""

    BY_IMPACT = "all are read in that order until there are enough"
    HIGH_FIRST = "the index lists those of high impact, and the others where these are not enough"
    SORTED = "the index lists all that have the values"
    UNCOUNTED = "as PostgreSQL thinks best: of what was is not known how much there is"


@dataclass(frozen=True, slots=True)
class Held:
    """Values of a facet of which a document has one: their codes, and how many documents do."""

    codes: tuple[str, ...]
    column: str = ""
    """The condition on ``d``, the document, to have one; empty where no column says so."""
    documents: int = 0
    of: int = 0
    """All documents."""

    @property
    def share(self) -> float:
        """The part of all documents that have one of the values, from 0 to 1."""
        return min(1.0, self.documents / self.of) if self.of else 0.0


def is_read(held: Held) -> bool:
    """Return whether to have one of the values is seen in each document, not in the index."""
    return bool(held.column) and held.share > MOSTLY


def way_to(held: Sequence[Held], *, limit: int) -> Way:
    """Return how the first ``limit`` documents that have one of each are found with the least reading."""
    share = prod(one.share for one in held)
    listed = share * max((one.of for one in held), default=0)
    high = listed * HIGH_SHARE
    way, most = (Way.HIGH_FIRST, high) if limit <= high else (Way.SORTED, listed)
    are_in_turn = limit <= share * most * IN_TURN
    return Way.BY_IMPACT if are_in_turn or not _listed(held, way) else way


def high_first(held: Sequence[Held], limit: int) -> bool:
    """Return whether those of high impact are to be looked at first."""
    return way_to(held, limit=limit) is Way.HIGH_FIRST


def looked_for(held: Sequence[Held], *, limit: int, counted: bool) -> tuple[str, str]:
    """Return `by` the best way to the first ``limit``, if it is ``counted`` how many there are."""
    return by(way_to(held, limit=limit) if counted else Way.UNCOUNTED, held)


def by(way: Way, held: Sequence[Held]) -> tuple[str, str]:
    """Return the condition on ``d`` to have one of each, and what they come in the order of."""
    listed = _listed(held, way)
    read = [one.column for one in held if one not in listed]
    order = SORTED if way in (Way.HIGH_FIRST, Way.SORTED) else IMPACT
    return " AND ".join([*read, *_in_index(listed)]), order


def _listed(held: Sequence[Held], way: Way) -> list[Held]:
    """Those that the index is asked for; what nearly all have is sooner seen in each document."""
    if way is Way.UNCOUNTED:
        return [*held]
    by_impact = way is Way.BY_IMPACT
    return [one for one in held if not ((by_impact and one.column) or is_read(one))]


def _in_index(held: Sequence[Held]) -> list[str]:
    match = " & ".join(f"({either(one)})" for one in held)
    quoted = match.replace("'", "''")
    return [f"d.vector @@ '{quoted}'::tsquery"] if match else []


def either(held: Held) -> str:
    """Return how PostgreSQL's index is asked for any of the values."""
    return " | ".join(f"'{code}'" for code in held.codes)
