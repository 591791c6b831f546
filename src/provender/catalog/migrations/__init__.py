"""Alembic's revisions of the catalog's tables, applied by `provender.catalog.db.upgrade`."""
