"""API tokens."""

from alembic import op

from provender.catalog.migrations.tables import index, instant, number, primary, text, unique, word

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "tokens",
        number("number"),
        word("sealed"),
        word("actor"),
        text("name"),
        text("limits"),
        instant("created_at"),
        word("created_by"),
        instant("until"),
        instant("revoked_at", null=True),
        instant("used_at", null=True),
        word("replaces"),
        primary("tokens", "number"),
        unique("tokens", "sealed"),
    )
    index("tokens", "actor")


def downgrade() -> None:
    op.drop_table("tokens")
