"""What is served, by the policy of the moment in which definitions are recorded."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provender.core.effects import Effect
from provender.core.features import FieldSpec
from provender.core.names import FeatureRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.core.serving import ServingManifest
from tests.catalog.world import (
    FLIGHTS,
    GOVERNANCE,
    NOW,
    VISIBLE,
    Connect,
    governing,
    manifest,
)

SERVER = Person(id="service:online")
ARRIVALS = replace(
    VISIBLE,
    views=(
        replace(
            VISIBLE.views[0],
            name="arrivals",
            dataset=FLIGHTS,
            join_keys=(FieldSpec(name="carrier", type="string", column="carrier_code"),),
            features=(
                FieldSpec(name="delay", type="float64", column="arr_delay"),
                FieldSpec(name="aircraft", type="string", column="tailnum"),
            ),
        ),
    ),
    on_demand=(
        replace(VISIBLE.on_demand[0], inputs=(FeatureRef("arrivals", "delay"),)),
        replace(
            VISIBLE.on_demand[0],
            name="both",
            inputs=(FeatureRef("arrivals", "delay"), FeatureRef("arrivals", "aircraft")),
        ),
    ),
    services=(),
)
BY_TAIL = replace(
    ARRIVALS,
    views=(
        replace(ARRIVALS.views[0], join_keys=(FieldSpec(name="tailnum", type="string"),)),
        replace(VISIBLE.views[0], name="offline", online=False),
    ),
)


def rule(action: Action, *tags: str) -> Rule:
    return Rule(id=action, actors=(SERVER.id,), actions=(action,), tags=tags)


@pytest.fixture
def served(connect: Connect):
    """What is compiled of definitions under some more rules."""

    def compiled(repo, *rules: Rule) -> ServingManifest:
        everybody, every = (*GOVERNANCE.people, SERVER), (*GOVERNANCE.rules, *rules)
        connect("gov").desk.apply(governing(people=everybody, rules=every))
        return connect("ana").compile_serving(repo)

    return compiled


def test_without_a_rule_everything_is_closed(served):
    found = served(ARRIVALS)
    assert set(found.closed) == {
        "arrivals:delay",
        "arrivals:aircraft",
        "heat:celsius",
        "both:celsius",
    }
    assert found.closed["arrivals:delay"] == (
        "service:online may not serve aviation.flights.arr_delay "
        "(no rule or grant, for purpose serving)"
    )
    assert found.closed["heat:celsius"].startswith("it is computed from arrivals:delay: ")


def test_a_protected_column_is_closed_with_what_is_computed_from_it(served):
    found = served(ARRIVALS, rule(Action.SERVE))
    assert set(found.closed) == {"arrivals:aircraft", "both:celsius"}
    assert "aviation.flights.tailnum (tagged personal" in found.closed["arrivals:aircraft"]


def test_a_closed_join_key_closes_every_feature_of_the_view(served):
    found = served(BY_TAIL, rule(Action.SERVE))
    assert set(found.closed) == {
        "arrivals:delay",
        "arrivals:aircraft",
        "heat:celsius",
        "both:celsius",
    }
    assert found.closed["arrivals:delay"] == (
        "service:online may not serve the join key aviation.flights.tailnum "
        "(tagged personal, for purpose serving)"
    )
    assert served(BY_TAIL, rule(Action.SERVE, "personal")).closed == {}


def test_a_closed_timestamp_closes_every_feature_of_the_view(served):
    for role in ("event_timestamp", "created_timestamp"):
        view = replace(ARRIVALS.views[0], features=ARRIVALS.views[0].features[:1])
        repo = replace(ARRIVALS, views=(replace(view, **{role: "tailnum"}),), on_demand=())
        assert served(repo, rule(Action.SERVE)).closed == {
            "arrivals:delay": "service:online may not serve the timestamp aviation.flights.tailnum "
            "(tagged personal, for purpose serving)"
        }


def test_features_are_open_until_the_first_grant_they_rest_on_ends(connect: Connect, served):
    served(BY_TAIL)
    connect("ops").publish(FLIGHTS, manifest())
    sooner, later = NOW + timedelta(days=1), NOW + timedelta(days=2)
    times = ((name, None) for name in BY_TAIL.views[0].times)
    for column, until in (("arr_delay", later), ("tailnum", sooner), *times):
        connect("sam").records.grant(
            FLIGHTS,
            grantee=SERVER.id,
            action=Action.SERVE,
            columns=(column,),
            until=until,
        )
    keyed = connect("ana").compile_serving(BY_TAIL)
    assert keyed.closed == {}
    assert set(keyed.open_until.values()) == {sooner}
    unkeyed = replace(ARRIVALS, views=(replace(ARRIVALS.views[0], join_keys=()),))
    assert connect("ana").compile_serving(unkeyed).open_until == {
        "arrivals:delay": later,
        "heat:celsius": later,
        "arrivals:aircraft": sooner,
        "both:celsius": sooner,
    }


def test_pushed_rows_are_taken_only_where_the_server_may_publish_for_good(connect: Connect, served):
    (closed,) = served(ARRIVALS).views
    assert closed.write_closed == (
        "service:online may not publish aviation.flights; "
        "a rule in catalog/policies/ with the action publish lets it"
    )
    connect("sam").records.grant(
        FLIGHTS, grantee=SERVER.id, action=Action.PUBLISH, until=NOW + timedelta(days=1)
    )
    (for_now,) = connect("ana").compile_serving(ARRIVALS).views
    assert "may not publish aviation.flights for good" in for_now.write_closed
    (open_,) = served(ARRIVALS, rule(Action.PUBLISH)).views
    assert open_.write_closed == ""


def test_what_governs_writing_is_part_of_what_is_served(served):
    assert served(ARRIVALS).digest != served(ARRIVALS, rule(Action.PUBLISH)).digest


def test_files_are_open_since_no_catalog_governs_them(served):
    files = replace(ARRIVALS, views=(replace(ARRIVALS.views[0], dataset=None),))
    found = served(files)
    assert found.closed == {}
    assert found.views[0].write_closed == ""


def test_compiling_writes_nothing(connect: Connect):
    before = connect("gov").records.verify_audit()
    connect("ana").compile_serving(VISIBLE)
    assert connect("gov").records.verify_audit() == before
    assert connect("ana").records.projects() == []


def test_what_is_recorded_is_what_was_compiled(connect: Connect):
    connect("ana").record(VISIBLE)
    assert connect("ana").records.serving_manifest("delays") == connect("ana").compile_serving(
        VISIBLE
    )


def test_a_lease_says_what_the_manifest_would_and_what_is_public(connect: Connect, served):
    public = Rule(id="public", actors=("anyone",), actions=(Action.SERVE,))
    manifest_ = served(BY_TAIL, public, rule(Action.SERVE, "personal"))
    connect("dev").record(BY_TAIL)
    lease = connect("ana").records.policy_lease("delays")
    verdict = lease.verdict(SERVER.id)
    assert (manifest_.closed, verdict.closed, verdict.public) == ({}, {}, ())
    assert verdict.opened == dict.fromkeys(
        ("arrivals:aircraft", "arrivals:delay", "both:celsius", "heat:celsius")
    )
    connect("dev").record(ARRIVALS)
    again = connect("ana").records.policy_lease("delays")
    assert again.state != lease.state
    assert again.verdict(SERVER.id).public == ("arrivals:delay", "heat:celsius")


def test_a_lease_opens_and_closes_without_another_apply(connect: Connect, served):
    served(ARRIVALS)
    connect("dev").record(ARRIVALS)
    ask = connect("ana").records.policy_lease
    connect("ops").publish(FLIGHTS, manifest())
    for column in ("arr_delay", "carrier_code"):
        before = ask("delays").verdict(SERVER.id)
        assert "arrivals:delay" in before.closed
        until = NOW + timedelta(days=1)
        terms = {"grantee": SERVER.id, "action": Action.SERVE, "columns": (column,), "until": until}
        if column == "carrier_code":
            terms.pop("columns")
        given = connect("sam").records.grant(FLIGHTS, **terms)
    after = ask("delays")
    assert after.verdict(SERVER.id).opened["arrivals:delay"] == after.first_end == until
    connect("sam").records.revoke(given.id)
    assert "arrivals:delay" in ask("delays").verdict(SERVER.id).closed


@pytest.mark.parametrize(
    "part", [{"effect": Effect.MASK, "mask": "null"}, {"effect": Effect.COMPUTE}]
)
@pytest.mark.parametrize("role", ["event_timestamp", "created_timestamp", "join key"])
def test_a_column_that_also_finds_rows_is_decided_for_each_of_its_roles(
    connect: Connect, served, role: str, part: dict[str, object]
):
    """A timestamp comes with the row, whatever becomes of the feature of the same column."""
    view = ARRIVALS.views[0]
    if role == "join key":
        view = replace(
            view, join_keys=(FieldSpec(name="aircraft_of", type="string", column="tailnum"),)
        )
    else:
        view = replace(view, **{role: "tailnum"})
    repo = replace(ARRIVALS, views=(view,), on_demand=())
    tagged = Rule(
        id="part",
        actors=(SERVER.id,),
        actions=(Action.SERVE,),
        tags=("personal",),
        **part,  # type: ignore[arg-type]
    )
    served(repo, rule(Action.SERVE), tagged)
    connect("dev").record(repo)
    verdict = connect("ana").records.policy_lease("delays").verdict(SERVER.id)
    if role == "join key" and part["effect"] is Effect.COMPUTE:
        assert verdict.closed == {}  # what computes may find rows, too
        assert verdict.parts.computes == ("arrivals:aircraft",)
        return
    assert set(verdict.closed) == {"arrivals:delay", "arrivals:aircraft"}
    name = "the join key" if role == "join key" else "the timestamp"
    assert f"{name} aviation.flights.tailnum" in verdict.closed["arrivals:aircraft"]
