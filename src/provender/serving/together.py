"""Small lookups judged together: those whose rows came in the same turn of the loop.

Judging rows and writing numbers costs about as much for one row as for ten. So what came with
one reply of the store waits until all of it is there, a turn of the loop, and is judged at once.
Each lookup still has an answer of its own, or an error of its own.
"""

import asyncio
from collections.abc import Callable, Generator, Sequence
from typing import Any

from provender.online.answer import Answer
from provender.online.blocks import Block, json_bodies, read_views
from provender.online.lookup import Question

SMALL = 16
"""Keys of a lookup that is judged together with others; a larger one gains little."""
FAILURES = (Exception, SystemExit)
"""What users' functions raise; whoever waits for the answer raises it again."""
Bodies = list[list[bytes]]


class Judging:
    """A lookup that waits for its answer; what awaits it is resumed when it is there."""

    __slots__ = ("_asyncio_future_blocking", "_resume", "bodies", "found", "question", "stored")

    def __init__(self, question: Question, stored: Sequence[bytes | None]) -> None:
        self.question = question
        self.stored = stored
        self.found: Answer[Block] | BaseException | None = None
        self.bodies: Bodies = []
        self._resume: Callable[[Any], None] | None = None
        self._asyncio_future_blocking = True

    def __await__(self) -> "Generator[Judging, None, tuple[Answer[Block], Bodies]]":
        yield self
        if isinstance(self.found, Answer):
            return self.found, self.bodies
        raise self.found or RuntimeError("resumed before it was judged")

    def add_done_callback(self, resume: Callable[[Any], None]) -> None:
        self._resume = resume

    def resume(self) -> None:
        if self._resume is not None:
            self._resume(self)

    def remove_done_callback(self, resume: Callable[[Any], None]) -> None:
        self._resume = None

    def cancel(self) -> None:
        """Nobody waits any more."""


class Together:
    """What is to be judged at the end of this turn of the loop."""

    def __init__(self) -> None:
        self._waiting: list[Judging] = []

    def judge(self, question: Question, stored: Sequence[bytes | None]) -> Judging:
        """Return what gives the answer, and its columns as `json_bodies`, when it is awaited.

        Raises, then: what `Question.judge` does.
        """
        judging = Judging(question, stored)
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._judge)
        self._waiting.append(judging)
        return judging

    def _judge(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            _judge_all(waiting)
        except FAILURES:  # whose it is shows when each is judged alone
            for judging in waiting:
                _judge_alone(judging)
        for judging in waiting:
            judging.resume()


def _judge_all(waiting: Sequence[Judging]) -> None:
    questions = [judging.question for judging in waiting]
    readers = [reader for question in questions for reader in question.plan.readers]
    spans = [span for question in questions for span in question.spans()]
    keys = [key for question in questions for key in question.keys]
    rows = [row for judging in waiting for row in judging.stored]
    blocks = read_views(readers, keys, rows, spans)
    bodies = json_bodies(blocks)
    start = 0
    for judging in waiting:
        stop = start + len(judging.question.plan.readers)
        judging.bodies = bodies[start:stop]
        try:
            judging.found = judging.question.answered(blocks[start:stop])
        except FAILURES as error:
            judging.found = error
        start = stop


def _judge_alone(judging: Judging) -> None:
    try:
        _judge_all([judging])
    except FAILURES as error:
        judging.found = error
