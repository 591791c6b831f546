"""The answer to a whole point-in-time plan, by hand: `asof.in_force` for every row and view.

The rows of a view are looked up by their keys, and a question that was asked before has its
answer again; nothing else is clever. It never looks at files: tables go in, lists come out.
"""

from dataclasses import dataclass
from datetime import timedelta

from tests.oracle.asof import in_force
from tests.oracle.cells import micros, values

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Expected:
    """``features`` by output name, in order, one value per spine row; ``known_later`` by view."""

    features: dict
    known_later: dict


def retrieve(plan, spine, sources):
    """Return what ``plan`` answers for the table ``spine``; ``sources`` are the tables of its joins."""
    features, known_later = {}, {}
    instants = micros(spine.column(plan.event_timestamp))
    for join, source in zip(plan.joins, sources, strict=True):
        questions = list(
            zip(_columns(spine, [name for name, _ in join.keys]), instants, strict=True)
        )
        rows = answers(plan, join, source, questions)
        for column, output in join.features:
            cells = values(source.column(column))
            features[output] = [None if row is None else cells[row[4]] for row in rows]
        if join.created_timestamp and not plan.known_by_then:
            known_later[join.view] = sum(
                1
                for row, t in zip(rows, instants, strict=True)
                if row is not None and row[2] is not None and row[2] > t
            )
    return Expected(features, known_later)


def answers(plan, join, source, questions):
    """For each ``(keys, t)`` return the row in force: keys, event, created, tie-breakers, number."""
    by_keys = {}
    for row in _rows(join, source):
        by_keys.setdefault(row[0], []).append(row)
    # A TTL of nothing is none; a view without created timestamps has no "known by then".
    ttl = join.ttl // MICROSECOND if join.ttl else None
    known_by_then = plan.known_by_then and join.created_timestamp is not None
    known, found = {}, []
    for question in questions:
        if question not in known:
            keys, t = question
            rows = by_keys.get(keys, [])
            known[question] = in_force(keys, t, rows, ttl=ttl, known_by_then=known_by_then)
        found.append(known[question])
    return found


def _rows(join, source):
    events = micros(source.column(join.event_timestamp))
    created = [None] * len(events)
    if join.created_timestamp:
        created = micros(source.column(join.created_timestamp))
    # By name, each once: the columns that decide among rows equal in event and created timestamp.
    deciders = sorted(set(join.ranked_by or [column for column, _ in join.features]))
    ties = _columns(source, deciders)
    keys = _columns(source, [column for _, column in join.keys])
    return list(zip(keys, events, created, ties, range(len(events)), strict=True))


def _columns(table, names):
    """One tuple per row, of the values of the columns ``names``."""
    if not names:
        return [()] * table.num_rows
    return list(zip(*(values(table.column(name)) for name in names), strict=True))
