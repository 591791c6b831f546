"""Every implementation of the Catalog protocol there is."""

from tests.catalog.conftest import (
    clock,
    connect,
    governed_postgresql,
    governed_sqlite,
    governed_url,
    postgres_template,
    sqlite_template,
)
from tests.postgres import postgres, postgres_url

__all__ = [
    "clock",
    "connect",
    "governed_postgresql",
    "governed_sqlite",
    "governed_url",
    "postgres",
    "postgres_template",
    "postgres_url",
    "sqlite_template",
]
