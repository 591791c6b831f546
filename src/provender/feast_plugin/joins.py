"""Feast's feature views as joins of a point-in-time plan: names, mappings, keys."""

from collections.abc import Sequence

from feast.base_feature_view import BaseFeatureView
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_NAME, FeatureView
from feast.field import Field

from provender.core.errors import InvalidInput
from provender.core.names import unknown
from provender.core.projections import ProjectionSpec
from provender.core.training import PointInTimePlan, Table, ViewJoin, check_collisions, output_name
from provender.feast_plugin.terms import Terms


def plan_retrieval(
    views: Sequence[FeatureView],
    refs: Sequence[str],
    terms: Terms,
    *,
    event_timestamp: str,
    full_feature_names: bool,
    known_by_then: bool,
) -> PointInTimePlan:
    """Return the plan that answers ``refs``, which may name views by alias and version.

    Raises:
        InvalidInput: two features would have the same name in the output.
        NotFound: a view has no such feature, or its source is not there.
    """
    joins = tuple(
        view_join(
            view,
            asked_of(view, refs),
            terms.table(view.batch_source, wanted_by=f"feature view {view.name}"),
            full_feature_names=full_feature_names,
        )
        for view in views
    )
    check_collisions(joins)
    return PointInTimePlan(
        event_timestamp=event_timestamp, joins=joins, known_by_then=known_by_then
    )


def asked_of(view: FeatureView, refs: Sequence[str]) -> list[str]:
    """Return the features that ``refs`` ask of ``view``, in their order, each once."""
    name = alias_of(view)
    known = [feature.name for feature in features_of(view)]
    asked = [ref.rpartition(":")[2] for ref in refs if ref.rpartition(":")[0] == name]
    for feature in asked:
        if feature not in known:
            raise unknown(f"feature of view {name}", feature, known)
    return list(dict.fromkeys(asked))


def view_join(
    view: FeatureView, features: Sequence[str], table: Table, *, full_feature_names: bool
) -> ViewJoin:
    """Return the join of ``features`` of ``view`` with the rows of ``table``.

    Join keys that the projection renames are looked for under the new name in the spine, the
    others under their own. Every name of the view may stand for another column of the source.
    """
    source = batch_source(view)
    column_of = {logical: column for column, logical in source.field_mapping.items()}
    alias = view.projection.name_alias or view.projection.name
    created = source.created_timestamp_column
    return ViewJoin(
        view=alias,
        table=table,
        keys=tuple(
            (view.projection.join_key_map.get(key, key), column_of.get(key, key))
            for key in (column.name for column in key_columns(view))
        ),
        features=tuple(
            (
                column_of.get(feature, feature),
                output_name(alias, feature, full=full_feature_names),
            )
            for feature in features
        ),
        event_timestamp=column_of.get(source.timestamp_field, source.timestamp_field),
        created_timestamp=column_of.get(created, created) if created else None,
        ttl=view.ttl or None,
        ranked_by=tuple(
            sorted(column_of.get(feature.name, feature.name) for feature in features_of(view))
        ),
    )


def features_of(view: FeatureView) -> list[Field]:
    """Return the view's features.

    Feast 0.67 counts the join keys that a stream view's schema lists among them, once it has
    read the view from its registry; they are left out here, as they are before that.
    """
    keys = {column.name for column in view.entity_columns}
    return [feature for feature in view.features if feature.name not in keys]


def batch_source(view: FeatureView) -> DataSource:
    """Return the source of the view's rows.

    Raises:
        InvalidInput: it has none.
    """
    if view.batch_source is None:
        raise InvalidInput(
            f"feature view {view.name} has no batch source", hint="give it a source of rows"
        )
    return view.batch_source


def alias_of(view: BaseFeatureView) -> str:
    """Return the name that references use: the alias if the projection has one, and a version."""
    return str(view.projection.name_to_use())  # type: ignore[no-untyped-call]


def projections_of(views: Sequence[FeatureView]) -> tuple[ProjectionSpec, ...]:
    """Return how ``views`` are asked for, of those that go by other names or other join keys."""
    asked = (
        ProjectionSpec(
            alias=alias_of(view),
            view=view.projection.name,
            join_keys=tuple(sorted(view.projection.join_key_map.items())),
        )
        for view in views
    )
    return tuple(one for one in asked if one.alias != one.view or one.join_keys)


def key_columns(view: FeatureView) -> list[Field]:
    """Return the view's join keys, by name; a view without entities has none.

    Raises:
        InvalidInput: their types are not known yet; a join would leave those keys out.
    """
    keys = [column for column in view.entity_columns if column.name != DUMMY_ENTITY_ID]
    entities = [name for name in view.entities if name != DUMMY_ENTITY_NAME]
    if len(keys) < len(entities):
        raise InvalidInput(
            f"feature view {view.name} is of {', '.join(entities)}, "
            f"but its join keys are {', '.join(key.name for key in keys) or 'not known'}",
            hint="apply it first, or list its join keys in its schema",
        )
    return sorted(keys, key=lambda key: key.name)
