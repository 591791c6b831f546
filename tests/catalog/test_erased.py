"""Of a version that a subject was erased from, nothing that follows from its rows is told any more.

Who stewards and publishes a dataset, and does not govern, tries every way to it.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import select, text

from provender.catalog import proofs
from provender.catalog.checkpoints import Sealing
from provender.catalog.db import open_database, transaction
from provender.catalog.local import LocalCatalog
from provender.catalog.rows import VersionRow
from provender.catalog.signing import Keys
from provender.core.audit import EventKind
from provender.core.datasets import Format, Manifest
from provender.core.erasure import Found
from provender.core.errors import Conflict, Gone, NotFound
from tests.catalog.world import (
    FLIGHTS,
    GOVERNANCE,
    SALARIES,
    Clock,
    Connect,
    declared,
    governing,
    manifest,
)

SUMS = (1, 2, 3, 4)
FIRST = manifest(1, sums=SUMS)
ROWS = {FIRST.logical_digest, FIRST.content, FIRST.location}
"""What follows from the rows of the first version, as text."""


@pytest.fixture
def catalog(governed_url: str, clock: Clock, tmp_path) -> Iterator[LocalCatalog]:
    """The catalog as ops, who published a version with a key, and as another format."""
    sealing = Sealing(keys=Keys(tmp_path / "keys"))
    with LocalCatalog(governed_url, actor="person:ops", clock=clock, sealing=sealing) as ops:
        assert ops.publish(FLIGHTS, FIRST, key="k1").manifest.sums == SUMS
        ops.represent(FLIGHTS.at(1), as_csv(), key="k2")
        yield ops


def as_csv(**changes: object) -> Manifest:
    return replace(FIRST, format=Format.CSV, location=f"{FIRST.location}-csv", **changes)  # type: ignore[arg-type]


def erase(ops: LocalCatalog) -> None:
    gov = ops.as_actor("person:gov").erasures
    begun = gov.begin("tailnum", ("a" * 64,), key="k", reason="x", datasets=(str(FLIGHTS),))
    found = Found(dataset=str(FLIGHTS), erased=(1,), before=1, rows=1, files=1, size_bytes=9)
    gov.erase(begun.id, replace(found, manifest=manifest(3, sums=SUMS)))


def told(found: Manifest) -> tuple[object, ...]:
    return found.logical_digest, found.location, found.files, found.event_range, found.sums


NOTHING = ("", "", (), None, ())


def test_no_list_of_versions_tells_of_its_rows_to_who_does_not_govern(catalog: LocalCatalog):
    erase(catalog)
    for found in (
        catalog.finder.releases(FLIGHTS).items,
        catalog.records.every_version(of=FLIGHTS).items,
    ):
        first = [one.version.manifest for one in found if one.version.number == 1]
        assert {told(one) for one in first} == {NOTHING}
        assert first[0].digest == FIRST.digest
        assert any(one.version.manifest.sums for one in found if one.version.number == 2)


def test_no_other_format_is_taken_of_it_nor_said_to_be_of_other_rows(catalog: LocalCatalog):
    with pytest.raises(Conflict, match=r"not those of aviation\.flights@1") as before:
        catalog.represent(FLIGHTS.at(1), as_csv(logical_digest="sha256:9"))
    assert not [one for one in ROWS if one in f"{before.value} {before.value.hint}"]
    erase(catalog)
    for guess in (as_csv(), as_csv(logical_digest="sha256:9")):
        with pytest.raises(Gone, match="a subject was erased from it") as error:
            catalog.represent(FLIGHTS.at(1), guess)
        assert not [one for one in ROWS if one in f"{error.value} {error.value.hint}"]


def test_a_publish_that_is_sent_again_does_not_tell_of_it(catalog: LocalCatalog):
    erase(catalog)
    again = catalog.publish(FLIGHTS, FIRST, key="k1")
    assert (told(again.manifest), again.manifest.digest) == (NOTHING, FIRST.digest)
    as_another = catalog.represent(FLIGHTS.at(1), as_csv(), key="k2").version.manifest
    assert told(as_another) == NOTHING


def test_what_went_before_the_erasure_is_not_told_of_either(catalog: LocalCatalog):
    """The difference to what came in its place would be the subject's rows."""
    with transaction(catalog._door.engine, write=True) as db:
        db.execute(text("UPDATE versions SET data_gone_at = published_at, data_gone_why = 'old'"))
    gov = catalog.as_actor("person:gov").erasures
    begun = gov.begin("tailnum", ("a" * 64,), key="k", reason="x", datasets=(str(FLIGHTS),))
    gov.erase(begun.id, Found(dataset=str(FLIGHTS), erased=()))
    gov.finish(begun.id, online=())
    (found,) = catalog.finder.releases(FLIGHTS).items
    assert told(found.version.manifest) == NOTHING
    (listed,) = (one for one in catalog.finder.entries({}).items if one.name == str(FLIGHTS))
    assert (listed.latest, listed.event_range) == (1, None)
    with pytest.raises(Gone, match=r"certificate er_\w+; it was gone before: old"):
        catalog.resolve(FLIGHTS.at(1))


def test_who_may_not_publish_any_more_is_told_no_sums_when_asking_again(connect: Connect):
    gov, sam = connect("gov"), connect("sam")
    assert sam.publish(FLIGHTS, FIRST, key="k1").manifest.sums == SUMS
    assert sam.publish(FLIGHTS, FIRST, key="k1").manifest.sums == SUMS
    gov.desk.apply(governing(replace(declared(FLIGHTS), stewards=())), overwrite=True)
    assert sam.publish(FLIGHTS, FIRST, key="k1").manifest.sums == ()


def test_who_may_not_know_of_it_any_more_is_told_nothing_when_asking_again(connect: Connect):
    steward = replace(declared(SALARIES), stewards=("person:sam",))
    gov, sam = connect("gov"), connect("sam")
    gov.desk.apply(governing(steward))
    made = manifest(1, of=SALARIES, event_timestamp=None, event_range=None)
    sam.publish(SALARIES, made, key="k1")
    gov.desk.apply(GOVERNANCE, overwrite=True)
    with pytest.raises(NotFound):
        sam.publish(SALARIES, made, key="k1")


def test_the_audit_trail_names_the_manifest_and_no_digest_of_the_rows(connect: Connect):
    connect("ops").publish(FLIGHTS, FIRST)
    (event,) = connect("gov").records.audit_events(kind=EventKind.DATASET_PUBLISH)
    assert event.detail["manifest"] == FIRST.digest
    assert not [one for one in ROWS if one in str(event)]


def test_the_trail_vouches_for_the_rows_by_the_manifest_whatever_that_claims_to_be_part_of(
    connect: Connect, governed_url: str
):
    connect("ops").publish(FLIGHTS, FIRST)
    engine = open_database(governed_url)
    with transaction(engine, write=True) as db:
        assert list(proofs.trail(db)) == []
        changed = f"replace(replace(value, '{FIRST.logical_digest}', 'sha256:9'), "
        changed += f"""'"whole":""', '"whole":"{FIRST.digest}"')"""
        db.execute(text(f"UPDATE versions SET value = {changed}".replace(":", r"\:")))
        (row,) = db.scalars(select(VersionRow))
        assert row.value.manifest.digest == FIRST.digest
        (found,) = proofs.trail(db)
        assert "it was published with sha256:" in found[1]
    engine.dispose()
