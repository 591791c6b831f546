"""An index of what is quarantined, and the counts of all scopes together: scope -1.

What is quarantined is looked for among all versions, and there is little of it. The index is
made anew when the catalog is opened: an entity is found since by who may see one of its views.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

QUARANTINED = sa.text("state = 'quarantined'")


def upgrade() -> None:
    op.create_index(
        "ix_versions_quarantined",
        "versions",
        ["dataset", "number"],
        sqlite_where=QUARANTINED,
        postgresql_where=QUARANTINED,
    )
    op.execute(
        "INSERT INTO facet_counts (scope, facet, value, documents) "
        "SELECT -1, facet, value, sum(documents) FROM facet_counts GROUP BY facet, value"
    )
    op.execute("UPDATE counters SET value = 1 WHERE name = 'search_stale'")


def downgrade() -> None:
    op.execute("DELETE FROM facet_counts WHERE scope = -1")
    op.drop_index("ix_versions_quarantined", "versions")
