"""The index of codes answers; that of words goes. What a document of the past rested on is kept.

The index is filled when the catalog is opened: the counter ``search_stale`` is 1 until it is.
Going down, the index of words gets names and descriptions, so that the old code finds things.
"""

import sqlalchemy as sa
from alembic import op

from provender.catalog.migrations.tables import (
    index,
    is_postgresql,
    name,
    number,
    primary,
    text,
    word,
)

revision = "0009"
down_revision = "0007"

KINDS = (
    "dataset",
    "feature-view",
    "feature-service",
    "on-demand-view",
    "entity",
    "saved-dataset",
    "training-set",
    "project",
)
"""Kinds by the numbers that documents have of them."""
EMPTIED = (
    "search_texts",
    "search_tags",
    "search_documents",
    "search_past",
    "search_stubs",
    "search_words",
    "synonyms",
    "facet_counts",
    "facet_values",
)
"""What the index is made of, beside the full text of SQLite."""
NAMES = "replace(replace(replace(name, '_', ' '), '.', ' '), '/', ' ')"


def upgrade() -> None:
    op.drop_table("documents_index")
    op.drop_table("documents")
    op.drop_table("trigrams")
    op.create_table(
        "past_rests_on",
        number("past"),
        number("dataset"),
        sa.ForeignKeyConstraint(["past"], ["search_past.id"], name="fk_past_rests_on_past"),
        primary("past_rests_on", "past", "dataset"),
    )
    op.execute("UPDATE counters SET value = 1 WHERE name = 'search_stale'")


def downgrade() -> None:
    _create_words()
    _fill_words()
    op.drop_table("past_rests_on")
    full_text = () if is_postgresql() else ("search_index", "search_past_index")
    for table in (*EMPTIED, *full_text):
        op.execute(f"DELETE FROM {table}")
    op.execute("UPDATE counters SET value = 1 WHERE name = 'search_stale'")


def _create_words() -> None:
    op.create_table(
        "documents",
        sa.Column("id", sa.Integer(), nullable=False),
        word("kind"),
        name("name"),
        word("project"),
        sa.Column("node", sa.Integer(), nullable=False),
        word("owner"),
        text("description"),
        primary("documents", "id"),
    )
    index("documents", "name")
    index("documents", "node")
    op.create_table(
        "trigrams", word("trigram"), name("word"), primary("trigrams", "trigram", "word")
    )
    if is_postgresql():
        op.execute(
            "CREATE TABLE documents_index (id INTEGER CONSTRAINT documents_index_pkey PRIMARY KEY, "
            "vector TSVECTOR NOT NULL)"
        )
        op.execute("CREATE INDEX documents_index_vector ON documents_index USING gin (vector)")
    else:
        op.execute(
            "CREATE VIRTUAL TABLE documents_index USING fts5"
            "(title, body, context, tokenize = 'porter unicode61')"
        )


def _fill_words() -> None:
    kind = " ".join(f"WHEN {at} THEN '{kind}'" for at, kind in enumerate(KINDS))
    op.execute(
        "INSERT INTO documents (id, kind, name, project, node, owner, description) "
        f"SELECT d.id, CASE d.kind {kind} ELSE 'dataset' END, d.name, COALESCE(p.value, ''), d.node, "
        "COALESCE(o.value, ''), t.description FROM search_documents d "
        "JOIN search_texts t ON t.document = d.id "
        "LEFT JOIN facet_values p ON p.id = d.project LEFT JOIN facet_values o ON o.id = d.owner"
    )
    if not is_postgresql():
        op.execute(
            "INSERT INTO documents_index (rowid, title, body, context) "
            f"SELECT id, {NAMES}, description, '' FROM documents"
        )
        return
    title, body = f"to_tsvector('english', {NAMES})", "to_tsvector('english', description)"
    op.execute(
        "INSERT INTO documents_index (id, vector) "
        f"SELECT id, setweight({title}, 'A') || setweight({body}, 'B') FROM documents"
    )
    last = "(SELECT COALESCE(MAX(id), 0) + 1 FROM documents)"
    op.execute(f"SELECT setval(pg_get_serial_sequence('documents', 'id'), {last}, false)")
