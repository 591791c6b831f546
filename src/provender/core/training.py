"""Training sets: from features asked for and versions pinned to a point-in-time plan.

The meaning of the plan, held by tests/oracle/asof.py: for each spine row the row of the view
with the same keys and the greatest event timestamp not after the spine's; among equals the
latest created (null last), then the greatest values (null last) of the view's features, taken by
name, asked for or not; nothing if it is older than the TTL. Both bounds are inclusive. With
``known_by_then`` only rows created by the spine's instant count.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from provender.core.bounds import DATASETS
from provender.core.datasets import DatasetVersion
from provender.core.digest import PREFIX, digest, hmac_sha256, short
from provender.core.effects import Mask
from provender.core.errors import InvalidInput
from provender.core.features import RepoSpec, ViewSpec, resolve
from provender.core.joins import Table, ViewJoin
from provender.core.names import DatasetRef, FeatureRef
from provender.core.policy import ColumnRef, Permit
from provender.core.projections import ProjectionSpec, itself, own_features
from provender.core.shielding import refuse_computed

__all__ = [
    "PointInTimePlan", "Table", "TrainingSetManifest", "TrainingSetSpec", "ViewJoin",
    "check_collisions", "check_keyed", "digest_key", "join_view", "keyed_digest", "output_name", "plan_training_set",
]  # fmt: skip

KEYED = re.compile(r"hmac-sha256:[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class PointInTimePlan:
    """All joins of one retrieval, in the order of the output columns.

    ``inputs`` are outputs that features are computed from, and that whoever asks does not get.
    """

    event_timestamp: str
    joins: tuple[ViewJoin, ...]
    known_by_then: bool = False
    inputs: frozenset[str] = frozenset()

    @property
    def reads(self) -> frozenset[ColumnRef]:
        return frozenset(column for join in self.joins for column in join.reads)

    def under(self, permit: Permit) -> "PointInTimePlan":
        """Return the plan with what ``permit`` leaves of its tables.

        Raises:
            Denied: a column that is for computing only would come out, or a filter cannot be asked.
        """
        for join in self.joins:
            given = (source for source, output in join.features if output not in self.inputs)
            refuse_computed(permit, join.table.columns(given))
        return replace(self, joins=tuple(join.under(permit) for join in self.joins))

    @property
    def masks(self) -> dict[str, Mask]:
        """The masks of features, by output."""
        return {output: mask for join in self.joins for output, mask in join.masks.items()}

    def keyed(self) -> "PointInTimePlan":
        """Return the plan with every join by its keys as they are masked."""
        return replace(self, joins=tuple(join.keyed() for join in self.joins))

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
                *join.shield.identity,
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

    The digests of spine and content are `keyed_digest`s: who may know of a training set, but not read
    its rows, cannot try what is in them. ``known_later`` counts, per view, the spine rows whose value was recorded only after the
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
        """``ts_`` and 16 hex digits: the same question of the same maker on the same data has the same id."""
        made = [self.pins, self.plan_digest, self.spine_digest, self.content_digest]
        identity = [self.spec.identity, *made]
        return f"ts_{short(digest(identity), length=16)}"

    @property
    def bare(self) -> list[str]:
        """What it tells a digest of without a key, as those from before there was one do."""
        told = {"spine": self.spine_digest, "content": self.content_digest}
        return [what for what, said in told.items() if not KEYED.match(said)]

    @property
    def said(self) -> str:
        """The digest of what it says beside what its id is made of: for the audit trail."""
        made = [self.repo_digest, self.decision, self.created_at, self.created_by, self.seconds]
        rows = [self.row_count, self.columns, self.known_later, self.event_range]
        return digest([self.id, *made, *rows])


def digest_key(secret: bytes, project: str) -> bytes:
    """Return the key of the digests of a project's training sets: no mask hashes with it."""
    return hmac_sha256(secret, b"provender training set\0" + project.encode())


def keyed_digest(of_rows: str, *, key: bytes, maker: str) -> str:
    """Return a digest of rows as it is told: ``hmac-sha256:`` and 64 hex digits.

    The same rows of the same maker have the same one. To try a guess takes the ``key`` of the
    project; to make training sets of guesses only tells of one's own.
    """
    said = f"{maker}\n{of_rows}".encode()
    return f"hmac-{PREFIX}{hmac_sha256(key, said).hex()}"


def check_keyed(manifest: TrainingSetManifest) -> None:
    """Return if what a training set tells of its rows are `keyed_digest`s.

    Raises:
        InvalidInput: one is not; whoever may know of it could try guesses at its rows.
    """
    bare = manifest.bare
    if bare:
        raise InvalidInput(
            f"training set {manifest.id} tells a digest of its {' and '.join(bare)} without a key",
            hint="record it by a client as new as the catalog: who may not read the rows could "
            "try guesses at them",
        )


def pinned(manifest: TrainingSetManifest) -> TrainingSetManifest:
    """Return ``manifest`` if its pins are so many as are read at once, each once.

    Raises:
        InvalidInput: they are more, or one comes again.
    """
    pins = manifest.pins
    if len(pins) > DATASETS or len(set(pins)) < len(pins):
        raise InvalidInput(
            f"the training set has {len(pins)} pins, of {len(set(pins))} versions",
            hint=f"pin it to at most {DATASETS} versions, to each once",
        )
    return manifest


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
    full = spec.full_feature_names
    asked = {output_name(ref.view, ref.feature, full=full) for ref in spec.features}
    return PointInTimePlan(
        event_timestamp=spec.event_timestamp,
        joins=joins,
        known_by_then=spec.known_by_then,
        inputs=frozenset(output for join in joins for output in join.outputs) - asked,
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
