"""What a point-in-time join means, done by hand: read it aloud, it is the definition.

A spine row is ``(keys, t)``; a view's row is ``(keys, event, created, values)``; instants are
integers, None is null.
"""


def asof(spine, rows, *, ttl=None, known_by_then=False):
    """For each ``(keys, t)`` of ``spine`` return the values in force at ``t``, else None."""
    answer = []
    for keys, t in spine:
        newest = None
        for row in rows:
            row_keys, event, created, _ = row
            if t is None or event is None or None in keys or row_keys != keys or event > t:
                continue
            if known_by_then and (created is None or created > t):
                continue
            if newest is None or rank(row) > rank(newest):
                newest = row
        too_old = newest is not None and ttl is not None and newest[1] < t - ttl
        answer.append(None if newest is None or too_old else newest[3])
    return answer


def rank(row):
    """Later event first, then later created (null last), then the greater values (null last)."""
    _, event, created, values = row
    return (event, _null_last(created), tuple(_null_last(value) for value in values))


def _null_last(value):
    return (0, 0) if value is None else (1, value)
