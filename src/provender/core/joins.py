"""What is joined: tables as engines are told of them, and views with their rows. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any

from provender.core.datasets import DatasetVersion, FileEntry, Format, Layout
from provender.core.effects import Mask
from provender.core.names import DatasetRef
from provender.core.policy import ColumnRef, Permit
from provender.core.schema import Schema
from provender.core.shielding import WHOLE, Shield, refuse_masked, shield_of

MASKED = "masked key: "
"""Begins the name of a key column as it is once it is masked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Where rows are, for an engine: a version of a dataset, or a file no catalog governs.

    ``location`` is relative to the lake for a governed table, else a path or URL; ``files``
    are relative to it, or absolute where no catalog governs (empty: let the format find
    them). ``content`` identifies the rows of a governed table, wherever they lie; ``layout``
    says how they do, ``entries`` what each of its ``files`` must be. ``endpoint`` is the object
    storage's address, where it is not the environment's.
    """

    format: Format
    location: str
    files: tuple[str, ...] = ()
    snapshot: str = ""
    schema: Schema | None = None
    version: DatasetRef | None = None
    content: str = ""
    layout: Layout | None = None
    entries: tuple[FileEntry, ...] = ()
    endpoint: str = ""

    @classmethod
    def of(cls, version: DatasetVersion) -> "Table":
        """Return the table that ``version`` is."""
        manifest = version.manifest
        return cls(
            format=manifest.format,
            location=manifest.location,
            files=tuple(file.path for file in manifest.files),
            snapshot=manifest.native_snapshot,
            schema=manifest.schema,
            version=version.ref,
            content=manifest.content,
            layout=manifest.layout,
            entries=manifest.files,
        )

    @property
    def identity(self) -> Any:
        """What is read: of a governed table which rows, of another where they are."""
        if self.version is not None:
            return [self.version, self.content]
        where = [part.name for part in fields(self) if part.name not in ("layout", "entries")]
        return {name: getattr(self, name) for name in where}

    def columns(self, names: Iterable[str]) -> frozenset[ColumnRef]:
        """Return the governed columns called ``names``; none where no catalog governs."""
        if self.version is None:
            return frozenset()
        return frozenset(ColumnRef(self.version.dataset, name) for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewJoin:
    """One feature view to join: pairs are (spine column, source column) and (source column, output).

    ``ranked_by`` are the source columns that decide among rows equal in event and created
    timestamp: all features of the view, so that the answer does not depend on which are asked.
    ``shield`` is what the reader's permit leaves of the table.
    """

    view: str
    table: Table
    keys: tuple[tuple[str, str], ...]
    features: tuple[tuple[str, str], ...]
    event_timestamp: str
    created_timestamp: str | None = None
    ttl: timedelta | None = None
    ranked_by: tuple[str, ...] = ()
    shield: Shield = WHOLE

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(output for _, output in self.features)

    @property
    def times(self) -> tuple[str, ...]:
        """The source columns of the timestamps."""
        return tuple(name for name in (self.event_timestamp, self.created_timestamp) if name)

    @property
    def reads(self) -> frozenset[ColumnRef]:
        """The governed columns that are read: features, and keys and times, which tell what row is found."""
        keys = (source for _, source in self.keys)
        features = (source for source, _ in self.features)
        return self.table.columns([*features, *keys, *self.times])

    @property
    def tie_breakers(self) -> tuple[str, ...]:
        """The source columns that decide among equals, by name."""
        return tuple(sorted(self.ranked_by or (source for source, _ in self.features)))

    @property
    def masks(self) -> dict[str, Mask]:
        """The masks of features, by output."""
        found = ((output, self.shield.mask(source)) for source, output in self.features)
        return {output: mask for output, mask in found if mask is not None}

    @property
    def emitted(self) -> dict[str, Mask]:
        """The masks of what comes out where keys do, by their names there. Times have none."""
        found = {name: self.shield.mask(source) for name, source in self.keys}
        return {output: mask for output, mask in found.items() if mask is not None} | self.masks

    @property
    def masked_keys(self) -> dict[str, tuple[str, Mask]]:
        """The keys that a masked spine is joined by: the source column of each, and its mask."""
        named = {f"{MASKED}{name}": (name, mask) for name, mask in self.shield.masks}
        return {key: named[key] for _, key in self.keys if key in named}

    def under(self, permit: Permit) -> "ViewJoin":
        """Return the join with what ``permit`` leaves of its table.

        Raises:
            Denied: a filter cannot be asked of this version's rows, or a timestamp is masked.
        """
        if self.table.version is None:
            return self
        refuse_masked(permit, self.table.columns(self.times))
        schema = self.table.schema or Schema(())
        return replace(self, shield=shield_of(permit, self.table.version.dataset, schema))

    def keyed(self) -> "ViewJoin":
        """Return the join by its keys as they are masked, where they are."""
        masked = {name for name, _ in self.shield.masks}
        keys = ((key, f"{MASKED}{name}" if name in masked else name) for key, name in self.keys)
        return replace(self, keys=tuple(keys))
