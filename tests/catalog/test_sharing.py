"""Projects share by reference: granted it works, revoked it is served no more, nothing is copied."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, select

from provender.catalog.rows import DatasetRow, VersionRow
from provender.core.errors import Denied, NotFound
from provender.core.lineage import dataset_node
from provender.core.names import FeatureRef
from provender.core.people import Person
from provender.core.policy import Action
from tests.catalog.world import (
    FLIGHTS,
    GOVERNANCE,
    REPO,
    SALARIES,
    VISIBLE,
    Connect,
    declared,
    governing,
    manifest,
)

WAGES = replace(
    REPO,
    project="wages",
    views=REPO.views[1:],
    on_demand=(),
    services=REPO.services[1:],
    description="What people earn.",
    owner="person:max",
)
"""A project of person:max over a dataset of another domain."""
PAY = FeatureRef("pay", "salary")


@pytest.fixture
def shared(connect: Connect) -> Connect:
    """people.salaries, whose steward lets max define over it and servers serve it."""
    with_steward = replace(declared(SALARIES), stewards=("person:sam",))
    people = (*GOVERNANCE.people, Person(id="service:online"))
    connect("gov").desk.apply(governing(with_steward, people=people))
    connect("sam").publish(SALARIES, manifest(1, event_timestamp=None, of=SALARIES))
    return connect


def share(connect: Connect, *actions: Action) -> list[str]:
    given = {Action.DEFINE: "person:max", Action.SERVE: "service:online"}
    return [
        connect("sam").records.grant(SALARIES, grantee=given[action], action=action).id
        for action in actions
    ]


def stored(url: str) -> tuple[int, int]:
    """How many datasets and versions there are."""
    engine = create_engine(url)
    with engine.connect() as connection:
        counts = [
            connection.scalar(select(func.count()).select_from(kind))
            for kind in (DatasetRow, VersionRow)
        ]
    engine.dispose()
    return int(counts[0] or 0), int(counts[1] or 0)


def test_a_project_uses_the_data_of_another_domain_when_it_is_granted_and_copies_nothing(
    shared: Connect, governed_url: str, tmp_path: Path
):
    with pytest.raises(NotFound, match=r"people\.salaries"):
        shared("max").record(WAGES)
    before, files = stored(governed_url), sorted(tmp_path.rglob("*.parquet"))
    share(shared, Action.DEFINE, Action.SERVE)
    shared("max").record(WAGES)
    served = shared("max").records.serving_manifest("wages")
    assert served.closed == {}
    assert [view.name for view in served.views] == ["pay"]
    assert stored(governed_url) == before
    assert sorted(tmp_path.rglob("*.parquet")) == files
    around = shared("max").finder.lineage(dataset_node(SALARIES), columns=True)
    assert "wages/pay_v1" in str(around.edges)
    readers = {c.name for c in shared("sam").finder.consumers(SALARIES).items}
    assert {"wages/pay", "wages/pay_v1"} <= readers


def test_what_is_revoked_is_in_the_next_manifest_no_more_which_says_why(shared: Connect):
    _, serve = share(shared, Action.DEFINE, Action.SERVE)
    maximilian = shared("max")
    maximilian.record(WAGES)
    shared("sam").records.revoke(serve)
    assert maximilian.records.serving_manifest("wages").closed == {}
    assert maximilian.records.serving_digest("wages") != (
        maximilian.records.serving_manifest("wages").digest
    )
    maximilian.record(WAGES)
    closed = maximilian.records.serving_manifest("wages").closed
    assert list(closed) == [str(PAY)]
    assert "service:online may not serve people.salaries.salary" in closed[str(PAY)]


def test_the_owner_of_a_project_may_take_away_what_was_shared_with_it_and_is_no_more(
    shared: Connect,
):
    share(shared, Action.SERVE)
    (define,) = share(shared, Action.DEFINE)
    over_flights = replace(VISIBLE.views[0], dataset=FLIGHTS)
    shared("sam").records.grant(FLIGHTS, grantee="person:max", action=Action.DEFINE)
    both = replace(WAGES, views=(*WAGES.views, over_flights))
    shared("max").record(both)
    shared("sam").records.revoke(define)
    with pytest.raises((Denied, NotFound), match=r"people\.salaries"):
        shared("max").record(both)
    shared("max").record(replace(both, views=(over_flights,), services=()))
    assert [view.name for view in shared("max").repo("wages").views] == ["weather"]
    assert shared("max").records.serving_manifest("wages").views[0].name == "weather"


def test_without_an_owner_a_project_is_as_closed_as_what_it_reads(shared: Connect):
    (define,) = share(shared, Action.DEFINE)
    shared("max").record(replace(WAGES, owner=""))
    shared("sam").records.revoke(define)
    with pytest.raises(Denied, match="data that person:max may not discover"):
        shared("max").record(replace(WAGES, owner="", views=(), services=()))


def test_only_the_owner_and_who_governs_change_a_project_or_give_it_away(shared: Connect):
    share(shared, Action.DEFINE)
    shared("max").record(WAGES)
    for repo in (
        replace(WAGES, owner="person:dev"),
        replace(WAGES, owner=""),
        replace(WAGES, views=(), services=()),
        WAGES,
    ):
        with pytest.raises(Denied, match="project wages is person:max's") as error:
            shared("dev").record(repo)
        assert "ask person:max to apply it" in error.value.hint
    assert shared("max").repo("wages").owner == "person:max"
    shared("max").record(replace(WAGES, owner="team:models"))
    for name in ("max", "dev"):
        with pytest.raises(Denied, match="project wages is team:models's"):
            shared(name).record(replace(WAGES, owner="team:models", description="Mine."))
    in_models = replace(WAGES, owner="team:models", views=(), services=(), description="Paid.")
    shared("ana").record(in_models)
    assert shared("dev").repo("wages").description == "Paid."
    with pytest.raises(Denied, match="project wages is team:models's"):
        shared("dev").record(replace(WAGES, owner="person:dev"))
