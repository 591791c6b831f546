"""Requests for access, and the datasets that they ask for."""

import sqlalchemy as sa
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

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "requests",
        number("number"),
        word("requester"),
        word("grantee"),
        word("state"),
        instant("lapses_at"),
        text("value"),
        primary("requests", "number"),
    )
    index("requests", "requester")
    index("requests", "grantee")
    index("requests", "state", "number")
    op.create_table(
        "requested_datasets",
        number("request"),
        number("dataset"),
        sa.ForeignKeyConstraint(
            ["request"], ["requests.number"], name="fk_requested_datasets_request"
        ),
        of_dataset("requested_datasets"),
        primary("requested_datasets", "request", "dataset"),
    )
    index("requested_datasets", "dataset")


def downgrade() -> None:
    op.execute("DELETE FROM history WHERE kind = 'request'")
    op.execute("DELETE FROM counters WHERE name = 'request'")
    op.drop_table("requested_datasets")
    op.drop_table("requests")
