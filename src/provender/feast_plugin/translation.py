"""Feast's objects as our neutral definitions. What we cannot keep or serve is named, all of it at once.

Feast's tags are pairs. The pair ``tags`` holds ours, ``{"tags": "origin.partner,quality.gold"}``, on
feature views, feature services and fields. ``max_staleness`` and ``on_stale`` of a feature view
are ours too (`core.freshness`); all other pairs are Feast's own business.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

from feast.data_source import PushSource
from feast.entity import Entity
from feast.feature_service import FeatureService
from feast.feature_view import DUMMY_ENTITY_NAME, FeatureView
from feast.field import Field
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_contents import RepoContents
from feast.value_type import ValueType

from provender.core import freshness
from provender.core.errors import InvalidInput, ProvenderError
from provender.core.features import (
    EntitySpec,
    FieldSpec,
    OnDemandSpec,
    RepoSpec,
    ServiceSpec,
    ViewSpec,
)
from provender.core.names import FeatureRef
from provender.core.projections import ProjectionSpec
from provender.feast_plugin import collaborators
from provender.feast_plugin.functions import named_function
from provender.feast_plugin.joins import features_of, key_columns
from provender.feast_plugin.source import CatalogSource
from provender.feast_plugin.value_types import field_word, type_word

TAGS = "tags"
Named = TypeVar("Named", EntitySpec, FieldSpec, ViewSpec, OnDemandSpec, ServiceSpec)


@dataclass(slots=True)
class Translation:
    """What came out, and what stood in the way."""

    repo: RepoSpec
    problems: list[str] = field(default_factory=list)


def translate(contents: RepoContents, *, project: str, folder: Path) -> Translation:
    """Return the definitions in ``contents``, read from the repository ``folder``."""
    problems: list[str] = []
    if not (contents.feature_views or contents.stream_feature_views):
        problems.append(f"{folder}: no file defines a feature view")
    views = _collect(view_spec, (*contents.feature_views, *contents.stream_feature_views), problems)
    computed = _collect(
        lambda view: on_demand_spec(view, folder), contents.on_demand_feature_views, problems
    )
    problems += [
        f"label view {view.name}: label views are not supported; leave it out"
        for view in contents.label_views
    ]
    for service in contents.feature_services:
        problems += _pinning(service)
    keys = {key.name: key.type for view in views for key in view.join_keys}
    entities = _collect(lambda entity: _entity_spec(entity, keys), _own(contents), problems)
    said = next((one for one in contents.projects if one.name == project), None)
    repo = RepoSpec(
        project=project,
        description=said.description if said else "",
        owner=said.owner if said else "",
        entities=_by_name(entities),
        views=_by_name(views),
        on_demand=_by_name(computed),
        services=_by_name(service_spec(service) for service in contents.feature_services),
    )
    return Translation(repo, problems)


def view_spec(view: FeatureView) -> ViewSpec:
    """Return the definition of a feature view; its features come in the order of their names.

    Raises:
        InvalidInput: a field's type is not supported, or a tag about freshness cannot be read.
    """
    source = view.batch_source
    column_of: Mapping[str, str] = (
        {logical: column for column, logical in source.field_mapping.items()} if source else {}
    )
    stamp = source.timestamp_field if source else ""
    created = source.created_timestamp_column if source else ""
    stream = getattr(view, "stream_source", None)
    max_staleness, on_stale = freshness.declared(view.tags, where=f"feature view {view.name}")
    return ViewSpec(
        name=view.name,
        entities=tuple(sorted(name for name in view.entities if name != DUMMY_ENTITY_NAME)),
        join_keys=_fields(key_columns(view), column_of, where=f"feature view {view.name}"),
        features=_fields(features_of(view), column_of, where=f"feature view {view.name}"),
        dataset=source.ref if isinstance(source, CatalogSource) else None,
        event_timestamp=column_of.get(stamp, stamp),
        created_timestamp=column_of.get(created, created) or None,
        ttl=view.ttl or None,
        max_staleness=max_staleness,
        on_stale=on_stale,
        online=view.online,
        push_sources=(stream.name,) if isinstance(stream, PushSource) else (),
        description=view.description,
        owner=view.owner,
        tags=own_tags(view.tags),
        entity_ids=collaborators.settings().entity_ids,
        version=view.current_version_number or 0,
    )


def on_demand_spec(view: OnDemandFeatureView, folder: Path) -> OnDemandSpec:
    """Return the definition of an on-demand view whose function is a plain one of ``folder``.

    Raises:
        InvalidInput: it is not in python mode, works row by row, or its function cannot be
            found by a server that knows nothing of Feast.
    """
    where = f"on-demand view {view.name}"
    udf = view.feature_transformation.udf if view.feature_transformation else None
    found = named_function(
        udf if isinstance(udf, FunctionType) else None, folder, where=where, mode=_mode(view)
    )
    request = [item for s in view.source_request_sources.values() for item in s.schema]
    return OnDemandSpec(
        name=view.name,
        inputs=tuple(
            FeatureRef(projection.name, item.name)
            for projection in view.source_feature_view_projections.values()
            for item in projection.features
        ),
        request=_fields(request, {}, where=where),
        features=_fields(view.features, {}, where=where),
        module=found.module,
        function=found.name,
        code_digest=found.digest,
        description=view.description,
        owner=view.owner,
    )


def service_spec(service: FeatureService) -> ServiceSpec:
    """Return the definition of a feature service, its features in the order they are asked for."""
    return ServiceSpec(
        name=service.name,
        features=tuple(
            FeatureRef(projection.name_alias or projection.name, feature.name)
            for projection in service.feature_view_projections
            for feature in projection.features
        ),
        projections=tuple(
            ProjectionSpec(
                alias=projection.name_alias or projection.name,
                view=projection.name,
                join_keys=tuple(sorted(projection.join_key_map.items())),
            )
            for projection in service.feature_view_projections
            if projection.name_alias or projection.join_key_map
        ),
        description=service.description,
        owner=service.owner,
        tags=own_tags(service.tags),
        log_rate=_log_rate(service),
    )


def _log_rate(service: FeatureService) -> float | None:
    """Return which part of its lookups the service wants logged; None where it does not say.

    Raises:
        InvalidInput: it is no part.
    """
    if service.logging_config is None:
        return None
    rate = float(service.logging_config.sample_rate)
    if not 0 <= rate <= 1:
        raise InvalidInput(
            f"feature service {service.name}: sample_rate is {rate}",
            hint="it is the part of the lookups that is logged: from 0 to 1",
        )
    return round(rate, 6)  # Feast's registry keeps 32 bits of it


def own_tags(pairs: Mapping[str, str]) -> tuple[str, ...]:
    """Return our tags out of Feast's pairs."""
    return tuple(sorted(tag.strip() for tag in pairs.get(TAGS, "").split(",") if tag.strip()))


def _entity_spec(entity: Entity, keys: Mapping[str, str]) -> EntitySpec:
    known = entity.value_type is not ValueType.UNKNOWN
    return EntitySpec(
        name=entity.name,
        join_key=entity.join_key,
        type=type_word(entity.value_type, where=f"entity {entity.name}")
        if known
        else keys.get(entity.join_key, "string"),
        description=entity.description,
        owner=entity.owner,
    )


def _fields(
    fields: Iterable[Field], column_of: Mapping[str, str], *, where: str
) -> tuple[FieldSpec, ...]:
    return _by_name(
        FieldSpec(
            name=item.name,
            type=field_word(item.dtype, where=f"{where}: field {item.name}"),
            column=column_of.get(item.name, ""),
            description=item.description,
            tags=own_tags(item.tags),
        )
        for item in fields
    )


def _own(contents: RepoContents) -> list[Entity]:
    return [entity for entity in contents.entities if entity.name != DUMMY_ENTITY_NAME]


def _mode(view: OnDemandFeatureView) -> str:
    if view.write_to_online_store:
        return "write_to_online_store"
    return "singleton" if view.singleton else str(getattr(view.mode, "value", view.mode))


def _pinning(service: FeatureService) -> list[str]:
    where = f"feature service {service.name}"
    return [
        f"{where}: pins version {projection.version_tag} of feature view {projection.name}; "
        "only the applied definition is served"
        for projection in service.feature_view_projections
        if projection.version_tag is not None
    ]


def _by_name(items: Iterable[Named]) -> tuple[Named, ...]:
    return tuple(sorted(items, key=lambda item: item.name))


def _collect(
    make: Callable[[Any], Named], subjects: Iterable[Any], problems: list[str]
) -> list[Named]:
    """Return what ``make`` makes of each subject; what it refuses becomes a problem."""
    made: list[Named] = []
    for subject in subjects:
        try:
            made.append(make(subject))
        except ProvenderError as error:
            problems.append(sentence(error))
    return made


def sentence(error: ProvenderError) -> str:
    """Return an error as one line of a list of problems."""
    return f"{error.message} ({error.hint})" if error.hint else error.message
