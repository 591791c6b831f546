"""The three loops over rows that neither DuckDB nor numpy does well, compiled by numba.

See `offline.slots` for what they are for. Instants are microseconds since 1970 UTC.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Codes = NDArray[np.int32]


def compiled(function: Callable[..., Any]) -> Any:
    """Return ``function`` compiled; what was compiled is kept, where there is a place to keep it."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder beside the sources or in the user's home can be written
        return numba.njit(nogil=True)(function)


@compiled
def sort_by_code(codes: Codes, order: Integers, counts: Integers) -> Codes:
    """Return ``order`` sorted by the code of what it names, stably; codes below 0 are left out.

    ``counts`` holds how many there are of each code.
    """
    place = np.zeros(counts.size, np.int64)
    for code in range(1, counts.size):
        place[code] = place[code - 1] + counts[code - 1]
    total = place[-1] + counts[-1] if counts.size else 0
    result = np.empty(total, np.int32)
    for position in range(order.size):
        code = codes[order[position]]
        if code >= 0:
            result[place[code]] = order[position]
            place[code] += 1
    return result


@compiled
def offer(
    codes: Codes,
    event_at: Integers,
    created_at: Integers,
    row: Integers,
    by_then: bool,  # noqa: FBT001 - numba passes by position
    first: Integers,
    slot_at: Integers,
    ttl: int,
    best_event: Integers,
    best_created: Integers,
    best_row: Integers,
    ties: Integers,
) -> int:
    """Offer rows to the slots that they fall into; return how many tied with the best so far.

    A row falls into the first slot of its key that is not before the row is known. It is
    dropped if it is more than ``ttl`` microseconds older than the slot; of none, if ``ttl`` is -1. Ties are written to the columns of
    ``ties``: slot, event, created, row.
    """
    tied = 0
    for i in range(codes.size):
        known_at = event_at[i]
        if by_then and created_at[i] > known_at:
            known_at = created_at[i]
        low = first[codes[i]]
        end = first[codes[i] + 1]
        high = end
        while low < high:
            middle = (low + high) >> 1
            if slot_at[middle] < known_at:
                low = middle + 1
            else:
                high = middle
        if low == end or (ttl >= 0 and event_at[i] < slot_at[low] - ttl):
            continue
        if best_row[low] >= 0:
            if event_at[i] < best_event[low]:
                continue
            if event_at[i] == best_event[low]:
                if created_at[i] < best_created[low]:
                    continue
                if created_at[i] == best_created[low]:
                    ties[0, tied] = low
                    ties[1, tied] = event_at[i]
                    ties[2, tied] = created_at[i]
                    ties[3, tied] = row[i]
                    tied += 1
                    continue
        best_event[low] = event_at[i]
        best_created[low] = created_at[i]
        best_row[low] = row[i]
    return tied


@compiled
def carry_forward(
    first: Integers, slot_at: Integers, ttl: int,
    best_event: Integers, best_created: Integers, best_row: Integers,
) -> None:  # fmt: skip
    """Let each slot have the best row of its own and of the slots of its key before it; then drop what is too old."""
    for code in range(first.size - 1):
        best = -1
        for slot in range(first[code], first[code + 1]):
            if best >= 0 and (
                best_row[slot] < 0
                or best_event[slot] < best_event[best]
                or (
                    best_event[slot] == best_event[best] and best_created[slot] < best_created[best]
                )
            ):
                best_event[slot] = best_event[best]
                best_created[slot] = best_created[best]
                best_row[slot] = best_row[best]
            if best_row[slot] >= 0:
                best = slot
    if ttl >= 0:
        for slot in range(slot_at.size):
            if best_event[slot] < slot_at[slot] - ttl:
                best_row[slot] = -1


@compiled
def answer(
    of_row: Codes, slot_at: Integers, best_created: Integers, best_row: Integers, rows: Integers
) -> int:
    """Write the row that answers each spine row to ``rows``; return how many were created only later."""
    later = 0
    for position in range(of_row.size):
        slot = of_row[position]
        rows[position] = best_row[slot] if slot >= 0 else -1
        if rows[position] >= 0 and best_created[slot] > slot_at[slot]:
            later += 1
    return later
