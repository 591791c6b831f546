"""A governed world whose repository is applied: made once, and put back for each test that has it."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from provender import bootstrap
from provender.feast_plugin import collaborators
from provender.feast_plugin.repo import apply
from provender.feast_plugin.runs import materialize
from provender.online.state import EPOCH
from provender.settings import Settings
from tests.feast_plugin import governed

State = dict[bytes, Any]
"""What keys of the online store hold: a value, a hash or a set."""


@dataclass(frozen=True)
class Kept:
    """A state folder to be copied, and what is in the online store of its project."""

    home: Path
    online: State

    def put_back(self, url: str) -> None:
        """Fill the online store at ``url`` as it was, and leave what else is there."""
        with redis.Redis.from_url(url) as client:
            for key, value in self.online.items():
                if isinstance(value, dict):
                    client.hset(key, mapping=value)
                elif isinstance(value, set):
                    client.sadd(key, *value)
                else:
                    client.set(key, value)


def applied(governed_home: Path, folder: Path, url: str) -> Kept:
    """The world of ``governed_home`` in ``folder``, with its repository applied."""
    with (
        _making(Kept(governed_home, {}), folder, url) as (settings, made),
        bootstrap.catalog(settings) as catalog,
        closing(bootstrap.online(settings)) as online,
    ):
        apply(governed.repository(folder / "repo"), catalog, online, settings=settings)
    return made


def filled(before: Kept, folder: Path, url: str) -> Kept:
    """The world ``before`` in ``folder``, with the rows of its views online too."""
    with _making(before, folder, url) as (settings, made):
        list(materialize(governed.repository(folder / "repo"), settings=settings))
    return made


@contextmanager
def _making(before: Kept, folder: Path, url: str) -> Iterator[tuple[Settings, Kept]]:
    made = Kept(folder / "home", {})
    shutil.copytree(before.home, made.home)
    settings = Settings(home=made.home, actor=governed.ANA, redis_url=url)
    with closing(bootstrap.online(settings)) as online, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROVENDER_HOME", str(made.home))
        online.delete("trips")
        others = _state(url)
        before.put_back(url)
        yield settings, made
        collaborators.close()
        made.online.update(_beside(others, _state(url)))
        online.delete("trips")


def _state(url: str) -> State:
    with redis.Redis.from_url(url) as client:
        read = {b"string": client.get, b"hash": client.hgetall, b"set": client.smembers}
        kinds = {key: client.type(key) for key in client.scan_iter()}
        return {key: read[kind](key) for key, kind in kinds.items() if kind in read}


def _beside(others: State, now: State) -> State:
    """Return what of ``now`` is not of others, and the epoch that it is of."""
    found: State = {}
    for key, value in now.items():
        other = others.get(key)
        if isinstance(value, dict):
            value = dict(value.items() - (other or {}).items())
        elif isinstance(value, set):
            value = value - (other or set())
        elif value == other and key != EPOCH:
            continue
        if value:
            found[key] = value
    return found
