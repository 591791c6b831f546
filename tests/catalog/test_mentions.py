"""Requests and grants name what they were asked for to those who may know of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provender.core.errors import NotFound
from provender.core.lineage import Node, NodeKind
from provender.core.names import FeatureRef
from provender.core.policy import Action
from provender.core.requests import AccessRequest, RequestStep, Wanted
from provender.core.schema import Column, Schema
from tests.catalog.world import (
    HOURLY,
    NOW,
    REPO,
    SALARIES,
    Connect,
    declared,
    governing,
    manifest,
)

SERVICE = Node(NodeKind.SERVICE, "delays/both_v1")
WANTED = Wanted(about=SERVICE, grantee="person:ana", purpose="delay", reason="to predict delays")


def approve(connect: Connect, who: str, asked: AccessRequest) -> AccessRequest:
    return connect(who).access.answer(asked.id, RequestStep.APPROVE)


def test_what_rests_on_something_hidden_is_named_by_no_request_or_grant(connect: Connect):
    both = replace(
        REPO.services[0],
        name="both_v1",
        features=(FeatureRef("weather", "temp"), FeatureRef("pay", "salary")),
    )
    connect("dev").record(replace(REPO, services=(both,)))
    pay = replace(
        declared(SALARIES),
        stewards=("person:dev", "person:max"),
        event_timestamp="event_timestamp",
    )
    connect("gov").desk.apply(governing(pay))
    names = ("event_timestamp", "origin", "temp", "salary")
    schema = Schema(tuple(Column(name=name, type="string") for name in names))
    for who, of in (("ops", HOURLY), ("max", SALARIES)):
        connect(who).publish(of, manifest(of=of, schema=schema))
    asked = connect("dev").access.ask(WANTED)
    instead = Node(NodeKind.DATASET, str(HOURLY))
    for who in ("ana", "ops"):  # who know the weather, and no salaries
        (told,) = connect(who).access.requests().items
        assert (told.about, told.datasets) == (instead, (str(HOURLY),))
        assert connect(who).access.requested(asked.id).request.about == instead
    (task,) = [one for one in connect("ops").desk.inbox().items if one.kind == "request"]
    assert (task.node, "both_v1" in task.says) == (instead, False)
    assert connect("max").access.requested(asked.id).request.about == SERVICE

    def answered() -> AccessRequest:
        return connect("ops").access.answer(asked.id, RequestStep.APPROVE, key="once")

    lent = connect("max").records.grant(SALARIES, grantee="person:ops")
    assert answered().about == SERVICE
    connect("max").records.revoke(lent.id)
    assert answered().about == instead  # nor in the answer that was given before
    approved = approve(connect, "max", asked)
    assert approved.about == SERVICE
    ops = connect("ops")
    of_weather = next(g for g in ops.records.grants().items if g.dataset == str(HOURLY))
    told_by = [
        of_weather,
        ops.records.granted(of_weather.id),
        ops.desk.history("grant", of_weather.id).items,
        ops.access.unused(since=NOW + timedelta(days=1)).items,
        ops.records.audit_events(limit=200),
    ]
    assert all(of_weather.id in repr(one) and "both_v1" not in repr(one) for one in told_by)
    for who in ("max", "ana"):  # whom a grant lets know the salaries
        given = connect(who).records.grants().items
        asked_for = {g.asked_for for g in given if g.id != lent.id}
        assert asked_for == {str(SERVICE)}
    renewed = ops.access.renew(of_weather.id, until=None)
    assert (renewed.asked_for, ops.records.revoke(of_weather.id).asked_for) == ("", "")


def test_a_request_of_which_all_is_hidden_is_told_to_who_made_it_only(connect: Connect):
    connect("gov").desk.apply(governing(replace(declared(SALARIES), stewards=("person:max",))))
    of = Node(NodeKind.DATASET, str(SALARIES))
    asked = connect("max").access.ask(
        replace(
            WANTED, about=of, columns=(), grantee="person:ana", purpose="", action=Action.DEFINE
        )
    )
    assert connect("ana").access.requests().items == ()
    with pytest.raises(NotFound, match=f"request '{asked.id}' not found"):
        connect("ana").access.requested(asked.id)
    assert connect("max").access.requested(asked.id).request.about == of
