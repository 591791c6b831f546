"""What the rows of a view hold, and whether they may be served as all there are.

Redis is a cache. What the rows of a view hold (their coverage) lies beside them, and is true
only in the epoch of the store that it was kept in. So a view without one is incomplete: it was
never materialised, or the store or a node of it was emptied since. So is one whose rows are of
another layout than the reader's, who cannot read them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from provender.core.digest import digest
from provender.core.errors import Corrupt
from provender.core.serving import ServedView
from provender.values import from_json

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
"""Where the window of a run that leaves nothing out begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What the rows of a view hold: those of ``source``, in ``layout``, from ``start`` until ``end``.

    ``source`` is a dataset version; empty: a file. Who has the same ``readable`` can read the rows;
    see `readable_by`. ``epoch`` is as in `State`; empty: that in which it is kept.
    """

    source: str
    layout: str
    end: datetime
    start: datetime = FIRST
    readable: str = ""
    epoch: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether no row before ``end`` was left out."""
        return self.start <= FIRST

    @property
    def doubted(self) -> "Coverage":
        """The rows are there, but while they are written anew they are not of one source."""
        return replace(self, source="", layout="", start=self.end)

    def then(self, other: "Coverage") -> "Coverage":
        """Return what the rows hold after ``other`` was written to those of this one.

        Of two windows with a gap in between, a whole one is kept, else the later one written.
        """
        if (self.source, self.layout) != (other.source, other.layout):
            return other
        if other.start > self.end or self.start > other.end:
            return self if self.is_whole else other
        start, end = min(self.start, other.start), max(self.end, other.end)
        return replace(other, start=start, end=end)


def true_coverage(text: bytes | None, epoch: str) -> Coverage | None:
    """Return the coverage in ``text`` if there is one and it is of this ``epoch`` of the store."""
    try:
        found = from_json(Coverage, text) if text else None
    except Corrupt:
        return None
    return found if found and epoch and found.epoch == epoch else None


def covered_in(kept: Sequence[bytes], epoch: str) -> dict[str, str]:
    """Return who can read each view that is covered; ``kept`` are names and coverages in turn."""
    texts = zip(kept[::2], kept[1::2], strict=True)
    found = {view.decode(): true_coverage(text, epoch) for view, text in texts}
    return {view: one.readable for view, one in found.items() if one}


def readable_by(view: ServedView) -> str:
    """Return what changes whenever rows of ``view`` cannot be found, or not be read any more."""
    return digest([view.fingerprint.hex(), [(key.name, key.type) for key in view.join_keys]])


def incomplete(views: Iterable[ServedView], covered: Mapping[str, str]) -> frozenset[str]:
    """Return which of ``views`` may lack rows; of those ``covered`` it is told who can read them."""
    return frozenset(view.name for view in views if covered.get(view.name) != readable_by(view))


class Completeness:
    """The views that may lack rows, as a look found, or an answer after it."""

    def __init__(self) -> None:
        self.lost: frozenset[str] = frozenset()
        self._views: frozenset[str] = frozenset()

    def see(self, views: Iterable[ServedView], covered: Mapping[str, str]) -> None:
        """Take in which of ``views`` the store said to be ``covered``."""
        seen = list(views)
        self._views = frozenset(view.name for view in seen)
        self.lost = incomplete(seen, covered)

    def emptied(self) -> None:
        """Note that the store was emptied: rows of all views are lost, until the next look."""
        self.lost = self._views
