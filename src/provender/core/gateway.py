"""What is asked of whoever has the lake, by who has not: rows of a version, features at rows sent along.

Both come as streams of Arrow's own format, decided and shielded where the lake is.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from provender.core.names import DatasetRef

Chunks = Callable[[], Iterable[bytes]]
"""Gives the bytes of a stream, from its start each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsAsked:
    """``columns`` of the version that ``ref`` names, else of the latest at ``as_of``; none named: all.

    Hashes are those of ``project``, or of none.
    """

    ref: DatasetRef
    columns: tuple[str, ...] = ()
    purpose: str = ""
    as_of: datetime | None = None
    project: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturesAsked:
    """Features as known at rows, by ``service`` or by name; see `sdk.training` for what each part means."""

    project: str = ""
    service: str = ""
    features: tuple[str, ...] = ()
    purpose: str = ""
    pins: tuple[str, ...] = ()
    as_of: datetime | None = None
    event_timestamp: str = "event_timestamp"
    full_feature_names: bool = False
    known_by_then: bool = False
    assume_utc: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """A stream that is read once, and what it is: a version's name or a training set's id.

    ``size_bytes`` is how long it is, where that is known before.
    """

    name: str
    chunks: Iterator[bytes]
    size_bytes: int | None = None


class Gateway(Protocol):
    """Whoever has the lake, asked for one actor. Streams that break off raise, and never end early."""

    def rows(self, asked: RowsAsked) -> Streamed:
        """Return the rows that the actor may read, masked as they may be seen.

        Raises:
            NotFound, Gone, Recalled: there is no such version to read.
            Denied: a column is closed to the actor for that purpose.
            Busy: as many are served as may be at once.
        """
        ...

    def features(self, asked: FeaturesAsked, spine: Chunks) -> Streamed:
        """Return the rows of ``spine`` with the features beside them, after that was recorded.

        Raises:
            NotFound: a service, view, feature, dataset or version does not exist.
            Denied: a feature's column is closed to the actor for that purpose.
            InvalidInput: the rows cannot be joined.
            TooLarge: there is more of them than is taken.
            Busy: as many are served as may be at once.
        """
        ...
