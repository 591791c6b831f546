"""Signed checkpoints of the audit trail. The first one is made with the next event."""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "audit_checkpoints",
        sa.Column("size", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("root", sa.String, nullable=False),
        sa.Column("head", sa.String, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("signature", sa.String, nullable=False),
        sa.Column("peaks", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_audit_checkpoints"),
    )


def downgrade() -> None:
    op.drop_table("audit_checkpoints")
