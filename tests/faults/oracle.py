"""What is true at any moment: value = f(entity, generation), and which generations there can be.

A writer stores one generation after the other, of all entities. An answer is right when all
its features are of one generation, which was begun, and is not older than what was
acknowledged before the request was due.
"""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from provender.core.errors import ProvenderError
from provender.online.columns import ColumnEncoder
from provender.online.store import OnlineStore
from tests.faults.processes import PROJECT
from tests.online.views import covering, manifest, view

ENTITIES = 60
VIEW = view(
    {"generation": "int64", "share": "float64", "text": "string"},
    name="load",
    keys={"entity": "int64"},
)
FEATURES = ("generation", "share", "text")
MANIFEST = manifest(VIEW, project=PROJECT)
COVERAGE = covering(VIEW)
"""The rows of the view are known to be there, so that it is said when they are lost."""


def value(entity: int, generation: int) -> list[Any]:
    """Return the features of ``entity`` in ``generation``, in the order of `FEATURES`."""
    return [generation, entity * 1_000_003 + generation / 8, f"{entity}:{generation}"]


class Oracle:
    """Which generations an answer may show; the floor is noted with the time it was reached."""

    def __init__(self) -> None:
        self.begun = 0
        self._floors: list[tuple[float, int]] = [(0.0, 0)]

    def acknowledged(self, generation: int) -> None:
        """From now on, nothing older is right."""
        self._floors.append((time.perf_counter(), generation))

    def forget(self) -> None:
        """From now on, every generation is right: acknowledged writes may be lost."""
        self._floors.append((time.perf_counter(), 0))

    def right(self, entity: int, found: list[Any], due: float) -> bool:
        """Return whether ``found`` may be what a request that was due then is answered with."""
        generation = found[0]
        if type(generation) is not int or found != value(entity, generation):
            return False
        return self._floor(due) <= generation <= self.begun

    def _floor(self, due: float) -> int:
        """Return the lowest floor since the request was due: what it saw may be from any time since."""
        floors = list(self._floors)
        since = [floor for at, floor in floors if at > due]
        before = [floor for at, floor in floors if at <= due]
        return min([before[-1], *since])


class Writer:
    """Writes generation after generation until the block ends; a store that is away is tried again."""

    def __init__(self, store: OnlineStore, oracle: Oracle, *, pause: float = 0.05) -> None:
        self.oracle = oracle
        self.failed = 0
        self._store = store
        self._pause = pause
        self._encoder = ColumnEncoder(PROJECT, VIEW)
        self._base = datetime.now(UTC) - timedelta(days=1)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Writer":
        self.write()
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._over.set()
        self._thread.join()

    def write(self) -> None:
        """Write the next generation.

        Raises:
            Unavailable: the store does not answer.
        """
        self.oracle.begun = generation = self.oracle.begun + 1
        at = self._base + timedelta(milliseconds=generation)
        columns: dict[str, list[Any]] = {"entity": list(range(ENTITIES))}
        features = [value(entity, generation) for entity in range(ENTITIES)]
        columns |= {name: [row[place] for row in features] for place, name in enumerate(FEATURES)}
        columns["event_timestamp"] = [at] * ENTITIES
        self._store.write(self._encoder.encode(columns))
        self.oracle.acknowledged(generation)

    def _run(self) -> None:
        while not self._over.wait(self._pause):
            try:
                self.write()
            except ProvenderError:
                self.failed += 1
