"""Publishers in a process of their own: threads that write real files and publish them, all at once."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from provender.catalog.local import LocalCatalog
from provender.core.names import DatasetRef
from provender.tables import storage
from provender.tables.versions import write_version
from tests.catalog.world import FLIGHTS, HOURLY, NOW, Clock


def publish_all(url: str, lake: Path, publishers: range, each: int) -> None:
    """Let every one of ``publishers`` publish ``each`` versions; half of them share a catalog."""
    with LocalCatalog(url, actor="person:ops", clock=Clock()) as shared:

        def publish(number: int) -> None:
            if number % 2:
                _publish(shared, lake, number, each)
                return
            with LocalCatalog(url, actor="person:ops", clock=Clock()) as own:
                _publish(own, lake, number, each)

        with ThreadPoolExecutor(len(publishers)) as pool:
            list(pool.map(publish, publishers))


def _publish(catalog: LocalCatalog, lake: Path, number: int, each: int) -> None:
    datasets = [catalog.dataset(ref) for ref in (FLIGHTS, HOURLY)]
    for turn in range(each):
        dataset = datasets[(number + turn) % 2]
        with storage.publishing(lake):
            manifest = write_version(lake, dataset, _rows(dataset.ref, number, turn))
            catalog.publish(dataset.ref, manifest)


def _rows(ref: DatasetRef, number: int, turn: int) -> pa.Table:
    """Rows that nobody else publishes."""
    return pa.table(
        {
            "event_timestamp": pa.array([NOW], pa.timestamp("us", tz="UTC")),
            "tailnum": [f"{ref} {number}"],
            "arr_delay": [float(turn)],
        }
    )


if __name__ == "__main__":
    first, last, count = map(int, sys.argv[3:])
    publish_all(sys.argv[1], Path(sys.argv[2]), range(first, last), count)
