"""What the stores work with. Feast calls them as static methods, so it is built once per setting here."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from provender import bootstrap
from provender.settings import Settings

if TYPE_CHECKING:  # a plain Feast repository needs no catalog, so its packages are not imported
    from provender.core.protocols import Library
    from provender.online.drain import Bookkeeping
    from provender.online.journal import Ledger
    from provender.online.store import OnlineStore

_CHOSEN: ContextVar[Settings | None] = ContextVar("settings", default=None)
_LOCK = threading.RLock()
_OPEN = ExitStack()
_CATALOGS: "dict[Settings, Library]" = {}
_BOOKS: "dict[Settings, Bookkeeping]" = {}
_ONLINE: "dict[tuple[Settings, int | None], OnlineStore]" = {}


@contextmanager
def using(chosen: Settings) -> Iterator[None]:
    """Let what Feast calls meanwhile, in this thread or task, use these settings."""
    token = _CHOSEN.set(chosen)
    try:
        yield
    finally:
        _CHOSEN.reset(token)


def settings(*, actor: str = "") -> Settings:
    """Return the settings in use, else the process's; ``actor``, where given, asks instead of theirs."""
    found = _CHOSEN.get() or bootstrap.settings()
    return Settings(**(found.model_dump() | {"actor": actor})) if actor else found


def catalog(chosen: Settings | None = None) -> "Library":
    """Return the catalog of the settings: one per process and setting."""
    chosen = chosen or settings()
    with _LOCK:
        if chosen not in _CATALOGS:
            _CATALOGS[chosen] = bootstrap.catalog(chosen)
            _OPEN.callback(_CATALOGS[chosen].close)
        return _CATALOGS[chosen]


def online(chosen: Settings | None = None, *, key_ttl_seconds: int | None = None) -> "OnlineStore":
    """Return the online store of the settings: one per process, setting and time to live."""
    chosen = chosen or settings()
    with _LOCK:
        if (chosen, key_ttl_seconds) not in _ONLINE:
            store = bootstrap.online(chosen)
            store.key_ttl_seconds = key_ttl_seconds
            _ONLINE[chosen, key_ttl_seconds] = store
            _OPEN.callback(store.close)
        return _ONLINE[chosen, key_ttl_seconds]


def ledger(chosen: Settings) -> "Ledger":
    """Return what lookups by the settings are told to: one per process and setting."""
    with _LOCK:
        if chosen not in _BOOKS:
            _BOOKS[chosen] = bootstrap.bookkeeping(chosen, catalog(chosen))
            _OPEN.callback(_BOOKS[chosen].close)
        return _BOOKS[chosen].ledger


def close() -> None:
    """Close everything that was opened; it is opened again when it is asked for."""
    with _LOCK:
        _CATALOGS.clear()
        _ONLINE.clear()
        _BOOKS.clear()
        _OPEN.close()
