"""The folder catalog/: what it says fits the data, and the rules decide as the story tells."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from demo.data import NAMES
from demo.derive import DERIVED
from provender.catalog.documents import read_governance
from provender.core.datasets import Format
from provender.core.errors import Denied
from provender.core.governance import check
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef, Grant, decide
from tests.demo.conftest import ROOT
from tests.oracle.flights import VIEWS, features_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TAILNUM = ColumnRef("aviation.planes", "tailnum")
SEATS = ColumnRef("aviation.planes", "seats")


@pytest.fixture(scope="module")
def governance():
    return read_governance(ROOT / "catalog")


@pytest.fixture(scope="module")
def ask(governance):
    people = {person.id: Actor(person.id, frozenset(person.teams)) for person in governance.people}
    datasets = {dataset.ref.dataset: dataset for dataset in governance.datasets}

    def decision(who, action, *columns, purpose="", grants=()):
        return decide(
            people[who],
            action,
            columns,
            purpose=purpose,
            datasets=datasets,
            protected=governance.taxonomy.protected,
            rules=governance.rules,
            grants=grants,
            now=NOW,
        )

    return decision


def test_nothing_is_wrong_with_it(governance):
    assert check(governance) == []


def test_every_dataset_is_declared_and_every_column_described(governance, raw_2013, derived_2013):
    tables = {name: raw_2013[name] for name in NAMES} | derived_2013
    assert {dataset.ref.name for dataset in governance.datasets} == tables.keys()
    for dataset in governance.datasets:
        columns = tables[dataset.ref.name].column_names
        assert list(dataset.column_descriptions) == columns, dataset.ref
        assert set(dataset.column_tags) <= set(columns)
        assert all(len(text) > 5 for text in dataset.column_descriptions.values())
        assert dataset.stewards == ("person:sam",)
        if dataset.event_timestamp:
            assert tables[dataset.ref.name].column(dataset.event_timestamp).null_count == 0


def test_formats_differ_on_purpose(governance):
    formats = {dataset.ref.name: dataset.format for dataset in governance.datasets}
    assert formats["flights"] is Format.PARQUET
    assert formats["weather"] is Format.DELTA
    assert {formats[name] for name in ("planes", "airports", "carriers")} == {Format.CSV}
    assert {formats[name] for name in DERIVED} == {Format.PARQUET}


def test_registrations_of_aircraft_are_protected_everywhere_and_never_features(
    governance, derived_2013
):
    protected = governance.taxonomy.protected
    closed = {
        f"{dataset.ref.name}.{column}"
        for dataset in governance.datasets
        for column in dataset.column_descriptions
        if dataset.tags_of(column) & protected
    }
    assert closed == {
        f"{name}.tailnum" for name in ("flights", "planes", "tail_last", "plane_facts")
    }
    served = {
        f"{table}.{feature}"
        for table, keys, _ in VIEWS.values()
        for feature in features_of(derived_2013[table], keys)
    }
    assert not served & closed


def test_everybody_discovers_every_dataset(ask, governance):
    everything = [ColumnRef(dataset.ref.dataset) for dataset in governance.datasets]
    for who in ("person:ana", "person:sam", "person:lee", "person:max", "service:online"):
        assert ask(who, Action.DISCOVER, *everything).allowed


def test_the_model_team_reads_registrations_for_its_purpose_only(ask):
    assert ask("person:ana", Action.READ, TAILNUM, SEATS, purpose="delay-prediction").allowed
    assert not ask("person:ana", Action.READ, TAILNUM, purpose="reporting").allowed
    assert not ask("person:ana", Action.READ, SEATS).allowed


def test_an_analyst_is_denied_registrations_until_the_steward_grants_them(ask, governance):
    assert ask("person:max", Action.READ, SEATS, purpose="reporting").allowed
    denied = ask("person:max", Action.READ, TAILNUM, SEATS, purpose="reporting")
    with pytest.raises(
        Denied, match=r"planes\.tailnum \(tagged personal\.quasi_identifier"
    ) as raised:
        denied.require()
    assert "person:sam" in raised.value.hint
    steward = ask("person:sam", Action.STEWARD, ColumnRef("aviation.planes"))
    assert steward.allowed
    grant = Grant(
        id="g1",
        grantee="person:max",
        action=Action.READ,
        dataset="aviation.planes",
        columns=("tailnum",),
        purposes=("reporting",),
        granted_by="person:sam",
        granted_at=NOW,
    )
    assert ask(
        "person:max", Action.READ, TAILNUM, SEATS, purpose="reporting", grants=[grant]
    ).allowed
    over = replace(grant, until=NOW)
    assert not ask("person:max", Action.READ, TAILNUM, purpose="reporting", grants=[over]).allowed


def test_who_publishes_serves_and_governs(ask):
    anything = ColumnRef("aviation.flights")
    allowed = {
        who: {action for action in Action if ask(who, action, anything, purpose="serving").allowed}
        for who in ("person:ana", "person:sam", "person:lee", "person:max", "service:online")
    }
    assert allowed == {
        "person:ana": {Action.DISCOVER, Action.SERVE, Action.DEFINE},
        "person:sam": {Action.DISCOVER, Action.PUBLISH, Action.STEWARD},
        "person:lee": {Action.DISCOVER, Action.STEWARD, Action.GOVERN},
        "person:max": {Action.DISCOVER},
        "service:online": {Action.DISCOVER, Action.SERVE},
    }
    assert ask("person:lee", Action.GOVERN, ColumnRef("*")).allowed
    assert not ask("service:online", Action.SERVE, TAILNUM, purpose="serving").allowed


def test_registrations_address_rows_online_and_are_served_nowhere_else(ask):
    for who in ("service:online", "person:ana"):
        for table in ("tail_last", "plane_facts"):
            key = ColumnRef(f"aviation.{table}", "tailnum")
            assert ask(who, Action.SERVE, key, purpose="serving").allowed
            assert not ask(who, Action.SERVE, key, purpose="reporting").allowed
        assert not ask(who, Action.SERVE, TAILNUM, purpose="serving").allowed


def test_the_server_takes_arrivals_and_publishes_no_registrations(ask, governance):
    taken = [
        dataset.ref.dataset
        for dataset in governance.datasets
        if ask("service:online", Action.PUBLISH, ColumnRef(dataset.ref.dataset)).allowed
    ]
    assert taken == ["aviation.tail_last"]
    tailnum = ColumnRef("aviation.tail_last", "tailnum")
    assert not ask("service:online", Action.PUBLISH, tailnum).allowed
