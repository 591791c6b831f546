"""What all Models must do, whatever they are made of."""

from dataclasses import replace

import pytest

from provender.core.audit import EventKind
from provender.core.datasets import whole
from provender.core.errors import Conflict, Denied, InvalidInput, NotFound, Recalled
from provender.core.lifecycle import Severity, Step
from provender.core.lineage import Node, NodeKind, downstream
from provender.core.models import Trained
from provender.core.policy import Action
from provender.core.protocols import Library
from provender.core.training import TrainingSetManifest
from tests.catalog.world import HOURLY, REPO, VISIBLE, manifest, permitted, training_set
from tests.contract.conftest import Connect

ONE, OTHER = (f"sha256:{digit * 64}" for digit in "ab")


def made(catalog: Library, by: str = "person:ops", content: str = "c") -> TrainingSetManifest:
    """Return a training set of the hourly weather that ``catalog`` recorded."""
    found = training_set(HOURLY.at(1), by=by, content=content, decision=permitted(catalog, HOURLY))
    catalog.record(found)
    return found


def published(connect: Connect) -> Library:
    """Return the catalog for ops, with a version of the hourly weather, of which dev has features."""
    ops = connect("ops")
    ops.publish(HOURLY, manifest(1, of=HOURLY))
    connect("dev").record(VISIBLE)
    return ops


def trained(of: TrainingSetManifest, **said: object) -> Trained:
    facts = {"name": "fare-model", "artifact": ONE, "metrics": {"auc": 0.8}} | said
    return Trained(training_set=of.id, **facts)


def test_a_model_has_versions_and_lineage_says_what_they_rest_on(connect: Connect):
    ops = published(connect)
    first, second = made(ops), made(ops, content="d")
    one = ops.models.record(trained(first, uri="s3://models/fare/1", description="For fares."))
    two = ops.models.record(replace(trained(second), training_set=second.id[:12]))
    assert (one.id, two.id) == ("delays/fare-model@1", "delays/fare-model@2")
    assert (one.created_by, one.trained.metrics, one.trained.uri) == (
        "person:ops",
        {"auc": 0.8},
        "s3://models/fare/1",
    )
    assert two.trained.training_set == second.id
    for name in ("fare-model", "delays/fare-model"):
        assert ops.models.version(name) == two
        assert ops.models.version(name, 1) == one
    assert whole(lambda after: ops.models.versions("fare-model", limit=1, after=after)) == [
        two,
        one,
    ]
    other = ops.models.record(trained(first, name="a_model"))
    assert whole(lambda after: ops.models.models(limit=1, after=after)) == [other, two]

    above = ops.finder.lineage(one.node, depth=8)
    assert {str(edge.upstream) for edge in above.edges} >= {
        f"training-set:{first.id}",
        f"dataset:{HOURLY.at(1)}",
    }
    weather = Node(NodeKind.DATASET, str(HOURLY.at(1)))
    below = downstream(weather, ops.finder.lineage(weather, depth=8).edges)
    assert {one.node, two.node} <= below.keys()
    readers = ops.finder.consumers(HOURLY.at(1)).items
    assert {one.name for one in readers if one.kind == "model"} == {one.id, two.id, other.id}
    event = connect("gov").records.audit_events(kind=EventKind.MODEL_RECORD)[-1]
    assert (event.actor, event.subject) == ("person:ops", one.id)
    assert event.detail["training_set"] == first.id


def test_the_same_artifact_of_the_same_set_is_the_same_version(connect: Connect):
    ops = published(connect)
    first = made(ops)
    one = ops.models.record(trained(first))
    before = connect("gov").records.verify_audit()
    assert ops.models.record(trained(first)) == one
    assert connect("gov").records.verify_audit() == before
    with pytest.raises(Conflict, match=r"delays/fare-model@1 is of the same .* with other metrics"):
        ops.models.record(trained(first, metrics={"auc": 0.9}))
    assert ops.models.record(trained(first, artifact=OTHER)).number == 2


def test_who_did_not_make_the_training_set_records_nothing_of_it(connect: Connect):
    ops = published(connect)
    first = made(ops)
    connect("ops").records.grant(HOURLY, grantee="person:ana", action=Action.DISCOVER)
    ana = connect("ana")
    assert ana.records.training_set(first.id) == first
    with pytest.raises(Denied, match=f"person:ana did not make the training set {first.id}"):
        ana.models.record(trained(first))
    ops.records.grant(HOURLY, grantee="person:ana")
    own = made(ana, by="person:ana")
    assert ana.models.record(trained(own)).created_by == "person:ana"
    with pytest.raises(Denied, match=f"person:ana did not make the training set {first.id}"):
        ana.models.record(trained(first))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"name": "Fare Model"}, "'Fare Model' is no name for one"),
        ({"artifact": "sha256:xyz"}, "'sha256:xyz' is no digest"),
        ({"metrics": {" ": 1.0}}, "' ' is no name for a metric"),
        ({"name": "pay/fare-model"}, "of project delays, and 'pay/fare-model' would be of pay"),
        ({"uri": "s3://key:s3cr3t-s3cr3t@models/fare"}, "has a user, token or password"),
        ({"description": "password=s3cr3t-s3cr3t-9"}, "looks like a credential"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_kept(
    connect: Connect, said: dict[str, object], words: str
):
    ops = published(connect)
    first = made(ops)
    with pytest.raises(InvalidInput, match=words):
        ops.models.record(trained(first, **said))
    assert ops.models.models().items == ()


def test_a_model_of_what_may_not_be_discovered_is_not_there(connect: Connect):
    ops = published(connect)
    one = ops.models.record(trained(made(ops)))
    gov = connect("gov")
    hidden = [rule for rule in gov.desk.governance().rules if "anyone" in rule.actors]
    for rule in hidden:
        gov.desk.withdraw("rule", rule.id, reason="hide")
    nobody = connect("nobody")
    for asks in (
        lambda: nobody.models.version("fare-model"),
        lambda: nobody.models.version("fare-model", 1),
        lambda: nobody.models.versions("fare-model"),
    ):
        with pytest.raises(NotFound, match="model 'fare-model' not found") as error:
            asks()
        assert error.value.hint == "there are none yet"
    assert nobody.models.models().items == ()
    with pytest.raises(NotFound, match="model 'delays/fare-model@1' not found"):
        nobody.finder.lineage(one.node, depth=1)
    assert ops.models.version("fare-model") == one


def test_a_name_is_of_who_recorded_it_first_or_owns_its_project(connect: Connect):
    ops, dev = published(connect), connect("dev")
    assert ops.models.record(trained(made(ops))).number == 1
    devs = made(dev, by="person:dev")
    with pytest.raises(Conflict, match="the name 'delays/fare-model' is taken"):
        dev.models.record(trained(devs))
    assert ops.models.version("fare-model").number == 1
    assert dev.models.record(trained(devs, name="other-model")).number == 1


def of_project(catalog: Library, project: str, by: str) -> TrainingSetManifest:
    """Return a training set of the hourly weather for another project."""
    found = training_set(HOURLY.at(1), by=by, decision=permitted(catalog, HOURLY))
    found = replace(found, spec=replace(found.spec, project=project))
    catalog.record(found)
    return found


def test_projects_call_models_alike_and_count_them_for_themselves(connect: Connect):
    ops, dev = published(connect), connect("dev")
    dev.record(replace(VISIBLE, project="others"))
    ours = ops.models.record(trained(made(ops)))
    theirs = dev.models.record(trained(of_project(dev, "others", "person:dev")))
    assert (ours.id, theirs.id) == ("delays/fare-model@1", "others/fare-model@1")
    with pytest.raises(InvalidInput, match="2 projects have a model 'fare-model'") as error:
        ops.models.version("fare-model")
    assert error.value.hint == "say which: delays/fare-model, others/fare-model"
    assert ops.models.version("others/fare-model") == theirs
    assert ops.models.versions("delays/fare-model").items == (ours,)
    assert ops.models.models().items == (ours, theirs)


def test_who_does_not_know_a_project_does_not_learn_which_of_its_names_are_taken(
    connect: Connect,
):
    ops = published(connect)
    ops.models.record(trained(made(ops)))
    for project in ("secret", "nowhere"):
        if project == "secret":
            hidden = replace(REPO, project=project, views=REPO.views[1:], services=())
            connect("dev").record(hidden)
        unknown = of_project(ops, project, "person:ops")
        with pytest.raises(NotFound, match=f"project '{project}' not found"):
            ops.models.record(trained(unknown))


def test_a_model_of_what_went_since_is_refused_and_says_why(connect: Connect):
    ops, dev = published(connect), connect("dev")
    first, second = made(ops), made(ops, content="d")
    there = ops.models.record(trained(first))
    reason = "the sensor was broken"
    ops.desk.step(HOURLY.at(1), Step.RECALL, reason=reason, severity=Severity.REFUSE)
    with pytest.raises(Recalled, match=reason):
        ops.models.record(trained(second))
    assert ops.models.record(trained(first)) == there
    assert dev.models.models().items == (there,)


def test_models_of_a_project_that_is_owned_are_of_its_owner(connect: Connect):
    ops = published(connect)
    connect("dev").record(replace(VISIBLE, owner="person:dev"))
    for name in ("taken", "free"):
        with pytest.raises(Denied, match="project delays is person:dev's"):
            ops.models.record(trained(made(ops), name=name))
    dev = connect("dev")
    assert dev.models.record(trained(made(dev, by="person:dev"), name="taken")).number == 1


def test_a_model_of_nothing_that_is_governed_is_refused(connect: Connect):
    ops = published(connect)
    unpinned = replace(made(ops), pins=())
    ops.record(unpinned)
    with pytest.raises(InvalidInput, match="was made of no dataset of the catalog"):
        ops.models.record(trained(unpinned))
