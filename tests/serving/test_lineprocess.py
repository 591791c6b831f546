"""Real processes that answer lines, hang, die and do not want to end."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from provender.serving import lineprocess
from provender.serving.lineprocess import Ended, LineProcess

ECHO = """
import os, sys
for line in sys.stdin:
    if line == "die\\n":
        sys.exit(1)
    while line == "hang\\n":
        import time
        time.sleep(1)
    print(os.getpid(), line, end="", flush=True)
"""
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + ECHO
FORKED = "import os, signal\nif not os.fork():\n    signal.pause()" + ECHO
SECONDS = 1.0

Make = Callable[..., LineProcess]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[LineProcess] = []

    def make(program: str, seconds: float = 60.0) -> LineProcess:
        command = [sys.executable, "-c", program]
        made.append(LineProcess(command, env=os.environ, seconds=seconds, start_seconds=60.0))
        return made[-1]

    yield make
    for one in made:
        one.stop()
        one.close()


def pid(answer: bytes) -> int:
    return int(answer.split()[0])


def is_there(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_one_process_answers_line_after_line(make: Make) -> None:
    process = make(ECHO)
    first, second = process.ask(b"a\n"), process.ask(b"b\n")
    assert (first.split()[1], second.split()[1]) == (b"a", b"b")
    assert pid(first) == pid(second)


def test_where_it_ended_another_one_answers_next(make: Make) -> None:
    process = make(ECHO)
    first = process.ask(b"a\n")
    with pytest.raises(Ended, match=r"^ended$"):
        process.ask(b"die\n")
    assert pid(process.ask(b"a\n")) != pid(first)


@pytest.mark.parametrize("program", [ECHO, DEAF, FORKED])
@pytest.mark.parametrize("size", [0, 1 << 20])
def test_one_that_does_not_answer_in_time_is_killed_with_its_children(
    make: Make, program: str, size: int
) -> None:
    process = make(program, SECONDS)
    first = process.ask(b"a\n")
    began = time.monotonic()
    with pytest.raises(Ended, match="did not answer within 1 s, and was ended"):
        process.ask(b"hang\n" + b"x" * size + b"\n" * bool(size))
    assert SECONDS <= time.monotonic() - began < SECONDS + 5
    assert not is_there(pid(first))
    assert process.ask(b"a\n").split()[1] == b"a"


def test_one_that_does_not_take_the_signal_is_stopped_while_it_is_asked(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lineprocess, "END_SECONDS", 0.5)
    process = make(DEAF)
    first = process.ask(b"a\n")
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(process.ask, b"hang\n")
        time.sleep(0.2)
        process.stop()
        with pytest.raises(Ended):
            asked.result(timeout=5)
    assert not is_there(pid(first))


def test_a_stopped_one_is_asked_nothing_more(make: Make) -> None:
    process = make(ECHO)
    process.stop()
    with pytest.raises(Ended, match="is ending"):
        process.ask(b"a\n")
