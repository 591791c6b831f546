"""What a permit for a part leaves, by hand: rows are left out one by one, values masked one by one.

Of a retrieval: rows of the source that the filter leaves out are gone, keys are masked, and the
join is done by hand over the rest; what comes out of it is masked, be it nothing: a constant is
the same for every row.
"""

from dataclasses import replace

import pyarrow as pa

from provender.core.effects import masked
from tests.oracle.cells import values
from tests.oracle.retrieval import Expected, retrieve


def kept(table, rows):
    """Return the rows of ``table`` that the filter ``rows`` holds for."""
    if rows is None:
        return table
    asked = table.select(sorted(rows.columns)).to_pylist()
    return table.take(pa.array([n for n, row in enumerate(asked) if rows.holds(row)], pa.int64()))


def masked_column(column, mask, word, key):
    """Return a column of the type ``word`` as ``mask`` leaves it, value by value."""
    plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    made = [masked(mask, value, word, key=key) for value in plain.to_pylist()]
    if pa.types.is_floating(plain.type):  # a bucket's bound is an integer, however large
        made = [None if value is None else float(value) for value in made]
    return pa.chunked_array([pa.array(made, plain.type)])


def retrieve_shielded(plan, spine, sources, permit, key):
    """Return what ``plan`` answers for the table ``spine`` under ``permit``."""
    masks, filters = dict(permit.masks), dict(permit.filters)
    features, known_later = {}, {}
    for join, source in zip(plan.joins, sources, strict=True):
        dataset = join.table.version.dataset if join.table.version else ""
        own = {ref.column: mask for ref, mask in masks.items() if ref.dataset == dataset}
        rows, words = kept(source, filters.get(dataset)), join.table.schema
        one = type(plan)(
            event_timestamp=plan.event_timestamp, joins=(_by(join, own),), known_by_then=plan.known_by_then
        )  # fmt: skip
        for _, name in join.keys:
            if name in own:
                found = masked_column(rows.column(name), own[name], words.column(name).type, key)
                rows = rows.append_column(_masked(name), found)
        numbered = rows.append_column("number of the row", pa.array(range(rows.num_rows)))
        asked = retrieve(_with_number(one), spine, [numbered])
        known_later |= asked.known_later
        numbers = pa.array(asked.features["number of the row"], pa.int64())
        for column, output in join.features:
            found = rows.column(column).take(numbers)
            if column in own:
                found = masked_column(found, own[column], words.column(column).type, key)
            features[output] = values(found)
    return Expected(features, known_later)


def _masked(name):
    return f"masked {name}"


def _by(join, own):
    keys = tuple((key, _masked(name) if name in own else name) for key, name in join.keys)
    return replace(join, keys=keys, ranked_by=join.tie_breakers)


def _with_number(plan):
    (join,) = plan.joins
    number = ("number of the row", "number of the row")
    return replace(plan, joins=(replace(join, features=(number,)),))
