"""The first tables, and the full-text index."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

Instant = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
TABLES = (
    "search_words",
    "search_documents",
    "audit_events",
    "rests_on",
    "lineage_edges",
    "training_sets",
    "serving_manifests",
    "repos",
    "grants",
    "versions",
    "dataset_tags",
    "dataset_stewards",
    "datasets",
    "rules",
    "purposes",
    "tags",
    "domains",
    "people",
    "teams",
)


def upgrade() -> None:
    _governance()
    _datasets()
    _facts()
    _lineage_and_audit()
    _search()


def downgrade() -> None:
    op.drop_table("search_index")
    for table in TABLES:
        op.drop_table(table)


def _governance() -> None:
    op.create_table("teams", _key("id"), _primary("teams", "id"))
    op.create_table("people", _key("id"), _value(), _primary("people", "id"))
    op.create_table("domains", _key("name"), _value(), _primary("domains", "name"))
    op.create_table(
        "tags",
        _key("name"),
        sa.Column("protected", sa.Boolean(), nullable=False),
        _value(),
        _primary("tags", "name"),
    )
    op.create_table(
        "purposes",
        _key("name"),
        sa.Column("description", sa.Text(), nullable=False),
        _primary("purposes", "name"),
    )
    op.create_table("rules", _key("id"), _value(), _primary("rules", "id"))


def _datasets() -> None:
    op.create_table(
        "datasets",
        _key("name"),
        _key("domain"),
        _key("owner"),
        _value(),
        _primary("datasets", "name"),
    )
    _index("datasets", "domain")
    _index("datasets", "owner")
    op.create_table(
        "dataset_stewards",
        _key("dataset"),
        _key("steward"),
        _of_dataset("dataset_stewards"),
        _primary("dataset_stewards", "dataset", "steward"),
    )
    _index("dataset_stewards", "steward")
    op.create_table(
        "dataset_tags",
        _key("dataset"),
        _key("tag"),
        _of_dataset("dataset_tags"),
        _primary("dataset_tags", "dataset", "tag"),
    )
    op.create_table(
        "versions",
        _key("dataset"),
        sa.Column("number", sa.Integer(), nullable=False),
        _key("content"),
        sa.Column("published_at", Instant, nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("earliest", Instant),
        sa.Column("latest", Instant),
        _value(),
        _of_dataset("versions"),
        _primary("versions", "dataset", "number"),
        sa.UniqueConstraint("dataset", "content", name="uq_versions_dataset_content"),
    )
    op.create_table(
        "grants",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        _key("dataset"),
        _key("grantee"),
        _key("action"),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("any_purpose", sa.Boolean(), nullable=False),
        sa.Column("until", Instant),
        sa.Column("revoked_at", Instant),
        _value(),
        _of_dataset("grants"),
        _primary("grants", "number"),
    )
    _index("grants", "dataset")
    _index("grants", "grantee")


def _facts() -> None:
    for table in ("repos", "serving_manifests"):
        op.create_table(
            table,
            _key("project"),
            sa.Column("number", sa.Integer(), nullable=False),
            _key("digest"),
            sa.Column("recorded_at", Instant, nullable=False),
            _key("recorded_by"),
            _value(),
            _primary(table, "project", "number"),
        )
    op.create_table(
        "training_sets",
        _key("id"),
        _key("project"),
        sa.Column("created_at", Instant, nullable=False),
        _value(),
        _primary("training_sets", "id"),
    )
    _index("training_sets", "project")
    _index("training_sets", "created_at")


def _lineage_and_audit() -> None:
    op.create_table(
        "lineage_edges",
        _key("upstream"),
        _key("downstream"),
        _key("source"),
        _primary("lineage_edges", "upstream", "downstream", "source"),
    )
    _index("lineage_edges", "downstream")
    _index("lineage_edges", "source")
    op.create_table(
        "rests_on", _key("node"), _key("dataset"), _primary("rests_on", "node", "dataset")
    )
    op.create_table(
        "audit_events",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", Instant, nullable=False),
        _key("actor"),
        _key("kind"),
        _key("subject"),
        sa.Column("detail", sa.Text(), nullable=False),
        _key("previous"),
        _key("digest"),
        _primary("audit_events", "sequence"),
        sa.UniqueConstraint("previous", name="uq_audit_events_previous"),
    )
    for column in ("actor", "kind", "subject"):
        _index("audit_events", column)


def _search() -> None:
    op.create_table(
        "search_documents",
        sa.Column("id", sa.Integer(), nullable=False),
        _key("kind"),
        _key("name"),
        _key("project"),
        _key("node"),
        _key("owner"),
        sa.Column("description", sa.Text(), nullable=False),
        _primary("search_documents", "id"),
    )
    _index("search_documents", "name")
    _index("search_documents", "node")
    op.create_table(
        "search_words",
        _key("trigram"),
        _key("word"),
        _primary("search_words", "trigram", "word"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE TABLE search_index (id INTEGER PRIMARY KEY, vector TSVECTOR NOT NULL)")
        op.execute("CREATE INDEX search_index_vector ON search_index USING gin (vector)")
    else:
        op.execute(
            "CREATE VIRTUAL TABLE search_index USING fts5"
            "(title, body, context, tokenize = 'porter unicode61')"
        )


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False)


def _value() -> sa.Column[str]:
    return sa.Column("value", sa.Text(), nullable=False)


def _primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def _of_dataset(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=f"fk_{table}_dataset")


def _index(table: str, column: str) -> None:
    op.create_index(f"ix_{table}_{column}", table, [column])
