"""What the catalog said when, what catalog/ said last, and which requests were answered.

History begins with this revision: an object that is there has said what it says since the last
audit event that is about it.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from alembic import op

from provender.catalog.migrations.tables import (
    big,
    count_on,
    index,
    insert,
    instant,
    is_postgresql,
    name,
    number,
    primary,
    rows,
    text,
    unique,
    word,
)
from provender.core.digest import digest_bytes

revision = "0006"
down_revision = "0005"

Event = tuple[int, Any, str]
"""An audit event: its sequence number, instant and actor."""
GOVERNED = {
    "person": ("people", "id"),
    "domain": ("domains", "name"),
    "tag": ("tags", "name"),
    "rule": ("rules", "id"),
}


def upgrade() -> None:
    op.add_column("audit_events", word("request", default=""))
    _create()
    known = Trail()
    declared = list(_declared())
    insert(
        "governed",
        ("kind", "name", "digest", "value", "applied_at", "applied_by"),
        (
            (kind, key, digest_bytes(value.encode()), value, *known.of(kind, key)[1:])
            for kind, key, _, value in declared
        ),
    )
    said = [(*known.of(kind, key), kind, stable, value) for kind, key, stable, value in declared]
    said += [*_versions(known), *_of_datasets(known), *_terms(known)]
    said += [*_grants(known), *_definitions(known)]
    insert(
        "history",
        ("id", "from_sequence", "from_at", "by", "kind", "key", "value", "reason"),
        ((id_, *row, "") for id_, row in enumerate(sorted(said, key=_order), 1)),
    )
    count_on("history", "history")


def downgrade() -> None:
    op.execute("DELETE FROM counters WHERE name = 'history'")
    for table in ("history", "governed", "idempotency"):
        op.drop_table(table)
    op.drop_column("audit_events", "request")


def _order(row: tuple[Any, ...]) -> tuple[Any, ...]:
    sequence, _, _, kind, key, _ = row
    return sequence, kind, key


def _create() -> None:
    op.create_table(
        "history",
        big("id"),
        word("kind"),
        name("key"),
        big("from_sequence"),
        instant("from_at"),
        big("to_sequence", null=True),
        instant("to_at", null=True),
        text("value", null=True),
        word("by"),
        text("reason"),
        primary("history", "id"),
        unique("history", "kind", "key", "from_sequence"),
    )
    index("history", "kind", "from_at", "to_at")
    op.create_table(
        "governed",
        word("kind"),
        name("name"),
        word("digest"),
        text("value"),
        instant("applied_at"),
        word("applied_by"),
        primary("governed", "kind", "name"),
    )
    op.create_table(
        "idempotency",
        word("actor"),
        word("key"),
        word("operation"),
        word("request_digest"),
        number("status"),
        text("answer"),
        word("etag"),
        instant("at"),
        instant("until_at"),
        primary("idempotency", "actor", "key"),
    )
    index("idempotency", "until_at")


class Trail:
    """The last audit event about each object."""

    def __init__(self) -> None:
        last = rows("SELECT sequence, at, actor FROM audit_events ORDER BY sequence DESC LIMIT 1")
        self._else: Event = tuple(last[0]) if last else (0, _now(), "")
        self._events: dict[tuple[str, str], Event] = {}
        for sequence, at, actor, kind, subject, detail in rows(
            "SELECT sequence, at, actor, kind, subject, detail FROM audit_events WHERE kind IN "
            "('governance:apply', 'dataset:declare', 'dataset:publish', 'access:grant', "
            "'access:revoke', 'features:apply', 'retention:set', 'contract:attach', "
            "'version:publish', 'version:deprecate', 'version:restore', 'version:recall', "
            "'version:release') ORDER BY sequence"
        ):
            for about in _about(kind, subject, json.loads(detail)):
                self._events[about] = (sequence, at, actor)

    def of(self, kind: str, key: str) -> Event:
        """Return the event that an object is as it is since; without any, the last there is."""
        return self._events.get((kind, key), self._else)


def _about(kind: str, subject: str, detail: dict[str, Any]) -> list[tuple[str, str]]:
    match kind:
        case "governance:apply":
            return [(step["kind"], step["name"]) for step in detail.get("steps", ())]
        case "dataset:declare":
            return [("dataset", subject)]
        case "retention:set" | "contract:attach":
            return [(kind.partition(":")[0], subject)]
        case "dataset:publish":
            return [("version", subject)]
        case "features:apply":
            return [("definitions", subject)] if "definitions" in detail else []
    if kind.startswith("version:"):
        return [("version", subject)]
    return [("grant", str(detail.get("grant", "")))]


def _declared() -> Iterator[tuple[str, str, str, str]]:
    """Kind, name, the key in history, and value of everything that catalog/ declares."""
    for (team,) in rows("SELECT id FROM teams"):
        yield "team", team, team, _json({"id": team})
    for called, description in rows("SELECT name, description FROM purposes"):
        yield "purpose", called, called, _json({"name": called, "description": description})
    for kind, (table, column) in GOVERNED.items():
        for key, value in rows(f"SELECT {column}, value FROM {table}"):  # noqa: S608 - our own names
            yield kind, key, key, value
    for called, urn, value in rows(
        "SELECT name, urn, value FROM datasets WHERE withdrawn_at IS NULL"
    ):
        yield "dataset", called, urn, value


def _versions(known: Trail) -> Iterator[tuple[Any, ...]]:
    for called, urn, version, state, severity, reason, replacement, at, by in rows(
        "SELECT d.name, d.urn, v.number, v.state, v.severity, v.state_reason, v.replacement, "
        "v.state_at, v.state_by FROM versions v JOIN datasets d ON d.id = v.dataset"
    ):
        sequence, _, _ = known.of("version", f"{called}@{version}")
        standing = {
            "state": state,
            "severity": severity,
            "reason": reason,
            "by": by,
            "at": at.astimezone(UTC).isoformat() if isinstance(at, datetime) else at,
            "replacement": replacement,
        }
        yield sequence, at, by, "version", f"{urn}@{version}", _json(standing)


def _of_datasets(known: Trail) -> Iterator[tuple[Any, ...]]:
    """There are some only where this revision was gone back on: they are younger than it is."""
    for called, urn, value in rows(
        "SELECT d.name, d.urn, r.value FROM retentions r JOIN datasets d ON d.id = r.dataset"
    ):
        yield *known.of("retention", called), "retention", urn, value
    for called, urn, sha256, id_, version, status in rows(
        "SELECT d.name, d.urn, c.sha256, c.contract_id, c.contract_version, c.status "
        "FROM contracts c JOIN datasets d ON d.id = c.dataset WHERE c.until_at IS NULL"
    ):
        said = {"sha256": sha256, "contract": f"{id_} {version}", "status": status}
        yield *known.of("contract", called), "contract", urn, _json(said)


def _terms(known: Trail) -> Iterator[tuple[Any, ...]]:
    for called, value in rows("SELECT name, value FROM terms"):
        yield *known.of("term", called), "term", called, value


def _grants(known: Trail) -> Iterator[tuple[Any, ...]]:
    for (value,) in rows("SELECT value FROM grants"):
        key = json.loads(value)["id"]
        yield *known.of("grant", key), "grant", key, value


def _definitions(known: Trail) -> Iterator[tuple[Any, ...]]:
    for project, value in rows(
        "SELECT r.project, r.value FROM repos r JOIN (SELECT project, MAX(number) AS number "
        "FROM repos GROUP BY project) l ON l.project = r.project AND l.number = r.number"
    ):
        yield *known.of("definitions", project), "definitions", project, value


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _now() -> Any:
    now = datetime.now(UTC)  # noqa: TID251 - a revision has no caller to take it from
    return now if is_postgresql() else now.isoformat(timespec="microseconds")
