"""Work in a process of its own, which may be killed at any step of it."""

import json
import os
from collections.abc import Callable
from typing import Any


def in_a_process_of_its_own(work: Callable[[], Any]) -> tuple[int, Any]:
    """Return how a process ended that did ``work``, and what came of it; None if it was killed."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reads)
            os.write(writes, json.dumps(work()).encode())
            os._exit(0)
        finally:  # what fails there is no test of its own
            os._exit(1)
    os.close(writes)
    with os.fdopen(reads) as answers:
        said = answers.read()
    return os.waitpid(child, 0)[1], json.loads(said) if said else None
