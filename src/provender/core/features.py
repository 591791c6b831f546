"""Neutral definitions of entities, feature views, on-demand views and services.

The Feast plug-in translates Feast's objects into these; the catalog records them; training
and serving read them. `check` finds everything that is wrong with them at once.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from provender.core.digest import digest
from provender.core.errors import InvalidInput
from provender.core.freshness import OnStale
from provender.core.names import DatasetRef, FeatureRef, suggest, unknown
from provender.core.projections import ProjectionSpec, check_projections, own_features
from provender.core.schema import WIDENS, Schema
from provender.core.tags import Taxonomy

OBJECTS = ("struct<", "map<", "list<struct<", "list<map<")
"""How types begin that are JSON where they are served."""
INTEGERS = frozenset({"int8", "int16", "int32", "int64"})


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
class RepoSpec:
    """Everything that one feature repository defines, as applied.

    ``whole`` is empty, or the digest of the whole where this is the part that somebody may know.
    """

    project: str
    entities: tuple[EntitySpec, ...] = ()
    views: tuple[ViewSpec, ...] = ()
    on_demand: tuple[OnDemandSpec, ...] = ()
    services: tuple[ServiceSpec, ...] = ()
    commit: str = ""
    whole: str = ""

    @property
    def digest(self) -> str:
        """The identity of the definitions, whole; the commit they came from does not matter."""
        return self.whole or digest(
            [self.project, self.entities, self.views, self.on_demand, self.services]
        )

    @property
    def datasets(self) -> frozenset[str]:
        """The names of the datasets that its views read."""
        return frozenset(view.dataset.dataset for view in self.views if view.dataset)

    def over(self, datasets: Collection[str]) -> "RepoSpec":
        """Return the part that rests on ``datasets`` only (and on files), with the same digest."""
        if self.datasets <= frozenset(datasets):
            return self
        views = tuple(v for v in self.views if not v.dataset or v.dataset.dataset in datasets)
        names = {view.name for view in views}
        on_demand = tuple(v for v in self.on_demand if all(ref.view in names for ref in v.inputs))
        names |= {view.name for view in on_demand}
        used = {name for view in views for name in view.entities}
        needed_elsewhere = {n for view in self.views for n in view.entities} - used
        return replace(
            self,
            entities=tuple(e for e in self.entities if e.name not in needed_elsewhere),
            views=views,
            on_demand=on_demand,
            services=tuple(
                s for s in self.services if all(ref.view in names for ref in s.own_features)
            ),
            whole=self.digest,
        )

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
                keys = tuple(key.source_column for key in view.join_keys)
                views.setdefault(keys, []).append(f"{repo.project}/{view.name}")
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


def check(repo: RepoSpec, schemas: Mapping[str, Schema], taxonomy: Taxonomy) -> list[str]:
    """Return every problem of ``repo`` in words; an empty list if there is none.

    ``schemas`` holds the schema of each dataset in the catalog, by name without version.
    """
    problems: list[str] = []
    entity_names = [entity.name for entity in repo.entities]
    for view in repo.views:
        problems += _check_view(view, schemas, taxonomy, entity_names)
    names = view_names(repo.views, repo.on_demand)
    problems += [f"{n}: two views have this name" for n in sorted(set(names)) if names.count(n) > 1]
    stored = {FeatureRef(v.name, f.name) for v in repo.views for f in v.features}
    computed = {FeatureRef(v.name, f.name) for v in repo.on_demand for f in v.features}
    for on_demand in repo.on_demand:
        problems += _unknown_features(f"on-demand view {on_demand.name}", on_demand.inputs, stored)
        problems += _check_owner(f"on-demand view {on_demand.name}", on_demand.owner)
    keys = {view.name: [key.name for key in view.join_keys] for view in repo.views}
    for service in repo.services:
        where = f"feature service {service.name}"
        problems += _unknown_features(where, service.own_features, stored | computed)
        problems += check_projections(where, service.projections, keys)
        problems += _check_owner(where, service.owner)
        problems += taxonomy.problems(service.tags, where=where)
        if not service.features:
            problems.append(f"{where}: has no features")
    return problems


def _check_view(
    view: ViewSpec, schemas: Mapping[str, Schema], taxonomy: Taxonomy, entity_names: list[str]
) -> list[str]:
    where = f"feature view {view.name}"
    problems = _check_owner(where, view.owner)
    problems += taxonomy.problems(view.tags, where=where)
    if view.ttl is not None and view.ttl < timedelta(0):
        problems.append(f"{where}: the TTL {view.ttl} is negative")
    if not view.features:
        problems.append(f"{where}: has no features")
    problems += [
        f"{where}: entity {name!r} is not defined ({suggest(name, entity_names)})"
        for name in view.entities
        if name not in entity_names
    ]
    for feature in view.features:
        problems += taxonomy.problems(feature.tags, where=f"{where}: feature {feature.name}")
    if view.dataset is None:
        return problems
    schema = schemas.get(view.dataset.dataset)
    if schema is None:
        hint = suggest(view.dataset.dataset, schemas)
        return [*problems, f"{where}: dataset {view.dataset} has no published version ({hint})"]
    for field in (*view.join_keys, *view.features):
        problems += _check_column(where, field, schema)
    for role, column in (
        ("event timestamp", view.event_timestamp),
        ("created timestamp", view.created_timestamp),
    ):
        problems += _check_timestamp(where, role, column, schema)
    return problems


def _check_column(where: str, field: FieldSpec, schema: Schema) -> list[str]:
    column = field.source_column
    if column not in schema:
        return [
            f"{where}: column {column!r} is not in the dataset ({suggest(column, schema.names)})"
        ]
    found = schema.column(column).type
    if not _fits(found, field.type):
        return [f"{where}: column {column!r} is {found} in the dataset but declared {field.type}"]
    return []


def _check_timestamp(where: str, role: str, column: str | None, schema: Schema) -> list[str]:
    if column is None:
        return []
    if column not in schema:
        return [
            f"{where}: {role} {column!r} is not in the dataset ({suggest(column, schema.names)})"
        ]
    found = schema.column(column).type
    if not (found.startswith("timestamp") or found == "date"):
        return [f"{where}: {role} {column!r} is {found}, not a timestamp"]
    return []


def _fits(found: str, declared: str) -> bool:
    """Whether values of the dataset's type can be served as the declared one without loss.

    Integers are served as floats, as counts often are: exactly, up to 2**53; decimals as text.
    Maps and structs are JSON, and so may be text. Sets come out of lists.
    """
    if found.startswith("list<") and declared.startswith(("list<", "set<")):
        return _fits(found[5:-1], declared.partition("<")[2][:-1])
    if found == "string" and declared.startswith(OBJECTS):
        return True
    if declared.startswith(("struct<", "map<")):
        return found.startswith(("struct<", "map<"))
    return (
        found == declared
        or declared in WIDENS.get(found, ())
        or (declared == "float64" and found.removeprefix("u") in INTEGERS and found != "uint64")
        or (found.startswith("timestamp") and declared.startswith("timestamp"))
        or (found == "date" and declared == "timestamp")
        or (found.startswith("decimal(") and declared == "string")
    )


def _check_owner(where: str, owner: str) -> list[str]:
    return [] if owner else [f"{where}: has no owner"]


def _unknown_features(
    where: str, asked: tuple[FeatureRef, ...], known: set[FeatureRef]
) -> list[str]:
    names = [str(ref) for ref in known]
    return [
        f"{where}: feature {ref} is not defined ({suggest(str(ref), names)})"
        for ref in asked
        if ref not in known
    ]
