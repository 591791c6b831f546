"""Rows that clients write: encoded and stored in threads, so that lookups need not wait.

What goes to the offline store goes there first: a row that is served was written down.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from provender.core.clock import Clock
from provender.core.errors import InvalidInput
from provender.online.columns import ColumnEncoder, Columns
from provender.online.store import OnlineStore
from provender.serving import wire
from provender.serving.callers import Callers
from provender.serving.limits import Load
from provender.serving.messages import Request, Response
from provender.serving.metrics import Metrics
from provender.serving.pushes import Offline, Pushes
from provender.serving.rows import OnlineRows, Pairs
from provender.serving.snapshot import Snapshots

THREADS = 2
TARGETS = ("online", "offline", "online_and_offline")
KEY = b"idempotency-key"
KEY_BYTES = 256

T = TypeVar("T")


class Writes:
    """``POST /push`` and ``POST /write-to-online-store``."""

    def __init__(
        self,
        store: OnlineStore,
        snapshots: Snapshots,
        load: Load,
        metrics: Metrics,
        *,
        now: Clock,
        pushes: Pushes,
        callers: Callers,
        replaying: bool = False,
    ) -> None:
        self._snapshots = snapshots
        self._callers = callers
        self._load = load
        self._metrics = metrics
        self._now = now
        self._pushes = pushes
        self._rows = OnlineRows(store, seconds=load.limits.write_seconds, replaying=replaying)
        self._threads = ThreadPoolExecutor(THREADS, "rows")

    async def push(self, request: Request) -> Response:
        """Write rows to every feature view of a push source, to its offline source, or to both."""
        rows = wire.parse_rows(request.body, "push_source_name")
        if rows.to not in TARGETS:
            raise InvalidInput(
                f"rows cannot be pushed to {rows.to!r}", hint=f"push to one of {', '.join(TARGETS)}"
            )
        snapshot = self._snapshots.current
        await self._callers.check_writing(request, snapshot.fed(rows.name))
        encoders = snapshot.encoders(rows.name)
        if rows.to == "online":
            await self._write(encoders, rows.columns)
            return Response()
        if not self._pushes.possible:
            message = 'there is no feature repository beside this server: push with "to": "online"'
            return Response(501, wire.feast_error("FeastError", message))
        push = await asyncio.to_thread(Offline.of, rows.name, rows.columns, _key(request))
        if rows.to == "offline":
            await self._append(push)
            return Response()
        with self._load.writing():
            pairs = await self._threaded(lambda: self._encode(encoders, rows.columns))
            due = self._rows.due()
            await self._threaded(lambda: self._rows.claim(encoders, due))
        await self._append(push)
        later = self._rows.due()
        self._count(await self._threaded(lambda: self._rows.write(encoders, pairs, later)))
        return Response()

    async def write(self, request: Request) -> Response:
        """Write rows to one feature view."""
        rows = wire.parse_rows(request.body, "feature_view_name")
        snapshot = self._snapshots.current
        await self._callers.check_writing(request, [rows.name])
        await self._write([snapshot.encoder(rows.name)], rows.columns)
        return Response(200, b"null")

    def close(self) -> None:
        """Begin nothing more; what is being written ends by its deadline."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._rows.close()
        self._pushes.close()

    async def _append(self, push: Offline) -> None:
        with self._load.appending():
            await self._pushes.append(push)
        self._metrics.count("rows_appended", by=push.rows)

    async def _write(self, encoders: Sequence[ColumnEncoder], columns: Columns) -> None:
        due = self._rows.due()

        def write() -> int:
            self._rows.check(due)
            return self._rows.write(encoders, self._encode(encoders, columns), due)

        with self._load.writing():
            self._count(await self._threaded(write))

    def _encode(self, encoders: Sequence[ColumnEncoder], columns: Columns) -> list[Pairs]:
        now = self._now()
        return [one.encode(columns, now=now) for one in encoders]

    def _count(self, rows: int) -> None:
        self._metrics.count("rows_pushed", by=rows)

    def _threaded(self, call: Callable[[], T]) -> "asyncio.Future[T]":
        return asyncio.get_running_loop().run_in_executor(self._threads, call)


def _key(request: Request) -> str:
    """Return the id that the client gave the push, or nothing."""
    key = request.headers.get(KEY, b"")
    if len(key) > KEY_BYTES:
        raise InvalidInput(
            f"the Idempotency-Key has {len(key)} bytes",
            hint=f"give it {KEY_BYTES} at most, such as a UUID",
        )
    return key.decode("latin-1")
