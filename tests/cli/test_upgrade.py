"""``provender catalog upgrade``: what it does and says."""

from provender.catalog.db import downgrade, open_database, revision_of
from provender.catalog.rows import SCHEMA


def test_an_older_catalog_is_brought_up_to_date(published, home):
    url = f"sqlite:///{home / '.provender' / 'catalog.db'}"
    engine = open_database(url)
    downgrade(engine, "0002")
    engine.dispose()
    assert revision_of(url) == "0002"
    done = published("catalog", "upgrade", "--json")
    assert (done.code, done.json) == (0, {"from": "0002", "to": SCHEMA})
    assert revision_of(url) == SCHEMA
    assert published("dataset", "show", "shop.orders@1").code == 0
    assert published("catalog", "upgrade").out == f"the catalog is at revision {SCHEMA} already\n"


def test_without_a_catalog_its_tables_are_made(run, home):
    done = run("catalog", "upgrade")
    assert done.out == f"the catalog went from revision none to {SCHEMA}\n"


def test_a_place_that_is_no_database_is_named(run, home):
    done = run("catalog", "upgrade", PROVENDER_CATALOG_URL="postgresql://localhost:1/provender")
    assert done.code == 7
    assert "does not answer" in done.err
