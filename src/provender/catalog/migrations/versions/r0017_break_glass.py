"""Access that was taken by breaking the glass, and its reviews."""

from alembic import op

from provender.catalog.migrations.tables import (
    index,
    instant,
    number,
    of_dataset,
    primary,
    text,
    word,
)

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.create_table(
        "break_glass",
        number("number"),
        word("actor"),
        number("dataset"),
        instant("review_by"),
        instant("reviewed_at", null=True),
        text("value"),
        of_dataset("break_glass"),
        primary("break_glass", "number"),
    )
    index("break_glass", "actor")
    index("break_glass", "dataset")


def downgrade() -> None:
    op.execute("DELETE FROM history WHERE kind = 'break-glass'")
    op.execute("DELETE FROM counters WHERE name = 'break_glass'")
    op.drop_table("break_glass")
