"""The example repository: its on-demand function, and its definitions as Feast reads them."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from provender.core.derivation import column_edges
from provender.core.lineage import NodeKind, dataset_node, defined_node, impact
from provender.core.names import DatasetRef
from provender.feast_plugin.repo import read_repo
from provender.settings import Settings
from tests.demo.conftest import ROOT
from tests.oracle.flights import VIEWS, features_of


def at(*when):
    return int(datetime(*when, tzinfo=UTC).timestamp())


def ask(transforms, departures, arrivals=None):
    arrivals = arrivals or [None] * len(departures)
    return transforms.departure({"departure_epoch": departures, "last_arr_epoch": arrivals})


def test_departure_is_told_by_the_clock_of_new_york(transforms):
    found = ask(transforms, [at(2013, 1, 1, 10, 15), at(2013, 7, 5, 3, 59)])
    assert found["departure_hour"] == [5, 23]
    assert found["departure_minute"] == [5 * 60 + 15, 23 * 60 + 59]
    assert found["departure_weekday"] == [1, 3]  # Tuesday, and still Thursday the 4th


def test_the_hour_that_occurs_twice_is_one_oclock_both_times(transforms):
    assert ask(transforms, [at(2013, 11, 3, 5, 30), at(2013, 11, 3, 6, 30)])["departure_hour"] == [
        1,
        1,
    ]
    assert ask(transforms, [at(2013, 3, 10, 6, 59), at(2013, 3, 10, 7)])["departure_hour"] == [1, 3]


def test_minutes_since_arrival_are_null_when_there_was_none(transforms):
    found = ask(
        transforms, [at(2013, 5, 1, 12)] * 3, [at(2013, 5, 1, 10, 30), None, at(2013, 5, 1, 12)]
    )
    assert found["minutes_since_arrival"] == [90.0, None, 0.0]


def test_a_null_departure_gives_nulls(transforms):
    assert {name: values[0] for name, values in ask(transforms, [None]).items()} == {
        "departure_hour": None,
        "departure_minute": None,
        "departure_weekday": None,
        "minutes_since_arrival": None,
    }


def test_on_demand_functions_need_nothing_but_the_standard_library():
    code = "import sys, transforms; sys.exit(any(m in sys.modules for m in ('feast', 'pandas', 'provender')))"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / "feature_repo", check=True)


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    return read_repo(ROOT / "feature_repo", Settings(home=tmp_path_factory.mktemp("home")))


def test_views_are_those_of_the_oracle(repo, derived_2013):
    assert {view.name for view in repo.views} == VIEWS.keys()
    for name, (table, keys, ttl) in VIEWS.items():
        view = repo.view(name)
        assert view.dataset == DatasetRef("aviation", table)
        assert {key.name for key in view.join_keys} == set(keys)
        assert (view.ttl or None) == ttl
        assert {field.name for field in view.features} == set(
            features_of(derived_2013[table], keys)
        )
        assert (view.event_timestamp, view.created_timestamp) == (
            "event_timestamp",
            "created_timestamp",
        )


def test_declared_types_are_those_of_the_tables(repo, derived_2013):
    words = {"int64": "int64", "double": "float64", "string": "string"}
    for view in repo.views:
        schema = derived_2013[VIEWS[view.name][0]].schema
        for field in view.features:
            assert field.type == words[str(schema.field(field.name).type)], field.name


def test_everything_has_an_owner_and_a_description(repo):
    for thing in (*repo.entities, *repo.views, *repo.on_demand, *repo.services):
        assert thing.owner == "team:delay-models", thing.name
        assert len(thing.description) > 20, thing.name
    assert all(field.description for view in repo.views for field in view.features)


def test_late_arrivals_can_be_pushed(repo):
    assert repo.view("tail_last").push_sources == ("tail_arrivals",)
    assert repo.view("weather").ttl == timedelta(hours=3)


def test_the_service_has_every_feature(repo):
    asked = {str(ref) for ref in repo.service("delay_v1").features}
    stored = {f"{view.name}:{field.name}" for view in repo.views for field in view.features}
    computed = {f"{view.name}:{field.name}" for view in repo.on_demand for field in view.features}
    assert asked == stored | computed
    (departure,) = repo.on_demand
    assert [str(ref) for ref in departure.inputs] == ["tail_last:last_arr_epoch"]
    assert (departure.module, departure.function) == ("transforms", "departure")


def test_the_key_of_aircraft_leads_from_the_datasets_to_the_service_and_so_does_each_feature(repo):
    edges = column_edges(repo)
    service = defined_node(NodeKind.SERVICE, repo.project, "delay_v1")
    by_tail = {view.dataset for view in repo.views if "tailnum" in view.entities}
    assert by_tail
    for dataset in by_tail:
        hit = impact(dataset_node(dataset), "tailnum", edges)
        assert (service, "tailnum") in hit
    reached = {
        column
        for view in repo.views
        for feature in view.features
        for node, column in impact(dataset_node(view.dataset), feature.source_column, edges)
        if node == service
    }
    assert {str(ref) for ref in repo.service("delay_v1").features} <= reached
