"""What a caller had seen: entity tags, and the conditions that a request sets upon them."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from provender.core.digest import digest_bytes, short
from provender.core.errors import PreconditionFailed, PreconditionRequired

STATE = re.compile(r'"(?:(?P<of>[0-9a-f]{16})\.[0-9a-f]{16}-)?(?P<revision>\d{1,15})"')
"""The tag of a state of something; or of a revision alone, of whatever it is sent to."""


@dataclass(frozen=True, slots=True)
class State:
    """What an answer is the state of, by a name that nothing else ever has, and its revision."""

    of: str
    revision: int

    def tag(self, body: bytes) -> str:
        """Return the tag of an answer: it moves with every byte, and says what it is a state of."""
        return f'"{_short(self.of.encode(), 16)}.{_short(body, 16)}-{self.revision}"'


def content_tag(body: str) -> str:
    """Return the tag of an answer that is compared by its bytes."""
    return f'"{_short(body.encode(), 32)}"'


def is_known(tag: str, if_none_match: str) -> bool:
    """Return whether a caller who sent ``if_none_match`` has what ``tag`` is of."""
    known = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return "*" in known or tag in known


def expected_or_none(
    if_match: str | None, if_none_match: str | None, of: Callable[[], str]
) -> int | None:
    """Return what `expected` does: 0 where a caller says that there is none.

    Raises:
        PreconditionRequired: they say neither.
        PreconditionFailed: it is the tag of something else.
    """
    return 0 if if_none_match == "*" and not if_match else expected(if_match, of)


def expected(if_match: str | None, of: Callable[[], str]) -> int | None:
    """Return the revision that a caller had looked at, of what is called ``of``; None: whichever.

    Raises:
        PreconditionRequired: they do not say which.
        PreconditionFailed: it is the tag of something else.
    """
    if not if_match:
        raise _unsaid()
    if if_match.strip() == "*":
        return None
    found = [one for tag in if_match.split(",") if (one := STATE.fullmatch(tag.strip()))]
    name = _short(of().encode(), 16) if any(one["of"] for one in found) else ""
    revisions = [int(one["revision"]) for one in found if one["of"] in (None, name)]
    if not revisions:
        raise PreconditionFailed(
            f"this is not what has the tag {if_match}",
            hint="read it again, and send its ETag as If-Match",
        )
    return max(revisions)


def expected_content(if_match: str | None) -> str | None:
    """Return the digest that a caller had looked at, of the answer of a question; None: whichever.

    Raises:
        PreconditionRequired: they do not say which.
    """
    if not if_match:
        raise _unsaid()
    return None if if_match.strip() == "*" else if_match.strip().strip('"')


def _unsaid() -> PreconditionRequired:
    return PreconditionRequired(
        "a change must say which state it is a change of",
        hint="read it, then send its ETag as If-Match",
    )


def _short(text: bytes, length: int) -> str:
    return short(digest_bytes(text), length=length)
