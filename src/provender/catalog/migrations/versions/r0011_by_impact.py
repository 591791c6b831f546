"""An index of documents by their impact, and of their tags whole.

What half of the catalog has is not looked up and sorted: its first documents are read in order.
Their tags are read from the index alone.
"""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_index("ix_search_documents_impact", "search_documents", ["impact", "id"])
    op.create_index("ix_search_tags_document_tag", "search_tags", ["document", "tag"])
    op.drop_index("ix_search_tags_document", "search_tags")


def downgrade() -> None:
    op.create_index("ix_search_tags_document", "search_tags", ["document"])
    op.drop_index("ix_search_tags_document_tag", "search_tags")
    op.drop_index("ix_search_documents_impact", "search_documents")
