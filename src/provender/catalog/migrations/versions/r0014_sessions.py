"""Browsers that signed in."""

from alembic import op

from provender.catalog.migrations.tables import index, instant, primary, text, word

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "sessions",
        word("sealed"),
        word("actor"),
        text("identity"),
        instant("began_at"),
        instant("seen_at"),
        instant("until"),
        primary("sessions", "sealed"),
    )
    index("sessions", "actor")
    index("sessions", "until")


def downgrade() -> None:
    op.drop_table("sessions")
