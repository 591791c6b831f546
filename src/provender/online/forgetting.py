"""Subjects gone from the online store: found in keys by keyed digests, and not left in its files.

Keys say themselves what is in them (`codec`), so those of views that nobody serves any more are
looked through, too. Where ids of several join keys are hashed together nobody can tell whose a row
is: then all rows of the view go, and come again with the next materialisation.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from redis.exceptions import ResponseError

from provender.core.erasure import Dropped, Erasure, Sought
from provender.core.errors import Corrupt, Unavailable
from provender.core.serving import ServedView
from provender.online.codec import key_prefix
from provender.online.options import Client, Topology
from provender.online.prefixes import claimed_views
from provender.online.secrets import HASHED
from provender.online.store import BATCH_ROWS, OnlineStore

DONE = "provender:erasures"
"""The ids of the erasures that were done in this store: a copy of before lacks them."""
FILE_SECONDS = 600.0
POLL_SECONDS = 0.05
TEXTS = {ord("s"), ord("b")}


def forget(store: OnlineStore, identities: Sequence[str], sought: Sought) -> tuple[Dropped, ...]:
    """Delete what is ``sought`` for erasures of these ids, in every project; say how many keys of which view.

    Its files are written anew before this returns, where the store lets us.

    Raises:
        Unavailable: the store does not answer, or does not finish writing.
    """
    dropped = [
        _forget_view(store, project, name, view, sought)
        for project in store.projects()
        for name, view in _views(store, project).items()
        if view is None or sought.join_key in {key.name for key in view.join_keys}
    ]
    with store.commands() as client:
        gone = [one for one in dropped if one.keys]
        rewritten = bool(gone) and _write_anew(client, store.options.topology)
        client.sadd(DONE, *identities)
    return tuple(replace(one, rewritten=rewritten) for one in gone)


def missing(store: OnlineStore, known: Sequence[Erasure]) -> list[Erasure]:
    """Return those of the erasures ``known`` that the store does not know of: they are to be done again.

    Raises:
        Unavailable: the store does not answer.
    """
    with store.commands() as client:
        done = {word.decode() for word in client.smembers(DONE)}
    return [one for one in known if one.id not in done]


def _views(store: OnlineStore, project: str) -> dict[str, ServedView | None]:
    """Every view that ever had rows, and how its keys are made; None: nobody serves it any more."""
    try:
        manifest = store.manifest(project)
    except Corrupt:
        manifest = None
    served = {view.name: view for view in manifest.views} if manifest else {}
    with store.commands() as client:
        return {name: served.get(name) for name in {*claimed_views(client, project), *served}}


def _forget_view(
    store: OnlineStore, project: str, name: str, view: ServedView | None, sought: Sought
) -> Dropped:
    whole = view is not None and view.entity_ids == HASHED and len(view.join_keys) > 1
    places = None
    if view is not None and not whole:
        places = [at for at, key in enumerate(view.join_keys) if key.name == sought.join_key]
    prefix = key_prefix(project, name) + b"{"
    keys = 0
    with store.commands() as client:
        found = (
            key
            for key in client.scan_iter(match=prefix + b"*", count=BATCH_ROWS)
            if whole or _is_of(key[len(prefix) : -1], places, sought)
        )
        while batch := list(islice(found, BATCH_ROWS)):
            keys += store.unlink(client, batch)
    return Dropped(project=project, view=name, keys=keys, whole=whole)


def _is_of(entity: bytes, places: Sequence[int] | None, sought: Sought) -> bool:
    parts = list(parts_of(entity))
    asked = parts if places is None else [parts[at] for at in places if at < len(parts)]
    return any(sought.is_of(part) for part in asked)


def parts_of(entity: bytes) -> Iterator[str | bytes]:
    """Yield what the parts of an entity in a key say: texts and bytes without their lengths, all else as it is."""
    at = 0
    while at < len(entity):
        colon = entity.find(b":", at)
        length = entity[at + 1 : colon] if colon > 0 else b""
        if entity[at] in TEXTS and length.isdigit():
            end = colon + 1 + int(length)
            value = entity[colon + 1 : end]
            yield value if entity[at] == ord("b") else value.decode(errors="replace")
        else:
            comma = entity.find(b",", at)
            end = comma if comma >= 0 else len(entity)
            yield entity[at:end].decode(errors="replace")
        at = end + 1


def _write_anew(client: Client, topology: Topology) -> bool:
    """Let servers write their files without what was deleted; return whether they all let us."""
    nodes: list[dict[str, Any]] = [{}]
    if topology is Topology.CLUSTER:
        nodes = [{"target_nodes": node} for node in client.get_primaries()]
    for node in nodes:
        try:
            if int(client.info("persistence", **node)["aof_enabled"]):
                _write(client, "BGREWRITEAOF", "aof_rewrite_in_progress", node)
            if client.config_get("save", **node).get("save"):
                _write(client, "BGSAVE", "rdb_bgsave_in_progress", node)
        except ResponseError:  # a service that keeps its files to itself, or from this user
            return False
    return True


def _write(client: Client, command: str, running: str, node: dict[str, Any]) -> None:
    _wait(client, running, node)
    client.execute_command(command, **node)
    _wait(client, running, node)


def _wait(client: Client, running: str, node: dict[str, Any]) -> None:
    due = time.monotonic() + FILE_SECONDS
    while int(client.info("persistence", **node)[running]):
        if time.monotonic() > due:
            raise Unavailable(
                f"the online store writes its files for more than {FILE_SECONDS:.0f} s",
                hint="look at its log, then go on: provender erase --resume ID",
            )
        time.sleep(POLL_SECONDS)
