"""Neutral definitions of entities, feature views, on-demand views and services.

The Feast plug-in translates Feast's objects into these; the catalog records them; training
and serving read them. `core.soundness` finds everything that is wrong with them at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from provender.core.bounds import DEFINITIONS, FEATURES
from provender.core.digest import digest
from provender.core.errors import InvalidInput
from provender.core.freshness import OnStale
from provender.core.names import DatasetRef, FeatureRef, unknown
from provender.core.projections import ProjectionSpec, own_features

OBJECTS = ("struct<", "map<", "list<struct<", "list<map<")
"""How types begin that are JSON where they are served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitySpec:
    """Something that features describe, and the column that names it."""

    name: str
    join_key: str
    type: str
    description: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """A named, typed value; ``column`` is what it is called in the source."""

    name: str
    type: str
    column: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()

    @property
    def source_column(self) -> str:
        return self.column or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSpec:
    """A feature view: features of entities as of event times, read from one dataset.

    ``dataset`` is None where the source is a file that no catalog governs. A ``ttl`` of None
    is unbounded, and so is a ``max_staleness`` of None. Timestamps name columns of the source.
    ``entity_ids`` are ``plain`` or ``hashed`` in the online store. ``version`` is Feast's number
    of this definition, which grows with every change of it; 0 is the first. Rows vanish from the
    online store never, or ``expires_after`` they were written, or, if it ``expires_with_ttl``, once
    they are too old.
    """

    name: str
    entities: tuple[str, ...]
    join_keys: tuple[FieldSpec, ...]
    features: tuple[FieldSpec, ...]
    dataset: DatasetRef | None
    event_timestamp: str
    created_timestamp: str | None = None
    ttl: timedelta | None = None
    max_staleness: timedelta | None = None
    on_stale: OnStale = OnStale.WARN
    online: bool = True
    push_sources: tuple[str, ...] = ()
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    entity_ids: str = "plain"
    version: int = 0
    expires_with_ttl: bool = False
    expires_after: timedelta | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """The source columns of the join keys."""
        return tuple(key.source_column for key in self.join_keys)

    @property
    def times(self) -> tuple[str, ...]:
        """The source columns of the timestamps."""
        return tuple(name for name in (self.event_timestamp, self.created_timestamp) if name)

    @property
    def found_by(self) -> tuple[str, ...]:
        """The source columns that tell which row is found: join keys and timestamps."""
        return (*self.keys, *self.times)

    def feature(self, name: str) -> FieldSpec:
        """Return the feature called ``name``; NotFound, with a near one, if there is none."""
        for feature in self.features:
            if feature.name == name:
                return feature
        raise unknown(f"feature of view {self.name}", name, [f.name for f in self.features])


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDemandSpec:
    """A feature view computed at the time of asking, by a function of ``module``.

    The function takes and returns a dict of equally long lists. ``code_digest`` is of its
    source text: a server whose module differs refuses to compute.
    """

    name: str
    inputs: tuple[FeatureRef, ...]
    request: tuple[FieldSpec, ...]
    features: tuple[FieldSpec, ...]
    module: str
    function: str
    code_digest: str
    description: str = ""
    owner: str = ""

    def feature(self, name: str) -> FieldSpec:
        """Return the output called ``name``; NotFound, with a near one, if there is none."""
        for feature in self.features:
            if feature.name == name:
                return feature
        raise unknown(f"feature of view {self.name}", name, [f.name for f in self.features])


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """The features that one model uses, in the order they were asked for.

    Views go by the names the service gives them; ``projections`` are of those it renames.
    ``log_rate`` is the part of the lookups that is logged, from 0 to 1; None: as servers are told.
    """

    name: str
    features: tuple[FeatureRef, ...]
    projections: tuple[ProjectionSpec, ...] = ()
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    log_rate: float | None = None

    @property
    def own_features(self) -> tuple[FeatureRef, ...]:
        """The features by the names that their views have themselves."""
        return own_features(self.features, self.projections)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedDatasetSpec:
    """A training set that was saved with Feast: its features, by a service or by name.

    Views go by the names of the ``service``, where there is one. ``dataset`` is what its rows
    were published as; None: they are in a file that no catalog governs.
    """

    name: str
    features: tuple[FeatureRef, ...]
    join_keys: tuple[str, ...] = ()
    service: str = ""
    full_feature_names: bool = False
    dataset: DatasetRef | None = None
    earliest: datetime | None = None
    latest: datetime | None = None
    description: str = ""
    tags: tuple[str, ...] = ()

    def column(self, ref: FeatureRef) -> str:
        """Return the column that holds a feature."""
        return f"{ref.view}__{ref.feature}" if self.full_feature_names else ref.feature


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoSpec:
    """Everything that one feature repository defines, as applied.

    ``whole`` is empty, or the digest of the whole where this is the part that somebody may know.
    ``saved`` is what was saved of it, which no file defines, and which servers need not know.
    """

    project: str
    entities: tuple[EntitySpec, ...] = ()
    views: tuple[ViewSpec, ...] = ()
    on_demand: tuple[OnDemandSpec, ...] = ()
    services: tuple[ServiceSpec, ...] = ()
    commit: str = ""
    whole: str = ""
    saved: tuple[SavedDatasetSpec, ...] = ()
    description: str = ""
    owner: str = ""

    def __repr__(self) -> str:
        """Return what is in it by name."""
        views = [view.name for view in self.views] + [view.name for view in self.on_demand]
        services = [service.name for service in self.services]
        return f"RepoSpec({self.project}, views {', '.join(views) or 'none'}; services {', '.join(services) or 'none'})"

    @property
    def digest(self) -> str:
        """The identity of the definitions, whole: what servers and training go by.

        The commit they came from does not matter, nor what was saved, nor who owns the project.
        """
        return self.whole or digest(
            [self.project, self.entities, self.views, self.on_demand, self.services]
        )

    @property
    def datasets(self) -> frozenset[str]:
        """The names of the datasets that its views read."""
        return frozenset(view.dataset.dataset for view in self.views if view.dataset)

    @property
    def kept(self) -> frozenset[str]:
        """The names of the datasets that what was saved is kept as: tags travel there."""
        return frozenset(saved.dataset.dataset for saved in self.saved if saved.dataset)

    def view(self, name: str) -> ViewSpec:
        """Return the feature view called ``name``; NotFound, with a near one, if there is none."""
        for view in self.views:
            if view.name == name:
                return view
        raise unknown("feature view", name, view_names(self.views, self.on_demand))

    def service(self, name: str) -> ServiceSpec:
        """Return the feature service called ``name``; NotFound, with a near one, if none."""
        for service in self.services:
            if service.name == name:
                return service
        raise unknown("feature service", name, [s.name for s in self.services])

    def saved_features(self, saved: SavedDatasetSpec) -> tuple[FeatureRef, ...]:
        """Return the features of ``saved`` by the names that their views have themselves."""
        service = next((s for s in self.services if s.name == saved.service), None)
        return own_features(saved.features, service.projections if service else ())

    def on_demand_view(self, name: str) -> OnDemandSpec | None:
        """Return the on-demand view called ``name``, or None if ``name`` is not one."""
        return next((view for view in self.on_demand if view.name == name), None)


def view_names(*kinds: Iterable[ViewSpec | OnDemandSpec]) -> list[str]:
    """Return the names of all views of all ``kinds``."""
    return [view.name for views in kinds for view in views]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Features asked for, split by where they come from; ``stored`` includes the inputs of
    ``on_demand``, in the order they were first needed.
    """

    asked: tuple[FeatureRef, ...]
    stored: tuple[FeatureRef, ...]
    on_demand: tuple[OnDemandSpec, ...]


def resolve(repo: RepoSpec, asked: tuple[FeatureRef, ...]) -> Resolved:
    """Return where each of the ``asked`` features comes from.

    Raises:
        NotFound: a view or a feature is not defined; the hint names a near one.
    """
    stored: dict[FeatureRef, None] = {}
    on_demand: dict[str, OnDemandSpec] = {}
    for ref in asked:
        computed = repo.on_demand_view(ref.view)
        if computed is None:
            repo.view(ref.view).feature(ref.feature)
            stored[ref] = None
            continue
        computed.feature(ref.feature)
        on_demand[computed.name] = computed
        for needed in computed.inputs:
            repo.view(needed.view).feature(needed.feature)
            stored[needed] = None
    return Resolved(asked=asked, stored=tuple(stored), on_demand=tuple(on_demand.values()))


def keys_into(dataset: str, repos: Iterable[RepoSpec]) -> tuple[str, ...]:
    """Return the columns of ``dataset`` by which the feature views over it are joined.

    Raises:
        InvalidInput: no view has join keys over it, or several have others; they are named.
    """
    views: dict[tuple[str, ...], list[str]] = {}
    for repo in repos:
        for view in repo.views:
            if view.dataset is not None and view.dataset.dataset == dataset and view.join_keys:
                views.setdefault(view.keys, []).append(f"{repo.project}/{view.name}")
    if not views:
        raise InvalidInput(
            f"no feature view says by which keys {dataset} is joined",
            hint="name them: --keys k1,k2",
        )
    if len({frozenset(keys) for keys in views}) > 1:
        said = "; ".join(
            f"{', '.join(names)} by {', '.join(keys)}" for keys, names in views.items()
        )
        raise InvalidInput(
            f"feature views join {dataset} by different keys: {said}",
            hint="say which to optimize for: --keys k1,k2",
        )
    return next(iter(views))


def check_size(repo: RepoSpec) -> None:
    """Return if ``repo`` is of a size that repositories have.

    Raises:
        InvalidInput: it defines more than is taken.
    """
    definitions = len(repo.entities) + len(repo.views) + len(repo.on_demand)
    definitions += len(repo.services) + len(repo.saved)
    features = sum(len(view.features) for view in repo.views)
    features += sum(len(view.features) for view in repo.on_demand)
    if definitions > DEFINITIONS or features > FEATURES:
        raise InvalidInput(
            f"project {repo.project} has {definitions:,} definitions with {features:,} features; "
            f"{DEFINITIONS:,} with {FEATURES:,} at most are taken",
            hint="make several projects of it",
        )
