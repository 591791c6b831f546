"""Who owns the characters that keys begin with, and how its rows lie: two hashes in the store.

Of 48 bits of a digest no two will ever be equal by chance; that nobody overwrites another's
rows is not left to chance. It is also how the rows of a whole project are found.

A row of another layout is replaced, be it newer or not: it cannot be read any more. So only
those may write who know the layout that was applied last: it is *declared* when definitions are
applied. Where nobody declared one, as in a store that was emptied, it is *assumed* by the first
who writes, until somebody comes who just read the definitions.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
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
CORRECT = """
local there = redis.call('HGET', KEYS[1], ARGV[1])
if there and there ~= ARGV[2] then return there end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return ARGV[3]
"""
"""Replaces a layout that still is what it was, or is gone; returns what is there then."""


def declare(client: Client, project: str, views: Sequence[ServedView]) -> None:
    """Note how the rows of these views lie from now on: whoever knows another way is refused."""
    if views:
        layouts = {key_prefix(project, view.name): _layout(project, view) for view in views}
        client.hset(LAYOUTS, mapping=layouts)


Ask = Callable[..., list[Any]]
"""Returns the replies to commands, which it may send twice."""
Commands = Callable[[], AbstractContextManager[Client]]
"""Gives the client for as long as it is needed."""
Assumed = tuple[ServedView, bytes]
"""A view, and another layout than its own, which was assumed of it."""


def claim(
    ask: Ask,
    commands: Commands,
    project: str,
    views: Sequence[ServedView],
    *,
    newest: bool = False,
) -> None:
    """Note that the keys of these views begin as they do, before the first row is written.

    ``newest`` says that their definitions were just read: they go before assumed ones.

    Raises:
        Conflict: those of another view begin so, or a view is defined otherwise by now.
    """
    words: list[Words] = []
    for view in views:
        prefix = key_prefix(project, view.name)
        for place, own in (
            (PREFIXES, _owner(project, view.name)),
            (LAYOUTS, _layout(project, view) + ASSUMED),
        ):
            words += (("HSETNX", place, prefix, own), ("HGET", place, prefix))
    found = ask(*words)
    assumed: list[Assumed] = []
    for at, view in enumerate(views):
        layout = found[4 * at + 3]
        _check_owner(project, view.name, found[4 * at + 1])
        if newest and _is_other(project, view, layout) and layout.endswith(ASSUMED):
            assumed.append((view, layout))
        else:
            _check_layout(project, view, layout)
    if assumed:
        with commands() as client:
            _correct(client, project, assumed)


def _correct(client: Client, project: str, assumed: Sequence[Assumed]) -> None:
    """Put the layouts that these views have in the place of what was assumed of them.

    Raises:
        Conflict: another one was declared or assumed meanwhile.
    """
    script = client.register_script(CORRECT)
    for view, found in assumed:
        own = _layout(project, view) + ASSUMED
        there = script(keys=[LAYOUTS], args=[key_prefix(project, view.name), found, own])
        _check_layout(project, view, there)


def _check_owner(project: str, view: str, found: bytes | None) -> None:
    if found is not None and found != _owner(project, view):
        other_project, other_view = _names(found)
        raise Conflict(
            f"the keys of feature view {project}.{view} would begin with "
            f"{key_prefix(project, view).decode()}, as do those of {other_project}.{other_view}",
            hint="rename the feature view, or delete the rows of the other one if it is no more",
        )


def _is_other(project: str, view: ServedView, found: bytes | None) -> bool:
    return found is not None and found.removesuffix(ASSUMED) != _layout(project, view)


def _check_layout(project: str, view: ServedView, found: bytes | None) -> None:
    if _is_other(project, view, found):
        raise Conflict(
            f"feature view {project}.{view.name} is defined otherwise by now than this process "
            "knows: its rows would replace those of the newer definition",
            hint="restart this process or let it refresh its registry; if it does know the newest "
            "definition, apply that again",
        )


def claimed(client: Client, project: str) -> list[bytes]:
    """Return the prefixes of all views of ``project`` that were ever written."""
    found = client.hgetall(PREFIXES).items()
    return sorted(prefix for prefix, owner in found if _names(owner)[0] == project)


def claimed_views(client: Client, project: str) -> list[str]:
    """Return the names of all views of ``project`` that were ever written."""
    owners = [_names(owner) for owner in client.hgetall(PREFIXES).values()]
    return sorted(view for owner, view in owners if owner == project)


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
