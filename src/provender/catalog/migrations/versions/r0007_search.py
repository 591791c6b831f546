"""The index of codes, beside that of words; it is filled when the code that reads it comes.

What answers today moves out of the way: ``documents``, ``trigrams`` and ``documents_index``.
The counter ``search_stale`` is 1 until the index of codes holds what the catalog holds.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from provender.catalog.migrations.tables import (
    drop_aside,
    flag,
    index,
    instant,
    is_postgresql,
    name,
    number,
    primary,
    set_aside,
    small,
    text,
    unique,
    word,
)

revision = "0007"
down_revision = "0006"

FOUND = "id, kind, name, project, node, owner, description"
TABLES = (
    "search_texts",
    "search_tags",
    "search_documents",
    "search_past",
    "search_stubs",
    "search_words",
    "synonyms",
    "facet_counts",
    "facet_values",
    "scopes",
    "unanswered",
)
FULL_TEXT = "fts5(title, columns, body, tokenize = 'unicode61', detail = column, columnsize = 0)"


def upgrade() -> None:
    _move_words_away()
    _create_documents()
    _create_vocabulary()
    _create_facets()
    _create_full_text()
    op.execute("INSERT INTO counters (name, value) VALUES ('policy_epoch', 1), ('search_stale', 1)")


def downgrade() -> None:
    op.execute("DELETE FROM counters WHERE name IN ('policy_epoch', 'search_stale')")
    if not is_postgresql():
        op.drop_table("search_index")
        op.drop_table("search_past_index")
    for table in TABLES:
        op.drop_table(table)
    _move_words_back()


def _move_words_away() -> None:
    set_aside("search_documents", "search_words")
    op.create_table("documents", *_document("node", sa.Integer()), primary("documents", "id"))
    index("documents", "name")
    index("documents", "node")
    op.create_table(
        "trigrams", word("trigram"), name("word"), primary("trigrams", "trigram", "word")
    )
    op.execute(
        f"INSERT INTO documents ({FOUND}) "  # noqa: S608 - our own names
        "SELECT o.id, o.kind, o.name, o.project, n.id, o.owner, o.description "
        "FROM old_search_documents o JOIN nodes n "
        "ON n.kind || ':' || n.name = o.node AND n.column_name = ''"
    )
    op.execute("INSERT INTO trigrams SELECT trigram, word FROM old_search_words")
    drop_aside("search_documents", "search_words")
    _go_on("documents")
    op.execute("ALTER TABLE search_index RENAME TO documents_index")
    if is_postgresql():
        op.execute("ALTER INDEX search_index_pkey RENAME TO documents_index_pkey")
        op.execute("ALTER INDEX search_index_vector RENAME TO documents_index_vector")


def _move_words_back() -> None:
    set_aside("documents", "trigrams")
    op.create_table(
        "search_documents", *_document("node", sa.String()), primary("search_documents", "id")
    )
    index("search_documents", "name")
    index("search_documents", "node")
    op.create_table(
        "search_words", word("trigram"), word("word"), primary("search_words", "trigram", "word")
    )
    op.execute(
        f"INSERT INTO search_documents ({FOUND}) "  # noqa: S608 - our own names
        "SELECT o.id, o.kind, o.name, o.project, n.kind || ':' || n.name, o.owner, o.description "
        "FROM old_documents o JOIN nodes n ON n.id = o.node"
    )
    op.execute("INSERT INTO search_words SELECT trigram, word FROM old_trigrams")
    drop_aside("documents", "trigrams")
    _go_on("search_documents")
    op.execute("ALTER TABLE documents_index RENAME TO search_index")
    if is_postgresql():
        op.execute("ALTER INDEX documents_index_pkey RENAME TO search_index_pkey")
        op.execute("ALTER INDEX documents_index_vector RENAME TO search_index_vector")


def _document(node: str, kind: Any) -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("id", sa.Integer(), nullable=False),
        word("kind"),
        name("name"),
        word("project"),
        sa.Column(node, kind, nullable=False),
        word("owner"),
        text("description"),
    )


def _go_on(table: str) -> None:
    """Let new ids follow those that are there; SQLite does so by itself."""
    if is_postgresql():
        last = f"(SELECT COALESCE(MAX(id), 0) + 1 FROM {table})"  # noqa: S608 - our own names
        op.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {last}, false)")


def _create_documents() -> None:
    op.create_table("search_documents", number("id"), *_found(), primary("search_documents", "id"))
    op.create_table(
        "search_texts",
        number("document"),
        *_texts(),
        _of_document("search_texts"),
        primary("search_texts", "document"),
    )
    op.create_table(
        "search_tags",
        number("tag"),
        number("document"),
        _of_document("search_tags"),
        primary("search_tags", "tag", "document"),
    )
    index("search_tags", "document")
    op.create_table(
        "search_past",
        number("id"),
        number("document"),
        instant("until_at"),
        *_texts(),
        *_found(),
        primary("search_past", "id"),
    )
    index("search_past", "document")
    index("search_past", "until_at")
    for table in ("search_documents", "search_past"):
        for column in ("node", "name", "short_name"):
            index(table, column)


def _found() -> tuple[sa.Column[Any], ...]:
    return (
        small("kind"),
        number("node"),
        name("name"),
        name("short_name"),
        number("scope"),
        small("impact"),
        number("domain"),
        number("project"),
        number("owner"),
        number("format"),
        small("state"),
        instant("fresh_until", null=True),
        flag("described"),
        small("checked"),
        number("used"),
        instant("from_at"),
    )


def _texts() -> tuple[sa.Column[Any], ...]:
    return text("title"), text("columns"), text("body"), text("description")


def _of_document(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["document"], ["search_documents.id"], name=f"fk_{table}_document"
    )


def _create_vocabulary() -> None:
    op.create_table(
        "search_words",
        number("id"),
        name("word"),
        name("stem"),
        number("documents"),
        primary("search_words", "id"),
        unique("search_words", "word"),
    )
    index("search_words", "stem")
    op.create_table(
        "search_stubs",
        name("stub"),
        number("word"),
        sa.ForeignKeyConstraint(["word"], ["search_words.id"], name="fk_search_stubs_word"),
        primary("search_stubs", "stub", "word"),
    )
    index("search_stubs", "word")
    op.create_table(
        "synonyms",
        name("word"),
        name("means"),
        name("term"),
        primary("synonyms", "word", "means", "term"),
    )
    op.create_table(
        "unanswered",
        name("words"),
        number("times"),
        instant("first_at"),
        instant("last_at"),
        instant("settled_at", null=True),
        word("settled_by"),
        primary("unanswered", "words"),
    )


def _create_facets() -> None:
    op.create_table(
        "scopes", number("id"), text("key"), primary("scopes", "id"), unique("scopes", "key")
    )
    op.create_table(
        "facet_values",
        number("id"),
        small("facet"),
        name("value"),
        primary("facet_values", "id"),
        unique("facet_values", "facet", "value"),
    )
    op.create_table(
        "facet_counts",
        number("scope"),
        small("facet"),
        number("value"),
        number("documents"),
        primary("facet_counts", "scope", "facet", "value"),
    )


def _create_full_text() -> None:
    """FTS5, its rowid being impact and document; or vectors of codes, those often used apart."""
    if not is_postgresql():
        op.execute(f"CREATE VIRTUAL TABLE search_index USING {FULL_TEXT}")
        op.execute(f"CREATE VIRTUAL TABLE search_past_index USING {FULL_TEXT}")
        return
    for table in ("search_documents", "search_past"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN vector TSVECTOR NOT NULL DEFAULT ''")
        op.execute(
            f"CREATE INDEX {table}_vector ON {table} USING gin (vector) WITH (fastupdate = off)"
        )
    op.execute("ALTER TABLE search_documents SET (fillfactor = 85)")
    op.execute(
        "CREATE INDEX search_documents_vector_used ON search_documents USING gin (vector) "
        "WITH (fastupdate = off) WHERE impact >= 4"
    )
