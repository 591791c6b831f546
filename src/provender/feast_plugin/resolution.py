"""What a list of features, or a feature service, of Feast's registry means for our lookups.

What Feast's own code answers in a way of its own (pandas functions, versions, entities under
deprecated names, and every mistake) is left to it: `Unplanned` says so. A view that is being
materialised is served: its rows are replaced one by one, each whole.
"""

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from feast.base_feature_view import BaseFeatureView
from feast.entity import Entity
from feast.feature_service import FeatureService
from feast.feature_view import FeatureView, FeatureViewState
from feast.feature_view_projection import FeatureViewProjection
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.value_type import ValueType

from provender.core.names import unknown
from provender.core.serving import ServedView, serve_view
from provender.core.training import output_name
from provender.feast_plugin.gate import Governed
from provender.feast_plugin.joins import features_of
from provender.feast_plugin.translation import view_spec
from provender.online.blocks import ViewReader
from provender.online.codec import KeyCodec
from provender.online.kinds import MICROSECOND
from provender.online.plan import LookupPlan, Output, Source, ViewRead

SERVED_STATES = (
    FeatureViewState.STATE_UNSPECIFIED,
    FeatureViewState.AVAILABLE_ONLINE,
    FeatureViewState.MATERIALIZING,
)

Asked = list[str] | FeatureService


class Unplanned(Exception):
    """Not a question for us: Feast's own code answers it, or says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class StoredView:
    """A view that is read, under the name it is asked for by."""

    name: str
    view: FeatureView
    served: ServedView
    features: tuple[str, ...]
    governed: Governed | None


@dataclass(frozen=True, slots=True)
class Computed:
    """An on-demand view: the name of each feature asked of it, and the names it must not see.

    Feast hides from a function the features that are of none of its sources.
    """

    view: OnDemandFeatureView
    names: dict[str, str]
    types: dict[str, ValueType]
    hidden: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeastPlan:
    """How a list of features or a service is answered.

    ``plan`` reads what is stored, asked for or not; ``names`` are the features asked for, in
    that order; ``types`` are of all that is read, by name.
    """

    plan: LookupPlan
    stored: tuple[StoredView, ...]
    computed: tuple[Computed, ...]
    names: tuple[str, ...]
    types: dict[str, ValueType]
    join_keys: frozenset[str]
    entity_names: frozenset[str]
    key_types: dict[str, ValueType]
    request: frozenset[str]


class _Resolution:
    """The views that features come from, by the names they are asked for by."""

    def __init__(self, registry: BaseRegistry, project: str) -> None:
        self._registry = registry
        self._project = project
        self.stored: dict[str, FeatureView] = {}
        self.features: dict[str, dict[str, None]] = {}
        self.computed: dict[str, OnDemandFeatureView] = {}

    def add(self, name: str, projection: FeatureViewProjection | None) -> None:
        """Take the view called ``name`` in, as ``projection`` has it."""
        view: Any = self._registry.get_any_feature_view(name, self._project, allow_cache=True)
        if isinstance(view, OnDemandFeatureView):
            self._check(view)
            self._add_computed(view.with_projection(copy(projection)) if projection else view)
        else:
            self._add_stored(view, projection)

    def need(self, alias: str, feature: str) -> None:
        """Read ``feature`` of the stored view that is asked for as ``alias``.

        Raises:
            NotFound: it is a join key of the view.
        """
        view = self.stored[alias]
        if feature not in (known.name for known in view.projection.features):
            raise Unplanned
        known = [item.name for item in features_of(view)]
        if feature not in known:
            raise unknown(f"feature of view {alias}", feature, known)
        self.features.setdefault(alias, {})[feature] = None

    def _add_stored(self, view: Any, projection: FeatureViewProjection | None) -> None:
        if not isinstance(view, FeatureView):
            raise Unplanned
        self._check(view)
        asked = view.with_projection(copy(projection)) if projection else view
        if asked.projection.version_tag is not None:
            raise Unplanned
        alias = _alias(asked)
        known = self.stored.get(alias)
        if known is None:
            self.stored[alias] = asked
        elif (
            known.name != asked.name
            or known.projection.join_key_map != asked.projection.join_key_map
        ):
            raise Unplanned
        else:
            known.projection.features = [
                *known.projection.features,
                *(f for f in asked.projection.features if f not in known.projection.features),
            ]

    def _add_computed(self, view: OnDemandFeatureView) -> None:
        plain = view.mode == "python" and not view.aggregations and not view.write_to_online_store
        if not plain or view.projection.version_tag is not None:
            raise Unplanned
        self.computed[_alias(view)] = view
        for projection in view.source_feature_view_projections.values():
            if projection.name_alias or projection.join_key_map:
                raise Unplanned
            source: Any = self._registry.get_any_feature_view(
                projection.name, self._project, allow_cache=True
            )
            self._add_stored(source, projection)
            for item in projection.features:
                self.need(projection.name, item.name)

    def _check(self, view: Any) -> None:
        state = getattr(view, "state", FeatureViewState.STATE_UNSPECIFIED)
        if not getattr(view, "enabled", True) or state not in SERVED_STATES:
            raise Unplanned


def resolve(
    registry: BaseRegistry, project: str, asked: Asked, *, full: bool, aged: bool
) -> FeastPlan:
    """Return the plan that answers ``asked``, with ``full`` names, or short ones.

    ``aged``: values older than the view's TTL, and rows from later, are withheld.

    Raises:
        Unplanned: Feast's own code has to answer.
    """
    found = _Resolution(registry, project)
    refs = _asked_refs(registry, project, asked, found)
    for alias, feature in refs:
        if alias in found.stored:
            found.need(alias, feature)
        elif alias not in found.computed or feature not in (
            item.name for item in found.computed[alias].projection.features
        ):
            raise Unplanned
    entities = registry.list_entities(project, allow_cache=True)
    stored = tuple(_stored_view(alias, found, refs) for alias in found.features)
    outputs, types = _outputs(stored, full=full)
    computed = tuple(_computed(view, found, refs, full=full) for view in found.computed.values())
    keys, entity_names = _entity_keys(entities, found.stored.values())
    names = tuple(output_name(alias, feature, full=full) for alias, feature in refs)
    _check_names(refs, found, names, [output.name for output in outputs], keys)
    reads = tuple(_read(project, view, aged=aged) for view in stored)
    return FeastPlan(
        plan=LookupPlan(
            project=project,
            reads=reads,
            demands=(),
            outputs=outputs,
            join_keys={
                name: key
                for read in reads
                for name, key in zip(read.given, read.view.join_keys, strict=True)
            },
            request={},
            echoed=frozenset(),
            open_until={},
        ),
        stored=stored,
        computed=computed,
        names=names,
        types=types,
        join_keys=keys,
        entity_names=entity_names,
        key_types=_key_types(found.stored.values()),
        request=frozenset(
            name for view in found.computed.values() for name in view.get_request_data_schema()
        ),
    )


def _check_names(
    refs: Sequence[tuple[str, str]],
    found: _Resolution,
    names: Sequence[str],
    stored: Sequence[str],
    keys: frozenset[str],
) -> None:
    """Return if each name means one thing: among what is read, computed, and the join keys."""
    computed = [
        name for (alias, _), name in zip(refs, names, strict=True) if alias in found.computed
    ]
    taken = [*stored, *computed]
    if len(set(names)) < len(names) or len(set(taken)) < len(taken) or keys & set(taken):
        raise Unplanned


def _asked_refs(
    registry: BaseRegistry, project: str, asked: Asked, found: _Resolution
) -> list[tuple[str, str]]:
    """Return the view, by its alias, and the name of each feature asked for; fill ``found``."""
    if isinstance(asked, FeatureService):
        registered = registry.get_feature_service(asked.name, project, allow_cache=True)
        if registered != asked or getattr(asked, "precompute_online", False):
            raise Unplanned
        projections = registered.feature_view_projections
        for projection in projections:
            found.add(projection.name, projection)
        return [
            (projection.name_alias or projection.name, item.name)
            for projection in projections
            for item in projection.features
        ]
    refs = [(view, feature) for view, colon, feature in (ref.partition(":") for ref in asked)]
    if not refs or any("@" in view or not feature for view, feature in refs):
        raise Unplanned
    for name in dict.fromkeys(view for view, _ in refs):
        found.add(name, None)
    return refs


def _alias(view: BaseFeatureView) -> str:
    return str(view.projection.name_alias or view.projection.name)


def _stored_view(alias: str, found: _Resolution, refs: Sequence[tuple[str, str]]) -> StoredView:
    view = found.stored[alias]
    served, features = serve_view(view_spec(view)), tuple(found.features[alias])
    given = {feature for of, feature in refs if of == alias}
    governed = Governed.of(view, served, features, given)
    return StoredView(alias, view, served, features, governed)


def _outputs(
    stored: Sequence[StoredView], *, full: bool
) -> tuple[tuple[Output, ...], dict[str, ValueType]]:
    outputs: list[Output] = []
    types: dict[str, ValueType] = {}
    for read, view in enumerate(stored):
        words = {column.name: column.type for column in view.served.columns}
        kinds = {item.name: item.dtype.to_value_type() for item in view.view.features}
        for column, feature in enumerate(view.features):
            name = output_name(view.name, feature, full=full)
            outputs.append(Output(name, words[feature], source=Source(read, column)))
            types[name] = kinds[feature]
    return tuple(outputs), types


def _read(project: str, stored: StoredView, *, aged: bool) -> ViewRead:
    served, renamed = stored.served, stored.view.projection.join_key_map
    max_age = served.max_age(with_ttl=aged)
    return ViewRead(
        name=stored.name,
        view=served,
        keys=KeyCodec(project, served),
        reader=ViewReader(served, stored.features),
        features=stored.features,
        max_age_us=max_age // MICROSECOND if max_age else None,
        given=tuple(renamed.get(key.name, key.name) for key in served.join_keys),
        awaits=aged,
    )


def _computed(
    view: OnDemandFeatureView,
    found: _Resolution,
    refs: Sequence[tuple[str, str]],
    *,
    full: bool,
) -> Computed:
    own = {projection.name for projection in view.source_feature_view_projections.values()}
    others = [
        (alias, feature) for alias, feature in refs if alias in found.stored and alias not in own
    ]
    for other in found.computed.values():
        for projection in other.source_feature_view_projections.values():
            if projection.name not in own:
                others += [(projection.name, item.name) for item in projection.features]
    return Computed(
        view=view,
        names={
            feature: output_name(alias, feature, full=full)
            for alias, feature in refs
            if alias == _alias(view)
        },
        types={item.name: item.dtype.to_value_type() for item in view.features},
        hidden=frozenset(
            output_name(*ref, full=known) for ref in others for known in (False, True)
        ),
    )


def _entity_keys(
    entities: Iterable[Entity], views: Iterable[FeatureView]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names that are join keys, of any entity as in Feast, and deprecated ones for them."""
    by_name = {entity.name: entity for entity in entities}
    keys = {name: entity.join_key for name, entity in by_name.items()}
    for view in views:
        renamed = view.projection.join_key_map
        for name in view.entities:
            if name not in by_name:
                raise Unplanned
            key = by_name[name].join_key
            keys[renamed.get(key, name)] = renamed.get(key, key)
    return frozenset(keys.values()), frozenset(keys) - frozenset(keys.values())


def _key_types(views: Iterable[FeatureView]) -> dict[str, ValueType]:
    return {
        view.projection.join_key_map.get(column.name, column.name): column.dtype.to_value_type()
        for view in views
        for column in view.entity_columns
    }
