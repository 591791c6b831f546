"""Whether definitions are sound: every problem of them at once, in words. Pure."""

from collections.abc import Mapping
from datetime import timedelta

from provender.core.features import OBJECTS, FieldSpec, RepoSpec, ViewSpec, view_names
from provender.core.names import FeatureRef, suggest
from provender.core.projections import check_projections
from provender.core.schema import WIDENS, Schema
from provender.core.tags import Taxonomy

INTEGERS = frozenset({"int8", "int16", "int32", "int64"})


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
