"""What a caller had seen: entity tags, and the conditions that a request sets upon them."""

import re

from provender.core.datasets import Entry
from provender.core.digest import digest_bytes, short
from provender.core.errors import PreconditionFailed, PreconditionRequired

REVISION = re.compile(r'"[A-Za-z0-9:._-]*?-?(?P<revision>\d{1,9})"\Z')


def entry_tag(entry: Entry) -> str:
    """Return the tag of what is said of a dataset: it changes with every edit."""
    return revision_tag(entry.urn.rpartition(":")[2], entry.revision)


def revision_tag(name: str, revision: int) -> str:
    """Return the tag of a thing's ``revision``."""
    return f'"{name}-{revision}"'


def content_tag(body: str) -> str:
    """Return the tag of an answer that is compared by its bytes."""
    return f'"{short(digest_bytes(body.encode()), length=32)}"'


def is_known(tag: str, if_none_match: str) -> bool:
    """Return whether a caller who sent ``if_none_match`` has what ``tag`` is of."""
    known = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return "*" in known or tag in known


def expected_or_none(if_match: str | None, if_none_match: str | None) -> int:
    """Return the revision that a caller had looked at: 0 where they say that there is none.

    Raises:
        PreconditionRequired: they say neither.
        PreconditionFailed: there cannot be a revision with that tag.
    """
    return 0 if if_none_match == "*" and not if_match else expected(if_match)


def expected(if_match: str | None) -> int:
    """Return the revision that a caller had looked at.

    Raises:
        PreconditionRequired: they do not say which.
        PreconditionFailed: there cannot be a revision with that tag.
    """
    if not if_match or if_match == "*":
        raise PreconditionRequired(
            "a change must say which state it is a change of",
            hint="read it, then send its ETag as If-Match",
        )
    found = REVISION.match(if_match)
    if not found:
        raise PreconditionFailed(
            f"nothing has the tag {if_match}", hint="read it again, and send its ETag as If-Match"
        )
    return int(found["revision"])
