"""Tags that travel: what they close and why, and what changes them."""

from dataclasses import replace

import pytest

from provender.catalog import carried, epoch
from provender.catalog.local import LocalCatalog
from provender.core.datasets import Dataset
from provender.core.editing import Edit
from provender.core.errors import Denied, NotFound, Problems
from provender.core.features import FieldSpec, RepoSpec, SavedDatasetSpec
from provender.core.lineage import Node, NodeKind, dataset_node
from provender.core.models import Trained
from provender.core.names import DatasetRef, FeatureRef
from provender.core.policy import Action, ColumnRef, Rule
from provender.core.schema import Column, Schema
from provender.core.tags import Assignment, Tag, Way
from provender.core.travel import ColumnTag, Whence
from tests.catalog.world import (
    FLIGHTS,
    GOVERNANCE,
    HOURLY,
    REPO,
    SALARIES,
    SCHEMA,
    Connect,
    dataset,
    declared,
    governing,
    manifest,
    training_set,
)

LAST = DatasetRef("aviation", "tail_last")
COUNTS = DatasetRef("aviation", "tail_counts")
PERSONAL = Tag(name="personal", protected=True, stops_at=(Way.AGGREGATE,))
ARRIVED = replace(
    REPO.views[0],
    name="arrived",
    dataset=LAST,
    features=(FieldSpec(name="aircraft", type="string"),),
)
DEFINED = replace(
    REPO,
    views=(ARRIVED,),
    on_demand=(replace(REPO.on_demand[0], inputs=(FeatureRef("arrived", "aircraft"),)),),
    services=(
        replace(
            REPO.services[0],
            features=(FeatureRef("arrived", "aircraft"), FeatureRef("heat", "celsius")),
        ),
    ),
)
KEPT = SavedDatasetSpec(
    name="kept", features=(FeatureRef("arrived", "aircraft"),), service="delay_v1", dataset=COUNTS
)
SOURCE = Whence(dataset_node(FLIGHTS), "tailnum")


def derived(ref: DatasetRef, anonymises: str = "") -> Dataset:
    """A dataset with the column ``aircraft``, made from the tail number of flights."""
    says = {"aircraft": anonymises} if anonymises else {}
    made = {"aircraft": (f"{FLIGHTS}.tailnum",)}
    return dataset(ref, "By aircraft.", column_from=made, column_anonymises=says)


def apply(connect: Connect, *datasets: Dataset, **changes: object) -> None:
    said = {"tags": (PERSONAL, GOVERNANCE.tags[1]), **changes}
    connect("gov").desk.apply(governing(*datasets, **said))


def define(connect: Connect, repo: RepoSpec = DEFINED, by: str = "dev") -> None:
    connect(by).record(repo)


def whole(catalog: LocalCatalog, node: Node) -> dict[str, dict[str, Whence | None]]:
    """By column: the tags that came there, and where from."""
    found: dict[str, dict[str, Whence | None]] = {}
    for one in catalog.finder.tags(node):
        if one.carried:
            found.setdefault(one.column, {})[one.tag] = one.whence
    return found


def view(name: str) -> Node:
    return Node(NodeKind.VIEW, f"delays/{name}")


# What they close, and why


def test_a_column_made_from_a_tagged_one_is_closed_and_the_refusal_says_why(connect: Connect):
    apply(connect, derived(LAST))
    catalog = connect("max")
    with pytest.raises(Denied) as refused:
        catalog.permit(Action.READ, [ColumnRef(str(LAST), "aircraft")], purpose="report")
    assert "tagged personal" in refused.value.message
    assert "personal is carried from aviation.flights.tailnum" in refused.value.message
    assert catalog.permit(Action.READ, [ColumnRef(str(LAST), "other")], purpose="report")


def test_a_tag_travels_along_an_edge_that_comes_later(connect: Connect):
    connect("gov").desk.apply(governing(derived(LAST)))
    assert whole(connect("max"), dataset_node(LAST))["aircraft"]["personal"] == SOURCE
    assert not _faults(connect)


def test_it_says_through_what_a_tag_came(connect: Connect):
    once_more = dataset(
        COUNTS, "By aircraft.", column_from={"tail": (f"{LAST}.aircraft", f"{FLIGHTS}.arr_delay")}
    )
    apply(connect, derived(LAST), once_more)
    decision = connect("max").records.decide(
        Action.READ, [ColumnRef(str(COUNTS), "tail")], purpose="report"
    )
    because = decision.reasons[0].because
    assert "carried from aviation.flights.tailnum through dataset aviation.tail_last" in because


def test_a_rule_or_grant_that_reaches_the_tag_opens_what_carries_it(connect: Connect):
    reads = Rule(
        id="tails",
        actors=("person:max",),
        actions=(Action.READ,),
        datasets=("aviation.*",),
        tags=("personal",),
    )
    apply(connect, derived(LAST), rules=(*GOVERNANCE.rules, reads))
    schema = Schema((*SCHEMA.columns, Column(name="aircraft", type="string")))
    connect("ops").publish(LAST, manifest(of=LAST, schema=schema))
    asked = [ColumnRef(str(LAST), "aircraft")]
    assert connect("max").permit(Action.READ, asked, purpose="report")
    with pytest.raises(Denied):
        connect("ana").permit(Action.READ, asked, purpose="report")
    connect("ops").records.grant(
        LAST, grantee="person:ana", columns=("aircraft",), purposes=("report",)
    )
    assert connect("ana").permit(Action.READ, asked, purpose="report")


def test_the_source_is_not_named_to_who_may_not_discover_it(connect: Connect):
    hidden = replace(declared(SALARIES), column_tags={"name": ("personal",)})
    made = dataset(LAST, "By person.", column_from={"who": (f"{SALARIES}.name",)})
    apply(connect, hidden, made)
    (reason,) = (
        connect("max")
        .records.decide(Action.READ, [ColumnRef(str(LAST), "who")], purpose="report")
        .reasons
    )
    assert not reason.allowed
    assert "personal is carried from what it was made from" in reason.because
    assert "salaries" not in reason.because
    assert whole(connect("max"), dataset_node(LAST)) == {"who": {"personal": None}}


def test_what_a_dataset_says_names_no_source_that_may_not_be_discovered(connect: Connect):
    sources = (f"{SALARIES}.name", f"{FLIGHTS}.tailnum")
    says = {"who": "hash: sha256", "pay": "hash: sha256"}
    made = dataset(
        LAST,
        "By person.",
        column_from={"who": sources, "pay": (f"{SALARIES}.salary",)},
        column_anonymises=says,
    )
    apply(connect, declared(SALARIES), made)
    max_ = connect("max")
    then = max_.finder.entry(LAST).changed_at
    for told in (
        max_.finder.entry(LAST).dataset,
        max_.finder.entry(LAST, as_of=then).dataset,
        next(one for one in max_.desk.governance().datasets if one.ref == LAST),
    ):
        assert told.column_from == {"who": sources[1:]}
        assert told.column_anonymises == {"who": "hash: sha256"}
    remembered = max_.desk.history("dataset", str(LAST)).items
    assert remembered
    assert "salaries" not in str(remembered)
    gov = connect("gov")
    assert gov.finder.entry(LAST).dataset == made
    assert next(one for one in gov.desk.governance().datasets if one.ref == LAST) == made


def test_it_stops_where_an_aggregation_anonymises_and_only_if_the_tag_says_so(connect: Connect):
    apply(
        connect,
        derived(LAST, "hash: sha256 of the tail number"),
        derived(COUNTS, "aggregate: flights over 30 days, k>=10"),
    )
    catalog = connect("max")
    assert whole(catalog, dataset_node(LAST)) == {
        "aircraft": {"personal": SOURCE, "source.bts": SOURCE}
    }
    assert whole(catalog, dataset_node(COUNTS)) == {"aircraft": {"source.bts": SOURCE}}
    assert catalog.permit(Action.READ, [ColumnRef(str(COUNTS), "aircraft")], purpose="report")
    everywhere = replace(PERSONAL, stops_at=(Way.HASH,))
    apply(connect, derived(LAST, "hash: sha256"), derived(COUNTS, "aggregate: count"), tags=(everywhere, GOVERNANCE.tags[1]))  # fmt: skip
    assert "personal" not in whole(catalog, dataset_node(LAST))["aircraft"]
    assert "personal" in whole(catalog, dataset_node(COUNTS))["aircraft"]


def test_a_tag_that_does_not_travel_stays_where_it_was_put(connect: Connect):
    staying = replace(GOVERNANCE.tags[1], travels=False)
    apply(connect, derived(LAST), tags=(PERSONAL, staying))
    assert whole(connect("max"), dataset_node(LAST)) == {"aircraft": {"personal": SOURCE}}


def test_tags_travel_to_features_services_training_sets_and_models(connect: Connect):
    apply(connect, derived(LAST))
    define(connect)
    catalog = connect("ops")
    over = (dataset_node(LAST), view("arrived"))
    assert whole(catalog, view("arrived"))["aircraft"]["personal"] == replace(SOURCE, over=over[:1])
    computed = Node(NodeKind.ON_DEMAND, "delays/heat")
    assert whole(catalog, computed)["celsius"]["personal"] == replace(SOURCE, over=over)
    service = Node(NodeKind.SERVICE, "delays/delay_v1")
    assert whole(catalog, service)["arrived:aircraft"]["personal"] == replace(SOURCE, over=over)
    schema = Schema((*SCHEMA.columns, Column(name="aircraft", type="string")))
    catalog.publish(LAST, manifest(of=LAST, schema=schema))
    catalog.records.grant(LAST, grantee="person:ana", columns=("aircraft",))
    catalog = connect("ana")
    features = (FeatureRef("arrived", "aircraft"),)
    read = [ColumnRef(str(LAST), name) for name in ("aircraft", "origin", "event_timestamp")]
    decision = catalog.permit(Action.READ, read, purpose="report").decision
    made = training_set(LAST.at(1), by="person:ana", decision=decision)
    made = replace(made, spec=replace(made.spec, features=features), columns=("origin", "aircraft"))
    catalog.record(made)
    training = Node(NodeKind.TRAINING_SET, made.id)
    found = whole(catalog, training)
    assert found["aircraft"]["personal"] == replace(SOURCE, over=(*over, service))
    artifact = f"sha256:{'a' * 64}"
    learnt = catalog.models.record(Trained(name="fare", training_set=made.id, artifact=artifact))
    found = whole(catalog, learnt.node)
    assert found["aircraft"]["personal"] == replace(SOURCE, over=(*over, service, training))


def test_what_was_saved_of_a_service_is_closed_as_what_it_was_made_of(connect: Connect):
    apply(connect, derived(LAST), dataset(COUNTS, "Saved."))
    connect("ops").records.grant(COUNTS, grantee="person:dev", action=Action.PUBLISH)
    define(connect, replace(DEFINED, saved=(KEPT,)))
    with pytest.raises(Denied, match=r"carried from aviation\.flights\.tailnum through dataset"):
        connect("max").permit(Action.READ, [ColumnRef(str(COUNTS), "aircraft")], purpose="report")


def test_tags_that_definitions_put_travel_on_and_go_with_them(connect: Connect):
    apply(connect, derived(LAST))
    late = replace(ARRIVED.features[0], tags=("late",))
    define(connect, replace(DEFINED, views=(replace(ARRIVED, features=(late,)),)))
    service = Node(NodeKind.SERVICE, "delays/delay_v1")
    found = whole(connect("ops"), service)
    assert found["arrived:aircraft"]["late"] == Whence(view("arrived"), "aircraft")
    assert ColumnTag(column="aircraft", tag="late", carried=False) in connect("ops").finder.tags(
        view("arrived")
    )
    define(connect)
    assert "late" not in whole(connect("ops"), service)["arrived:aircraft"]


def test_nobody_keeps_what_was_saved_as_a_dataset_that_they_may_not_publish(connect: Connect):
    apply(connect, dataset(COUNTS, "Theirs."), dataset(SALARIES, "Hidden.", owner="team:hr"))
    tagged = replace(ARRIVED.features[0], tags=("personal",))
    files = replace(
        DEFINED, views=(replace(ARRIVED, dataset=None, features=(tagged,)),), on_demand=()
    )
    files = replace(files, services=())
    said = []
    for ref in (SALARIES, DatasetRef("people", "salariez")):
        mine = replace(files, saved=(replace(KEPT, service="", dataset=ref),))
        for asks in (connect("max").record, connect("max").compile_serving):
            with pytest.raises(NotFound) as error:
                asks(mine)
            said.append(str(error.value).replace(str(ref), "…"))
    assert len(set(said)) == 1
    mine = replace(files, saved=(replace(KEPT, service="", dataset=COUNTS),))
    with pytest.raises(Denied, match=r"person:max may not publish aviation\.tail_counts"):
        connect("max").record(mine)
    asked = [ColumnRef(str(COUNTS), "aircraft")]
    assert connect("ana").permit(Action.READ, asked, purpose="report")
    given = connect("ops").records.grant(COUNTS, grantee="person:max", action=Action.PUBLISH)
    connect("max").record(mine)
    with pytest.raises(Denied, match=r"tagged personal"):
        connect("ana").permit(Action.READ, asked, purpose="report")
    connect("ops").records.revoke(given.id)
    with pytest.raises(Denied, match=r"may not publish aviation\.tail_counts"):
        connect("max").record(files)  # it would take the tag away


# What changes them


def test_they_come_and_go_with_edits_of_the_source_and_the_epoch_rises(connect: Connect):
    apply(connect, derived(LAST))
    asked = [ColumnRef(str(LAST), "aircraft")]
    before = _epoch(connect)
    off = Edit(unassign=(Assignment("personal", column="tailnum"),))
    connect("sam").desk.edit(FLIGHTS, off, expected=None, reason="test")
    assert connect("max").permit(Action.READ, asked, purpose="report")
    on = Edit(assign=(Assignment("personal", column="tailnum"),))
    connect("sam").desk.edit(FLIGHTS, on, expected=None, reason="test")
    with pytest.raises(Denied):
        connect("max").permit(Action.READ, asked, purpose="report")
    assert _epoch(connect) > before


def test_a_source_that_goes_leaves_tags_that_have_another_way(connect: Connect):
    other = dataset(HOURLY, "Of aircraft, too.", column_tags={"tail": ("personal",)})
    both = replace(
        derived(LAST), column_from={"aircraft": (f"{FLIGHTS}.tailnum", f"{HOURLY}.tail")}
    )
    apply(connect, other, both)
    off = Edit(unassign=(Assignment("personal", column="tailnum"),))
    connect("sam").desk.edit(FLIGHTS, off, expected=None, reason="test")
    found = whole(connect("max"), dataset_node(LAST))
    assert found["aircraft"]["personal"] == Whence(dataset_node(HOURLY), "tail")


def test_a_source_keeps_its_place_under_another_name(connect: Connect):
    apply(connect, derived(LAST))
    connect("sam").desk.rename(FLIGHTS, "aviation.departures", expected=None)
    found = whole(connect("max"), dataset_node(LAST))
    assert found["aircraft"]["personal"] == Whence(
        Node(NodeKind.DATASET, "aviation.departures"), "tailnum"
    )
    assert not _faults(connect)


def test_what_is_not_declared_any_more_leads_nowhere(connect: Connect):
    apply(connect, derived(LAST))
    apply(connect, dataset(LAST, "By aircraft."))
    assert whole(connect("max"), dataset_node(LAST)) == {}
    apply(connect, derived(LAST))
    apply(connect)
    with pytest.raises(NotFound):
        connect("max").finder.tags(dataset_node(LAST))
    assert not _faults(connect)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"column_from": {"a": ("aviation.flihgts.tailnum",)}}, "aviation.flihgts"),
        ({"column_from": {"a": ("flights",)}}, "is not a column of a dataset"),
        ({"column_from": {"a": (f"{LAST}.a",)}}, "is made from itself"),
        ({"column_anonymises": {"a": "hash: it"}}, "but not what"),
        (
            {"column_from": {"a": (f"{FLIGHTS}.tailnum",)}, "column_anonymises": {"a": "blur: it"}},
            "begins with no way",
        ),
    ],
)
def test_what_a_column_is_made_from_has_to_be_there(
    connect: Connect, made: dict[str, object], says: str
):
    with pytest.raises(Problems, match=says):
        apply(connect, dataset(LAST, "By aircraft.", **made))


def test_columns_have_the_tags_that_are_put_there_whether_or_not_they_lead_on(connect: Connect):
    connect("ops").publish(FLIGHTS, manifest())
    found = connect("max").finder.tags(dataset_node(FLIGHTS))
    assert [(one.column, one.tag) for one in found] == [
        ("arr_delay", "source.bts"),
        ("event_timestamp", "source.bts"),
        ("tailnum", "personal"),
        ("tailnum", "source.bts"),
    ]


def test_who_may_not_discover_something_is_told_nothing_of_its_tags(connect: Connect):
    with pytest.raises(NotFound):
        connect("max").finder.tags(dataset_node(SALARIES))


def _faults(connect: Connect) -> list[tuple[str, str]]:
    with connect("gov")._door.reading() as db:
        return list(carried.check(db))


def _epoch(connect: Connect) -> int:
    with connect("gov")._door.reading() as db:
        return epoch.now(db)
