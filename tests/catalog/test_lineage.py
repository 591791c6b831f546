from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import create_engine, insert, text

from provender.catalog import graph, naming, nodes
from provender.catalog.db import open_database, transaction
from provender.catalog.rows import RestsOnRow
from provender.core.errors import InvalidInput, NotFound
from provender.core.lineage import (
    Edge,
    How,
    Neighbourhood,
    Node,
    NodeKind,
    downstream,
    impact,
    upstream,
)
from provender.core.names import FeatureRef
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
from tests.web.conftest import Reader


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
        ops.publish(HOURLY, manifest(rows, inputs=(FLIGHTS.at(rows),), of=HOURLY))
    connect("dev").record(REPO)
    decision = permitted(ops, HOURLY)
    ops.record(training_set(HOURLY.at(1), by="person:ops", decision=decision))
    return connect


def test_lineage_leads_from_raw_data_to_service_and_training_set(worked: Connect):
    made = training_set(HOURLY.at(1), by="person:ops").id
    found = list(worked("ana").finder.lineage(node("dataset:aviation.weather_hourly")).edges)
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
    found = list(worked("ana").finder.lineage(service, depth=9).edges)
    names = {str(n) for n in upstream(service, found)}
    assert "dataset:aviation.flights@2" in names
    assert "dataset:aviation.flights@1" not in names
    assert downstream(node("dataset:aviation.flights@2"), found)[service] == 4


def test_depth_is_the_number_of_steps(worked: Connect):
    found = list(
        worked("ana").finder.lineage(node("dataset:aviation.weather_hourly@2"), depth=1).edges
    )
    assert edges(found) == {
        "dataset:aviation.flights@2 > dataset:aviation.weather_hourly@2",
        "dataset:aviation.weather_hourly@2 > dataset:aviation.weather_hourly",
    }


def test_new_definitions_take_the_place_of_the_old(worked: Connect):
    worked("dev").record(replace(REPO, on_demand=(), services=()))
    found = edges(list(worked("ana").finder.lineage(node("dataset:aviation.weather_hourly")).edges))
    assert "dataset:aviation.weather_hourly > feature-view:delays/weather" in found
    assert not any("on-demand" in edge for edge in found)


def test_what_rests_on_hidden_data_is_hidden(worked: Connect):
    for hidden in (
        "dataset:people.salaries",
        "feature-view:delays/pay",
        "feature-service:delays/pay_v1",
    ):
        with pytest.raises(NotFound) as error:
            list(worked("ana").finder.lineage(node(hidden)).edges)
        assert "pay" not in error.value.hint
        assert "salaries" not in error.value.hint
    assert SALARIES.dataset not in str(
        list(worked("ana").finder.lineage(node("dataset:aviation.flights"), depth=9).edges)
    )


def test_a_node_that_is_not_there_is_not_found(worked: Connect):
    for unknown, near in (
        ("feature-view:delays/wether", "did you mean delays/weather?"),
        ("dataset:aviation.flights@9", "did you mean aviation.flights?"),
        ("training-set:ts_0", "there are none yet"),
    ):
        with pytest.raises(NotFound) as error:
            list(worked("ana").finder.lineage(node(unknown)).edges)
        assert error.value.hint == near


def test_a_node_is_written_kind_and_name():
    assert node("feature-view:delays/weather") == Node(NodeKind.VIEW, "delays/weather")
    for wrong in ("weather", "view:weather", "dataset:"):
        with pytest.raises(InvalidInput, match="is not a node"):
            node(wrong)


def test_a_dataset_without_a_version_has_no_lineage_but_is_known(connect: Connect):
    assert list(connect("ana").finder.lineage(node("dataset:aviation.flights")).edges) == []


def columns(found: Neighbourhood) -> set[str]:
    return {
        f"{e.upstream.name}.{e.column} > {e.downstream.name}.{e.to} {e.how}" for e in found.columns
    }


def test_columns_lead_from_dataset_to_view_to_service_to_training_set(worked: Connect):
    made = training_set(HOURLY.at(1), by="person:ops").id
    found = worked("ana").finder.lineage(node("dataset:aviation.weather_hourly"), columns=True)
    assert columns(found) == {
        "aviation.weather_hourly.temp > delays/weather.temp declared",
        "aviation.weather_hourly.origin > delays/weather.origin declared",
        "aviation.weather_hourly.event_timestamp > delays/weather.event_timestamp declared",
        "delays/weather.temp > delays/heat.celsius declared",
        "delays/weather.temp > delays/delay_v1.weather:temp declared",
        "delays/weather.origin > delays/delay_v1.origin declared",
        "delays/weather.event_timestamp > delays/delay_v1.event_timestamp declared",
        "delays/heat.celsius > delays/delay_v1.heat:celsius declared",
        f"delays/delay_v1.weather:temp > {made}.temp observed",
        f"delays/delay_v1.origin > {made}.origin observed",
        f"delays/delay_v1.event_timestamp > {made}.event_timestamp observed",
    }
    assert worked("ana").finder.lineage(node("dataset:aviation.weather_hourly")).columns == ()


def test_what_breaks_if_a_column_goes(worked: Connect):
    weather = node("dataset:aviation.weather_hourly")
    found = worked("ana").finder.lineage(weather, depth=9, columns=True)
    service = node("feature-service:delays/delay_v1")
    hit = impact(weather, "temp", found.columns)
    assert hit[service, "weather:temp"] == 2
    assert hit[service, "heat:celsius"] == 3
    assert (service, "origin") not in hit
    assert {place.kind for place, _ in impact(weather, "origin", found.columns)} == {
        NodeKind.VIEW,
        NodeKind.SERVICE,
        NodeKind.TRAINING_SET,
    }
    assert impact(weather, "humidity", found.columns) == {}


def test_columns_of_hidden_data_are_hidden(worked: Connect):
    dev, ana = worked("dev").finder, worked("ana").finder
    shared = replace(
        REPO.services[0], features=(FeatureRef("weather", "temp"), FeatureRef("pay", "salary"))
    )
    worked("dev").record(replace(REPO, services=(shared,)))
    weather = node("dataset:aviation.weather_hourly")
    assert "delays/weather.temp > delays/delay_v1.weather:temp declared" in columns(
        dev.lineage(weather, columns=True)
    )
    seen = ana.lineage(weather, columns=True)
    assert columns(seen)
    assert "delay_v1" not in str(seen)


def test_a_service_over_hidden_data_stays_hidden_when_it_is_gone_though_training_sets_lead_there(
    worked: Connect,
):
    shared = replace(
        REPO.services[0], features=(FeatureRef("weather", "temp"), FeatureRef("pay", "salary"))
    )
    worked("dev").record(replace(REPO, services=(shared,)))
    worked("dev").record(replace(REPO, services=()))
    made = node(f"training-set:{training_set(HOURLY.at(1), by='person:ops').id}")
    assert "delay_v1" in str(worked("dev").finder.lineage(made, columns=True))
    seen = str(worked("ana").finder.lineage(made, columns=True))
    assert "aviation.weather_hourly@1" in seen
    assert "delay_v1" not in seen
    with pytest.raises(NotFound):
        list(worked("ana").finder.lineage(node("feature-service:delays/delay_v1")).edges)


def test_definitions_of_a_catalog_that_knew_no_columns_get_them_when_applied_again(
    worked: Connect, governed_url: str
):
    service = node("feature-service:delays/delay_v1")
    before = worked("ana").finder.lineage(service, columns=True)
    engine = create_engine(governed_url)
    with engine.begin() as database:
        of_columns = "downstream IN (SELECT id FROM nodes WHERE column_name <> '')"
        database.execute(text(f"DELETE FROM edges WHERE {of_columns}"))
    engine.dispose()
    assert worked("ana").finder.lineage(service, columns=True).columns == ()
    worked("dev").record(REPO)
    healed = worked("ana").finder.lineage(service, columns=True)
    assert healed.edges == before.edges
    assert healed.columns == tuple(
        edge for edge in before.columns if edge.downstream.kind is not NodeKind.TRAINING_SET
    )


@pytest.fixture
def fan(connect: Connect, governed_url: str) -> Callable[..., None]:
    """Makes so many training sets from flights, of which every tenth rests on salaries too."""

    def made(count: int, *, hidden: bool = False) -> None:
        engine = open_database(governed_url)
        with transaction(engine, write=True) as db:
            start = Node(NodeKind.DATASET, FLIGHTS.dataset)
            sets = [Node(NodeKind.TRAINING_SET, f"ts_{hidden:d}{n:05d}") for n in range(count)]
            numbers = nodes.ensured(db, [start, *sets])
            pairs = {(numbers[start], numbers[one]): graph.Said(How.OBSERVED) for one in sets}
            graph.say(db, {f"fan:{hidden}": pairs})
            if hidden:
                rests = naming.numbers(db, [SALARIES.dataset])[SALARIES.dataset]
                rows = [{"node": numbers[one], "dataset": rests} for one in sets]
                db.execute(insert(RestsOnRow), rows)
        engine.dispose()

    return made


def test_more_than_can_be_looked_at_is_cut_and_said(connect: Connect, fan: Callable[..., None]):
    flights, finder = node("dataset:aviation.flights"), connect("ana").finder
    fan(graph.MOST_EDGES)
    exact = finder.lineage(flights)
    assert (len(exact.edges), exact.truncated) == (graph.MOST_EDGES, False)
    fan(graph.MOST_EDGES + 1)
    cut = finder.lineage(flights)
    assert (len(cut.edges), cut.truncated) == (graph.MOST_EDGES, True)
    assert cut.edges == exact.edges


def test_pages_say_that_there_is_more_than_they_looked_at(
    connect: Connect, governed_url: str, fan: Callable[..., None]
):
    fan(graph.MOST_EDGES)
    ana = Reader(governed_url, "person:ana")
    address, cut = "/lineage?node=dataset:aviation.flights", "There is more than is looked at"
    whole = ana.get(address).text
    assert "A change here reaches <b>2,000</b>" in whole
    assert cut not in whole
    fan(graph.MOST_EDGES + 1)
    part = ana.get(address)
    assert "A change here reaches at least <b>2,000</b>" in part.text
    assert cut in part.text
    assert cut in ana.get("/datasets/aviation.flights").text
    assert ana.get(address.replace("?", ".json?")).json()["truncated"]
    ana.catalog.close()


def test_what_is_hidden_is_not_counted_either(connect: Connect, fan: Callable[..., None]):
    flights, finder = node("dataset:aviation.flights"), connect("ana").finder
    fan(3 * graph.PAGE, hidden=True)
    assert finder.lineage(flights) == Neighbourhood(edges=())
    fan(graph.MOST_EDGES)
    seen = finder.lineage(flights)
    assert (len(seen.edges), seen.truncated) == (graph.MOST_EDGES, False)
    assert not any(edge.downstream.name.startswith("ts_1") for edge in seen.edges)
    assert connect("gov").finder.lineage(flights).truncated
