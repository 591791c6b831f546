"""A catalog as revision 0002 kept it, with thousands of rows, and the digest of what is in one."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table, inspect, text

from provender.core.digest import canonical, digest

START = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = 2_000


def content(connection: Connection) -> dict[str, str]:
    """Return the digest of the rows of each table, whatever their order and that of the columns."""
    found: dict[str, str] = {}
    for name in sorted(inspect(connection).get_table_names()):
        if name == "alembic_version" or is_inside_an_index(name):
            continue
        rows = connection.execute(text(f"SELECT * FROM {name}")).mappings()
        found[name] = digest(sorted(canonical({k: kept(v) for k, v in r.items()}) for r in rows))
    return found


def counts(connection: Connection) -> dict[str, int]:
    """Return how many rows each table has."""
    names = inspect(connection).get_table_names()
    return {
        name: connection.execute(text(f"SELECT COUNT(*) FROM {name}")).scalar_one()
        for name in names
    }


def is_inside_an_index(name: str) -> bool:
    """Whether a table is one of those that FTS5 keeps its index in."""
    return name.startswith(("search_index_", "search_past_index_", "documents_index_"))


def kept(value: object) -> object:
    """A value as JSON has it, the same from both databases."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return int(value) if isinstance(value, bool) else value


def populate(engine: Engine, *, versions: int) -> None:
    """Fill the tables of revision 0002 with ``versions`` and what belongs to them."""
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
