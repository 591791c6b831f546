"""What Alembic runs: the revisions, over the connection and in the transaction of the caller."""

from alembic import context

from provender.catalog.rows import Row

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Row.metadata,
    transactional_ddl=True,
    on_version_apply=context.config.attributes.get("on_version_apply"),
)
context.run_migrations()
