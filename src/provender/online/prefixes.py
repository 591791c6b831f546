"""Who owns the characters that keys begin with: a hash in the store, from prefix to its view.

Of 48 bits of a digest no two will ever be equal by chance; that nobody overwrites another's
rows is not left to chance. It is also how the rows of a whole project are found.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

from provender.core.errors import Conflict
from provender.online.codec import key_prefix
from provender.online.options import Client
from provender.online.resp import Words

PREFIXES = "provender:prefixes"


Ask = Callable[[Words, Words], list[Any]]
"""Returns the replies to two commands, which it may send twice."""


def claim(ask: Ask, project: str, view: str) -> None:
    """Note that the keys of this view begin as they do, before the first row is written.

    Raises:
        Conflict: those of another view begin so.
    """
    prefix, owner = key_prefix(project, view), _owner(project, view)
    first, found = ask(("HSETNX", PREFIXES, prefix, owner), ("HGET", PREFIXES, prefix))
    if not first and found != owner:
        other_project, other_view = _names(found)
        raise Conflict(
            f"the keys of feature view {project}.{view} would begin with {prefix.decode()}, "
            f"as do those of {other_project}.{other_view}",
            hint="rename the feature view, or delete the rows of the other one if it is no more",
        )


def claimed(client: Client, project: str) -> list[bytes]:
    """Return the prefixes of all views of ``project`` that were ever written."""
    found = client.hgetall(PREFIXES).items()
    return sorted(prefix for prefix, owner in found if _names(owner)[0] == project)


def release(client: Client, prefixes: list[bytes]) -> None:
    """Forget the owners of ``prefixes``, whose rows are deleted."""
    if prefixes:
        client.hdel(PREFIXES, *prefixes)


def _owner(project: str, view: str) -> bytes:
    return "\0".join(quote(name, safe="") for name in (project, view)).encode()


def _names(owner: bytes) -> tuple[str, str]:
    project, _, view = owner.decode(errors="replace").partition("\0")
    return unquote(project), unquote(view)
