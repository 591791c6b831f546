"""Training sets: from features asked for and versions pinned to a point-in-time plan.

The meaning of the plan, held by tests/oracle/asof.py: for each spine row the row of the view
with the same keys and the greatest event timestamp not after the spine's; among equals the
latest created (null last), then the greatest values (null last) of the view's features, taken by
name, asked for or not; nothing if it is older than the TTL. Both bounds are inclusive. With
``known_by_then`` only rows created by the spine's instant count.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from provender.core.datasets import DatasetVersion, FileEntry, Format, Layout
from provender.core.digest import digest, short
from provender.core.errors import InvalidInput
from provender.core.features import RepoSpec, ViewSpec, resolve
from provender.core.names import DatasetRef, FeatureRef
from provender.core.policy import ColumnRef
from provender.core.projections import ProjectionSpec, itself, own_features
from provender.core.schema import Schema


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
    """

    view: str
    table: Table
    keys: tuple[tuple[str, str], ...]
    features: tuple[tuple[str, str], ...]
    event_timestamp: str
    created_timestamp: str | None = None
    ttl: timedelta | None = None
    ranked_by: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(output for _, output in self.features)

    @property
    def reads(self) -> frozenset[ColumnRef]:
        """The governed columns whose values come out. Join keys do not: the spine brings them."""
        return self.table.columns(source for source, _ in self.features)

    @property
    def emits(self) -> frozenset[ColumnRef]:
        """The governed columns that come out where no spine brings the keys: keys and times, too."""
        times = [name for name in (self.event_timestamp, self.created_timestamp) if name]
        keys = [source for _, source in self.keys]
        return self.reads | self.table.columns([*keys, *times])

    @property
    def tie_breakers(self) -> tuple[str, ...]:
        """The source columns that decide among equals, by name."""
        return tuple(sorted(self.ranked_by or (source for source, _ in self.features)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PointInTimePlan:
    """All joins of one retrieval, in the order of the output columns."""

    event_timestamp: str
    joins: tuple[ViewJoin, ...]
    known_by_then: bool = False

    @property
    def reads(self) -> frozenset[ColumnRef]:
        return frozenset(column for join in self.joins for column in join.reads)

    def counts_from_creation(self, join: ViewJoin) -> bool:
        """Return whether rows of ``join`` count only once they were created, too."""
        return self.known_by_then and join.created_timestamp is not None

    def tells_known_later(self, join: ViewJoin) -> bool:
        """Return whether an answer of ``join`` can have been created after the instant asked."""
        return not self.known_by_then and join.created_timestamp is not None

    @property
    def pins(self) -> tuple[DatasetRef, ...]:
        """The dataset versions that are read, sorted."""
        return tuple(sorted({j.table.version for j in self.joins if j.table.version is not None}))

    @property
    def digest(self) -> str:
        """The identity of the question: of governed tables the rows count, not where they lie."""
        identity = [
            [
                join.table.identity,
                join.view,
                join.keys,
                join.features,
                join.event_timestamp,
                join.created_timestamp,
                join.ttl,
                join.ranked_by,
            ]
            for join in self.joins
        ]
        return digest([self.event_timestamp, self.known_by_then, identity])

    def check_spine(self, columns: Sequence[str]) -> None:
        """Return if a spine with ``columns`` can be joined.

        Raises:
            InvalidInput: a join key or the event timestamp is missing, or a column has the
                name of a feature; every such column is named.
        """
        twice = sorted({name for name in columns if list(columns).count(name) > 1})
        if twice:
            raise InvalidInput(
                f"the spine has columns twice: {', '.join(twice)}", hint="rename one of each"
            )
        needed = {self.event_timestamp: "the event timestamp"}
        for join in self.joins:
            for spine_column, _ in join.keys:
                needed.setdefault(spine_column, f"a join key of {join.view}")
        missing = [f"{name} ({why})" for name, why in needed.items() if name not in columns]
        if missing:
            raise InvalidInput(
                f"the spine has no column {', no column '.join(missing)}; it has {', '.join(columns) or 'none'}",
                hint="add the columns, or rename those that mean the same",
            )
        outputs = [output for join in self.joins for output in join.outputs]
        both = sorted(set(outputs) & set(columns))
        if both:
            raise InvalidInput(
                f"the spine already has columns called like features: {', '.join(both)}",
                hint="rename them in the spine, or ask with full_feature_names=True",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSetSpec:
    """What is asked for: features by service or by name, for a purpose.

    Views go by the names that ``projections`` give them, where they do.
    """

    project: str
    features: tuple[FeatureRef, ...]
    purpose: str
    service: str = ""
    event_timestamp: str = "event_timestamp"
    full_feature_names: bool = False
    known_by_then: bool = False
    projections: tuple[ProjectionSpec, ...] = ()

    @property
    def own_features(self) -> tuple[FeatureRef, ...]:
        """The features by the names that their views have themselves."""
        return own_features(self.features, self.projections)

    @property
    def identity(self) -> Any:
        """What makes it another question; without projections as before there were any."""
        parts = {part.name: getattr(self, part.name) for part in fields(self)}
        return {name: part for name, part in parts.items() if name != "projections" or part}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSetManifest:
    """What a training set was made of: enough to make it again and to prove it is the same.

    ``known_later`` counts, per view, the spine rows whose value was recorded only after the
    spine's instant: each is a value that a model will not have when it is served.
    """

    spec: TrainingSetSpec
    pins: tuple[DatasetRef, ...]
    plan_digest: str
    repo_digest: str
    decision: str
    spine_digest: str
    content_digest: str
    row_count: int
    columns: tuple[str, ...]
    created_at: datetime
    created_by: str
    seconds: float
    known_later: dict[str, int] = field(default_factory=dict)
    event_range: tuple[datetime, datetime] | None = None

    @property
    def id(self) -> str:
        """``ts_`` and 16 hex digits: the same question on the same data has the same id."""
        made = [self.pins, self.plan_digest, self.spine_digest, self.content_digest]
        identity = [self.spec.identity, *made]
        return f"ts_{short(digest(identity), length=16)}"


def plan_training_set(
    spec: TrainingSetSpec, repo: RepoSpec, versions: Mapping[str, DatasetVersion]
) -> PointInTimePlan:
    """Return the plan that answers ``spec``; ``versions`` holds the pinned version of each dataset
    by its name. Inputs of on-demand features are among the outputs.

    Raises:
        NotFound: a view or feature is not defined.
        InvalidInput: two features would have the same name in the output.
    """
    resolve(repo, spec.own_features)
    joins = tuple(
        join_view(
            repo.view(projection.view),
            features,
            versions,
            projection=projection,
            full_feature_names=spec.full_feature_names,
        )
        for projection, features in _asked(spec, repo).items()
    )
    check_collisions(joins)
    return PointInTimePlan(
        event_timestamp=spec.event_timestamp, joins=joins, known_by_then=spec.known_by_then
    )


def _asked(spec: TrainingSetSpec, repo: RepoSpec) -> dict[ProjectionSpec, list[str]]:
    """Return the stored features that answer ``spec``, by how their view is asked for.

    On-demand features take their inputs from views under their own names, if by the join keys
    that the projection of such a view has.
    """
    renamed = {projection.alias: projection for projection in spec.projections}
    asked: dict[ProjectionSpec, dict[str, None]] = {}
    for ref, own in zip(spec.features, spec.own_features, strict=True):
        computed = repo.on_demand_view(own.view)
        for needed in computed.inputs if computed else (ref,):
            projection = renamed.get(needed.view) or itself(needed.view)
            if computed and projection.view != needed.view:
                projection = itself(needed.view)
            asked.setdefault(projection, {})[needed.feature] = None
    return {projection: list(features) for projection, features in asked.items()}


def join_view(
    view: ViewSpec,
    features: Sequence[str],
    versions: Mapping[str, DatasetVersion],
    *,
    projection: ProjectionSpec,
    full_feature_names: bool,
) -> ViewJoin:
    """Return the join of ``features`` of a view whose source is a dataset of the catalog.

    The spine has the join keys by the names of ``projection``.

    Raises:
        InvalidInput: the view's source is a file, which only Feast's own calls read.
    """
    if view.dataset is None:
        raise InvalidInput(
            f"feature view {view.name} reads a file, not a dataset of the catalog",
            hint="give it a CatalogSource, or use Feast's get_historical_features",
        )
    return ViewJoin(
        view=projection.alias,
        table=Table.of(versions[view.dataset.dataset]),
        keys=tuple((projection.given(key.name), key.source_column) for key in view.join_keys),
        features=tuple(
            (
                view.feature(name).source_column,
                output_name(projection.alias, name, full=full_feature_names),
            )
            for name in features
        ),
        event_timestamp=view.event_timestamp,
        created_timestamp=view.created_timestamp,
        ttl=view.ttl or None,
        ranked_by=tuple(sorted(feature.source_column for feature in view.features)),
    )


def output_name(view: str, feature: str, *, full: bool) -> str:
    """Return the column's name in the output, as Feast has it: ``feature`` or ``view__feature``."""
    return f"{view}__{feature}" if full else feature


def check_collisions(joins: Sequence[ViewJoin]) -> None:
    """Return if no two features have the same name in the output.

    Raises:
        InvalidInput: two have; both views are named.
    """
    first: dict[str, str] = {}
    for join in joins:
        for output in join.outputs:
            if output in first:
                raise InvalidInput(
                    f"feature name {output!r} comes from both {first[output]} and {join.view}",
                    hint="ask with full_feature_names=True",
                )
            first[output] = join.view
