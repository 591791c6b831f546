"""A damage of every kind is found by its check, and put right where it follows from facts."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from provender.catalog.db import downgrade, open_database, transaction, upgrade
from provender.catalog.door import Door
from provender.catalog.fsck import CHECKS, REPAIRS, Fault, examine
from provender.catalog.local import LocalCatalog
from provender.catalog.rows import ErasureRow
from provender.core.audit import EventKind
from provender.core.datasets import Format
from provender.core.erasure import Erased, Erasure, Scope, State
from provender.core.errors import Denied
from provender.core.lineage import Node, NodeKind
from provender.core.models import Trained
from provender.core.requests import Wanted
from provender.core.retention import Retention
from provender.values import to_json
from tests.catalog.conftest import govern
from tests.catalog.kept import PutBack, keeping
from tests.catalog.sealed import sealing
from tests.catalog.test_contracts import CONTRACT
from tests.catalog.world import (
    FLIGHTS,
    GOVERNANCE,
    HOURLY,
    NOW,
    REPO,
    WEATHER,
    Clock,
    declared,
    governing,
    manifest,
    permitted,
    training_set,
)


def fill(governed_url: str) -> None:
    """Do in a new catalog all that leaves rows."""
    govern(governed_url)
    with LocalCatalog(governed_url, actor="person:gov", clock=Clock()) as catalog:
        made = replace(declared(HOURLY), column_from={"tail": ("aviation.flights.tailnum",)})
        catalog.desk.apply(governing(made))
    with LocalCatalog(governed_url, actor="person:dev", clock=Clock()) as catalog:
        catalog.record(REPO)
    with LocalCatalog(governed_url, actor="person:ops", clock=Clock()) as catalog:
        first = catalog.publish(FLIGHTS, manifest(1))
        catalog.publish(FLIGHTS, manifest(2))
        rule = Retention(keep_versions=9, hold="case 7")
        catalog.desk.retention(FLIGHTS, rule, expected=None, dry_run=False)
        catalog.publish(HOURLY, manifest(3, inputs=(first.ref,), of=HOURLY))
        trained = training_set(HOURLY.at(1), by="person:ops", decision=permitted(catalog, HOURLY))
        catalog.record(trained)
        artifact = f"sha256:{'a' * 64}"
        catalog.models.record(Trained(name="fare", training_set=trained.id, artifact=artifact))
        catalog.represent(FLIGHTS.at(1), manifest(1, format=Format.CSV))
        catalog.desk.attach(FLIGHTS, CONTRACT.encode(), expected=None)
        catalog.records.grant(FLIGHTS, grantee="person:ana", purposes=("report",))
        catalog.records.revoke(
            catalog.records.grant(WEATHER, grantee="person:max", purposes=("report",)).id
        )
    with LocalCatalog(governed_url, actor="person:dev", clock=Clock()) as catalog:
        about = Node(NodeKind.DATASET, FLIGHTS.dataset)
        catalog.access.ask(Wanted(about=about, purpose="report", reason="to count"))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest) -> Iterator[PutBack]:
    """A catalog in which all has happened that leaves rows, of each kind in turn."""
    with keeping(request, request.param, fill) as filled:
        yield filled


@pytest.fixture
def engine(filled: PutBack, tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(filled(tmp_path))
    yield engine
    engine.dispose()


def look(engine: Engine, *, repair: bool = False, by: str = "person:gov") -> list[Fault]:
    return examine(Door(engine, actor=by, clock=Clock()), repair=repair)


def test_nothing_is_wrong_with_a_catalog_that_the_code_wrote(engine: Engine):
    assert look(engine) == []


def test_nothing_is_wrong_after_a_dataset_was_withdrawn_with_its_grants(engine: Engine):
    url = engine.url.render_as_string(hide_password=False)
    kept = tuple(d for d in GOVERNANCE.datasets if d.ref != WEATHER)
    with LocalCatalog(url, actor="person:gov", clock=Clock()) as catalog:
        catalog.desk.apply(governing(datasets=kept))
    assert look(engine) == []


def test_nothing_but_the_models_is_missing_after_they_went_with_their_revision(engine: Engine):
    downgrade(engine, "0018")
    with engine.connect() as connection:
        for left in ("nodes WHERE kind = 'model'", "facts WHERE name LIKE 'model:%'"):
            found = connection.execute(text(f"SELECT COUNT(*) FROM {left}"))
            assert found.scalar_one() == 0
    upgrade(engine)
    assert [(f.subject, f.says) for f in look(engine)] == [
        ("model delays/fare@1", "was recorded, and is not there")
    ]


def test_models_get_the_project_in_their_name_and_lose_it_with_their_rows_as_they_were(
    engine: Engine,
):
    def models() -> list[str]:
        with engine.connect() as connection:
            return list(connection.scalars(text("SELECT value FROM models")))

    kept = models()
    downgrade(engine, "0019")
    (before,) = models()
    assert '"name":"fare"' in before
    upgrade(engine)
    assert models() == kept
    assert look(engine) == []


def test_nothing_is_wrong_with_an_empty_catalog_and_anybody_may_ask(blank_url: str):
    engine = open_database(blank_url)
    assert look(engine, by="person:nobody") == []
    engine.dispose()


def test_who_does_not_govern_is_refused(engine: Engine):
    with pytest.raises(Denied):
        look(engine, by="person:ana")


NOT_GONE = Erasure(
    id="er_1",
    join_key="tailnum",
    sought=("a" * 64,),
    key="k",
    reason="x",
    by="person:gov",
    at=NOW,
    scope=Scope(),
    erased=(
        Erased(
            dataset=str(FLIGHTS),
            urn="THE URN",
            columns=("tailnum",),
            erased=(1,),
            manifests=(manifest(1).digest,),
        ),
    ),
)

DAMAGES = {
    "values": (
        "UPDATE versions SET value = '{}' WHERE dataset = 1 AND number = 1",
        "versions 1 1",
    ),
    "audit": (
        "UPDATE audit_events SET subject = 'other' WHERE sequence = 3",
        "audit event 3 does not fit",
    ),
    "names": (
        "UPDATE dataset_names SET until_at = since_at WHERE name = 'aviation.flights'",
        "is called nothing among the names",
    ),
    "versions": (
        "UPDATE versions SET row_count = 99 WHERE dataset = 1 AND number = 2",
        "has the row count 99, its manifest 2",
    ),
    "grants": (
        "UPDATE grants SET grantee = 'person:max' WHERE number = 1",
        "has the grantee person:max, its value person:ana",
    ),
    "requests": (
        "UPDATE requests SET state = 'approved'",
        "has the state approved, its value open",
    ),
    "holds": ("UPDATE holds SET until_at = at", "is on hold for [], its retention says ['case 7']"),
    "erasures": (
        "INSERT INTO erasures (id, position, value) SELECT 'er_1', 1, replace("
        + f"'{to_json(NOT_GONE)}'".replace(":", "\\:")
        + ", 'THE URN', urn) FROM datasets WHERE id = 1",
        "was erased by er_1, and is not marked as gone",
    ),
    "models": (
        "DELETE FROM training_sets",
        ", which is not there",
    ),
    "history": (
        "INSERT INTO history SELECT id + 1000, kind, key, from_sequence + 1000, from_at, to_sequence, "
        "to_at, value, by, reason FROM history WHERE kind = 'tag' AND key = 'personal'",
        "yet another state follows",
    ),
    "history-is-current": (
        "UPDATE versions SET state = 'deprecated' WHERE dataset = 1 AND number = 2",
        "is not what history says it is",
    ),
    "trail": (
        "UPDATE versions SET value = replace(value, 'sha256:0', 'sha256:bad') "
        "WHERE dataset = 1 AND number = 2",
        "it was published with sha256:",
    ),
    "latest": ("UPDATE datasets SET latest = 1 WHERE id = 1", "has the latest version 1"),
    "said-of-datasets": ("DELETE FROM owners WHERE actor = 'person:sam'", "its offices lack"),
    "graph": ("DELETE FROM facts WHERE name LIKE 'version:%'", "has an end that is not there"),
    "origins": (
        "DELETE FROM rests_on WHERE node IN (SELECT id FROM nodes WHERE kind = 'training-set')",
        "does not hang on the versions that it was made of",
    ),
    "carried": (
        "DELETE FROM carried WHERE distance > 0 AND tag = 'personal'",
        "its tag personal is not kept",
    ),
    "counters": ("UPDATE counters SET value = 0 WHERE name = 'node'", "stands at 0"),
    "index": (
        "UPDATE search_texts SET title = 'else' WHERE title LIKE '%flights%'",
        "is found by other words",
    ),
}


@pytest.mark.parametrize("check", DAMAGES)
def test_a_damage_is_found_by_its_check_and_repaired_where_that_is_safe(check: str, engine: Engine):
    damage, says = DAMAGES[check]
    with transaction(engine, write=True) as db:
        db.execute(text(damage))
    found = look(engine)
    assert any(f.check == check and says in f"{f.subject} {f.says}" for f in found), found
    repaired = look(engine, repair=True)
    assert [f.repaired for f in repaired] == [f.check in REPAIRS for f in found]
    assert look(engine) == [f for f in found if f.check not in REPAIRS]
    if check in REPAIRS:
        url = engine.url.render_as_string(hide_password=False)
        with LocalCatalog(url, actor="person:gov", clock=Clock()) as catalog:
            (told, *_) = catalog.records.audit_events(kind=EventKind.CATALOG_REPAIR)
            assert told.detail == {"repaired": [check]}


def test_every_check_is_tried_with_a_damage():
    assert DAMAGES.keys() == CHECKS.keys() - {"database"}


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("UPDATE contracts SET raw = CAST('x' AS {blob})", "is not the text whose digest is"),
        ("UPDATE contracts SET until_at = at", "has the contract None, attached was sha256:"),
        (
            "UPDATE versions SET data_gone_at = published_at WHERE number = 2",
            "is marked as gone, and nobody let it go",
        ),
        (
            "UPDATE versions SET value = replace(value, 'person:ops', 'person:max')",
            "has the publisher person:max, it was published with person:ops",
        ),
        (
            "UPDATE representations SET manifest = replace(manifest, 'part-0', 'part-1')",
            "it was converted to sha256:",
        ),
        ("DELETE FROM representations", "was converted to csv, which is not there"),
        (
            "DELETE FROM versions WHERE dataset = 1 AND number = 2",
            "flights@2 was published, and is not there",
        ),
        (
            "DELETE FROM audit_events WHERE subject = 'aviation.flights@2'",
            "flights has 2 versions, of which 1 were published",
        ),
        ("DELETE FROM training_sets", "was recorded, and is not there"),
        ("DELETE FROM models", "model delays/fare@1 was recorded, and is not there"),
        (
            "DELETE FROM audit_events WHERE kind = 'training-set:record'",
            "is a training set that nobody recorded",
        ),
        (
            "UPDATE training_sets SET value = replace(value, 'hmac-', 'bare-')",
            "says other content, said and id than when it was recorded",
        ),
        (
            "UPDATE models SET artifact = 'sha256:b'",
            "is of a set and an artifact that nobody recorded",
        ),
        (
            "UPDATE models SET value = replace(value, 'person:ops', 'person:max')",
            "model delays/fare@1 says another maker than then",
        ),
        (
            "UPDATE training_sets SET value = replace(value, 'ops', 'max')",
            "says other said and maker",
        ),
        ("UPDATE training_sets SET project = 'vault'", "says other project"),
        (
            "UPDATE training_sets SET value = replace(value, '_count\"\\:3', '_count\"\\:4')",
            "says other rows and said",
        ),
        (
            "UPDATE training_sets SET value = replace(value, '\"temp\"]', '\"wind\"]')",
            "says other said than",
        ),
        (
            'UPDATE models SET value = replace(value, \'n"\\:""\', \'n"\\:"forged"\')',
            "says another description than then",
        ),
        ("UPDATE models SET value = replace(value, '2026', '2020')", "says another time"),
        (
            "UPDATE models SET name = 'vault/fare', value = replace(value, 'delays/', 'vault/')",
            "model vault/fare@1 says another project and name and number than then",
        ),
        (
            "UPDATE models SET number = 7, value = replace(value, '\"number\"\\:1', '\"number\"\\:7')",
            "model delays/fare@7 says another name and number than then",
        ),
    ],
)
def test_what_the_audit_trail_says_otherwise_is_found(damage: str, says: str, engine: Engine):
    with transaction(engine, write=True) as db:
        blob = "BLOB" if engine.dialect.name == "sqlite" else "BYTEA"
        db.execute(text(damage.format(blob=blob)))
    found = [f"{f.subject} {f.says}" for f in look(engine) if f.check == "trail"]
    assert any(says in one for one in found), found


def test_a_training_set_that_says_another_id_is_named_and_hung_on_nothing(engine: Engine):
    with transaction(engine, write=True) as db:
        db.execute(text("UPDATE training_sets SET value = replace(value, 'report', 'vault')"))
    found = look(engine)
    assert {fault.check for fault in found} == {"trail"}
    look(engine, repair=True)
    assert look(engine) == found


def test_an_altered_certificate_is_found_by_who_has_the_keys(engine: Engine, tmp_path: Path):
    sealed = sealing(tmp_path)
    certificate = sealed.keys.signer().attest(replace(NOT_GONE, erased=()))

    def said(value: Erasure) -> list[str]:
        with transaction(engine, write=True) as db:
            db.merge(ErasureRow(id="er_1", position=1, value=value))
        return [fault.says for fault in look(sealed.bind(engine)) if fault.check == "trail"]

    unknown = ["is there, and nobody began it"]
    assert said(certificate) == said(replace(certificate, state=State.RESTORED)) == unknown
    forged = "is not what was signed, or by none of the known keys"
    assert said(replace(certificate, reason="forged")) == [*unknown, forged]


def test_a_state_that_is_none_is_named(engine: Engine):
    with transaction(engine, write=True) as db:
        db.execute(text("UPDATE versions SET state = 'lost' WHERE dataset = 1 AND number = 2"))
    assert any("stands at lost, warn: no such state" in fault.says for fault in look(engine))


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM nodes WHERE kind = 'model'",
        "DELETE FROM rests_on WHERE node IN (SELECT id FROM nodes WHERE kind = 'model')",
        "DELETE FROM edges WHERE downstream IN (SELECT id FROM nodes WHERE kind = 'model')",
        "DELETE FROM edges WHERE downstream IN (SELECT id FROM nodes WHERE kind = 'training-set')",
    ],
)
def test_what_was_made_hangs_where_it_came_from_again(damage: str, engine: Engine):
    with transaction(engine, write=True) as db:
        db.execute(text(damage))
    assert "origins" in {fault.check for fault in look(engine)}
    look(engine, repair=True)
    assert look(engine) == []


def test_a_gap_between_versions_is_found(engine: Engine):
    with transaction(engine, write=True) as db:
        db.execute(text("UPDATE versions SET number = 4 WHERE dataset = 1 AND number = 2"))
    assert any("has 2 versions, numbered 1 to 4" in fault.says for fault in look(engine))


def test_damaged_pages_of_sqlite_are_found(sqlite_template, tmp_path):  # type: ignore[no-untyped-def]
    path = tmp_path / "catalog.db"
    data = bytearray(sqlite_template.read_bytes())
    engine = open_database(f"sqlite:///{sqlite_template}")
    with transaction(engine) as db:
        page = db.execute(
            text("SELECT rootpage FROM sqlite_master WHERE name = 'ix_audit_events_subject'")
        ).scalar_one()
    engine.dispose()
    size = int.from_bytes(data[16:18], "big")
    data[(page - 1) * size + size - 40 : page * size - 8] = b"x" * 32  # in an index only
    path.write_bytes(data)
    engine = open_database(f"sqlite:///{path}")
    assert {fault.check for fault in look(engine)} == {"database"}
    engine.dispose()
