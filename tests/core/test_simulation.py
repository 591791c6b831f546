from dataclasses import replace
from datetime import UTC, datetime, timedelta

from provender.core.datasets import Dataset, Format
from provender.core.governance import Governance
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.policy import Action, Grant, Rule
from provender.core.simulation import MOST, Asked, Policy, Question, simulate
from provender.core.tags import Tag

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SINCE = NOW - timedelta(days=30)
READS = Rule(id="reads", actors=("team:models",), actions=(Action.READ,), purposes=("delay",))
GOVERNANCE = Governance(
    teams=("team:models",),
    people=(Person(id="person:ana", teams=("team:models",)), Person(id="person:max")),
    tags=(Tag(name="personal", protected=True),),
    purposes={"delay": "Predict.", "report": "Count."},
    rules=(READS,),
    datasets=(
        Dataset(
            ref=DatasetRef("air", "flights"),
            description="Flights.",
            owner="team:ops",
            format=Format.PARQUET,
            column_tags={"tail": ("personal",)},
        ),
    ),
)
ANA = Question(
    actor="person:ana",
    action=Action.READ,
    dataset="air.flights",
    columns=("delay", "tail"),
    purpose="delay",
)


def simulated(after, *questions, grants=()):
    asked = [Asked(question=q, times=n, last_at=NOW) for n, q in enumerate(questions, 1)]
    policies = Policy.of(GOVERNANCE), Policy.of(after)
    return simulate(asked, *policies, grants=grants, since=SINCE, now=NOW)


def changed(**rule):
    return replace(GOVERNANCE, rules=(replace(READS, **rule),))


def test_the_same_policy_changes_nothing():
    found = simulated(GOVERNANCE, ANA, replace(ANA, actor="person:max"))
    assert (found.decisions, found.questions, found.changes_nothing) == (3, 2, True)
    assert (found.losses, found.gains, found.since) == ((), (), SINCE)


def test_it_says_who_would_lose_which_columns_and_why():
    found = simulated(changed(purposes=("report",)), ANA)
    (loss,) = found.losses
    assert (loss.question, loss.columns, loss.times, loss.last_at) == (ANA, ("delay",), 1, NOW)
    assert (loss.was, loss.becomes) == ("rule reads", "no rule or grant, for purpose delay")
    assert (found.losing, found.gaining, found.changes_nothing) == (1, 0, False)


def test_it_says_who_would_gain():
    found = simulated(changed(tags=("personal",)), replace(ANA, actor="person:max"), ANA)
    (gain,) = found.gains
    assert (gain.columns, gain.times) == (("tail",), 2)
    assert (gain.was, gain.becomes) == ("tagged personal, for purpose delay", "rule reads")
    assert not found.losses


def test_one_question_can_lose_and_gain():
    tagged = replace(GOVERNANCE.datasets[0], column_tags={"delay": ("personal",)})
    found = simulated(replace(GOVERNANCE, datasets=(tagged,)), ANA)
    assert [one.columns for one in found.losses] == [("delay",)]
    assert [one.columns for one in found.gains] == [("tail",)]


def test_teams_datasets_and_purposes_that_go_close_what_they_opened():
    for after, because in (
        (replace(GOVERNANCE, people=()), "no rule or grant, for purpose delay"),
        (replace(GOVERNANCE, datasets=()), "not in the catalog"),
        (replace(GOVERNANCE, purposes={}), "purpose delay is not declared"),
    ):
        (loss,) = simulated(after, ANA).losses
        assert (loss.columns, loss.becomes) == (("delay",), because)


def test_a_purpose_that_comes_and_a_question_without_one():
    ask = replace(ANA, purpose="audit")
    every = changed(purposes=("*",))
    assert simulated(every, ask).changes_nothing
    found = simulated(replace(every, purposes={**GOVERNANCE.purposes, "audit": "Look."}), ask)
    assert found.gains[0].was == "purpose audit is not declared"
    assert simulated(every, replace(ANA, purpose="")).gaining == 1


def test_grants_of_now_hold_before_and_after():
    granted = Grant(
        id="g1",
        grantee="person:max",
        action=Action.READ,
        dataset="air.flights",
        granted_by="person:sam",
        granted_at=SINCE,
        columns=("tail",),
    )
    ask = replace(ANA, actor="person:max", columns=("tail",))
    open_to_all = changed(actors=("anyone",), tags=("personal",))
    assert simulated(open_to_all, ask, grants=[granted]).changes_nothing
    over = replace(granted, until=NOW)
    assert simulated(open_to_all, ask, grants=[over]).gaining == 1
    elsewhere = replace(granted, dataset="air.planes")
    assert simulated(open_to_all, ask, grants=[elsewhere]).gaining == 1


def test_what_is_asked_most_comes_first_and_all_are_counted():
    several = [replace(ANA, columns=("delay", f"c{number}")) for number in range(MOST + 5)]
    found = simulated(changed(purposes=("report",)), *several)
    assert (found.losing, len(found.losses)) == (MOST + 5, MOST)
    assert found.losses[0].times == MOST + 5
