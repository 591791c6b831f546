"""Datasets, their immutable versions, and the manifest that says what a version is.

A version is identified by its content: publishing what readers get already is the same
version (`core.versioning`). Two things besides make a version new, with equal content: which
columns may be null, and a layout, by which the rows are sorted for whoever reads a part of them.
Files are listed relative to the lake's root, so a lake can move.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Generic, TypeVar

from provender.core.contracts import CheckResult
from provender.core.digest import digest
from provender.core.lifecycle import Standing
from provender.core.names import DatasetRef
from provender.core.people import Owner, Role
from provender.core.profiles import Profile
from provender.core.schema import Compatibility, Schema, Verdict
from provender.core.tags import Assignment, tag_name

T = TypeVar("T")


class Format(StrEnum):
    """How the rows of a dataset are kept."""

    PARQUET = "parquet"
    DELTA = "delta"
    ICEBERG = "iceberg"
    CSV = "csv"
    JSONL = "jsonl"
    ARROW = "arrow"
    ORC = "orc"
    AVRO = "avro"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of a version; ``path`` is relative to the manifest's location."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRange:
    """The age of the data: earliest and latest event timestamp, both inclusive, UTC."""

    earliest: datetime
    latest: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the rows of a version lie, for engines that read a part of them.

    Rows are spread over ``buckets`` files by a hash of ``keys``, so that all rows of a key are
    in one file; each file is sorted by ``keys`` and ``event_timestamp``, nulls last, in row
    groups of ``rows_per_group``.
    """

    keys: tuple[str, ...]
    event_timestamp: str
    buckets: int
    rows_per_group: int

    def __str__(self) -> str:
        return ", ".join((*self.keys, self.event_timestamp))


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a dataset version is, whole: enough to read it, verify it and cite it.

    ``location`` is relative to the lake's root. ``native_snapshot`` is the table format's
    own version (Delta: the table version as text), empty where the format has none.
    ``logical_digest`` depends on the rows and the schema only, not on their order, their
    files or their format. ``inputs`` are the dataset versions this one was computed from.
    ``whole`` is empty, or the digest of the whole where inputs were left out for a reader.
    ``layout`` is None where rows lie as they came. ``sums`` are what ``logical_digest`` is made
    of, so that it can be continued when rows are added; empty: unknown.
    """

    format: Format
    location: str
    files: tuple[FileEntry, ...]
    schema: Schema
    row_count: int
    logical_digest: str
    event_timestamp: str | None = None
    event_range: EventRange | None = None
    native_snapshot: str = ""
    inputs: tuple[DatasetRef, ...] = ()
    producer: str = ""
    whole: str = ""
    layout: Layout | None = None
    sums: tuple[int, ...] = ()

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def digest(self) -> str:
        """The digest of the whole manifest, whatever part of it this is.

        A layout counts where there is one, so older manifests keep their digests; the sums say
        nothing that the logical digest does not.
        """
        left_out = {"whole", "sums"} | (set() if self.layout else {"layout"})
        return self.whole or digest(
            {
                part.name: getattr(self, part.name)
                for part in fields(self)
                if part.name not in left_out
            }
        )

    def without_inputs(self, hidden: Collection[DatasetRef]) -> "Manifest":
        """Return the part of the manifest that does not name ``hidden`` inputs; same digest."""
        shown = tuple(ref for ref in self.inputs if ref not in hidden)
        if len(shown) == len(self.inputs):
            return self
        return replace(self, inputs=shown, whole=self.digest)

    def without_rows(self) -> "Manifest":
        """Return the part of the manifest that nothing follows from of rows; same digest.

        What is told of a version that a subject was erased from.
        """
        return replace(
            self,
            location="",
            files=(),
            logical_digest="",
            event_range=None,
            sums=(),
            whole=self.digest,
        )

    @property
    def content(self) -> str:
        """The identity of the content: equal for equal rows, whatever files hold them."""
        columns = tuple((column.name, column.type) for column in self.schema.columns)
        return _content(self.logical_digest, self.row_count, self.event_timestamp, columns)


@lru_cache(maxsize=64)  # publishing asks for it several times
def _content(
    rows: str, count: int, event_timestamp: str | None, columns: tuple[tuple[str, str], ...]
) -> str:
    return digest(
        {"rows": rows, "count": count, "event_timestamp": event_timestamp, "schema": columns}
    )


FIRST = Compatibility(Verdict.IDENTICAL)
"""The verdict on a first version: there is nothing to break."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion:
    """One immutable version: who published which manifest when, and how it follows its parent."""

    ref: DatasetRef
    manifest: Manifest
    published_at: datetime
    published_by: str
    parent: int | None = None
    compatibility: Compatibility = FIRST
    note: str = ""

    def __repr__(self) -> str:
        """Return what it is in a line: a manifest may have thousands of files."""
        of = self.manifest
        published = f"{self.published_at:%Y-%m-%d %H:%M}Z by {self.published_by}"
        return f"DatasetVersion({self.ref}, {of.row_count:,} rows, {of.format}, {published})"

    @property
    def number(self) -> int:
        """The version's number, counted from 1."""
        if self.ref.version is None:
            raise ValueError(f"{self.ref} names no version")
        return self.ref.version

    @property
    def newest(self) -> datetime:
        """Of when its data is."""
        events = self.manifest.event_range
        return newest(events.latest if events else None, self.published_at)


def newest(last_event: datetime | None, published_at: datetime) -> datetime:
    """Return of when data is: of its last event, without events of its publication.

    Events that are still to come, such as those of a forecast, make nothing newer than it is.
    """
    return min(last_event or published_at, published_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """What people say about a dataset: governed in catalog/, the same for all its versions.

    ``owner``, ``stewards`` and ``deputies`` are ids such as ``team:flight-ops`` or
    ``person:ana``; ``tags`` hold for every column, ``column_tags`` for one, both written
    ``group.name`` or ``group.name=value``. ``column_from`` names the columns that one was made
    from, ``domain.name.column``, and ``column_anonymises`` how that anonymised it, if it did:
    ``way: what was done``. ``documentation`` is Markdown. Data older than ``fresh_within`` is stale.
    """

    ref: DatasetRef
    description: str
    owner: str
    format: Format
    stewards: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    column_tags: dict[str, tuple[str, ...]] = field(default_factory=dict)
    column_descriptions: dict[str, str] = field(default_factory=dict)
    event_timestamp: str | None = None
    links: tuple[str, ...] = ()
    deputies: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    documentation: str = ""
    fresh_within: timedelta | None = None
    column_from: dict[str, tuple[str, ...]] = field(default_factory=dict)
    column_anonymises: dict[str, str] = field(default_factory=dict)

    def is_fresh(self, newest: datetime, *, now: datetime) -> bool | None:
        """Return whether data whose newest is of that instant is as new as was promised.

        None where nobody promised how old it may be.
        """
        return None if self.fresh_within is None else now - newest <= self.fresh_within

    def carrying(self, tags: Mapping[str, Iterable[str]]) -> "Dataset":
        """Return the dataset with ``tags`` on its columns besides those that were put there."""
        more = {name: (*self.column_tags.get(name, ()), *new) for name, new in tags.items()}
        return replace(self, column_tags=self.column_tags | more) if more else self

    def tags_of(self, column: str) -> frozenset[str]:
        """Return the names of the tags in force on ``column``: the dataset's and its own."""
        return frozenset(map(tag_name, self.written_tags_of(column)))

    def written_tags_of(self, column: str) -> frozenset[str]:
        """Return the same with their values, as they are written."""
        return frozenset((*self.tags, *self.column_tags.get(column, ())))

    @property
    def assignments(self) -> tuple[Assignment, ...]:
        """Every tag where it was put; ``*`` for a column is the dataset as a whole."""
        places = [("", self.tags), *sorted(self.column_tags.items())]
        put = (
            Assignment.parse(text, column="" if column == "*" else column)
            for column, texts in places
            for text in texts
        )
        return tuple(dict.fromkeys(put))

    @property
    def owners(self) -> tuple[Owner, ...]:
        """Everybody with an office over the dataset: who is accountable, stewards, deputies."""
        offices = (
            (Role.ACCOUNTABLE, (self.owner,)),
            (Role.STEWARD, self.stewards),
            (Role.DEPUTY, self.deputies),
        )
        return tuple(Owner(who, role) for role, ids in offices for who in dict.fromkeys(ids))

    @property
    def who_decides(self) -> tuple[str, ...]:
        """Who may grant access: the stewards, then the owner, then the deputies."""
        return tuple(dict.fromkeys((*self.stewards, self.owner, *self.deputies)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What computed a version: not in its manifest, whose digest does not depend on it."""

    id: str = ""
    job: str = ""
    commit: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a publisher measured of a version, beside its manifest."""

    run: Run | None = None
    profile: Profile | None = None
    checks: tuple[CheckResult, ...] = ()


NO_EVIDENCE = Evidence()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A dataset in the catalog. ``urn`` never changes; ``revision`` counts what was said of it."""

    dataset: Dataset
    urn: str
    revision: int
    former_names: tuple[str, ...]
    latest: int | None
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A version and where it stands: in which ``formats`` it can be had, what to mind in reading."""

    version: DatasetVersion
    standing: Standing
    data_gone_at: datetime | None = None
    formats: tuple[Format, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSummary:
    """A dataset in a list; what is of its latest version is None while there is none.

    ``state`` is that of its latest version, or of its newest if readers get none; ``fresh`` is
    None where nobody promised how old its data may be.
    """

    name: str
    description: str
    owner: str
    format: Format
    tags: tuple[str, ...]
    latest: int | None = None
    row_count: int | None = None
    size_bytes: int | None = None
    published_at: datetime | None = None
    event_range: EventRange | None = None
    state: str = ""
    fresh: bool | None = None


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """A part of a list; ``next`` is what to ask for what comes after it, None at its end."""

    items: tuple[T, ...]
    next: str | None = None


def whole(ask: Callable[[str], Listed[T]]) -> list[T]:
    """Return a list that is given in parts, put together; ``ask`` takes what comes next."""
    found: list[T] = []
    after: str | None = ""
    while after is not None:
        part = ask(after)
        found += part.items
        after = part.next
    return found
