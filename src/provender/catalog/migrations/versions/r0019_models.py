"""Models: which training set each version was made of."""

from alembic import op

from provender.catalog.migrations.tables import index, name, number, primary, text, unique, word

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "models",
        name("name"),
        number("number"),
        name("training_set"),
        word("artifact"),
        text("value"),
        primary("models", "name", "number"),
        unique("models", "name", "training_set", "artifact"),
    )
    index("models", "training_set")


def downgrade() -> None:
    """Take the models away, with what only they say: their edges, and who reads what for them."""
    of_models = "SELECT id FROM nodes WHERE kind = 'model'"
    op.execute(f"DELETE FROM carried WHERE node IN ({of_models})")  # noqa: S608 - our own names
    op.execute(f"DELETE FROM edges WHERE downstream IN ({of_models})")  # noqa: S608 - our own names
    op.execute(f"DELETE FROM rests_on WHERE node IN ({of_models})")  # noqa: S608 - our own names
    op.execute("DELETE FROM facts WHERE name LIKE 'model:%'")
    op.execute("DELETE FROM nodes WHERE kind = 'model'")
    op.execute("DELETE FROM consumption WHERE consumer_kind = 'model'")
    op.drop_table("models")
