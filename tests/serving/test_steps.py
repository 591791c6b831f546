import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from provender.serving.steps import Steps


def in_a_loop(check: Callable[[asyncio.AbstractEventLoop, list[Any]], Any]) -> None:
    async def run() -> None:
        await check(asyncio.get_running_loop(), [])

    asyncio.run(run())


async def told(waited: "asyncio.Future[Any]") -> str:
    """What a handler does: whatever happens becomes its result."""
    try:
        return f"found {await waited}"
    except (ValueError, TimeoutError, asyncio.CancelledError) as error:
        return f"{type(error).__name__} {error}".strip()


async def now() -> str:
    return "at once"


def test_what_waits_for_nothing_is_done_before_it_returns() -> None:
    async def check(loop: asyncio.AbstractEventLoop, results: list[Any]) -> None:
        assert Steps(now(), results.append).over
        assert results == ["at once"]

    in_a_loop(check)


@pytest.mark.parametrize(
    ("settle", "expected"),
    [
        (lambda waited: waited.set_result(3), "found 3"),
        (lambda waited: waited.set_exception(ValueError("bad")), "ValueError bad"),
        (lambda waited: waited.cancel(), "CancelledError"),
    ],
)
def test_what_is_awaited_goes_on_where_it_waited(
    settle: Callable[[Any], Any], expected: str
) -> None:
    async def check(loop: asyncio.AbstractEventLoop, results: list[Any]) -> None:
        waited = loop.create_future()
        steps = Steps(told(waited), results.append)
        await asyncio.sleep(0.01)
        assert not steps.over
        settle(waited)
        await asyncio.sleep(0.01)
        assert (steps.over, results) == (True, [expected])

    in_a_loop(check)


def test_a_failure_from_outside_ends_the_wait_once() -> None:
    async def check(loop: asyncio.AbstractEventLoop, results: list[Any]) -> None:
        waited = loop.create_future()
        steps = Steps(told(waited), results.append)
        steps.fail(TimeoutError("late"))
        steps.fail(TimeoutError("later"))
        assert (results, waited.cancelled()) == (["TimeoutError late"], True)
        await asyncio.sleep(0.01)
        assert results == ["TimeoutError late"]

    in_a_loop(check)


def test_an_answer_that_came_before_the_failure_was_noticed_is_not_used_twice() -> None:
    async def stubborn(first: Any, second: Any) -> str:
        try:
            await first
        except TimeoutError:
            return f"then {await second}"
        return "first"

    async def check(loop: asyncio.AbstractEventLoop, results: list[Any]) -> None:
        first, second = loop.create_future(), loop.create_future()
        steps = Steps(stubborn(first, second), results.append)
        first.set_result(1)
        steps.fail(TimeoutError("late"))
        await asyncio.sleep(0.01)
        assert results == []
        second.set_result(2)
        await asyncio.sleep(0.01)
        assert results == ["then 2"]

    in_a_loop(check)


def test_sleeping_and_bare_yields_are_waited_for() -> None:
    async def slow() -> str:
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        return await asyncio.to_thread(lambda: "slept")

    async def check(loop: asyncio.AbstractEventLoop, results: list[Any]) -> None:
        steps = Steps(slow(), results.append)
        while not steps.over:
            await asyncio.sleep(0.01)
        assert results == ["slept"]

    in_a_loop(check)
