"""Erasures of subjects, and their certificates."""

from alembic import op

from provender.catalog.migrations.tables import number, primary, text, unique, word

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "erasures",
        word("id"),
        number("position"),
        text("value"),
        primary("erasures", "id"),
        unique("erasures", "position"),
    )


def downgrade() -> None:
    op.drop_table("erasures")
