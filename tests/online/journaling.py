"""A process that counts lookups: ``python -m tests.online.journaling FOLDER full|endless``.

It imports what a journal needs, and no catalog: it is started often.
"""

import resource
import signal
import sys
import time
from pathlib import Path

from provender.core.errors import Denied
from provender.core.tally import Matter
from provender.online.journal import Journal, Ledger

NAME = "aviation.flights"
"""The dataset that the tests' catalogs know."""
MATTER = Matter(
    actor="service:shop",
    purpose="serving",
    project="shop",
    service="model",
    views={"orders": 3},
    reasons={NAME: {"arr_delay": "grant g1"}},
    tags={NAME: {"arr_delay": ("personal",)}},
)


def write(folder: Path, how: str) -> None:
    """Count lookups until the journal refuses, or for ever."""
    full = how == "full"
    if full:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    ledger = Ledger(Journal(folder, segment_seconds=60 if full else 0.2, gather_seconds=0.005))
    answered = 0
    try:
        while True:
            ledger.served(MATTER, 1, is_public=False)
            answered += 1
            if answered == 1 and not full:
                sys.stdout.write("begun\n")
                sys.stdout.flush()
            time.sleep(0.001)
    except Denied:
        ledger.journal.close()
        sys.stdout.write(str(answered))


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2])
