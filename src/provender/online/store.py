"""The online store: packed rows in Redis or Valkey, written by compare-and-set on the server.

Redis is a cache that can be rebuilt from the offline store; what may not happen is a wrong
value. So an older row never overwrites a newer one, whoever writes, and a row of another
layout than the reader's is not read.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import Self, cast

from redis.exceptions import RedisError

from provender.core.errors import Corrupt, ProvenderError
from provender.core.serving import ServingManifest
from provender.online.codec import key_prefix
from provender.online.manifests import read_manifest
from provender.online.options import Client, StoreOptions, Topology, disconnect, from_url
from provender.online.reader import AsyncReader, unavailable
from provender.values import from_json, to_json

BATCH_ROWS = 1000
"""Rows per server-side script: it answers nobody else for about two milliseconds."""
PROJECTS = "provender:projects"
EPOCH = "provender:epoch"
COMPARE_AND_SET = """
local ttl = tonumber(ARGV[1])
local kept = 0
for i = 1, #KEYS do
  local new = ARGV[i + 1]
  local old = redis.call('GETRANGE', KEYS[i], 0, 20)
  local newer = false
  if #old == 21 and old ~= string.sub(new, 1, 21) and string.sub(old, 1, 5) == string.sub(new, 1, 5) then
    local a, b, c, d = struct.unpack('>I4I4I4I4', old, 6)
    local e, f, g, h = struct.unpack('>I4I4I4I4', new, 6)
    if a ~= e then newer = a > e
    elseif b ~= f then newer = b > f
    elseif c ~= g then newer = c > g
    else newer = d > h end
  end
  if newer then kept = kept + 1
  elseif ttl > 0 then redis.call('SET', KEYS[i], new, 'EX', ttl)
  else redis.call('SET', KEYS[i], new) end
end
return kept
"""
"""Set each row unless the stored one is newer by (event, created) timestamp; count those kept.

The times are compared as whole numbers of 32 bits: Lua's numbers hold those exactly, and its
string order depends on the server's locale. A stored row of another layout is replaced.
"""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of rows: written, or kept back because a newer one is stored."""

    written: int = 0
    kept: int = 0

    def __add__(self, other: "Written") -> "Written":
        return Written(self.written + other.written, self.kept + other.kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What the rows of a view hold: those of ``source``, in ``layout``, from the first until ``end``.

    ``source`` is a dataset version; empty: a file. Kept beside the rows, so that it goes when they go.
    """

    source: str
    layout: str
    end: datetime


@dataclass(frozen=True, slots=True)
class Covered:
    """The views of a project whose rows are known to be there, and the ``epoch`` of the store.

    The epoch is empty where no run has set one; another one means that the store was emptied.
    """

    epoch: str
    views: frozenset[str]


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the store answers, and in what time, or what it said."""

    ok: bool
    address: str
    seconds: float = 0.0
    problem: str = ""


class OnlineStore:
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

    def __repr__(self) -> str:
        return f"OnlineStore({self.options.address})"

    def write(self, pairs: Iterable[tuple[bytes, bytes]]) -> Written:
        """Write (key, row) pairs, each unless a newer row is stored; later pairs come later.

        Raises:
            Unavailable: the store does not answer; rows of earlier batches are written, and
                writing all of them again is safe.
        """
        total = Written()
        remaining = iter(pairs)
        while batch := list(islice(remaining, BATCH_ROWS)):
            with self._answering() as client:
                kept = sum(self._set(client, group) for group in self._groups(client, batch))
            total += Written(len(batch) - kept, kept)
        return total

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the row of each key, None where there is none, in one round trip.

        Raises:
            Unavailable: the store does not answer.
        """
        if not keys:
            return []
        with self._answering() as client:
            if self.options.topology is Topology.CLUSTER:
                return cast("list[bytes | None]", client.mget_nonatomic(keys))
            return cast("list[bytes | None]", client.mget(keys))

    def reader(self) -> AsyncReader:
        """Return a reader for the running event loop, with connections of its own."""
        return AsyncReader(self.options)

    def delete(self, project: str, view: str | None = None) -> int:
        """Delete the rows of a view, or everything of a project, and nothing else; count rows."""
        pattern = key_prefix(project, view) + b"*"
        deleted = 0
        with self._answering() as client:
            if view is None:
                client.delete(_coverage_key(project))
            else:
                client.hdel(_coverage_key(project), view)
            found = client.scan_iter(match=pattern, count=BATCH_ROWS)
            while batch := list(islice(found, BATCH_ROWS)):
                deleted += self._unlink(client, batch)
            if view is None:
                client.delete(_manifest_key(project))
                client.srem(PROJECTS, project)
        return deleted

    def count(self, project: str, view: str | None = None) -> int:
        """Return the number of rows of a view or a project, by walking all keys."""
        with self._answering() as client:
            return sum(1 for _ in client.scan_iter(key_prefix(project, view) + b"*", BATCH_ROWS))

    def coverage(self, project: str, view: str) -> Coverage | None:
        """Return what the rows of a view hold, or None where that is not known: start anew then."""
        with self._answering() as client:
            text = client.hget(_coverage_key(project), view)
        try:
            return from_json(Coverage, text) if text else None
        except Corrupt:
            return None

    def keep_coverage(self, project: str, view: str, coverage: Coverage | None) -> None:
        """Remember what the rows of a view hold now; None: that is not known."""
        with self._answering() as client:
            if coverage is None:
                client.hdel(_coverage_key(project), view)
            else:
                client.hset(_coverage_key(project), view, to_json(coverage))

    def covered(self, project: str) -> Covered:
        """Return which views have a coverage."""
        with self._answering() as client:
            views = client.hkeys(_coverage_key(project))
            epoch = client.get(EPOCH)
        return Covered(
            epoch=epoch.decode() if epoch else "",
            views=frozenset(view.decode() for view in views),
        )

    def publish_manifest(self, manifest: ServingManifest) -> str:
        """Make ``manifest`` the one that servers of its project use; return its digest."""
        digest = manifest.digest
        fields = {"digest": digest, "manifest": to_json(manifest)}
        with self._answering() as client:
            client.hset(_manifest_key(manifest.project), mapping=fields)
            client.sadd(PROJECTS, manifest.project)
        return digest

    def manifest(self, project: str) -> ServingManifest | None:
        """Return the manifest published for ``project``, or None if there is none.

        Raises:
            Corrupt: it cannot be read, or is not what its digest says.
        """
        with self._answering() as client:
            text, digest = client.hmget(_manifest_key(project), "manifest", "digest")
        if text is None:
            return None
        manifest = read_manifest(text)
        if manifest.digest != digest.decode():
            raise Corrupt(
                f"the serving manifest of {project} is not what its digest says",
                hint="publish it again: provender features apply",
            )
        return manifest

    def manifest_digest(self, project: str) -> str | None:
        """Return the digest of the manifest published for ``project``, or None."""
        with self._answering() as client:
            digest = client.hget(_manifest_key(project), "digest")
        return digest.decode() if digest else None

    def projects(self) -> list[str]:
        """Return the names of the projects that have a manifest, sorted."""
        with self._answering() as client:
            return sorted(name.decode() for name in client.smembers(PROJECTS))

    def health(self) -> Health:
        """Return whether the store answers now; never raises."""
        started = time.perf_counter()
        try:
            with self._answering() as client:
                client.ping()
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
        if released is not None:
            released()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _answering(self) -> Iterator[Client]:
        """Give the client; turn what redis-py raises into Unavailable, without secrets."""
        try:
            with self._lock:
                if self._client is None:
                    self._client = self.options.connect()
                client = self._client
            yield client
        except (RedisError, OSError) as error:
            raise unavailable(self.options, error) from error

    def _set(self, client: Client, group: Sequence[tuple[bytes, bytes]]) -> int:
        keys = [key for key, _ in group]
        rows = [row for _, row in group]
        ttl = self.key_ttl_seconds or 0
        return int(client.eval(COMPARE_AND_SET, len(keys), *keys, ttl, *rows))

    def _groups(
        self, client: Client, batch: list[tuple[bytes, bytes]]
    ) -> Iterable[list[tuple[bytes, bytes]]]:
        """Return ``batch`` in parts that one script may touch: on a cluster, by slot."""
        if self.options.topology is not Topology.CLUSTER:
            return [batch]
        slots: dict[int, list[tuple[bytes, bytes]]] = {}
        for pair in batch:
            slots.setdefault(client.keyslot(pair[0]), []).append(pair)
        return slots.values()

    def _unlink(self, client: Client, keys: Sequence[bytes]) -> int:
        if self.options.topology is not Topology.CLUSTER:
            return int(client.unlink(*keys))
        with client.pipeline() as pipeline:
            for key in keys:
                pipeline.unlink(key)
            return sum(pipeline.execute())


def _manifest_key(project: str) -> str:
    return f"provender:manifest:{project}"


def _coverage_key(project: str) -> str:
    return f"provender:coverage:{project}"
