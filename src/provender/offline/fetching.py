"""Fetching the features of one view while the next is matched: matching waits for one core, fetching for many."""

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import duckdb

from provender.offline.shelf import Shelf
from provender.offline.slots import Codes, Integers
from provender.offline.sources import Source


class Fetching:
    """At most one view at a time, in a thread of its own."""

    def __init__(self, session: duckdb.DuckDBPyConnection) -> None:
        self._session = session
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="provender-fetch")
        self._stopped = Event()
        self._running: Future[None] | None = None

    def begin(self, source: Source, wanted: Integers, positions: Codes, shelf: Shelf) -> None:
        """Fetch the rows numbered ``wanted`` to ``shelf``, for ``positions``, once the one before is done.

        Raises:
            Corrupt: a file of the one before is damaged; see `Numbered.fetch`.
        """
        self.finish()
        self._running = self._thread.submit(self._fetch, source, wanted, positions, shelf)

    def finish(self) -> None:
        """Wait until all is fetched; errors are raised here."""
        if self._running is not None:
            running, self._running = self._running, None
            running.result()

    def close(self) -> None:
        """Stop after the rows that are read now."""
        self._stopped.set()
        self._thread.shutdown(cancel_futures=True)

    def _fetch(self, source: Source, wanted: Integers, positions: Codes, shelf: Shelf) -> None:
        if source.numbered is None:
            raise RuntimeError(f"the rows of {source.join.view} have no numbers: it was not staged")
        found = source.numbered.fetch(source.feature_columns, wanted, self._session)
        for at, rows in found:
            if self._stopped.is_set():
                return
            shelf.put(positions[at], source.arrange(rows))
