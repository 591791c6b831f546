"""The data of versions goes as their dataset's retention says; manifests stay."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from provender.catalog.db import open_database
from provender.catalog.door import Door
from provender.catalog.fsck import examine
from provender.catalog.local import LocalCatalog
from provender.core.audit import EventKind
from provender.core.datasets import Format
from provender.core.errors import Denied, Gone, InvalidInput, NotFound, PreconditionFailed
from provender.core.lifecycle import Severity, Step
from provender.core.retention import Due, Retention
from provender.sdk import connect
from provender.sdk.workspace import Workspace
from provender.settings import Settings
from tests.catalog.world import (
    FLIGHTS,
    NOW,
    SALARIES,
    VISIBLE,
    Clock,
    Connect,
    declared,
    governing,
    manifest,
    permitted,
    training_set,
)

LAST_TWO = Retention(keep_versions=2)


@pytest.fixture
def ops(connect: Connect) -> LocalCatalog:
    """Who owns the flights, of which there are four versions."""
    catalog = connect("ops")
    for rows in range(1, 5):
        catalog.publish(FLIGHTS, manifest(rows))
    return catalog


def keep(catalog: LocalCatalog, rule: Retention | None, **how: object) -> list[Due]:
    given: dict[str, object] = {"expected": None, "dry_run": False} | how
    return catalog.desk.retention(FLIGHTS, rule, **given)  # type: ignore[arg-type]


def going(found: list[Due]) -> list[int]:
    return [one.ref.version or 0 for one in found if one.goes]


def test_setting_a_retention_says_what_is_due_and_lets_nothing_go(ops: LocalCatalog):
    assert going(keep(ops, LAST_TWO)) == [1, 2]
    assert ops.resolve(FLIGHTS.at(1)).number == 1
    (event,) = ops.records.audit_events(kind=EventKind.RETENTION_SET)
    assert (event.subject, event.detail["keep_versions"]) == ("aviation.flights", 2)
    (said,) = ops.desk.history("retention", "aviation.flights").items
    assert said.value == {"keep_versions": 2, "keep_days": None, "hold": ""}


def test_what_is_due_goes_and_its_manifest_stays(ops: LocalCatalog, clock: Clock):
    keep(ops, LAST_TWO)
    clock.advance(timedelta(days=1))
    assert going(keep(ops, None)) == [1, 2]
    with pytest.raises(Gone, match=r"aviation.flights@1 was deleted on 2026-03-02: not among"):
        ops.resolve(FLIGHTS.at(1))
    with pytest.raises(Gone):
        ops.release(FLIGHTS.at(2))
    first, second, third, _ = reversed(ops.finder.releases(FLIGHTS).items)
    assert first.version.manifest == manifest(1)
    assert (first.data_gone_at, third.data_gone_at) == (clock.now, None)
    assert second.data_gone_at == clock.now
    assert ops.resolve(FLIGHTS).number == 4
    forgotten = ops.records.audit_events(kind=EventKind.RETENTION_FORGET)
    assert [event.subject for event in forgotten] == ["aviation.flights@2", "aviation.flights@1"]
    assert forgotten[0].detail["manifest"] == manifest(2).digest


def test_what_went_is_not_due_again(ops: LocalCatalog):
    keep(ops, LAST_TWO)
    keep(ops, None)
    assert [one.ref.version for one in keep(ops, None)] == [3, 4]
    assert (
        ops.records.audit_events(kind=EventKind.RETENTION_FORGET)[0].subject == "aviation.flights@2"
    )


def test_a_dry_run_writes_nothing(ops: LocalCatalog):
    before = ops.records.verify_audit()
    assert going(keep(ops, LAST_TWO, dry_run=True)) == [1, 2]
    assert going(keep(ops, None, dry_run=True)) == []
    assert ops.records.verify_audit() == before


def test_rows_that_went_come_back_as_a_version_of_their_own(ops: LocalCatalog):
    keep(ops, LAST_TWO)
    keep(ops, None)
    again = ops.publish(FLIGHTS, manifest(1))
    assert again.number == 5
    assert ops.resolve(FLIGHTS).manifest == manifest(1)
    assert ops.publish(FLIGHTS, manifest(1)).number == 5


def test_what_a_training_set_is_made_of_stays(ops: LocalCatalog, connect: Connect):
    connect("dev").record(VISIBLE)
    ana = connect("ana")
    pin = FLIGHTS.at(1)
    made = training_set(pin, by="person:ana", decision=permitted(ana, pin))
    ana.record(made)
    found = keep(ops, Retention(keep_versions=1))
    assert going(found) == [2, 3]
    assert found[0].because == f"pinned by training set {made.id}"


def test_a_hold_keeps_everything_until_who_governs_lifts_it(ops: LocalCatalog, connect: Connect):
    keep(ops, LAST_TWO)
    assert going(keep(ops, Retention(keep_versions=2, hold="case 7"))) == []
    assert keep(ops, None)[0].because == "on hold: case 7"
    with pytest.raises(Denied, match=r"may not lift or change the hold on aviation\.flights"):
        keep(ops, LAST_TWO)
    with pytest.raises(Denied):
        keep(ops, Retention(keep_versions=2, hold="nothing"))
    assert keep(ops, None)[0].because == "on hold: case 7"
    (placed,) = ops.records.audit_events(kind=EventKind.HOLD_PLACE)
    assert placed.detail == {"reason": "case 7"}


def test_who_governs_and_stewards_lifts_a_hold(governed_url: str, clock: Clock):
    declared_by_gov = governing(
        declared_with(stewards=("person:gov",)),
    )
    with LocalCatalog(governed_url, actor="person:gov", clock=clock) as gov:
        gov.desk.apply(declared_by_gov)
        keep(gov, Retention(keep_versions=1, hold="case 7"))
        keep(gov, Retention(keep_versions=1))
        (lifted,) = gov.records.audit_events(kind=EventKind.HOLD_LIFT)
        assert lifted.detail == {"reason": "case 7"}


def declared_with(**changes: object):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(declared(FLIGHTS), **changes)  # type: ignore[arg-type]


def test_a_recalled_version_goes_and_what_readers_get_then_stays(ops: LocalCatalog):
    ops.desk.step(FLIGHTS.at(4), Step.RECALL, reason="wrong", severity=Severity.REFUSE)
    found = keep(ops, Retention(keep_versions=1))
    assert [one.goes for one in found] == [True, True, False, True]
    assert found[2].because == "it is what readers get"
    assert found[3].because == "not for readers, so not among the last 1"
    held = keep(ops, Retention(keep_versions=1, hold="case 7"))
    assert held[3].because == "on hold: case 7"


def test_readers_get_the_newest_whose_data_is_there(
    ops: LocalCatalog, connect: Connect, governed_url: str
):
    connect("dev").record(VISIBLE)
    ana, pin = connect("ana"), FLIGHTS.at(2)
    ana.record(training_set(pin, by="person:ana", decision=permitted(ana, pin)))
    keep(ops, Retention(keep_versions=1))
    assert going(keep(ops, None)) == [1, 3]
    with pytest.raises(Gone, match=r"the data of aviation\.flights@3 was deleted"):
        ops.desk.step(FLIGHTS.at(4), Step.DEPRECATE, reason="old", replacement=3)
    ops.desk.step(FLIGHTS.at(4), Step.RECALL, reason="wrong")
    assert ana.resolve(FLIGHTS) == ana.resolve(pin)
    assert ana.finder.entry(FLIGHTS).latest == 2
    assert ops.publish(FLIGHTS, manifest(5), parent=2).parent == 2
    ops.desk.step(FLIGHTS.at(5), Step.RECALL, reason="wrong")
    ops.desk.step(pin, Step.RECALL, reason="wrong")
    with pytest.raises(Gone, match=r"the data of aviation\.flights@3 was deleted"):
        ana.resolve(FLIGHTS)
    engine = open_database(governed_url)
    assert examine(Door(engine, actor="person:gov", clock=Clock())) == []
    engine.dispose()


def test_others_than_stewards_are_refused(ops: LocalCatalog, connect: Connect):
    with pytest.raises(Denied):
        keep(connect("ana"), LAST_TWO)
    with pytest.raises(Denied):
        keep(connect("ana"), None)
    with pytest.raises(Denied):
        keep(connect("ana"), None, dry_run=True)
    with pytest.raises(NotFound):
        connect("ana").desk.retention(SALARIES, None, expected=None, dry_run=True)


def test_only_stewards_read_why_a_dataset_is_on_hold(ops: LocalCatalog, connect: Connect):
    keep(ops, Retention(hold="privileged"))
    assert ops.desk.history("retention", "aviation.flights").items[0].value["hold"] == "privileged"
    with pytest.raises(Denied):
        connect("ana").desk.history("retention", "aviation.flights")


def test_a_retention_for_what_was_not_looked_at_is_refused(ops: LocalCatalog):
    revision = ops.finder.entry(FLIGHTS).revision
    keep(ops, LAST_TWO, expected=revision)
    with pytest.raises(PreconditionFailed):
        keep(ops, Retention(keep_versions=1), expected=revision)


def test_a_retention_that_cannot_be_is_refused(ops: LocalCatalog):
    with pytest.raises(InvalidInput):
        keep(ops, Retention(keep_versions=0))


def test_nothing_is_wrong_with_the_catalog_afterwards(
    ops: LocalCatalog, connect: Connect, governed_url: str
):
    keep(ops, Retention(keep_versions=2, hold="case 7"))
    keep(ops, None)
    engine = open_database(governed_url)
    assert examine(Door(engine, actor="person:gov", clock=Clock())) == []
    engine.dispose()


@pytest.fixture(params=["parquet", "delta", "iceberg", "csv"])
def workspace(
    request: pytest.FixtureRequest, governed_sqlite: str, tmp_path: Path
) -> Iterator[Workspace]:
    """A lake with a dataset of each kind of table."""
    said = declared_with(
        format=Format(request.param), column_tags={}, column_descriptions={}, tags=()
    )
    with LocalCatalog(governed_sqlite, actor="person:gov") as gov:
        gov.desk.apply(governing(said))
    chosen = Settings(
        home=tmp_path / "home", catalog_url=governed_sqlite, actor="person:ops", purpose="report"
    )
    with connect(settings=chosen) as workspace:
        yield workspace


def rows(number: int) -> pa.Table:
    at = pa.array([NOW] * 50, pa.timestamp("us", tz="UTC"))
    return pa.table({"event_timestamp": at, "arr_delay": pa.array([float(number)] * 50)})


def files(workspace: Workspace) -> set[Path]:
    lake = workspace.settings.lake
    suffixes = (".parquet", ".csv")
    return {p for p in lake.glob("aviation/**/*") if p.suffix in suffixes and p.is_file()}


def test_files_of_data_that_went_are_removed_and_those_of_others_stay(workspace: Workspace):
    for number in range(1, 5):
        workspace.publish("aviation.flights", rows(number))
    before = files(workspace)
    workspace.catalog.desk.retention(FLIGHTS, LAST_TWO, expected=None, dry_run=False)
    dry = workspace.expire("aviation.flights", dry_run=True)
    assert (going(list(dry.due)), dry.files, files(workspace)) == ([1, 2], 0, before)
    done = workspace.expire("aviation.flights")
    assert (going(list(done.due)), done.files) == ([1, 2], 2)
    assert done.size_bytes > 0
    assert len(files(workspace)) == 2
    for number in (3, 4):
        found = workspace.read(f"aviation.flights@{number}")
        assert set(found.column("arr_delay").to_pylist()) == {float(number)}
    with pytest.raises(Gone):
        workspace.read("aviation.flights@2")
    again = workspace.publish("aviation.flights", rows(1))
    assert again.number == 5
    assert set(workspace.read("aviation.flights").column("arr_delay").to_pylist()) == {1.0}
    assert workspace.expire("aviation.flights").files == 1
    assert set(workspace.read("aviation.flights").column("arr_delay").to_pylist()) == {1.0}


def test_files_that_a_killed_process_did_not_remove_are_removed_by_the_next(workspace: Workspace):
    for number in range(1, 5):
        workspace.publish("aviation.flights", rows(number))
    workspace.catalog.desk.retention(FLIGHTS, LAST_TWO, expected=None, dry_run=False)
    workspace.catalog.desk.retention(FLIGHTS, None, expected=None, dry_run=False)  # then killed
    assert len(files(workspace)) == 4
    with connect(settings=workspace.settings.model_copy(update={"actor": "person:gov"})) as gov:
        left = {found.path for found in gov.fsck().findings}
        assert left
    assert workspace.expire("aviation.flights").files == 2
    with connect(settings=workspace.settings.model_copy(update={"actor": "person:gov"})) as gov:
        report = gov.fsck()
    assert (report.faults, report.findings, report.versions) == ((), (), 2)


@pytest.mark.parametrize("workspace", ["parquet"], indirect=True)
def test_every_format_of_a_version_goes_wherever_it_stands_and_whenever_it_was_marked(
    workspace: Workspace,
):
    desk = workspace.catalog.desk
    for number in (1, 2, 3):
        workspace.publish("aviation.flights", rows(number))
    for number in (1, 2):
        for other in ("csv", "delta"):
            workspace.convert(f"aviation.flights@{number}", other)
    desk.step(FLIGHTS.at(1), Step.RECALL, reason="personal", severity=Severity.REFUSE)
    desk.retention(FLIGHTS, Retention(keep_versions=1), expected=None, dry_run=False)
    desk.retention(FLIGHTS, None, expected=None, dry_run=False)  # marked, then killed
    assert workspace.expire("aviation.flights").files == 6
    assert len(files(workspace)) == 1


@pytest.mark.parametrize("workspace", ["parquet"], indirect=True)
def test_files_that_were_marked_before_stay_while_the_dataset_is_on_hold(workspace: Workspace):
    desk = workspace.catalog.desk
    for number in (1, 2):
        workspace.publish("aviation.flights", rows(number))
    desk.retention(FLIGHTS, Retention(keep_versions=1), expected=None, dry_run=False)
    desk.retention(FLIGHTS, None, expected=None, dry_run=False)
    held = Retention(keep_versions=1, hold="court")
    desk.retention(FLIGHTS, held, expected=None, dry_run=False)
    before = files(workspace)
    assert workspace.expire("aviation.flights").files == 0
    assert files(workspace) == before
    with connect(settings=workspace.settings.model_copy(update={"actor": "person:gov"})) as gov:
        gov.fsck(remove=True)
    assert files(workspace) == before


@pytest.mark.parametrize("workspace", ["parquet"], indirect=True)
def test_a_format_that_a_version_shares_with_one_that_went_stays(workspace: Workspace):
    workspace.publish("aviation.flights", rows(1))
    workspace.optimize("aviation.flights", keys=["arr_delay"])
    for number in (1, 2):
        workspace.convert(f"aviation.flights@{number}", "csv")
    workspace.catalog.desk.retention(
        FLIGHTS, Retention(keep_versions=1), expected=None, dry_run=False
    )
    assert going(list(workspace.expire("aviation.flights").due)) == [1]
    assert workspace.get("aviation.flights", format="csv").arrow().num_rows == 50


@pytest.mark.parametrize("workspace", ["parquet"], indirect=True)
def test_a_format_of_a_version_that_is_refused_to_readers_stays_too(workspace: Workspace):
    workspace.publish("aviation.flights", rows(1))
    workspace.optimize("aviation.flights", keys=["arr_delay"])
    for number in (1, 2):
        workspace.convert(f"aviation.flights@{number}", "csv")
    before, pin = files(workspace), FLIGHTS.at(2)
    with LocalCatalog(workspace.settings.database_url, actor="person:ana") as ana:
        ana.record(training_set(pin, by="person:ana", decision=permitted(ana, pin)))
    desk = workspace.catalog.desk
    desk.step(pin, Step.RECALL, reason="wrong", severity=Severity.REFUSE)
    workspace.publish("aviation.flights", rows(2))
    desk.retention(FLIGHTS, Retention(keep_versions=1), expected=None, dry_run=False)
    assert going(list(workspace.expire("aviation.flights").due)) == [1]
    assert {path for path in before if path.suffix == ".csv"} <= files(workspace)
    desk.step(pin, Step.RESTORE, reason="right after all")
    found = workspace.get("aviation.flights", version=2, format="csv")
    assert found.arrow().num_rows == 50
