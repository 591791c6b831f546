from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect

from provender.catalog.db import downgrade, migrations, open_database, upgrade
from provender.catalog.local import LocalCatalog
from provender.catalog.rows import SCHEMA, Row
from tests.catalog.world import FLIGHTS, GOVERNANCE, REPO, Clock, manifest


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_database(url)
    yield engine
    engine.dispose()


def differences(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_name": lambda name, kind, _: (
                    kind != "table" or not name.startswith("search_index")
                ),
            },
        )
        return list(compare_metadata(context, Row.metadata))


def test_the_last_revision_makes_the_tables_that_the_code_knows(engine: Engine):
    assert differences(engine) == []


def test_the_code_expects_the_last_revision(engine: Engine):
    with engine.connect() as connection:
        scripts = ScriptDirectory.from_config(migrations(connection))
    assert scripts.get_heads() == [SCHEMA]


def test_every_revision_goes_down_and_up_again_with_rows_in_the_tables(url: str, engine: Engine):
    with LocalCatalog(url, actor="person:ops", clock=Clock()) as catalog:
        catalog.apply_governance(GOVERNANCE)
        catalog.publish(FLIGHTS, manifest())
    with LocalCatalog(url, actor="person:dev", clock=Clock()) as catalog:
        catalog.record(REPO)
    with engine.connect() as connection:
        scripts = ScriptDirectory.from_config(migrations(connection))
    revisions = [script.revision for script in scripts.walk_revisions()]
    for revision in [*revisions[1:], "base"]:
        downgrade(engine, revision)
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}
    for revision in reversed(revisions):
        upgrade(engine, revision)
    assert differences(engine) == []
    with LocalCatalog(url, actor="person:ops", clock=Clock()) as catalog:
        catalog.apply_governance(GOVERNANCE)
        assert catalog.publish(FLIGHTS, manifest()).number == 1
