"""Rows that clients write: encoded and stored in threads, so that lookups need not wait."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from provender.core.clock import Clock
from provender.core.errors import InvalidInput
from provender.online.columns import ColumnEncoder, Columns
from provender.online.store import OnlineStore
from provender.serving import wire
from provender.serving.limits import Load
from provender.serving.messages import Request, Response
from provender.serving.metrics import Metrics
from provender.serving.snapshot import Snapshots

THREADS = 2


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
    ) -> None:
        self._store = store
        self._snapshots = snapshots
        self._load = load
        self._metrics = metrics
        self._now = now
        self._threads = ThreadPoolExecutor(THREADS, "rows")

    async def push(self, request: Request) -> Response:
        """Write rows to every feature view of a push source, or to none."""
        rows = wire.parse_rows(request.body, "push_source_name")
        if rows.to != "online":
            raise InvalidInput(
                f"this server writes to the online store only, not to {rows.to!r}",
                hint='push with "to": "online"; publish a dataset version for the offline store',
            )
        encoders = self._snapshots.current.encoders(rows.name)
        await self._write(encoders, rows.columns)
        return Response()

    async def write(self, request: Request) -> Response:
        """Write rows to one feature view."""
        rows = wire.parse_rows(request.body, "feature_view_name")
        await self._write([self._snapshots.current.encoder(rows.name)], rows.columns)
        return Response(200, b"null")

    def close(self) -> None:
        """Return when what is being written is."""
        self._threads.shutdown()

    async def _write(self, encoders: Sequence[ColumnEncoder], columns: Columns) -> None:
        now = self._now()

        def store() -> int:
            pairs = [pair for one in encoders for pair in one.encode(columns, now=now)]
            for one in encoders:
                self._store.claim(one.project, one.view.name)
            self._store.write(pairs)
            return len(pairs)

        with self._load.writing():
            rows = await asyncio.get_running_loop().run_in_executor(self._threads, store)
        self._metrics.count("rows_pushed", by=rows)
