"""Who owns the characters that keys begin with, and how its rows lie: two hashes in the store.

Of 48 bits of a digest no two will ever be equal by chance; that nobody overwrites another's
rows is not left to chance. It is also how the rows of a whole project are found.

A row of another layout is replaced, be it newer or not: it cannot be read any more. So only
those may write who know the layout that was applied last: it is *declared* when definitions are
applied. Where nobody declared one, as in a store that was emptied, it is *assumed* by the first
who writes, until somebody comes who just read the definitions.
"""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, unquote

from provender.core.errors import Conflict
from provender.core.serving import ServedView
from provender.online.codec import key_prefix
from provender.online.options import Client
from provender.online.resp import Words
from provender.online.secrets import HASHED, KEYRING

PREFIXES = "provender:prefixes"
LAYOUTS = "provender:layouts"
ASSUMED = b"?"
"""Ends a layout that was not declared."""


def declare(client: Client, project: str, views: Sequence[ServedView]) -> None:
    """Note how the rows of these views lie from now on: whoever knows another way is refused."""
    if views:
        layouts = {key_prefix(project, view.name): _layout(project, view) for view in views}
        client.hset(LAYOUTS, mapping=layouts)


Ask = Callable[..., list[Any]]
"""Returns the replies to commands, which it may send twice."""


def claim(ask: Ask, project: str, views: Sequence[ServedView], *, newest: bool = False) -> None:
    """Note that the keys of these views begin as they do, before the first row is written.

    ``newest`` says that their definitions were just read: they go before assumed ones.

    Raises:
        Conflict: those of another view begin so, or a view is defined otherwise by now.
    """
    commands: list[Words] = []
    for view in views:
        prefix = key_prefix(project, view.name)
        for place, own in (
            (PREFIXES, _owner(project, view.name)),
            (LAYOUTS, _layout(project, view) + ASSUMED),
        ):
            commands += (("HSETNX", place, prefix, own), ("HGET", place, prefix))
    found = ask(*commands)
    for at, view in enumerate(views):
        _check_owner(project, view.name, found[4 * at + 1])
        if _is_other(project, view, found[4 * at + 3], newest=newest):
            assumed = _layout(project, view) + ASSUMED
            ask(("HSET", LAYOUTS, key_prefix(project, view.name), assumed))


def _check_owner(project: str, view: str, found: bytes | None) -> None:
    if found is not None and found != _owner(project, view):
        other_project, other_view = _names(found)
        raise Conflict(
            f"the keys of feature view {project}.{view} would begin with "
            f"{key_prefix(project, view).decode()}, as do those of {other_project}.{other_view}",
            hint="rename the feature view, or delete the rows of the other one if it is no more",
        )


def _is_other(project: str, view: ServedView, found: bytes | None, *, newest: bool) -> bool:
    """Return whether another layout was assumed, which a ``newest`` definition goes before."""
    if found is None or found.removesuffix(ASSUMED) == _layout(project, view):
        return False
    if newest and found.endswith(ASSUMED):
        return True
    raise Conflict(
        f"feature view {project}.{view.name} is defined otherwise by now than this process knows: "
        "its rows would replace those of the newer definition",
        hint="restart this process or let it refresh its registry; if it does know the newest "
        "definition, apply that again",
    )


def claimed(client: Client, project: str) -> list[bytes]:
    """Return the prefixes of all views of ``project`` that were ever written."""
    found = client.hgetall(PREFIXES).items()
    return sorted(prefix for prefix, owner in found if _names(owner)[0] == project)


def release(client: Client, prefixes: list[bytes]) -> None:
    """Forget the owners of ``prefixes``, whose rows are deleted, and how these lay."""
    if prefixes:
        client.hdel(PREFIXES, *prefixes)
        client.hdel(LAYOUTS, *prefixes)


def _layout(project: str, view: ServedView) -> bytes:
    """Return what tells this way of laying rows from others; with hashed ids, by their secret, too."""
    hashed = f":{KEYRING.key_id(project)}" if view.entity_ids == HASHED else ""
    return f"{view.fingerprint.hex()}{hashed}".encode()


def _owner(project: str, view: str) -> bytes:
    return "\0".join(quote(name, safe="") for name in (project, view)).encode()


def _names(owner: bytes) -> tuple[str, str]:
    project, _, view = owner.decode(errors="replace").partition("\0")
    return unquote(project), unquote(view)
