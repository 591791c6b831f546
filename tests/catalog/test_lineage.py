from dataclasses import replace

import pytest

from provender.core.errors import InvalidInput, NotFound
from provender.core.lineage import Edge, Node, NodeKind, downstream, upstream
from tests.catalog.world import (
    FLIGHTS,
    HOURLY,
    REPO,
    SALARIES,
    Connect,
    manifest,
    permitted,
    training_set,
)


def edges(found: list[Edge]) -> set[str]:
    return {f"{edge.upstream} > {edge.downstream}" for edge in found}


def node(text: str) -> Node:
    return Node.parse(text)


@pytest.fixture
def worked(connect: Connect) -> Connect:
    """Flights twice, hourly weather from each, definitions over it, one training set."""
    ops = connect("ops")
    for rows in (1, 2):
        ops.publish(FLIGHTS, manifest(rows))
        ops.publish(HOURLY, manifest(rows, inputs=(FLIGHTS.at(rows),)))
    connect("dev").record(REPO)
    decision = permitted(ops, HOURLY)
    ops.record(training_set(HOURLY.at(1), by="person:ops", decision=decision))
    return connect


def test_lineage_leads_from_raw_data_to_service_and_training_set(worked: Connect):
    made = training_set(HOURLY.at(1), by="person:ops").id
    found = worked("ana").lineage(node("dataset:aviation.weather_hourly"))
    assert edges(found) == {
        "dataset:aviation.flights@2 > dataset:aviation.weather_hourly@2",
        "dataset:aviation.weather_hourly@2 > dataset:aviation.weather_hourly",
        "dataset:aviation.weather_hourly > feature-view:delays/weather",
        "feature-view:delays/weather > on-demand-view:delays/heat",
        "feature-view:delays/weather > feature-service:delays/delay_v1",
        "on-demand-view:delays/heat > feature-service:delays/delay_v1",
        f"dataset:aviation.weather_hourly@1 > training-set:{made}",
        f"feature-service:delays/delay_v1 > training-set:{made}",
    }


def test_upstream_of_a_service_is_what_it_reads_now(worked: Connect):
    service = node("feature-service:delays/delay_v1")
    found = worked("ana").lineage(service, depth=9)
    names = {str(n) for n in upstream(service, found)}
    assert "dataset:aviation.flights@2" in names
    assert "dataset:aviation.flights@1" not in names
    assert downstream(node("dataset:aviation.flights@2"), found)[service] == 4


def test_depth_is_the_number_of_steps(worked: Connect):
    found = worked("ana").lineage(node("dataset:aviation.weather_hourly@2"), depth=1)
    assert edges(found) == {
        "dataset:aviation.flights@2 > dataset:aviation.weather_hourly@2",
        "dataset:aviation.weather_hourly@2 > dataset:aviation.weather_hourly",
    }


def test_new_definitions_take_the_place_of_the_old(worked: Connect):
    worked("dev").record(replace(REPO, on_demand=(), services=()))
    found = edges(worked("ana").lineage(node("dataset:aviation.weather_hourly")))
    assert "dataset:aviation.weather_hourly > feature-view:delays/weather" in found
    assert not any("on-demand" in edge for edge in found)


def test_what_rests_on_hidden_data_is_hidden(worked: Connect):
    for hidden in (
        "dataset:people.salaries",
        "feature-view:delays/pay",
        "feature-service:delays/pay_v1",
    ):
        with pytest.raises(NotFound) as error:
            worked("ana").lineage(node(hidden))
        assert "pay" not in error.value.hint
        assert "salaries" not in error.value.hint
    assert SALARIES.dataset not in str(worked("ana").lineage(node("dataset:aviation.flights"), 9))


def test_a_node_that_is_not_there_is_not_found(worked: Connect):
    for unknown, near in (
        ("feature-view:delays/wether", "did you mean delays/weather?"),
        ("dataset:aviation.flights@9", "did you mean aviation.flights?"),
        ("training-set:ts_0", "there are none yet"),
    ):
        with pytest.raises(NotFound) as error:
            worked("ana").lineage(node(unknown))
        assert error.value.hint == near


def test_a_node_is_written_kind_and_name():
    assert node("feature-view:delays/weather") == Node(NodeKind.VIEW, "delays/weather")
    for wrong in ("weather", "view:weather", "dataset:"):
        with pytest.raises(InvalidInput, match="is not a node"):
            node(wrong)


def test_a_dataset_without_a_version_has_no_lineage_but_is_known(connect: Connect):
    assert connect("ana").lineage(node("dataset:aviation.flights")) == []
