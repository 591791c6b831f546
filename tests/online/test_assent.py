"""What lookups in process rest on, asked for anew: `online.assent`."""

import pytest

from provender.core.errors import Denied, NotFound, Unavailable
from provender.core.leases import Unconfirmed
from provender.online.assent import Assent

DOWN = Unavailable("the catalog does not answer", hint="start it")


class World:
    """A catalog's policy, a clock, and how often the one was asked for what it says."""

    def __init__(self, without: Unconfirmed = Unconfirmed.DENY) -> None:
        self.state = "s1"
        self.ticks = 0.0
        self.failure: Exception | None = None
        self.refusal: Exception | None = None
        self.states = self.answers = 0
        self.assent = Assent(self._state, without=without, ticks=lambda: self.ticks)

    def _state(self) -> str:
        self.states += 1
        if self.failure is not None:
            raise self.failure
        return self.state

    def _ask(self) -> None:
        self.answers += 1
        if self.refusal is not None:
            raise self.refusal

    def renew(self, told: str, *, is_public: bool = False, again: bool = False) -> bool:
        return self.assent.renew(told, self._ask, is_public=is_public, again=again)


def test_the_word_of_the_same_state_confirms_without_a_question() -> None:
    world = World()
    assert not world.assent.stands("s1")
    assert world.renew("s1")
    world.ticks = 1e6
    assert world.assent.stands("s1")
    assert not world.renew("s1")
    assert (world.states, world.answers) == (1, 1)


def test_another_word_is_a_question_once_also_where_it_is_behind() -> None:
    world = World()
    world.renew("s0")
    assert world.assent.stands("s0")
    world.state = "s2"
    assert not world.assent.stands("s2")
    assert world.renew("s2")
    assert world.assent.stands("s2")
    assert (world.states, world.answers) == (2, 2)


def test_without_a_word_the_state_is_asked_for_once_in_a_lease() -> None:
    world = World()
    world.renew("")
    world.ticks = 0.899
    assert world.assent.stands("")
    world.ticks = 0.9
    assert not world.assent.stands("")
    assert not world.renew("")
    assert (world.states, world.answers) == (2, 1)
    world.ticks, world.state = 2.0, "s2"
    assert world.renew("")
    assert (world.states, world.answers) == (3, 2)


def test_what_nobody_confirms_is_denied_and_the_catalog_left_alone_for_a_while() -> None:
    world = World()
    world.renew("s1")
    world.failure = DOWN
    for _ in range(3):
        with pytest.raises(Denied, match="what may be served is not known: the catalog does not"):
            world.renew("s2")
    assert (world.states, world.assent.problem) == (2, DOWN.message)
    world.ticks = 0.9
    world.failure = None
    assert world.renew("s2")
    assert world.assent.problem == ""


@pytest.mark.parametrize("without", Unconfirmed)
@pytest.mark.parametrize("is_public", [True, False])
def test_what_everybody_may_have_is_served_where_the_setting_says_so(
    without: Unconfirmed, *, is_public: bool
) -> None:
    world = World(without)
    world.renew("")
    world.failure, world.ticks = DOWN, 1.0
    if is_public and without is Unconfirmed.PUBLIC:
        assert not world.renew("", is_public=is_public)
        return
    with pytest.raises(Denied):
        world.renew("", is_public=is_public)


def test_a_refusal_is_the_catalogs_own_and_asked_for_again() -> None:
    world = World(Unconfirmed.PUBLIC)
    world.renew("s1")
    world.refusal, world.state = NotFound("gone", hint="apply it"), "s2"
    for _ in range(2):
        with pytest.raises(NotFound):
            world.renew("s2", is_public=True)
    assert not world.assent.stands("s2")
    world.refusal = None
    assert world.renew("s2")
    assert world.answers == 4


def test_a_yes_that_ended_is_asked_for_again_by_the_same_policy() -> None:
    world = World()
    world.renew("s1")
    assert world.renew("s1", again=True)
    assert world.answers == 2
