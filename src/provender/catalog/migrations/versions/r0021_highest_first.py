"""An index of the documents of the highest impact, for words that very many hold. PostgreSQL only."""

from alembic import op

from provender.catalog.migrations.tables import is_postgresql

revision = "0021"
down_revision = "0020"

INDEX = "search_documents_vector_first"


def upgrade() -> None:
    if is_postgresql():
        op.execute(
            f"CREATE INDEX {INDEX} ON search_documents USING gin (vector) "
            "WITH (fastupdate = off) WHERE impact + 0 >= 6"
        )


def downgrade() -> None:
    if is_postgresql():
        op.execute(f"DROP INDEX {INDEX}")
