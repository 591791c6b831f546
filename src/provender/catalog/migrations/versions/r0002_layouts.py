"""The same content may be several versions of a dataset, which differ in their layout."""

from alembic import op

revision = "0002"
down_revision = "0001"

NAME = "uq_versions_dataset_content"
COLUMNS = ["dataset", "content"]


def upgrade() -> None:
    with op.batch_alter_table("versions") as table:
        table.drop_constraint(NAME, type_="unique")
    op.create_index("ix_versions_dataset_content", "versions", COLUMNS)


def downgrade() -> None:
    op.drop_index("ix_versions_dataset_content", "versions")
    with op.batch_alter_table("versions") as table:
        table.create_unique_constraint(NAME, COLUMNS)
