"""A process that interrupts DuckDB in the midst of a CSV file, again and again: ``interruptions FILE TIMES SEED``."""

import sys
from pathlib import Path
from random import Random

from provender.core.errors import Unavailable
from provender.offline.deadline import Deadline, interrupted_in_time
from provender.offline.session import Limits, connect


def main(file, times, seed):
    """Read ``file`` ``times`` times, each for a tenth of a second at most, and tell how often that was too short."""
    random, area, missed = Random(seed), Path(file).parent, 0
    for _ in range(times):
        deadline = Deadline(lambda *_: None, random.random() / 10)
        try:
            with (
                connect(Limits(threads=1), area) as session,
                interrupted_in_time(session, deadline),
            ):
                session.execute(f"COPY (FROM read_csv('{file}')) TO '{area / f'{seed}.parquet'}'")
        except Unavailable:
            missed += 1
    sys.stdout.write(f"{missed}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
