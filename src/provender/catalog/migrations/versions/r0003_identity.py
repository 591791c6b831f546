"""Datasets have a number and a URN of their own, so that their names can change."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from provender.catalog.migrations.tables import (
    big,
    count_on,
    drop_aside,
    flag,
    index,
    insert,
    instant,
    is_postgresql,
    name,
    number,
    of_dataset,
    primary,
    rows,
    set_aside,
    text,
    unique,
    word,
)
from provender.core.digest import digest_bytes

revision = "0003"
down_revision = "0002"

REKEYED = ("dataset_stewards", "dataset_tags", "versions", "grants", "datasets")
LISTED = (
    ("teams", "id"),
    ("people", "id"),
    ("domains", "name"),
    ("tags", "name"),
    ("purposes", "name"),
    ("rules", "id"),
    ("repos", "project"),
    ("serving_manifests", "project"),
    ("training_sets", "id"),
)
"""Columns whose order is that of their letters from now on."""
VERSION = "number, content, published_at, row_count, size_bytes, earliest, latest, value"
GRANT = "number, grantee, action, whole, any_purpose, until, revoked_at, value"
GROUPS = "0123456789abcdefghjkmnpqrstvwxyz"


def upgrade() -> None:
    _collate('"C"')
    op.create_table("counters", word("name"), big("value"), primary("counters", "name"))
    set_aside(*REKEYED)
    _create()
    _fill()
    drop_aside(*REKEYED)
    count_on("dataset", "datasets")


def downgrade() -> None:
    for table in ("dataset_names", "dataset_terms", "terms", "projects", "counters"):
        op.drop_table(table)
    set_aside("owners", "assignments", "versions", "grants", "datasets")
    _create_by_name()
    _fill_by_name()
    drop_aside("owners", "assignments", "versions", "grants", "datasets")
    _collate('"default"')


def _collate(collation: str) -> None:
    for table, column in LISTED if is_postgresql() else ():
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE VARCHAR COLLATE {collation}")


def _create() -> None:
    op.create_table(
        "datasets",
        number("id"),
        word("urn"),
        name("name"),
        word("domain"),
        number("revision"),
        number("latest", null=True),
        number("scope"),
        text("value"),
        instant("created_at"),
        instant("changed_at"),
        instant("withdrawn_at", null=True),
        primary("datasets", "id"),
        unique("datasets", "urn"),
        unique("datasets", "name"),
    )
    index("datasets", "domain")
    index("datasets", "scope")
    op.create_table(
        "dataset_names",
        name("name"),
        number("dataset"),
        instant("since_at"),
        instant("until_at", null=True),
        of_dataset("dataset_names"),
        primary("dataset_names", "name"),
    )
    index("dataset_names", "dataset")
    op.create_table(
        "owners",
        number("dataset"),
        word("actor"),
        word("role"),
        of_dataset("owners"),
        primary("owners", "dataset", "actor", "role"),
    )
    index("owners", "actor")
    op.create_table(
        "assignments",
        number("dataset"),
        word("column_name"),
        word("tag"),
        word("value"),
        word("by"),
        instant("at"),
        of_dataset("assignments"),
        primary("assignments", "dataset", "column_name", "tag", "value"),
    )
    index("assignments", "tag", "dataset")
    op.create_table("terms", name("name"), text("value"), primary("terms", "name"))
    op.create_table(
        "dataset_terms",
        number("dataset"),
        word("column_name"),
        word("term"),
        of_dataset("dataset_terms"),
        primary("dataset_terms", "dataset", "column_name", "term"),
    )
    index("dataset_terms", "term")
    op.create_table(
        "projects", name("name"), number("scope"), text("value"), primary("projects", "name")
    )
    op.create_table(
        "versions",
        number("dataset"),
        *_version_columns(),
        of_dataset("versions"),
        primary("versions", "dataset", "number"),
    )
    index("versions", "dataset", "content")
    op.create_table(
        "grants",
        number("number"),
        word("object_kind", default="dataset"),
        word("object", default=""),
        number("dataset", null=True),
        *_grant_columns(),
        of_dataset("grants"),
        primary("grants", "number"),
    )
    index("grants", "dataset")
    index("grants", "grantee")


def _version_columns() -> tuple[sa.Column[Any], ...]:
    return (
        number("number"),
        word("content"),
        instant("published_at"),
        big("row_count"),
        big("size_bytes"),
        instant("earliest", null=True),
        instant("latest", null=True),
        text("value"),
    )


def _grant_columns() -> tuple[sa.Column[Any], ...]:
    return (
        word("grantee"),
        word("action"),
        flag("whole"),
        flag("any_purpose"),
        instant("until", null=True),
        instant("revoked_at", null=True),
        text("value"),
    )


def _fill() -> None:
    columns = (
        *("id", "urn", "name", "domain", "revision", "scope", "value"),
        *("created_at", "changed_at", "withdrawn_at"),
    )
    insert("datasets", columns, _datasets())
    op.execute(
        "INSERT INTO dataset_names (name, dataset, since_at, until_at) "
        "SELECT name, id, created_at, withdrawn_at FROM datasets"
    )
    op.execute(
        "INSERT INTO owners (dataset, actor, role) "
        "SELECT d.id, o.owner, 'accountable' FROM old_datasets o JOIN datasets d ON d.name = o.name"
    )
    op.execute(
        "INSERT INTO owners (dataset, actor, role) "
        "SELECT d.id, o.steward, 'steward' "
        "FROM old_dataset_stewards o JOIN datasets d ON d.name = o.dataset"
    )
    assignment = ("dataset", "column_name", "tag", "value", "by", "at")
    insert("assignments", assignment, _assignments())
    op.execute(
        f"INSERT INTO versions (dataset, {VERSION}) "  # noqa: S608 - our own names
        f"SELECT d.id, {', '.join(f'o.{column}' for column in VERSION.split(', '))} "
        "FROM old_versions o JOIN datasets d ON d.name = o.dataset"
    )
    op.execute(
        "UPDATE datasets SET latest = "
        "(SELECT MAX(number) FROM versions WHERE versions.dataset = datasets.id)"
    )
    op.execute(
        f"INSERT INTO grants (dataset, {GRANT}) "  # noqa: S608 - our own names
        f"SELECT d.id, {', '.join(f'o.{column}' for column in GRANT.split(', '))} "
        "FROM old_grants o JOIN datasets d ON d.name = o.dataset"
    )
    projects = rows("SELECT DISTINCT project FROM repos")
    insert("projects", ("name", "scope", "value"), ((p, 0, _project(p)) for (p,) in projects))


def _datasets() -> Iterator[tuple[Any, ...]]:
    """Every dataset, in the order of their names; a name that only hides nodes is one withdrawn."""
    declared = _declared()
    last = rows("SELECT MAX(at) FROM audit_events")[0][0] or _now()
    kept = rows(
        "SELECT name, domain, value, 0 FROM old_datasets "
        "UNION ALL "
        "SELECT DISTINCT dataset, '', '', 1 FROM rests_on "
        "WHERE dataset NOT IN (SELECT name FROM old_datasets)"
    )
    for id_, (called, domain, value, gone) in enumerate(sorted(kept), 1):
        first, changed, _ = declared.get(called, (last, last, ""))
        yield (
            *(id_, _urn(called, first), called, domain or called.partition(".")[0], 1, 0),
            *(value or _withdrawn(called), first, changed, changed if gone else None),
        )


def _declared() -> dict[str, tuple[Any, Any, str]]:
    """When each dataset was declared first and last, and by whom last."""
    found = rows(
        "SELECT e.subject, s.first, e.at, e.actor FROM audit_events e JOIN ("
        "SELECT MAX(sequence) AS sequence, MIN(at) AS first FROM audit_events "
        "WHERE kind = 'dataset:declare' GROUP BY subject) s ON s.sequence = e.sequence"
    )
    return {subject: (first, last, actor) for subject, first, last, actor in found}


def _assignments() -> Iterator[tuple[Any, ...]]:
    declared = _declared()
    for id_, called, value, changed in rows(
        "SELECT id, name, value, changed_at FROM datasets WHERE withdrawn_at IS NULL"
    ):
        said = json.loads(value)
        put = {("", tag) for tag in said.get("tags", ())}
        for column, tags in said.get("column_tags", {}).items():
            put |= {("" if column == "*" else column, tag) for tag in tags}
        by = declared[called][2] if called in declared else said["owner"]
        for column, tag in sorted(put):
            yield id_, column, tag, "", by, changed


def _urn(called: str, since: Any) -> str:
    """Return a URN such as new datasets get, but the same whenever this is done again."""
    instant = since if isinstance(since, datetime) else datetime.fromisoformat(since)
    tail = int(digest_bytes(called.encode()).removeprefix("sha256:")[:20], 16)
    bits = (int(instant.timestamp() * 1000) << 80) | tail
    return "urn:provender:dataset:" + "".join(GROUPS[bits >> at & 31] for at in range(125, -1, -5))


def _now() -> Any:
    now = datetime.now(UTC)  # noqa: TID251 - a revision has no caller to take it from
    return now if is_postgresql() else now.isoformat(timespec="microseconds")


def _withdrawn(called: str) -> str:
    domain, _, short = called.partition(".")
    ref = {"domain": domain, "name": short, "version": None}
    return _json({"ref": ref, "description": "", "owner": "", "format": "parquet"})


def _project(called: str) -> str:
    return _json({"name": called, "description": "", "owner": ""})


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _create_by_name() -> None:
    op.create_table(
        "datasets",
        word("name"),
        word("domain"),
        word("owner"),
        text("value"),
        primary("datasets", "name"),
    )
    index("datasets", "domain")
    index("datasets", "owner")
    op.create_table(
        "dataset_stewards",
        word("dataset"),
        word("steward"),
        _of_name("dataset_stewards"),
        primary("dataset_stewards", "dataset", "steward"),
    )
    index("dataset_stewards", "steward")
    op.create_table(
        "dataset_tags",
        word("dataset"),
        word("tag"),
        _of_name("dataset_tags"),
        primary("dataset_tags", "dataset", "tag"),
    )
    op.create_table(
        "versions",
        word("dataset"),
        *_version_columns(),
        _of_name("versions"),
        primary("versions", "dataset", "number"),
    )
    index("versions", "dataset", "content")
    op.create_table(
        "grants",
        number("number"),
        word("dataset"),
        *_grant_columns(),
        _of_name("grants"),
        primary("grants", "number"),
    )
    index("grants", "dataset")
    index("grants", "grantee")


def _of_name(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=f"fk_{table}_dataset")


def _fill_by_name() -> None:
    there = "JOIN old_datasets d ON d.id = o.dataset AND d.withdrawn_at IS NULL"
    op.execute(
        "INSERT INTO datasets (name, domain, owner, value) "  # noqa: S608 - our own names
        "SELECT d.name, d.domain, o.actor, d.value "
        f"FROM old_owners o {there} WHERE o.role = 'accountable'"
    )
    op.execute(
        "INSERT INTO dataset_stewards (dataset, steward) "  # noqa: S608 - our own names
        f"SELECT d.name, o.actor FROM old_owners o {there} WHERE o.role = 'steward'"
    )
    op.execute(
        "INSERT INTO dataset_tags (dataset, tag) "  # noqa: S608 - our own names
        f"SELECT DISTINCT d.name, o.tag FROM old_assignments o {there} WHERE o.column_name = ''"
    )
    op.execute(
        f"INSERT INTO versions (dataset, {VERSION}) "  # noqa: S608 - our own names
        f"SELECT d.name, {', '.join(f'o.{column}' for column in VERSION.split(', '))} "
        f"FROM old_versions o {there}"
    )
    op.execute(
        f"INSERT INTO grants (dataset, {GRANT}) "  # noqa: S608 - our own names
        f"SELECT d.name, {', '.join(f'o.{column}' for column in GRANT.split(', '))} "
        f"FROM old_grants o {there} WHERE o.object_kind = 'dataset'"
    )
