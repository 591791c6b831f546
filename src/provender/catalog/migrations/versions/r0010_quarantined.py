"""An index of what is quarantined: it is looked for among all versions, and there are few of it."""

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


def downgrade() -> None:
    op.drop_index("ix_versions_quarantined", "versions")
