"""Writers in a process of their own: threads that append to one sealed audit trail, all at once."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from provender.catalog.db import open_database, transaction
from tests.catalog.sealed import sealing
from tests.catalog.test_audit import append


def append_all(url: str, folder: Path, writers: range, each: int) -> None:
    """Let every one of ``writers`` append ``each`` events; half of them share an engine."""
    sealed = sealing(folder, events=50)
    shared = sealed.bind(open_database(url))

    def write(writer: int) -> None:
        engine = shared if writer % 2 else sealed.bind(open_database(url))
        for number in range(each):
            with transaction(engine, write=True) as db:
                append(db, subject=f"{writer}-{number}")
        if engine is not shared:
            engine.dispose()

    with ThreadPoolExecutor(len(writers)) as pool:
        list(pool.map(write, writers))
    shared.dispose()


if __name__ == "__main__":
    url, folder, first, end, each = sys.argv[1:]
    append_all(url, Path(folder), range(int(first), int(end)), int(each))
