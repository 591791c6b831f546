"""The process that appends rows for an online server, which must not load Feast itself.

``python -m provender.feast_plugin.pusher REPO``. A line of JSON on its input is a group of pushes
to one push source, ``{"source", "pushes": [{"columns", "id"}]}``; the line it answers with says
for each null, once its rows are there for good, or the error. It ends when its input does.
"""

import json
import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from provender import bootstrap
from provender.core.errors import Misconfigured, NotFound, ProvenderError
from provender.feast_plugin.pushes import Appender, Outcome, Push

log = logging.getLogger(__name__)


def main() -> None:
    """Answer groups of pushes until there are no more."""
    answers = _answers()
    appender = Appender(Path(sys.argv[1]), bootstrap.settings())
    answer_all(appender, sys.stdin.buffer, answers)


def answer_all(appender: Appender, groups: Iterable[bytes], answers: IO[bytes]) -> None:
    """Write a line of outcomes for each line of ``groups``."""
    for line in groups:
        group = json.loads(line)
        pushes = [Push(one["columns"], one["id"]) for one in group["pushes"]]
        outcomes = _outcomes(appender, group["source"], pushes)
        answers.write(json.dumps([told(one) for one in outcomes]).encode() + b"\n")
        answers.flush()


def told(outcome: Outcome) -> dict[str, Any] | None:
    """Return an outcome as JSON."""
    if outcome is None:
        return None
    body = {"error": outcome.code, "message": outcome.message, "hint": outcome.hint}
    return body | {"what": outcome.what if isinstance(outcome, NotFound) else ""}


def _outcomes(appender: Appender, source: str, pushes: list[Push]) -> list[Outcome]:
    try:
        return appender.append(source, pushes)
    except ProvenderError as error:
        return [error] * len(pushes)
    except Exception:  # the server has to get an answer for this group, and the next may be better
        log.exception("rows pushed to %s could not be appended", source)
        message = "the rows could not be appended offline"
        return [Misconfigured(message, hint="the server's log says why")] * len(pushes)


def _answers() -> IO[bytes]:
    """Return the output for answers alone: what others print goes where errors go."""
    own = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return own


if __name__ == "__main__":
    main()
