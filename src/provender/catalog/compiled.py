"""Statements that were compiled once in this process, for every catalog that understands them.

A process opens many catalogs, and the same one again: to compile what it asks takes several times
as long as to ask it. What is compiled belongs to a dialect, which each engine has its own of;
engines whose databases told them the same about themselves share one, and all that was compiled.
"""

from collections.abc import Hashable
from typing import Any

from sqlalchemy import Dialect, Engine, event
from sqlalchemy.util import LRUCache

STATEMENTS = 1_000
"""That are kept for each kind of database: a catalog has some hundreds."""
PLAIN = (str, int, type(None), tuple)

_known: dict[Hashable, tuple[Dialect, LRUCache[Any, Any]]] = {}


def share(engine: Engine) -> None:
    """Let ``engine`` use what others compiled, once its first connection says what it speaks to.

    Engines have to be made alike, but for where they lead; what listens to a dialect listens to all.
    """

    def connected(*_: object) -> None:
        told = _told(engine.dialect)
        dialect, statements = _known.setdefault(told, (engine.dialect, LRUCache(STATEMENTS)))
        engine.dialect = dialect
        engine.update_execution_options(compiled_cache=statements)

    event.listen(engine, "connect", connected, once=True)


def _told(dialect: Dialect) -> Hashable:
    """Return all that a dialect was told, and learned from its database: versions, names, settings."""
    told = {name: value for name, value in vars(dialect).items() if isinstance(value, PLAIN)}
    return type(dialect), tuple(sorted((name, str(value)) for name, value in told.items()))
