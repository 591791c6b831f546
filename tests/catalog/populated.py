"""A catalog as revision 0002 kept it, with thousands of rows, and the digest of what is in one."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    inspect,
    select,
    text,
)

from provender.core.digest import canonical, digest

START = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = 2_000


def content(connection: Connection) -> dict[str, str]:
    """Return the digest of the rows of each table, whatever their order and that of the columns.

    Vectors, by which PostgreSQL finds documents, are left out: SQLite has a table for them.
    """
    found: dict[str, str] = {}
    for name in sorted(inspect(connection).get_table_names()):
        if name == "alembic_version" or is_inside_an_index(name):
            continue
        rows = connection.execute(text(f"SELECT * FROM {name}")).mappings()
        said = ({k: kept(v) for k, v in row.items() if k != "vector"} for row in rows)
        found[name] = digest(sorted(map(canonical, said)))
    return found


def counts(connection: Connection) -> dict[str, int]:
    """Return how many rows each table has."""
    names = inspect(connection).get_table_names()
    return {
        name: connection.execute(text(f"SELECT COUNT(*) FROM {name}")).scalar_one()
        for name in names
    }


def is_an_index(name: str) -> bool:
    """Whether a table is a full-text index, or belongs to one."""
    return name.endswith("_index") or is_inside_an_index(name)


def is_inside_an_index(name: str) -> bool:
    """Whether a table is one of those that FTS5 keeps its index in."""
    return name.startswith(("search_index_", "search_past_index_", "documents_index_"))


def kept(value: object) -> object:
    """A value as JSON has it, the same from both databases."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return int(value) if isinstance(value, bool) else value


def fill(engine: Engine, *, rows: int) -> None:
    """Put rows into every table of the last revision that has none, as keys and types allow."""
    known = MetaData()
    with engine.begin() as connection:
        known.reflect(connection)
        for table in known.sorted_tables:
            if table.name == "alembic_version" or is_an_index(table.name):
                continue
            if connection.execute(select(table).limit(1)).first() is None:
                made = [_invented(connection, table, n) for n in range(rows)]
                connection.execute(table.insert(), list({_key(table, r): r for r in made}.values()))


def _invented(connection: Connection, table: Table, number: int) -> dict[str, Any]:
    row = {c.name: _value(c, number) for c in table.columns if c.name != "vector"}
    for constraint in table.foreign_key_constraints:
        there = connection.execute(
            select(*(part.column for part in constraint.elements)).limit(1).offset(number % 40)
        ).first()
        assert there is not None, constraint.referred_table.name
        row |= dict(zip(constraint.column_keys, there, strict=True))
    return row


def _value(column: Column[Any], number: int) -> object:
    at = START + timedelta(seconds=number)
    match column.type:
        case Boolean():
            return number % 2 == 0
        case LargeBinary():
            return f"raw {number} é".encode()
        case Integer():
            return number % 30_000
        case DateTime():
            return at
    if column.name == "at" or column.name.endswith("_at") or column.name == "fresh_until":
        return at.isoformat(timespec="microseconds")
    return canonical({"n": number}) if column.name == "value" else f"{column.name} {number} é"


def _key(table: Table, row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in table.primary_key)


def populate(engine: Engine, *, versions: int, at_least: int = 0) -> None:
    """Fill the tables of revision 0002 with ``versions`` and what belongs to them.

    Every table gets ``at_least`` so many rows.
    """
    datasets = versions // 10
    trail = Trail()
    with engine.begin() as connection:
        kept = Tables(connection)
        kept.add("teams", [{"id": f"team:t{n}"} for n in range(20)])
        kept.add("people", [named("id", f"person:p{n}", teams=[]) for n in range(50)])
        kept.add("domains", [named("name", f"d{n}") for n in range(7)])
        tags = [("personal", True), ("source.a", False), ("source.b", False)]
        kept.add("tags", [named("name", t, protected=p) | {"protected": p} for t, p in tags])
        kept.add("purposes", [{"name": "report", "description": "Count."}])
        kept.add("rules", [named("id", "govern", actors=["person:p1"], actions=["govern"])])
        for table in ("people", "domains", "tags", "rules"):
            key = "id" if table in ("people", "rules") else "name"
            kind = {"people": "person"}.get(table, table.removesuffix("s"))
            trail.apply(kind, [row[key] for row in kept.rows(table)])
        for number in range(datasets):
            declare(kept, trail, number)
        for number in range(datasets):
            publish(kept, trail, number, versions=10)
        define(kept, trail, datasets)
        pad(kept, trail, range(datasets, 2 * at_least))
        kept.add("audit_events", trail.events)
        kept.write()


def declare(kept: "Tables", trail: "Trail", number: int) -> None:
    called = name_of(number)
    domain, _, short = called.partition(".")
    tags = {"tags": ["source.a"], "column_tags": {"tail": ["personal"], "*": ["source.b"]}}
    said: dict[str, Any] = {
        "ref": {"domain": domain, "name": short, "version": None},
        "description": f"Dataset {number}, with an é and a ' in it.",
        "owner": f"team:t{number % 20}",
        "stewards": [f"person:p{number % 50}", f"team:t{number % 20}"],
        "format": "parquet",
        **(tags if number % 3 == 0 else {"tags": [], "column_tags": {}}),
    }
    kept.add(
        "datasets",
        [{"name": called, "domain": domain, "owner": said["owner"], "value": canonical(said)}],
    )
    kept.add("dataset_stewards", [{"dataset": called, "steward": s} for s in said["stewards"]])
    whole = {*said["tags"], *said["column_tags"].get("*", ())}
    kept.add("dataset_tags", [{"dataset": called, "tag": tag} for tag in sorted(whole)])
    trail.add("dataset:declare", called, {"change": "add"}, by="person:p1")
    trail.apply("dataset", [called])
    kept.document("dataset", called, f"dataset:{called}")
    kept.rest(f"dataset:{called}", called)
    if number % 2:
        given = {"id": f"g{number}", "dataset": called, "grantee": "person:p2", "action": "read"}
        said_of_grant = given | {"granted_by": said["owner"], "granted_at": START.isoformat()}
        kept.add(
            "grants",
            [
                {
                    "number": number,
                    "dataset": called,
                    "grantee": "person:p2",
                    "action": "read",
                    "whole": number % 4 == 1,
                    "any_purpose": True,
                    "until": trail.at() if number % 5 == 0 else None,
                    "revoked_at": trail.at() if number % 7 == 0 else None,
                    "value": canonical(said_of_grant),
                }
            ],
        )
        trail.add("access:grant", called, {"grant": f"g{number}"}, by=said["owner"])


def publish(kept: "Tables", trail: "Trail", number: int, *, versions: int) -> None:
    called = name_of(number)
    for version in range(1, versions + 1):
        at = trail.at()
        value = {"published_by": "person:p3", "published_at": at.isoformat(), "note": "é"}
        kept.add(
            "versions",
            [
                {
                    "dataset": called,
                    "number": version,
                    "content": f"sha256:{number}-{version}",
                    "published_at": at,
                    "row_count": version * 5_000_000_000,
                    "size_bytes": version * 7,
                    "earliest": at if version % 2 else None,
                    "latest": at if version % 2 else None,
                    "value": canonical(value),
                }
            ],
        )
        made = f"dataset:{called}@{version}"
        kept.rest(made, called)
        trail.add("dataset:publish", f"{called}@{version}", {"rows": version}, by="person:p3")
        if number:
            before = f"dataset:{name_of(number - 1)}@{version}"
            kept.edge(before, made, f"version:{called}@{version}")
    kept.edge(f"dataset:{called}@{versions}", f"dataset:{called}", f"latest:{called}")


def define(kept: "Tables", trail: "Trail", datasets: int) -> None:
    """Views over datasets, of which one was withdrawn after: its view must stay hidden."""
    for number in range(datasets):
        view = f"feature-view:flights/v{number}"
        kept.edge(f"dataset:{name_of(number)}", view, "repo:flights")
        kept.rest(view, name_of(number))
        kept.document("feature-view", f"v{number}", view, project="flights")
    kept.edge("dataset:d1.gone", "feature-view:flights/hidden", "repo:flights")
    kept.rest("feature-view:flights/hidden", "d1.gone")
    recorded = {"digest": "sha256:r", "recorded_at": trail.at(), "recorded_by": "person:p1"}
    for table in ("repos", "serving_manifests"):
        rows = [{"project": "flights", "number": n, "value": "{}", **recorded} for n in (1, 2)]
        kept.add(table, rows)
    made = {"project": "flights", "created_at": trail.at(), "value": "{}"}
    kept.add("training_sets", [{"id": f"ts_{n}", **made} for n in range(50)])
    for number in range(50):
        node = f"training-set:ts_{number}"
        kept.edge(f"dataset:{name_of(number)}@1", node, f"training-set:ts_{number}")
        kept.rest(node, name_of(number))
    kept.add("search_words", [{"trigram": t, "word": "wörd"} for t in ("  w", " wö", "wör")])
    trail.add("features:apply", "flights", {"definitions": "sha256:r"}, by="person:p1")


def pad(kept: "Tables", trail: "Trail", numbers: range) -> None:
    """More of everything, by numbers that are free; a grant comes with every second of them."""
    recorded = {"digest": "sha256:p", "recorded_at": trail.at(), "recorded_by": "person:p1"}
    made = {"project": "flights", "created_at": trail.at(), "value": "{}"}
    for n in numbers:
        declare(kept, trail, n)
        kept.edge(f"dataset:{name_of(n)}", f"feature-view:more/v{n}", "repo:more")
        kept.rest(f"feature-view:more/v{n}", name_of(n))
        kept.add("teams", [{"id": f"team:more{n}"}])
        kept.add("people", [named("id", f"person:more{n}", teams=[f"team:more{n}"])])
        kept.add("domains", [named("name", f"more{n}")])
        kept.add("tags", [named("name", f"more.tag{n}") | {"protected": n % 2 == 0}])
        kept.add("purposes", [{"name": f"more{n}", "description": "More."}])
        kept.add("rules", [named("id", f"more{n}", actors=["anyone"], actions=["discover"])])
        for table in ("repos", "serving_manifests"):
            kept.add(table, [{"project": f"more{n}", "number": 1, "value": "{}", **recorded}])
        kept.add("training_sets", [{"id": f"ts_more{n}", **made}])
        kept.add("search_words", [{"trigram": "mor", "word": f"more{n}"}])


def name_of(number: int) -> str:
    return f"d{number % 7}.dataset_{number}"


def named(key: str, name: str, **said: object) -> dict[str, Any]:
    return {key: name, "value": canonical({key: name, **said})}


class Trail:
    """Audit events, a second apart."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def at(self) -> datetime:
        return START + timedelta(seconds=len(self.events))

    def apply(self, kind: str, names: list[str]) -> None:
        steps = [{"change": "add", "kind": kind, "name": name} for name in names]
        self.add("governance:apply", "governance", {"steps": steps}, by="person:p1")

    def add(self, kind: str, subject: str, detail: dict[str, Any], *, by: str) -> None:
        sequence = len(self.events) + 1
        self.events.append(
            {
                "sequence": sequence,
                "at": self.at(),
                "actor": by,
                "kind": kind,
                "subject": subject,
                "detail": json.dumps(detail),
                "previous": f"sha256:{sequence - 1}",
                "digest": f"sha256:{sequence}",
            }
        )


class Tables:
    """Rows to write, by table; instants as the database keeps them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._kept: dict[str, list[dict[str, Any]]] = {}
        self._documents = 0

    def add(self, table: str, rows: list[dict[str, Any]]) -> None:
        self._kept.setdefault(table, []).extend(rows)

    def rows(self, table: str) -> list[dict[str, Any]]:
        return self._kept[table]

    def edge(self, upstream: str, downstream: str, source: str) -> None:
        row = {"upstream": upstream, "downstream": downstream, "source": source}
        self.add("lineage_edges", [row])

    def rest(self, node: str, dataset: str) -> None:
        self.add("rests_on", [{"node": node, "dataset": dataset}])

    def document(self, kind: str, name: str, node: str, *, project: str = "") -> None:
        self._documents += 1
        found = {"kind": kind, "name": name, "project": project, "node": node}
        self.add(
            "search_documents", [{"id": self._documents, "owner": "", "description": "", **found}]
        )

    def write(self) -> None:
        known = MetaData()
        known.reflect(self._connection)
        for table in known.sorted_tables:
            rows = self._kept.get(table.name, [])
            for portion in batches([self._as_kept(row) for row in rows]):
                self._connection.execute(Table(table.name, known).insert(), portion)

    def _as_kept(self, row: dict[str, Any]) -> dict[str, Any]:
        if self._connection.dialect.name == "postgresql":
            return row
        return {
            name: value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value
            for name, value in row.items()
        }


def batches(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]
