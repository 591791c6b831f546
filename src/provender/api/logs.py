"""One line per request, for machines or for people, and nothing in it that a client wrote.

An error that nobody expected is told by its kind and the places it passed, never by its words:
they may hold what was sent. What has the shape of a token is not written, wherever it comes from.
"""

import json
import re
import traceback
from collections.abc import Callable
from datetime import UTC
from typing import TextIO

from provender.api.watching import Answered
from provender.core import credentials
from provender.core.clock import Clock

TOKENS = re.compile(
    r"eyJ[\w-]{8,}(\.[\w-]+){1,2}"  # a JSON web token
    r"|\b(ghp|gho|ghs|glpat|pypi|xox[abprs]|sk|pk|rk)[-_][\w-]{10,}"
    r"|\bAKIA[0-9A-Z]{12,}"
    r"|\b(bearer|basic)\s+\S+",
    re.IGNORECASE,
)
HIDDEN = "[hidden]"
FRAMES = 12

Write = Callable[[dict[str, object]], str]


def as_json(said: dict[str, object]) -> str:
    """Return a line that is one JSON object."""
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def as_text(said: dict[str, object]) -> str:
    """Return a line for people: the instant, then ``name=value``."""
    first, *rest = said.items()
    return " ".join([str(first[1]), *(f"{name}={value}" for name, value in rest if value != "")])


FORMATS: dict[str, Write] = {"json": as_json, "text": as_text}


class Log:
    """Writes a line to ``out`` for every request: an observer of `Watch`.

    ``actor`` is who the server speaks for, where it speaks for one.
    """

    def __init__(self, out: TextIO, *, write: Write, clock: Clock, actor: str = "") -> None:
        self._out = out
        self._write = write
        self._clock = clock
        self._actor = actor

    def __call__(self, answered: Answered) -> None:
        said: dict[str, object] = {
            "at": self._clock().astimezone(UTC).isoformat(timespec="milliseconds"),
            "level": _level(answered),
            "event": "request",
            "request_id": redacted(answered.request_id),
            "actor": redacted(self._actor),
            "method": answered.method,
            "route": answered.route,
            "status": answered.status,
            "ms": round(answered.seconds * 1000, 2),
            "bytes": answered.size_bytes,
        }
        if answered.error is not None:
            said["error"] = type(answered.error).__name__
            said["where"] = places(answered.error)
        self._out.write(self._write(said) + "\n")
        self._out.flush()


def redacted(text: str) -> str:
    """Return ``text`` without what has the shape of a token."""
    return credentials.redacted(TOKENS.sub(HIDDEN, text))


def places(error: BaseException) -> list[str]:
    """Return where an error passed, the last places first; none of its words."""
    frames = traceback.extract_tb(error.__traceback__)
    told = [f"{_module(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]
    return told[::-1][:FRAMES]


def _module(path: str) -> str:
    return "/".join(path.replace("\\", "/").split("/")[-2:])


def _level(answered: Answered) -> str:
    if answered.error is not None or answered.status >= 500:
        return "error"
    return "warning" if answered.status >= 400 else "info"
