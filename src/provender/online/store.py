"""The online store: packed rows in Redis or Valkey, written by compare-and-set on the server.

Redis is a cache that can be rebuilt from the offline store; what may not happen is a wrong
value. So an older row never overwrites a newer one, whoever writes, and a row of another
layout than the reader's is not read.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property, partial
from itertools import islice
from typing import Any

from hiredis import ProtocolError
from redis.exceptions import RedisError

from provender.core.closing import Closing
from provender.core.errors import Corrupt, ProvenderError
from provender.core.serving import ServedView, ServingManifest
from provender.online.beside import (
    PROJECTS,
    Beside,
    coverage_key,
    epoch_key,
    manifest_key,
    run_key,
)
from provender.online.bulk import WINDOW, Writer
from provender.online.codec import key_prefix
from provender.online.coverage import Coverage, covered_in, true_coverage
from provender.online.drops import drop_unchanged
from provender.online.epoch import Epoch, epoch_word
from provender.online.leasing import lease_key, leased_key
from provender.online.manifests import read_manifest
from provender.online.options import (
    Client,
    StoreOptions,
    Topology,
    disconnect,
    from_url,
    unavailable,
)
from provender.online.pen import Pens
from provender.online.prefixes import claim, claimed, declare, release
from provender.online.resp import Refused, Words
from provender.online.routes import Route, route
from provender.online.script import CHUNK_ROWS, FOREVER, Expiry
from provender.online.secrets import HASHED, KEYRING
from provender.online.sender import Written
from provender.online.state import EPOCH, State, epoch_in, epoch_keys, epoch_of, state_of
from provender.online.stream import DEADLINE, Stream
from provender.values import to_json

BATCH_ROWS = CHUNK_ROWS
HEALTH_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the store answers, and in what time, or what it said."""

    ok: bool
    address: str
    seconds: float = 0.0
    problem: str = ""


class OnlineStore(Closing):
    """A connection pool and what is done with it; safe to share between threads."""

    def __init__(
        self,
        options: StoreOptions | str,
        *,
        key_ttl_seconds: int | None = None,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self.options = from_url(options) if isinstance(options, str) else options
        self.key_ttl_seconds = key_ttl_seconds
        self._on_close = on_close
        self._client: Client | None = None
        self._lock = threading.Lock()
        self._patience = self.options.answer_seconds

    @cached_property
    def _route(self) -> Route:
        return route(self.options)

    def __repr__(self) -> str:
        return f"OnlineStore({self.options.address})"

    def write(
        self, pairs: Iterable[tuple[bytes, bytes]], *, expiry: Expiry | None = None
    ) -> Written:
        """Write (key, row) pairs, each unless a newer row is stored; later pairs come later.

        Raises:
            Unavailable: the store does not answer; rows of earlier batches are written, and
                writing all of them again is safe.
        """
        with self.writer(expiry=expiry, fresh=False, confirm=False) as writer:
            writer.write(pairs)
            return writer.settle()

    def writer(
        self,
        *,
        window: int = WINDOW,
        expiry: Expiry | None = None,
        fresh: bool = True,
        confirm: bool = True,
    ) -> Writer:
        """Return a writer of many rows; see `Writer`."""
        return Writer(
            self.options,
            window=window,
            expiry=self._expiry if expiry is None else expiry,
            fresh=fresh,
            confirm=confirm,
        )

    @property
    def _expiry(self) -> Expiry:
        seconds = self.key_ttl_seconds
        return Expiry.after(timedelta(seconds=seconds)) if seconds else FOREVER

    def read(
        self, keys: Sequence[bytes], *, deadline: float = 0.0, epoch: Epoch | None = None
    ) -> list[bytes | None]:
        """Return the row of each key, None where there is none, in one round trip.

        ``deadline`` is in seconds; 0: as the options say. ``epoch`` sees its word before.

        Raises:
            Unavailable: the store does not answer in time, or refuses.
        """
        if not keys:
            return []
        due = time.monotonic() + (deadline or self._patience)
        try:
            return self._route.read(keys, due, epoch)
        except (OSError, Refused, ProtocolError) as error:
            raise unavailable(self.options, error) from error

    def reader(self, *, deadline: float = DEADLINE, epoch: Epoch | None = None) -> Stream:
        """Return a reader for the running loop; a question may take ``deadline`` seconds."""
        return Stream(self.options, deadline=deadline, epoch=epoch)

    def pens(self) -> Pens:
        """Return what writes a few rows now and then, within a deadline; see `Pens`."""
        return Pens(self.options)

    def claim(
        self, project: str, *views: ServedView, newest: bool = False, deadline: float = 0.0
    ) -> None:
        """Note whose the keys of these views are: to be called each time before rows are written.

        ``newest`` says that their definitions were just read from the registry; ``deadline`` is
        as in `read`.

        Raises:
            Conflict: the keys of another view begin like those of one of them, or one of them
                is defined otherwise by now.
            Unavailable: the store does not answer.
        """
        claim(partial(self.asked, deadline), self.commands, project, views, newest=newest)

    def declare(self, project: str, *views: ServedView) -> None:
        """Let only those write rows of these views who know them as they are here.

        Raises:
            Unavailable: the store does not answer.
        """
        with self.commands() as client:
            declare(client, project, views)

    def delete(self, project: str, view: str | None = None) -> int:
        """Delete the rows of a view, or everything of a project, and nothing else; count rows."""
        deleted = 0
        with self.commands() as client:
            for key in (coverage_key(project), run_key(project)):
                if view is None:
                    client.delete(key)
                else:
                    client.hdel(key, view)
            prefixes = self._prefixes(client, project, view)
            for prefix in prefixes:
                found = _keys(client, prefix)
                while batch := list(islice(found, BATCH_ROWS)):
                    deleted += self.unlink(client, batch)
            release(client, prefixes)
            if view is None:
                for key in (manifest_key(project), epoch_key(project)):
                    client.delete(key)
                client.delete(leased_key(project), lease_key(project))
                client.srem(PROJECTS, project)
        return deleted

    def drop(self, pairs: Sequence[tuple[bytes, bytes]]) -> int:
        """Delete each key that still holds the row given with it; count them."""
        with self.commands() as client:
            return drop_unchanged(client, pairs, self.options.topology)

    def count(self, project: str, view: str | None = None) -> int:
        """Return the number of rows of a view or a project, by walking all keys."""
        with self.commands() as client:
            prefixes = self._prefixes(client, project, view)
            return sum(1 for prefix in prefixes for _ in _keys(client, prefix))

    def _prefixes(self, client: Client, project: str, view: str | None) -> list[bytes]:
        """Return what keys begin with: of one view, or of all that were claimed or are served."""
        if view is not None:
            return [key_prefix(project, view)]
        try:
            manifest = self.manifest(project)
        except Corrupt:
            manifest = None
        served = [key_prefix(project, one.name) for one in manifest.views] if manifest else []
        return sorted({*claimed(client, project), *served})

    def coverage(self, project: str, view: str) -> Coverage | None:
        """Return what the rows of a view hold, or None where that is not known: start anew then."""
        [text] = self.asked(0.0, ("HGET", coverage_key(project), view))
        return true_coverage(text, self._epoch_seen())

    def keep_coverage(self, project: str, view: str, coverage: Coverage | None) -> None:
        """Remember what the rows of a view hold now; None: that is not known.

        Without an epoch it is of the one that the store lives in now.
        """
        with self.commands() as client:
            if coverage is None:
                client.hdel(coverage_key(project), view)
                return
            epoch = coverage.epoch or epoch_of(client, self.options.topology)
            client.hset(coverage_key(project), view, to_json(replace(coverage, epoch=epoch)))

    def doubt_coverage(self, project: str, view: str) -> None:
        """Note that the rows of a view are there, but will be written anew: as `Coverage.doubted`."""
        covered = self.coverage(project, view)
        self.keep_coverage(project, view, covered and covered.doubted)

    def beside(self, project: str, *, deadline: float = 0.0) -> Beside:
        """Return what lies beside the rows of ``project``; ``deadline`` as in `read`.

        Raises:
            Unavailable: the store does not answer in time, or refuses.
        """
        digest, kept, *words = self.asked(
            deadline,
            ("HGET", manifest_key(project), "digest"),
            ("HGETALL", coverage_key(project)),
            ("GET", epoch_key(project)),
            ("GET", leased_key(project)),
        )
        return Beside(_text(digest), covered_in(kept, self._epoch_seen(deadline)), *words)

    def covered(self, project: str) -> Mapping[str, str]:
        """Return of each view whose rows are known to be there who can read them: `readable_by`."""
        return self.beside(project).covered

    def _epoch_seen(self, deadline: float = 0.0) -> str:
        """Return the word of `epoch`, or another one if a part of it is gone; nothing if all is."""
        return epoch_in(self.read(epoch_keys(self.options.topology), deadline=deadline))

    def publish_manifest(self, manifest: ServingManifest) -> str:
        """Make ``manifest`` the one that servers of its project use; return its digest.

        From now on rows of its views are written only by those who know them as they are in it.
        It is told by which secret entity ids are hashed, if they are; not the secret.
        """
        if any(view.entity_ids == HASHED for view in manifest.views):
            manifest = replace(manifest, entity_key=KEYRING.key_id(manifest.project))
        project, digest = manifest.project, manifest.digest
        fields = {"digest": digest, "manifest": to_json(manifest)}
        with self.commands() as client:
            declare(client, project, manifest.views)
            client.hset(manifest_key(project), mapping=fields)
            client.sadd(PROJECTS, project)
            client.set(
                epoch_key(project), epoch_word(epoch_of(client, self.options.topology), digest)
            )
        return digest

    def manifest(self, project: str, *, deadline: float = 0.0) -> ServingManifest | None:
        """Return the manifest published for ``project``, or None if there is none.

        ``deadline`` is as in `read`.

        Raises:
            Corrupt: it cannot be read, or is not what its digest says.
            Unavailable: the store does not answer in time, or refuses.
        """
        fields = (manifest_key(project), "manifest", "digest")
        [(text, digest)] = self.asked(deadline, ("HMGET", *fields))
        if text is None:
            return None
        manifest = read_manifest(text)
        if manifest.digest != digest.decode():
            raise Corrupt(
                f"the serving manifest of {project} is not what its digest says",
                hint="publish it again: provender features apply",
            )
        return manifest

    def projects(self, *, deadline: float = 0.0) -> list[str]:
        """Return the names of the projects that have a manifest, sorted; ``deadline`` as in `read`.

        Raises:
            Unavailable: the store does not answer in time, or refuses.
        """
        [names] = self.asked(deadline, ("SMEMBERS", PROJECTS))
        return sorted(name.decode() for name in names)

    def epoch(self) -> str:
        """Return a word that the store keeps as long as it is not emptied.

        Raises:
            Unavailable: the store does not answer.
        """
        with self.commands() as client:
            return epoch_of(client, self.options.topology)

    def state(self) -> State:
        """Return what stays the same as long as the store loses nothing.

        Raises:
            Unavailable: the store does not answer.
        """
        with self.commands() as client:
            return state_of(client, self.options.topology)

    def health(self, deadline: float = HEALTH_SECONDS) -> Health:
        """Return whether the store answers reads within ``deadline`` seconds; never raises."""
        started = time.perf_counter()
        try:
            self.read([EPOCH], deadline=deadline)
        except ProvenderError as error:
            return Health(ok=False, address=self.options.address, problem=error.message)
        return Health(ok=True, address=self.options.address, seconds=time.perf_counter() - started)

    def close(self) -> None:
        """Close the connections; give back an embedded server."""
        with self._lock:
            client, self._client = self._client, None
            released, self._on_close = self._on_close, None
        if client is not None:
            disconnect(client)
        if found := self.__dict__.pop("_route", None):
            found.close()
        if released is not None:
            released()

    def asked(self, deadline: float, *commands: Words) -> list[Any]:
        """Return the replies to commands that may be sent twice, over connections as for lookups."""
        due = time.monotonic() + (deadline or self._patience)
        try:
            return self._route.call(commands, due)
        except (OSError, Refused, ProtocolError) as error:
            raise unavailable(self.options, error) from error

    @contextmanager
    def commands(self) -> Iterator[Client]:
        """Give the client, for what is not done per lookup.

        Raises:
            Unavailable: the store does not answer; told without secrets.
        """
        try:
            with self._lock:
                if self._client is None:
                    self._client = self.options.connect()
                client = self._client
            yield client
        except (RedisError, OSError) as error:
            raise unavailable(self.options, error) from error

    def unlink(self, client: Client, keys: Sequence[bytes]) -> int:
        """Delete ``keys``; count those that were there."""
        if self.options.topology is not Topology.CLUSTER:
            return int(client.unlink(*keys))
        with client.pipeline() as pipeline:
            for key in keys:
                pipeline.unlink(key)
            return sum(pipeline.execute())


def _keys(client: Client, prefix: bytes) -> Iterator[bytes]:
    """Return the keys with this prefix, which has no character that means another in a pattern."""
    found: Iterator[bytes] = client.scan_iter(match=prefix + b"{*", count=BATCH_ROWS)
    return found


def _text(word: bytes | None) -> str | None:
    return word.decode() if word else None
