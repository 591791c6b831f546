"""Search as of an instant: what was found then, by whom it may be seen today."""

from dataclasses import replace
from datetime import datetime, timedelta

from provender.core.finding import Found, Question
from tests.catalog.world import (
    HOURLY,
    REPO,
    SALARIES,
    Clock,
    Connect,
    declared,
    governing,
)

HOUR = timedelta(hours=1)


def names(found: Found) -> list[str]:
    return [hit.name for hit in found.hits]


def passing(clock: Clock) -> datetime:
    """Let time pass; return an instant of it at which nothing happened."""
    clock.advance(HOUR)
    then = clock.now
    clock.advance(HOUR)
    return then


def test_a_view_that_rested_on_hidden_data_is_not_found_as_of_then(connect: Connect, clock: Clock):
    secret = replace(REPO.views[1], description="Zanzibar bonus.", owner="team:ops")
    connect("dev").record(replace(REPO, views=(secret,), on_demand=(), services=()))
    then = passing(clock)
    moved = replace(secret, dataset=HOURLY, description="The sky.")
    connect("dev").record(replace(REPO, views=(moved,), on_demand=(), services=()))
    asked = Question(text="zanzibar", as_of=then)
    assert names(connect("ana").finder.search(asked)) == []
    clock.advance(HOUR)
    reads = governing(replace(declared(SALARIES), stewards=("person:ana",)))
    connect("gov").apply_governance(reads)
    assert names(connect("ana").finder.search(asked)) == ["pay"]


def test_a_view_that_was_open_stays_closed_while_it_rests_on_hidden_data(
    connect: Connect, clock: Clock
):
    open_ = replace(REPO.views[1], dataset=HOURLY, description="Zanzibar breeze.")
    connect("dev").record(replace(REPO, views=(open_,), on_demand=(), services=()))
    then = passing(clock)
    closed = replace(open_, dataset=SALARIES, description="Bonus.")
    connect("dev").record(replace(REPO, views=(closed,), on_demand=(), services=()))
    assert names(connect("ana").finder.search(Question(text="zanzibar", as_of=then))) == []
