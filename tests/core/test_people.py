import pytest

from provender.core.errors import InvalidInput
from provender.core.people import Actor, Person, check_actor_id


@pytest.mark.parametrize("identity", ["person:ana", "team:flight-ops", "service:x.1_y"])
def test_who_acts_is_a_person_a_team_or_a_service(identity: str) -> None:
    assert check_actor_id(identity) == identity


@pytest.mark.parametrize(
    "identity",
    ["", "ana", "person:", "person:Ana", "robot:x", "person:a b", "person:-a", "person:a\n"],
)
def test_anything_else_is_refused(identity: str) -> None:
    with pytest.raises(InvalidInput, match="is not an actor"):
        Person(id=identity)


def test_an_actor_is_themselves_their_teams_and_anyone() -> None:
    actor = Actor("person:ana", frozenset({"team:ml"}))
    for names in (("person:ana",), ("x", "team:ml"), ("anyone",)):
        assert actor.is_one_of(names)
    assert not actor.is_one_of(("person:bob", "team:ops"))
    assert not actor.is_one_of(())


def test_an_actor_is_meant_by_the_names_of_their_projects_too() -> None:
    actor = Actor("person:ana", frozenset({"team:ml"}), frozenset({"risk", "a"}))
    assert actor.names == ("person:ana", "team:ml", "project:a", "project:risk", "anyone")
    assert actor.is_one_of(("project:risk",))
    assert not actor.is_one_of(("risk", "project:fraud_risk"))
