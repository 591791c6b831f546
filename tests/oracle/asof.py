"""What a point-in-time join means, done by hand: read it aloud, it is the definition.

A spine row is ``(keys, t)``; a view's row is ``(keys, event, created, values)``, and may hold
more behind them; instants are integers, None is null.
"""


def asof(spine, rows, *, ttl=None, known_by_then=False):
    """For each ``(keys, t)`` of ``spine`` return the values in force at ``t``, else None."""
    answer = []
    for keys, t in spine:
        row = in_force(keys, t, rows, ttl=ttl, known_by_then=known_by_then)
        answer.append(None if row is None else row[3])
    return answer


def in_force(keys, t, rows, *, ttl=None, known_by_then=False):
    """Return the row of ``rows`` that answers for ``keys`` at ``t``, else None."""
    newest, best = None, None
    for row in rows:
        row_keys, event, created = row[:3]
        if t is None or event is None or None in keys or row_keys != keys or event > t:
            continue
        if known_by_then and (created is None or created > t):
            continue
        if newest is None or rank(row) > best:
            newest, best = row, rank(row)
    too_old = newest is not None and ttl is not None and newest[1] < t - ttl
    return None if too_old else newest


def rank(row):
    """Later event first, then later created (null last), then the greater values (null last)."""
    _, event, created, values = row[:4]
    return (event, _null_last(created), tuple(_null_last(value) for value in values))


def _null_last(value):
    return (0, 0) if value is None else _inside(value)


def _inside(value):
    """The order of values: NaN is the greatest number; inside of a list or struct null is greatest.

    That is the order of PostgreSQL and DuckDB; a list that goes on is greater than its beginning.
    """
    if value is None:
        return (3, 0)
    if isinstance(value, float) and value != value:
        return (2, 0)
    if isinstance(value, list):
        return (1, [_inside(item) for item in value])
    if isinstance(value, dict):
        return (1, [_inside(item) for item in value.values()])
    return (1, value)
