"""An index of documents by their impact.

What half of the catalog has is not looked up and sorted: its first documents are read in order.
"""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_index("ix_search_documents_impact", "search_documents", ["impact", "id"])


def downgrade() -> None:
    op.drop_index("ix_search_documents_impact", "search_documents")
