"""The catalog by its Protocols: what is found and listed in portions, and what versions are known as."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest

from provender.core.contracts import CheckResult, Outcome
from provender.core.datasets import Evidence, Format, Listed, Run
from provender.core.errors import Conflict, Denied, InvalidInput, NotFound, Stale
from provender.core.finding import Question
from provender.core.governance import Governance
from provender.core.lifecycle import Severity, State
from provender.core.lineage import Node
from provender.core.people import Owner, Role
from provender.core.policy import Action, ColumnRef
from provender.core.profiles import ColumnProfile, Profile, Relation
from provender.core.protocols import Catalog, Finder, Library, Records
from provender.core.tags import Tag
from tests.catalog.world import (
    FLIGHTS,
    GOVERNANCE,
    HOURLY,
    NOW,
    REPO,
    SALARIES,
    WEATHER,
    Clock,
    Connect,
    declared,
    governing,
    listed,
    manifest,
    permitted,
    searched,
    training_set,
)

T = TypeVar("T")
PROFILE = Profile(
    row_count=3,
    columns=(
        ColumnProfile(column="arr_delay", count=3, nulls=1, mean=0.5, counts=(1, 2)),
        ColumnProfile(column="tailnum", count=3, nulls=0, frequent=(("N1", 2), ("N2", 1))),
    ),
    relations=(Relation(column="arr_delay", of="dep_delay", slope=1.5, intercept=0.0, rows=3),),
)
MEASURED = Evidence(
    run=Run(id="r1", job="nightly", commit="abc", started_at=NOW),
    profile=PROFILE,
    checks=(
        CheckResult(name="rows", outcome=Outcome.PASS, severity=Severity.REFUSE, detail="3"),
        CheckResult(name="late", outcome=Outcome.FAIL, severity=Severity.WARN, column="arr_delay"),
    ),
)


def everything(ask: Callable[[str], Listed[T]]) -> list[T]:
    """Every item of a list that is asked for in portions, each of at least one."""
    found, after = [], ""
    while True:
        part = ask(after)
        assert part.items or not found
        found += part.items
        if part.next is None:
            return found
        after = part.next


def test_a_local_catalog_is_what_the_protocols_ask_for(connect: Connect):
    library: Library = connect("ops")
    catalog: Catalog = library
    finder: Finder = library.finder
    records: Records = library.records
    assert catalog.dataset(FLIGHTS) == finder.entry(FLIGHTS).dataset
    assert records.projects() == []


def test_an_entry_keeps_its_urn_while_what_is_said_changes(connect: Connect, clock: Clock):
    finder = connect("ana").finder
    before = finder.entry(FLIGHTS)
    assert before.urn.startswith("urn:provender:dataset:")
    assert (before.revision, before.latest, before.former_names) == (1, None, ())
    clock.advance(timedelta(hours=1))
    connect("ops").publish(FLIGHTS, manifest())
    said = replace(declared(FLIGHTS), description="Departures.")
    connect("gov").desk.apply(governing(said))
    after = finder.entry(FLIGHTS)
    assert (after.urn, after.revision, after.latest) == (before.urn, 2, 1)
    assert (after.dataset.description, after.changed_at) == ("Departures.", clock.now)


def test_each_dataset_has_a_urn_of_its_own(connect: Connect):
    finder = connect("ana").finder
    assert len({finder.entry(ref).urn for ref in (FLIGHTS, WEATHER, HOURLY)}) == 3


def test_a_dataset_that_was_withdrawn_is_the_same_when_it_is_declared_again(connect: Connect):
    ana, gov = connect("ana"), connect("gov")
    before = ana.finder.entry(WEATHER)
    without = tuple(d for d in GOVERNANCE.datasets if d.ref != WEATHER)
    gov.desk.apply(replace(GOVERNANCE, datasets=without))
    with pytest.raises(NotFound):
        ana.finder.entry(WEATHER)
    assert WEATHER.dataset not in [s.name for s in listed(ana)]
    assert searched(ana, "observations") == []
    assert WEATHER not in [dataset.ref for dataset in gov.governance().datasets]
    gov.desk.apply(GOVERNANCE)
    again = ana.finder.entry(WEATHER)
    assert (again.urn, again.dataset) == (before.urn, before.dataset)
    assert again.revision > before.revision
    assert [hit.name for hit in searched(ana, "observations")][:1] == [WEATHER.dataset]


def test_datasets_are_listed_in_portions_and_narrowed(connect: Connect):
    finder = connect("ana").finder
    names = [s.name for s in everything(lambda after: finder.entries({}, limit=1, after=after))]
    assert names == [s.name for s in listed(connect("ana"))]
    assert SALARIES.dataset not in names

    def narrowed(**filters: tuple[str, ...]) -> list[str]:
        return [s.name for s in finder.entries(filters).items]

    assert narrowed(tag=("source.bts",)) == narrowed(tag=("personal",)) == [FLIGHTS.dataset]
    assert narrowed(owner=("person:sam",)) == [FLIGHTS.dataset]
    assert narrowed(domain=("aviation",), owner=("team:ops",)) == names
    assert narrowed(domain=("people",)) == narrowed(term=("delay",)) == []
    with pytest.raises(NotFound, match="filter of datasets 'tags' not found") as error:
        narrowed(tags=("x",))
    assert error.value.hint == "did you mean tag?"


def test_versions_are_listed_in_portions_the_newest_first(connect: Connect):
    ops = connect("ops")
    for rows in range(1, 6):
        ops.publish(FLIGHTS, manifest(rows))
    found = everything(lambda after: ops.finder.releases(FLIGHTS, limit=2, after=after))
    assert [release.version.number for release in found] == [5, 4, 3, 2, 1]
    assert {release.standing.state for release in found} == {State.PUBLISHED}
    assert found[0].standing.by == "person:ops"
    with pytest.raises(InvalidInput, match="'x' is not where a list goes on"):
        ops.finder.releases(FLIGHTS, after="x")


def test_every_version_is_listed_in_portions_to_who_governs(connect: Connect):
    ops, gov = connect("ops"), connect("gov")
    for ref in (HOURLY, FLIGHTS):
        for rows in (1, 2):
            ops.publish(ref, manifest(rows, of=ref))
    found = everything(lambda after: gov.records.every_version(limit=3, after=after))
    assert [release.version for release in found] == [
        one.version for one in gov.records.every_version().items
    ]
    with pytest.raises(Denied):
        ops.records.every_version()


def test_a_draft_is_for_those_who_name_it(connect: Connect):
    ops, ana = connect("ops"), connect("ana")
    ops.publish(FLIGHTS, manifest(1))
    draft = ops.publish(FLIGHTS, manifest(2), draft=True)
    assert (draft.number, ana.resolve(FLIGHTS).number) == (2, 1)
    assert ana.resolve(FLIGHTS.at(2)) == draft
    assert ana.release(FLIGHTS.at(2)).standing.state is State.DRAFT
    assert ana.finder.entry(FLIGHTS).latest == 1
    edges = list(ana.finder.lineage(Node.parse("dataset:aviation.flights")).edges)
    assert [str(edge.upstream) for edge in edges] == ["dataset:aviation.flights@1"]
    assert ops.publish(FLIGHTS, manifest(3)).number == 3


def test_what_was_measured_comes_back_as_it_was(connect: Connect):
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest(PROFILE.row_count), evidence=MEASURED)
    ops.publish(FLIGHTS, manifest(2))
    rows, late = MEASURED.checks
    told = replace(  # tailnum is closed to her, and the rows are of it, too
        MEASURED, profile=PROFILE.told({"arr_delay"}), checks=(replace(rows, detail=""), late)
    )
    assert connect("ana").finder.evidence(FLIGHTS.at(1)) == told
    assert connect("ana").finder.evidence(FLIGHTS) == Evidence()
    with pytest.raises(NotFound):
        connect("ana").finder.evidence(SALARIES)


def test_a_version_of_which_a_check_failed_that_refuses_is_kept_from_readers(connect: Connect):
    ops, ana = connect("ops"), connect("ana")
    ops.publish(FLIGHTS, manifest(1))
    failed = CheckResult(name="rows", outcome=Outcome.FAIL, severity=Severity.REFUSE, detail="0")
    bad = ops.publish(FLIGHTS, manifest(2), evidence=Evidence(checks=(failed,)))
    assert ana.resolve(FLIGHTS).number == 1
    assert ana.release(bad.ref).standing.state is State.QUARANTINED
    assert ana.finder.evidence(bad.ref).checks == (replace(failed, detail=""),)
    assert ops.records.audit_events(limit=1)[0].detail["state"] == "quarantined"
    assert ops.publish(FLIGHTS, manifest(3)).number == 3
    assert ana.resolve(FLIGHTS).number == 3


def test_data_older_than_asked_for_is_refused(connect: Connect, clock: Clock):
    ops = connect("ops")
    published = ops.publish(FLIGHTS, manifest())  # its last event is of NOW
    clock.advance(timedelta(hours=2))
    assert ops.resolve(FLIGHTS, max_age=timedelta(hours=2)) == published
    with pytest.raises(Stale, match=r"aviation.flights@1 is of 2026-03-01T12:00:00.*, older than"):
        ops.resolve(FLIGHTS, max_age=timedelta(hours=1))
    with pytest.raises(Stale):
        ops.release(FLIGHTS.at(1), max_age=timedelta(hours=1))


def test_data_without_events_is_as_old_as_its_publication(connect: Connect, clock: Clock):
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest(event_range=None))
    clock.advance(timedelta(hours=2))
    assert ops.resolve(FLIGHTS, max_age=timedelta(hours=2)).number == 1
    with pytest.raises(Stale):
        ops.resolve(FLIGHTS, max_age=timedelta(minutes=119))


def test_a_version_can_be_had_in_the_formats_that_were_made_of_it(connect: Connect):
    ops, ana = connect("ops"), connect("ana")
    ops.publish(FLIGHTS, manifest())
    other = manifest(format=Format.CSV, location="aviation/flights/csv")
    for _ in range(2):
        made = ops.represent(FLIGHTS.at(1), other)
        assert (made.version.manifest, made.formats) == (other, (Format.PARQUET, Format.CSV))
    assert ana.release(FLIGHTS, format=Format.CSV) == made
    assert ana.release(FLIGHTS).version == ana.resolve(FLIGHTS)
    with pytest.raises(NotFound, match="is not there as delta; it is as parquet, csv"):
        ana.release(FLIGHTS, format=Format.DELTA)
    kinds = [event.kind for event in ops.records.audit_events(subject=FLIGHTS.dataset)]
    assert kinds.count("version:represent") == 1


def test_other_rows_are_no_format_of_a_version_nor_may_everybody_add_one(connect: Connect):
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest(1))
    with pytest.raises(Conflict, match="are not those of aviation"):
        ops.represent(FLIGHTS.at(1), manifest(2, format=Format.CSV))
    with pytest.raises(Denied):
        connect("ana").represent(FLIGHTS.at(1), manifest(1, format=Format.CSV))


def test_a_permit_is_written_down_with_the_versions_that_are_read(connect: Connect):
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest())
    for rows in (1, 2):
        ops.publish(HOURLY, manifest(rows, of=HOURLY))
    columns = [ColumnRef(FLIGHTS.dataset, "arr_delay")]
    ops.permit(Action.READ, columns, purpose="report", versions=[FLIGHTS.at(1), HOURLY.at(2)])
    assert ops.records.audit_events(limit=1)[0].detail["versions"] == [1]


def test_grants_and_training_sets_are_listed_in_portions(connect: Connect, clock: Clock):
    ops, sam = connect("ops"), connect("sam")
    ops.publish(HOURLY, manifest(of=HOURLY))
    given = [
        sam.records.grant(FLIGHTS, grantee=f"person:{name}", reason=name)
        for name in ("ana", "max", "dev")
    ]
    assert everything(lambda after: sam.records.grants(limit=2, after=after)) == given
    made = []
    for content in ("a", "b", "c"):
        decision = permitted(ops, HOURLY)
        made.append(training_set(HOURLY.at(1), by="person:ops", content=content, decision=decision))
        ops.record(made[-1])
    found = everything(lambda after: ops.records.training_sets(limit=1, after=after))
    assert found == list(ops.records.training_sets().items)
    assert sorted(m.id for m in found) == sorted(m.id for m in made)


def test_changes_are_followed_from_where_one_left_off(connect: Connect):
    gov, ops = connect("gov"), connect("ops")
    ops.publish(FLIGHTS, manifest())

    def follow(after: str) -> Listed[object]:
        return gov.finder.changes(after=int(after or 0), limit=2)  # type: ignore[return-value]

    found = everything(follow)
    trail = gov.records.audit_events(limit=100)[::-1]
    assert [(c.sequence, c.kind, c.subject) for c in found] == [  # type: ignore[attr-defined]
        (event.sequence, event.kind, event.subject) for event in trail
    ]
    assert gov.finder.changes(after=trail[-1].sequence) == Listed(())


def test_search_answers_a_question_in_portions(connect: Connect):
    connect("ops").publish(FLIGHTS, manifest())
    connect("dev").record(REPO)
    ana = connect("ana")
    whole = searched(ana, "weather delay", limit=100)
    question = Question(text="weather delay")
    first = ana.finder.search(question, limit=2)
    assert (first.hits, first.next) == (tuple(whole[:2]), "2")
    rest = ana.finder.search(question, limit=100, after=first.next or "")
    assert (first.hits + rest.hits, rest.next) == (tuple(whole), None)
    views = ana.finder.search(Question(text="weather", filters={"type": ("feature-view",)})).hits
    assert {hit.kind for hit in views} == {"feature-view"}
    kinds = {value.value: value.documents for value in ana.finder.facets(question)["type"]}
    assert sum(kinds.values()) == len(whole)
    with pytest.raises(NotFound, match="filter of search 'kind'"):
        ana.finder.search(Question(text="x", filters={"kind": ("dataset",)}))


def test_lineage_is_a_neighbourhood(connect: Connect):
    connect("ops").publish(FLIGHTS, manifest())
    node = Node.parse("dataset:aviation.flights")
    found = connect("ana").finder.lineage(node)
    assert list(found.edges) == list(connect("ana").finder.lineage(node).edges)
    assert not found.truncated


def test_nobody_reads_what_nobody_was_seen_to_read(connect: Connect):
    assert connect("ana").finder.consumers(FLIGHTS) == Listed(())
    with pytest.raises(NotFound):
        connect("ana").finder.consumers(SALARIES)


def test_who_trained_on_a_dataset_is_known(connect: Connect, clock: Clock):
    ops = connect("ops")
    for rows in (1, 2):
        ops.publish(HOURLY, manifest(rows, of=HOURLY))
    made = [
        training_set(HOURLY.at(n), by="person:ops", content=str(n), decision=permitted(ops, HOURLY))
        for n in (1, 2)
    ]
    for one in (*made, made[0]):
        ops.record(one)
    finder = connect("ana").finder
    found = everything(lambda after: finder.consumers(HOURLY, limit=1, after=after))
    assert {(c.kind, c.name, c.version, c.times) for c in found} == {
        ("training-set", made[0].id, 1, 1),
        ("training-set", made[1].id, 2, 1),
    }
    assert [c.name for c in finder.consumers(HOURLY.at(2)).items] == [made[1].id]
    assert found[0].first_at == found[0].last_at == clock.now


def test_deputies_decide_as_stewards_do(connect: Connect):
    with_deputy = replace(declared(SALARIES), deputies=("person:max",))
    connect("gov").desk.apply(governing(with_deputy))
    maximilian = connect("max")
    assert maximilian.dataset(SALARIES).owners[-1] == Owner("person:max", Role.DEPUTY)
    given = maximilian.records.grant(SALARIES, grantee="person:ana")
    assert connect("ana").records.grants().items == (given,)
    unknown = replace(with_deputy, deputies=("person:nobody",))
    with pytest.raises(InvalidInput, match="deputy 'person:nobody' is not declared"):
        connect("gov").desk.apply(governing(unknown))


def test_a_tag_with_a_value_closes_by_its_name(connect: Connect):
    said = replace(declared(FLIGHTS), column_tags={"tailnum": ("personal=direct",)})
    tags = (Tag(name="personal", protected=True, values=("direct",)), *GOVERNANCE.tags[1:])
    governed: Governance = governing(said, tags=tags)
    connect("gov").desk.apply(governed)
    with pytest.raises(Denied):
        connect("max").permit(
            Action.READ, [ColumnRef(FLIGHTS.dataset, "tailnum")], purpose="report"
        )
    listed = connect("ana").finder.entries({"tag": ("personal",)}).items
    assert [summary.name for summary in listed] == [FLIGHTS.dataset]
