"""What a training set may say of definitions and permits, whatever records it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provender.core.errors import Denied, InvalidInput
from provender.core.lineage import Node, NodeKind
from provender.core.models import Trained
from provender.core.names import FeatureRef
from provender.core.policy import Action, ColumnRef
from provender.core.protocols import Library
from provender.core.training import TrainingSetManifest
from tests.catalog.world import (
    FLIGHTS,
    HOURLY,
    REPO,
    SCHEMA,
    Clock,
    manifest,
    permitted,
    training_set,
)
from tests.contract.conftest import Connect

DIGEST = f"sha256:{'a' * 64}"
READ = ("temp", "origin", "event_timestamp")


def asking(
    made: TrainingSetManifest, view: str, feature: str, *, service: str = ""
) -> TrainingSetManifest:
    """Return ``made`` as if of one feature, for a service or for none."""
    spec = replace(made.spec, features=(FeatureRef(view, feature),), service=service)
    return replace(made, spec=spec, columns=("origin", "event_timestamp", feature))


def whole(catalog: Library) -> str:
    """The decision that lets the catalog's actor read every column of the weather."""
    columns = [ColumnRef(HOURLY.dataset, column.name) for column in SCHEMA.columns]
    return catalog.permit(Action.READ, columns, purpose="report").decision


def tells(catalog: Library, made: TrainingSetManifest) -> object:
    """What ``catalog`` tells of where a training set comes from."""
    node = Node(NodeKind.TRAINING_SET, made.id)
    found = catalog.finder.lineage(node, depth=4, columns=True)
    seen = {f"{edge.upstream} > {edge.downstream}".replace(made.id, "it") for edge in found.edges}
    return seen, len(found.columns), catalog.finder.tags(node)


@pytest.fixture
def ops(connect: Connect) -> Library:
    """A catalog with flights and weather, and definitions of which those over pay are hidden."""
    catalog = connect("ops")
    for ref in (FLIGHTS, HOURLY):
        catalog.publish(ref, manifest(of=ref))
    connect("dev").record(REPO)
    return catalog


def test_of_hidden_definitions_a_training_set_tells_what_it_tells_of_absent_ones(ops: Library):
    plain = training_set(HOURLY.at(1), by="person:ops", decision=whole(ops))
    told = []
    for view, service in (("pay", "pay_v1"), ("nope", "nope_v1")):
        for of in ("", service):
            for project in ("delays", "none_such"):
                made = asking(plain, view, "salary", service=of)
                made = replace(made, spec=replace(made.spec, project=project))
                ops.record(made)
                told.append(tells(ops, made))
    assert all(one == told[0] for one in told)
    assert told[0] == ({"dataset:aviation.weather_hourly@1 > training-set:it"}, 0, ())


def test_where_no_definitions_say_what_was_read_the_permit_is_for_every_column(ops: Library):
    some = [ColumnRef(HOURLY.dataset, name) for name in READ]
    decision = ops.permit(Action.READ, some, purpose="report").decision
    plain = training_set(HOURLY.at(1), by="person:ops", decision=decision)
    said = []
    for made in (
        replace(plain, repo_digest=""),
        asking(plain, "pay", "salary"),
        asking(plain, "nope", "salary"),
        replace(plain, spec=replace(plain.spec, features=())),
        replace(plain, spec=replace(plain.spec, project="none_such")),
    ):
        closed = r"did not let person:ops read .*weather_hourly\.\w+"
        with pytest.raises(InvalidInput, match=closed) as error:
            ops.record(made)
        assert "or record it with a permit for every column" in str(error.value.hint)
        said.append(error.value.message.replace(made.id, "it"))
        ops.record(replace(made, decision=whole(ops)))
    assert set(said) == {said[0]}


def test_a_training_set_is_of_one_maker_and_so_are_its_models(ops: Library, connect: Connect):
    theirs = training_set(HOURLY.at(1), by="person:ops", decision=permitted(ops, HOURLY))
    ops.record(theirs)
    ana = connect("ana")
    decision = permitted(ana, HOURLY)
    for digest in (theirs.repo_digest, ""):
        forged = replace(
            theirs, created_by="person:ana", decision=decision, repo_digest=digest, seconds=1.0
        )
        assert forged.id == theirs.id
        with pytest.raises(InvalidInput, match="digests that person:ana has not made") as error:
            ana.record(forged)
        assert "ops" not in f"{error.value} {error.value.hint}"
    model = Trained(name="claim", training_set=theirs.id, artifact=DIGEST)
    with pytest.raises(Denied, match="person:ana did not make the training set"):
        ana.models.record(model)
    ops.record(replace(theirs, seconds=2.0))  # made again: the first is kept
    assert ops.records.training_set(theirs.id) == theirs
    assert ops.models.record(model).created_by == "person:ops"


def test_a_training_set_asks_for_columns_that_its_permit_opened(ops: Library):
    every = [ColumnRef(HOURLY.dataset, name) for name in READ]
    plain = training_set(HOURLY.at(1), by="person:ops")
    for left in every:
        some = [column for column in every if column != left]
        decision = ops.permit(Action.READ, some, purpose="report").decision
        for view, feature in (("weather", "temp"), ("heat", "celsius")):
            made = asking(replace(plain, decision=decision), view, feature)
            for digest in (REPO.digest, "sha256:other"):
                with pytest.raises(InvalidInput, match=rf"did not let person:ops read {left} for"):
                    ops.record(replace(made, repo_digest=digest))
    decision = ops.permit(Action.READ, every, purpose="report").decision
    ops.record(asking(replace(plain, decision=decision), "heat", "celsius"))


def test_what_was_made_with_definitions_never_applied_hangs_on_what_it_read_only(ops: Library):
    made = training_set(HOURLY.at(1), by="person:ops", decision=whole(ops))
    made = replace(made, repo_digest="")
    ops.record(made)
    _, columns, tags = tells(ops, made)
    assert (columns, tags) == (0, ())


def test_a_permit_of_one_version_is_none_of_another(ops: Library, clock: Clock):
    every = [ColumnRef(HOURLY.dataset, name) for name in READ]
    of_first = ops.permit(Action.READ, every, purpose="report", versions=[HOURLY.at(1)])
    more = [*every, ColumnRef(HOURLY.dataset, "arr_delay")]
    of_any = ops.permit(Action.READ, more, purpose="report")
    clock.advance(timedelta(days=1))
    ops.publish(HOURLY, manifest(2, of=HOURLY))
    for permit in (of_first, of_any):
        ops.record(training_set(HOURLY.at(1), by="person:ops", decision=permit.decision))
        with pytest.raises(InvalidInput, match=r"did not let person:ops read .*hourly@2 for"):
            ops.record(training_set(HOURLY.at(2), by="person:ops", decision=permit.decision))
