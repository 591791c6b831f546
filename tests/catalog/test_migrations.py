from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text

from provender.catalog import fsck
from provender.catalog.db import downgrade, migrations, open_database, upgrade
from provender.catalog.local import LocalCatalog
from provender.catalog.rows import SCHEMA, Row
from provender.core.errors import Conflict, NotFound
from provender.core.glossary import Term
from provender.core.lifecycle import Severity, Step
from provender.core.lineage import Node
from provender.core.retention import Retention
from tests.catalog.blank import BETWEEN, WRITTEN, made_by_revisions
from tests.catalog.ddl import ddl
from tests.catalog.populated import content, counts, fill, is_inside_an_index, populate
from tests.catalog.test_contracts import CONTRACT
from tests.catalog.world import FLIGHTS, GOVERNANCE, REPO, Clock, listed, manifest, searched
from tests.stress import times

ROWS = times(1_000, calm=60)
SOME = 100
INDICES = ("search_index", "search_past_index")
"""Full-text indices, which differ by database."""


@pytest.fixture
def engine(blank_url: str) -> Iterator[Engine]:
    engine = open_database(blank_url)
    yield engine
    engine.dispose()


def is_of_both_databases(name: str | None, kind: str, _: object) -> bool:
    """Whether a thing is not of a full-text index, which only its own database knows."""
    if kind == "table":
        return name not in INDICES and not (name or "").startswith(tuple(f"{i}_" for i in INDICES))
    return kind not in ("column", "index") or "vector" not in (name or "")


def differences(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_name": is_of_both_databases}
        )
        return list(compare_metadata(context, Row.metadata))


def revisions(engine: Engine) -> list[str]:
    """Return the revisions, the first first."""
    with engine.connect() as connection:
        scripts = ScriptDirectory.from_config(migrations(connection))
    return [script.revision for script in scripts.walk_revisions()][::-1]


def test_the_last_revision_makes_the_tables_that_the_code_knows(engine: Engine):
    assert differences(engine) == []


def test_what_a_new_file_is_made_of_at_once_is_what_all_revisions_make(tmp_path: Path):
    written = WRITTEN.read_text("utf-8").split(BETWEEN)
    assert [*made_by_revisions(tmp_path / "gone-through.db"), ""] == written


def test_it_makes_the_full_text_indices(engine: Engine):
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            found = connection.scalars(
                text("SELECT name || ' ' || sql FROM sqlite_master WHERE sql LIKE '%fts5%'")
            )
        else:
            found = connection.scalars(
                text("SELECT indexdef FROM pg_indexes WHERE indexname LIKE '%vector%'")
            )
        made = "\n".join(found)
    wanted = {
        "sqlite": [*INDICES, "unicode61", "detail = column, columnsize = 0"],
        "postgresql": [
            "search_documents USING gin (vector) WITH (fastupdate=off) WHERE (impact >= 4)",
            "search_past USING gin (vector) WITH (fastupdate=off)",
        ],
    }
    assert all(part in made for part in wanted[engine.dialect.name]), made


def test_the_code_expects_the_last_revision(engine: Engine):
    assert revisions(engine)[-1] == SCHEMA
    with engine.connect() as connection:
        scripts = ScriptDirectory.from_config(migrations(connection))
    assert scripts.get_heads() == [SCHEMA]


def test_every_revision_goes_down_and_up_again_with_rows_in_the_tables(
    blank_url: str, engine: Engine
):
    with LocalCatalog(blank_url, actor="person:ops", clock=Clock()) as catalog:
        catalog.desk.apply(GOVERNANCE)
        catalog.publish(FLIGHTS, manifest())
    with LocalCatalog(blank_url, actor="person:dev", clock=Clock()) as catalog:
        catalog.record(REPO)
    every = revisions(engine)
    for revision in [*every[-2::-1], "base"]:
        downgrade(engine, revision)
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}
    for revision in every:
        upgrade(engine, revision)
    assert differences(engine) == []
    with LocalCatalog(blank_url, actor="person:ops", clock=Clock()) as catalog:
        catalog.desk.apply(GOVERNANCE)
        assert catalog.publish(FLIGHTS, manifest()).number == 1


TERM = Term(name="delay", definition="How late it was.")


def test_where_versions_stand_and_what_is_kept_of_datasets_outlasts_going_down_and_up(
    blank_url: str, engine: Engine
):
    clock = Clock()
    with LocalCatalog(blank_url, actor="person:ops", clock=clock) as catalog:
        catalog.desk.apply(replace(GOVERNANCE, terms=(TERM,)))
        for rows in (1, 2, 3):
            catalog.publish(FLIGHTS, manifest(rows))
        clock.advance(timedelta(hours=1))
        step = catalog.desk.step
        step(FLIGHTS.at(1), Step.DEPRECATE, reason="old", replacement=2)
        step(FLIGHTS.at(2), Step.RECALL, reason="wrong", severity=Severity.REFUSE)
        kept = Retention(keep_versions=5, hold="court")
        catalog.desk.retention(FLIGHTS, kept, expected=None, dry_run=False)
        contract = CONTRACT.encode()
        catalog.desk.attach(FLIGHTS, contract, expected=None)
        said = catalog.finder.releases(FLIGHTS)
    for revision in ("0006", "0005", "0004"):
        downgrade(engine, revision)
        upgrade(engine)
        with LocalCatalog(blank_url, actor="person:ops", clock=clock) as catalog:
            gov = catalog.as_actor("person:gov")
            assert fsck.examine(gov._door) == [], revision
            assert catalog.finder.releases(FLIGHTS) == said
            assert catalog.desk.contract(FLIGHTS).raw == contract
    with pytest.raises(Conflict, match=r"aviation\.flights@2 is recalled, which tables of before"):
        downgrade(engine, "0003")
    with LocalCatalog(blank_url, actor="person:ops", clock=clock) as catalog:
        assert catalog.finder.releases(FLIGHTS) == said
    downgrade(engine, "base")


def test_what_the_code_wrote_is_there_and_found_after_going_down_to_names_and_up(
    blank_url: str, engine: Engine
):
    with LocalCatalog(blank_url, actor="person:ops", clock=Clock()) as catalog:
        catalog.desk.apply(GOVERNANCE)
        catalog.publish(FLIGHTS, manifest())
        catalog.records.grant(FLIGHTS, grantee="person:ana", purposes=("report",))
    with LocalCatalog(blank_url, actor="person:dev", clock=Clock()) as catalog:
        catalog.record(REPO)
    before = read(blank_url)
    downgrade(engine, "0002")
    upgrade(engine)
    assert read(blank_url) == before


def read(url: str) -> list[object]:
    """What the catalog answers to those who may and may not know."""
    answers: list[object] = []
    for name in ("ana", "ops", "sam", "max"):
        with LocalCatalog(url, actor=f"person:{name}", clock=Clock()) as catalog:
            answers += [listed(catalog), catalog.resolve(FLIGHTS), catalog.governance()]
            answers += [
                list(catalog.records.grants().items),
                catalog.records.projects(),
                catalog.repo("delays"),
            ]
            answers += [
                searched(catalog, words) for words in ("flights", "salaries", "delay", "pay")
            ]
            answers.append(
                list(catalog.finder.lineage(Node.parse("dataset:aviation.weather_hourly")).edges)
            )
            answers.append(catalog.records.verify_audit())
            with pytest.raises(NotFound):
                list(catalog.finder.lineage(Node.parse("feature-view:delays/pay")).edges)
    return answers


@pytest.fixture
def populated(engine: Engine) -> Engine:
    """A database of revision 0002 with rows of every kind."""
    downgrade(engine, "0002")
    populate(engine, versions=SOME)
    return engine


def test_thousands_of_rows_in_every_table_go_up_and_down_without_a_change(engine: Engine):
    downgrade(engine, "0002")
    populate(engine, versions=ROWS, at_least=ROWS)
    every = revisions(engine)
    seen: dict[str, dict[str, str]] = {"0002": read_content(engine)}
    made: dict[str, set[str]] = {"0002": read_ddl(engine)}
    assert min(read_counts(engine).values()) >= ROWS
    for revision in every[2:]:
        upgrade(engine, revision)
        seen[revision], made[revision] = read_content(engine), read_ddl(engine)
    assert differences(engine) == []
    there = read_counts(engine)
    assert there["versions"] == ROWS
    assert there["history"] > there["versions"]
    assert there["edges"] > there["versions"]
    for revision in every[-2:0:-1]:
        downgrade(engine, revision)
        assert read_content(engine) == seen[revision], revision
        assert read_ddl(engine) == made[revision], revision
    upgrade(engine)
    assert read_content(engine) == seen[SCHEMA]
    assert read_ddl(engine) == made[SCHEMA]


def test_rows_in_tables_that_are_new_do_not_keep_the_old_ones_from_coming_back(populated: Engine):
    upgrade(populated)
    fill(populated, rows=SOME)
    few = {name: found for name, found in read_counts(populated).items() if found == 0}
    assert not few
    downgrade(populated, "0002")
    old = read_content(populated)
    upgrade(populated)
    new = read_content(populated)
    downgrade(populated, "0002")
    assert read_content(populated) == old
    upgrade(populated)
    assert read_content(populated) == new


def test_tables_and_indices_are_the_same_made_anew_and_after_going_down_to_nothing(engine: Engine):
    made = read_ddl(engine)
    downgrade(engine, "base")
    upgrade(engine)
    assert read_ddl(engine) == made
    assert any(part in line for line in made for part in ("gin (vector)", "fts5"))


def read_ddl(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return ddl(connection)


def read_counts(engine: Engine) -> dict[str, int]:
    """Rows by table, without those that belong to an index."""
    with engine.connect() as connection:
        found = counts(connection)
    return {
        name: rows
        for name, rows in found.items()
        if name not in ("alembic_version", *INDICES) and not is_inside_an_index(name)
    }


def read_content(engine: Engine) -> dict[str, str]:
    """The digest of every table but those of the index of words, which is made of the others."""
    with engine.connect() as connection:
        found = content(connection)
    of_words: tuple[str, ...] = ()
    if "trigrams" in found:
        of_words = ("documents", "trigrams", "documents_index")
    elif "scopes" not in found:
        of_words = ("search_documents", "search_words", "search_index")
    return {name: said for name, said in found.items() if name not in of_words}


def test_the_old_index_finds_names_and_descriptions_after_going_down(
    blank_url: str, engine: Engine
):
    with LocalCatalog(blank_url, actor="person:ops", clock=Clock()) as catalog:
        catalog.desk.apply(GOVERNANCE)
    with LocalCatalog(blank_url, actor="person:dev", clock=Clock()) as catalog:
        catalog.record(REPO)
    downgrade(engine, "0007")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT kind, name, project FROM documents ORDER BY name"))
        kinds = {name: (kind, project) for kind, name, project in rows}
        fits = {
            "sqlite": "documents_index MATCH 'departures'",
            "postgresql": "vector @@ to_tsquery('english', 'departures')",
        }
        key = {"sqlite": "rowid", "postgresql": "id"}[engine.dialect.name]
        hits = connection.scalars(
            text(
                f"SELECT name FROM documents WHERE id IN (SELECT {key} FROM documents_index "
                f"WHERE {fits[engine.dialect.name]})"
            )
        ).all()
    assert kinds["aviation.flights"] == ("dataset", "")
    assert kinds["weather"] == ("feature-view", "delays")
    assert hits == ["aviation.flights"]


def test_what_a_withdrawn_dataset_hid_stays_hidden(populated: Engine):
    upgrade(populated)
    with populated.connect() as connection:
        found = connection.execute(
            text(
                "SELECT d.name, d.withdrawn_at IS NULL FROM rests_on r "
                "JOIN nodes n ON n.id = r.node JOIN datasets d ON d.id = r.dataset "
                "WHERE n.kind = 'feature-view' AND n.name = 'flights/hidden'"
            )
        ).all()
        taken = connection.scalars(text("SELECT dataset FROM dataset_names WHERE name = 'd1.gone'"))
        assert taken.one() is not None
    assert [(name, bool(there)) for name, there in found] == [("d1.gone", False)]


def test_history_begins_with_the_event_that_made_things_as_they_are(populated: Engine):
    upgrade(populated)
    with populated.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT h.kind, e.kind, COUNT(*) FROM history h "
                "JOIN audit_events e ON e.sequence = h.from_sequence AND e.at = h.from_at "
                "GROUP BY h.kind, e.kind"
            )
        ).all()
        open_rows = connection.execute(
            text("SELECT COUNT(*) FROM history WHERE to_sequence IS NULL AND value IS NOT NULL")
        ).scalar_one()
    found = {(kind, event): count for kind, event, count in rows}
    datasets = SOME // 10
    assert found["version", "dataset:publish"] == SOME
    assert found["dataset", "governance:apply"] == datasets
    assert found["grant", "access:grant"] == datasets // 2
    assert found["definitions", "features:apply"] == 1
    assert open_rows == sum(found.values())


def test_a_catalog_of_the_last_release_is_brought_up_to_date_by_opening_it(populated: Engine):
    url = populated.url.render_as_string(hide_password=False)
    open_database(url).dispose()
    again = create_engine(url)
    with again.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == SCHEMA
    again.dispose()


def test_bringing_tables_up_to_date_tells_how_far_it_is(blank_url: str, populated: Engine):
    told: list[tuple[str, float]] = []
    open_database(blank_url, progress=lambda stage, done: told.append((stage, done))).dispose()
    passed = revisions(populated)[2:]
    assert [stage for stage, _ in told] == [f"revision {revision}" for revision in passed]
    assert [done for _, done in told] == [(n + 1) / len(passed) for n in range(len(passed))]
