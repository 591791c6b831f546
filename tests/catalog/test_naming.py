"""A dataset that gets another name: everything said, granted, published and made of it stays."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provender.core.audit import EventKind
from provender.core.errors import (
    Conflict,
    Denied,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    Problems,
    Stale,
)
from provender.core.governance import Domain
from provender.core.lifecycle import Step
from provender.core.lineage import Edge, Node
from provender.core.names import DatasetRef
from provender.core.policy import Action, ColumnRef, Rule
from tests.catalog.world import (
    FLIGHTS,
    GOVERNANCE,
    HOURLY,
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
    versions_of,
)

TRIPS = DatasetRef("aviation", "trips")
SKY = DatasetRef("aviation", "sky")


def edges(found: list[Edge]) -> list[str]:
    return [f"{edge.upstream} → {edge.downstream}" for edge in found]


def test_an_entry_keeps_its_urn_and_both_names_lead_to_it(connect: Connect, clock: Clock):
    ops, ana = connect("ops"), connect("ana")
    before = ana.finder.entry(FLIGHTS)
    clock.advance(timedelta(hours=1))
    entry = ops.desk.rename(FLIGHTS, str(TRIPS), expected=before.revision)
    assert (entry.urn, entry.revision) == (before.urn, before.revision + 1)
    assert entry.dataset == replace(before.dataset, ref=TRIPS)
    assert entry.former_names == ("aviation.flights",)
    assert entry.changed_at == clock.now
    assert ana.finder.entry(FLIGHTS) == ana.finder.entry(TRIPS) == entry
    assert ana.dataset(FLIGHTS).ref == TRIPS
    assert TRIPS.dataset in [s.name for s in listed(ana)]
    assert FLIGHTS.dataset not in [s.name for s in listed(ana)]


def test_versions_and_their_pins_go_on_under_the_new_name(connect: Connect):
    ops, ana = connect("ops"), connect("ana")
    first = ops.publish(FLIGHTS, manifest(1))
    ops.desk.rename(FLIGHTS, str(TRIPS), expected=None)
    assert ana.resolve(FLIGHTS.at(1)) == ana.resolve(TRIPS.at(1))
    assert ana.resolve(FLIGHTS.at(1)).ref == TRIPS.at(1)
    assert ana.resolve(FLIGHTS.at(1)).manifest == first.manifest
    second = ops.publish(FLIGHTS, manifest(2))  # a pipeline that knows the old name
    assert second.ref == TRIPS.at(2)
    assert ops.publish(TRIPS, manifest(2, of=TRIPS)).ref == TRIPS.at(2)
    assert [v.ref for v in versions_of(ana, FLIGHTS)] == [TRIPS.at(1), TRIPS.at(2)]
    assert [r.version.ref for r in ana.finder.releases(FLIGHTS).items] == [TRIPS.at(2), TRIPS.at(1)]
    assert [
        v.ref for v in [one.version for one in connect("gov").records.every_version().items]
    ] == [
        TRIPS.at(1),
        TRIPS.at(2),
    ]
    release = ops.desk.step(FLIGHTS.at(1), Step.DEPRECATE, reason="old")
    assert release.version.ref == TRIPS.at(1)
    assert ana.release(FLIGHTS.at(1)).warnings[0].startswith("aviation.trips@1 was deprecated")
    with pytest.raises(NotFound, match=r"aviation\.flights@9 not found; versions are 1–2"):
        ana.resolve(FLIGHTS.at(9))


def test_a_version_may_lie_in_the_folder_of_a_former_name(connect: Connect):
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest(1))
    ops.desk.rename(FLIGHTS, str(TRIPS), expected=None)
    appended = manifest(2, of=FLIGHTS)
    assert ops.publish(TRIPS, appended).manifest == appended
    assert ops.publish(FLIGHTS, manifest(3, of=TRIPS)).ref == TRIPS.at(3)


def test_data_that_is_too_old_is_told_of_by_the_name_of_now(connect: Connect, clock: Clock):
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest(1))
    ops.desk.rename(FLIGHTS, str(TRIPS), expected=None)
    clock.advance(timedelta(days=2))
    for ask in (ops.resolve, ops.release):
        with pytest.raises(Stale, match=r"the data of aviation\.trips@1 is of"):
            ask(TRIPS, max_age=timedelta(days=1))


def test_inputs_that_manifests_name_by_the_old_name_stay_seen_and_hidden(connect: Connect):
    open_to_ops = replace(declared(SALARIES), stewards=("person:ops",))
    connect("gov").desk.apply(governing(open_to_ops))
    ops, ana = connect("ops"), connect("ana")
    ops.publish(FLIGHTS, manifest())
    ops.publish(SALARIES, manifest(event_timestamp=None, of=SALARIES))
    whole = manifest(inputs=(FLIGHTS.at(1), SALARIES.at(1)), of=HOURLY)
    ops.publish(HOURLY, whole)
    ops.desk.rename(FLIGHTS, str(TRIPS), expected=None)
    ops.desk.rename(SALARIES, "people.pay", expected=None)
    assert ops.resolve(HOURLY).manifest == whole  # word by word: it has a digest
    assert ana.resolve(HOURLY).manifest.inputs == (FLIGHTS.at(1),)
    made = ops.publish(HOURLY, manifest(3, inputs=(FLIGHTS.at(1), TRIPS.at(1)), of=HOURLY))
    assert made.manifest.inputs == (FLIGHTS.at(1), TRIPS.at(1))


def test_grants_rules_and_permits_go_on_under_both_names(connect: Connect):
    gov, ops, maxi = connect("gov"), connect("ops"), connect("max")
    exact = Rule(
        id="flights", actors=("person:max",), actions=(Action.SERVE,), datasets=(str(FLIGHTS),)
    )
    gov.desk.apply(governing(rules=(*GOVERNANCE.rules, exact)))
    grant = ops.records.grant(
        FLIGHTS, grantee="person:max", columns=["tailnum"], purposes=["delay"]
    )
    ops.desk.rename(FLIGHTS, str(TRIPS), expected=None)
    for ref in (FLIGHTS, TRIPS):
        for action, column in ((Action.READ, "tailnum"), (Action.SERVE, "arr_delay")):
            asked = [ColumnRef(ref.dataset, column)]
            permit = maxi.permit(action, asked, purpose="delay")
            permit.cover(asked, now=permit.decided_at)
            permit.cover([ColumnRef(TRIPS.dataset, column)], now=permit.decided_at)
    (found,) = list(maxi.records.grants(FLIGHTS).items)
    assert found == replace(grant, dataset=TRIPS.dataset)
    assert (
        ops.records.grant(FLIGHTS, grantee="person:max", columns=["tailnum"], purposes=["delay"])
        == found
    )
    assert ops.records.revoke(grant.id).revoked_at is not None
    with pytest.raises(Denied):
        maxi.permit(Action.READ, [ColumnRef(FLIGHTS.dataset, "tailnum")], purpose="delay")
    named = next(rule for rule in gov.governance().rules if rule.id == "flights")
    assert named.datasets == (TRIPS.dataset,)


def test_views_over_the_old_name_are_known_and_can_be_applied_again(connect: Connect):
    gov, dev, ana, ops = connect("gov"), connect("dev"), connect("ana"), connect("ops")
    gov.desk.apply(GOVERNANCE)
    repo = replace(REPO, views=REPO.views[:1], services=REPO.services[:1])
    ana.record(repo)
    ops.desk.rename(HOURLY, str(SKY), expected=None)
    assert ana.repo("delays") == repo
    assert ana.records.projects() == ["delays"]
    view, source = Node.parse("feature-view:delays/weather"), Node.parse(f"dataset:{SKY}")
    wanted = f"{source} → {view}"
    assert wanted in edges(list(ana.finder.lineage(view).edges))
    changed = replace(repo, views=(replace(repo.views[0], description="The sky."),))
    ana.record(changed)  # CatalogSource(old)
    assert wanted in edges(list(ana.finder.lineage(view).edges))
    assert wanted in edges(list(ana.finder.lineage(Node.parse(f"dataset:{HOURLY}")).edges))
    moved = replace(changed, views=(replace(changed.views[0], dataset=SKY),))
    ana.record(moved)
    assert edges(list(ana.finder.lineage(view, depth=1).edges)).count(wanted) == 1
    assert dev.records.serving_manifest("delays").project == "delays"


def test_lineage_goes_on_without_a_seam(connect: Connect):
    ops, ana = connect("ops"), connect("ana")
    ops.publish(FLIGHTS, manifest(1))
    ops.publish(HOURLY, manifest(1, inputs=(FLIGHTS.at(1),), of=HOURLY))
    ops.desk.rename(FLIGHTS, str(TRIPS), expected=None)
    ops.publish(TRIPS, manifest(2, of=TRIPS))
    ops.publish(HOURLY, manifest(2, inputs=(FLIGHTS.at(2), TRIPS.at(1)), of=HOURLY))
    found = edges(list(ana.finder.lineage(Node.parse(f"dataset:{FLIGHTS}"), depth=1).edges))
    assert found == [
        "dataset:aviation.trips@1 → dataset:aviation.weather_hourly@1",
        "dataset:aviation.trips@1 → dataset:aviation.weather_hourly@2",
        "dataset:aviation.trips@2 → dataset:aviation.trips",
        "dataset:aviation.trips@2 → dataset:aviation.weather_hourly@2",
    ]
    assert found == edges(list(ana.finder.lineage(Node.parse(f"dataset:{TRIPS}"), depth=1).edges))
    assert list(ana.finder.lineage(Node.parse(f"dataset:{FLIGHTS.at(1)}")).edges)


def test_a_training_set_pinned_to_the_old_name_is_recorded_and_found(connect: Connect):
    ops, ana = connect("ops"), connect("ana")
    ops.publish(HOURLY, manifest(of=HOURLY))
    decision = permitted(ana, HOURLY)
    before = training_set(HOURLY.at(1), by="person:ana", decision=decision)
    ana.record(before)
    ops.desk.rename(HOURLY, str(SKY), expected=None)
    for pin in (HOURLY.at(1), SKY.at(1)):  # one permitted before, one after
        for decided in (decision, permitted(ana, pin)):
            made = training_set(pin, by="person:ana", decision=decided, content=f"{pin} {decided}")
            ana.record(made)
            assert ana.records.training_set(made.id) == made
    assert ana.records.training_set(before.id).pins == (HOURLY.at(1),)
    readers = {consumer.name for consumer in ops.finder.consumers(HOURLY).items}
    assert before.id in readers
    assert len([name for name in readers if name.startswith("ts_")]) == 5


def test_the_trail_and_the_history_are_one(connect: Connect, clock: Clock):
    sam, ops, gov = connect("sam"), connect("ops"), connect("gov")
    ops.publish(FLIGHTS, manifest(1))
    clock.advance(timedelta(hours=1))
    ops.desk.rename(FLIGHTS, str(TRIPS), expected=None)
    ops.publish(TRIPS, manifest(2, of=TRIPS))
    (event,) = gov.records.audit_events(kind=EventKind.DATASET_RENAME)
    assert event.subject == TRIPS.dataset
    assert event.detail == {"was": FLIGHTS.dataset, "becomes": TRIPS.dataset}
    by_old, by_new = (sam.records.audit_events(subject=str(ref)) for ref in (FLIGHTS, TRIPS))
    assert by_old == by_new
    assert [e.subject for e in by_new] == [
        "aviation.trips@2",
        "aviation.trips",
        "aviation.flights@1",
        "aviation.flights",
    ]


def test_features_of_a_renamed_dataset_are_judged_by_what_it_is_called_now(connect: Connect):
    ops, dev, gov = connect("ops"), connect("dev"), connect("gov")
    ops.publish(HOURLY, manifest(1, of=HOURLY))
    dev.record(REPO)
    closed = gov.records.serving_manifest(REPO.project).closed
    ops.desk.rename(HOURLY, "aviation.weather_by_hour", expected=None)
    dev.record(REPO)
    assert gov.records.serving_manifest(REPO.project).closed.keys() == closed.keys()


def test_search_finds_a_dataset_by_its_new_name_only_once(connect: Connect):
    ops, ana = connect("ops"), connect("ana")
    ops.publish(FLIGHTS, manifest(1))
    ops.desk.rename(FLIGHTS, str(TRIPS), expected=None)
    hits = [hit for hit in searched(ana, "trips") if hit.kind == "dataset"]
    assert [hit.name for hit in hits] == [TRIPS.dataset]
    assert FLIGHTS.dataset not in [hit.name for hit in searched(ana, "departures")]


def test_no_name_is_ever_given_to_another_dataset(connect: Connect):
    ops, gov = connect("ops"), connect("gov")
    ops.publish(FLIGHTS, manifest())
    ops.desk.rename(FLIGHTS, str(TRIPS), expected=None)
    with pytest.raises(Conflict, match=r"aviation\.flights is the name of another dataset"):
        ops.desk.rename(WEATHER, str(FLIGHTS), expected=None)
    with pytest.raises(Conflict, match=r"aviation\.weather is the name of another dataset"):
        ops.desk.rename(TRIPS, str(WEATHER), expected=None)
    with pytest.raises(Problems, match=r"aviation\.flights is called aviation\.trips now"):
        gov.desk.apply(GOVERNANCE)  # a file that was not renamed
    again = tuple(replace(d, ref=TRIPS) if d.ref == FLIGHTS else d for d in GOVERNANCE.datasets)
    gov.desk.apply(replace(GOVERNANCE, datasets=again))
    assert ops.finder.entry(FLIGHTS).former_names == ("aviation.flights",)


def test_a_dataset_may_have_its_own_former_name_back(connect: Connect, clock: Clock):
    ops = connect("ops")
    ops.publish(FLIGHTS, manifest())
    for ref in (TRIPS, SKY, FLIGHTS):
        clock.advance(timedelta(hours=1))
        entry = ops.desk.rename(FLIGHTS, str(ref), expected=None)
    assert entry.dataset.ref == FLIGHTS
    assert entry.former_names == (TRIPS.dataset, SKY.dataset)
    assert ops.resolve(TRIPS).ref == ops.resolve(SKY).ref == FLIGHTS.at(1)
    revision = entry.revision
    assert ops.desk.rename(TRIPS, str(FLIGHTS), expected=None).revision == revision


def test_who_does_not_steward_it_cannot_rename_it_nor_learn_what_it_is_called(connect: Connect):
    ops, ana, gov = connect("ops"), connect("ana"), connect("gov")
    with pytest.raises(Denied):
        ana.desk.rename(FLIGHTS, str(TRIPS), expected=None)
    gov.desk.apply(governing(replace(declared(SALARIES), stewards=("person:ops",))))
    ops.desk.rename(SALARIES, "people.bonuses", expected=None)
    columns = [ColumnRef(SALARIES.dataset, "amount")]
    with pytest.raises(NotFound) as absent:
        ana.dataset(DatasetRef("people", "nothing"))
    for ask in (
        lambda: ana.dataset(SALARIES),
        lambda: ana.permit(Action.READ, columns, purpose="report"),
        lambda: ana.desk.rename(SALARIES, "people.x", expected=None),
        lambda: list(ana.finder.lineage(Node.parse(f"dataset:{SALARIES}")).edges),
    ):
        with pytest.raises(NotFound) as hidden:
            ask()
        assert "bonuses" not in str(hidden.value)
        assert hidden.value.message == absent.value.message.replace("nothing", "salaries")
    decision = ana.records.decide(Action.READ, columns, purpose="report")
    assert "bonuses" not in repr(decision)
    assert not decision.allowed


def test_what_is_no_new_name_is_refused(connect: Connect):
    ops, gov = connect("ops"), connect("gov")
    with pytest.raises(InvalidInput, match="not a dataset name part"):
        ops.desk.rename(FLIGHTS, "aviation.Flights", expected=None)
    with pytest.raises(InvalidInput, match="names a version"):
        ops.desk.rename(FLIGHTS, "aviation.trips@2", expected=None)
    with pytest.raises(InvalidInput, match="names a version"):
        ops.desk.rename(FLIGHTS.at(1), "aviation.trips", expected=None)
    with pytest.raises(PreconditionFailed, match="not 7"):
        ops.desk.rename(FLIGHTS, "aviation.trips", expected=7)
    with pytest.raises(Denied, match="may not move a dataset to domain people"):
        ops.desk.rename(FLIGHTS, "people.flights", expected=None)
    made = governing(
        replace(declared(FLIGHTS), stewards=("person:gov",)),
        domains=(*GOVERNANCE.domains, Domain(name="travel")),
    )
    gov.desk.apply(made)
    with pytest.raises(NotFound, match="domain 'nowhere' not found"):
        gov.desk.rename(FLIGHTS, "nowhere.flights", expected=None)
    assert gov.desk.rename(FLIGHTS, "travel.flights", expected=None).dataset.ref.domain == "travel"
    assert [s.name for s in listed(ops, domain="travel")] == ["travel.flights"]


def test_a_dataset_that_moves_to_a_closed_domain_is_not_found_any_more(connect: Connect):
    gov, ana = connect("gov"), connect("ana")
    gov.desk.apply(governing(replace(declared(FLIGHTS), stewards=("person:gov",))))
    assert [hit.name for hit in searched(ana, "departures arrivals")] == [FLIGHTS.dataset]
    gov.desk.rename(FLIGHTS, "people.flights", expected=None)
    assert searched(ana, "departures arrivals") == []
    with pytest.raises(NotFound):
        ana.dataset(FLIGHTS)
    gov.desk.rename(FLIGHTS, "aviation.flights", expected=None)
    assert [hit.name for hit in searched(ana, "departures arrivals")] == [FLIGHTS.dataset]
