"""Random permits for a part: masks that fit columns, and filters of values that are there."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from provender.core.datasets import FileEntry, Format
from provender.core.digest import digest_bytes
from provender.core.effects import Mask, masked
from provender.core.filters import Filter
from provender.core.filtertext import Among, And, Compare, IsNull, Not, Or, write
from provender.core.names import DatasetRef
from provender.core.policy import Action, ColumnRef, Permit
from provender.core.training import Table
from provender.offline.spine import Spine
from provender.tables.arrow import schema_of
from tests.offline.configurations import NOW
from tests.offline.questions import at, written

KEY = b"the key of a project's hashes"
MASKS = tuple(
    map(
        Mask.parse,
        (
            "null", "hash", "truncate(0)", "truncate(1)", "truncate(3)", "truncate(month)",
            "truncate(hour)", "bucket(2)", "bucket(1000)", "bucket(0.5)", "constant(7)",
            "constant(true)", "constant(x)", "constant(2020-02-29)",
        ),
    )
)  # fmt: skip
SIMPLE = ("bool", "int", "uint", "float", "string", "date", "timestamp")


CARDS = {
    "k": ["a", "b", "a", None],
    "event": pa.array([at(1), at(1), at(2), at(3)], pa.timestamp("us", "UTC")),
    "x": ["one", "two", "three", "four"],
    "n": [10, 20, 30, 40],
}


def cards(lake):
    """Four rows of a dataset of the catalog."""
    (lake / "cards").mkdir(exist_ok=True)
    path = Path(written(lake / "cards", CARDS).location)
    content = path.read_bytes()
    entry = FileEntry(path=path.name, size_bytes=len(content), sha256=digest_bytes(content))
    return Table(
        format=Format.PARQUET, location="cards", files=(path.name,), entries=(entry,),
        version=DatasetRef("shop", "cards", 1), schema=schema_of(pa.table(CARDS).schema),
    )  # fmt: skip


def permit(*, masks=None, rows="", computes=()):
    return Permit(
        decision="dec_test", actor="person:test", action=Action.READ, purpose="test",
        columns=frozenset(ColumnRef("shop.cards", name) for name in CARDS), decided_at=NOW,
        masks=tuple((ColumnRef("shop.cards", n), Mask.parse(m)) for n, m in (masks or {}).items()),
        filters=(("shop.cards", Filter(rows)),) if rows else (),
        computes=frozenset(ColumnRef("shop.cards", name) for name in computes),
    )  # fmt: skip


def hashed(value):
    return masked(Mask.parse("hash"), value, "string", key=KEY)


def permits(rng, configuration):
    """Return the question with a permit for a part of its tables that are governed."""
    masks, filters = [], []
    for join, source in zip(configuration.plan.joins, configuration.sources, strict=True):
        if join.table.version is None:
            continue
        dataset, schema = join.table.version.dataset, join.table.schema
        for column in schema.columns:
            fitting = [mask for mask in MASKS if not mask.unfit(column) and _can(mask, column.type)]
            if fitting and column.name not in join.times and rng.random() < 0.4:
                masks.append((ColumnRef(dataset, column.name), rng.choice(fitting)))
        leaves = [c for c in schema.columns if c.type.startswith(SIMPLE) and "_" not in c.type]
        if leaves and rng.random() < 0.7:
            filters.append((dataset, Filter(write(_tree(rng, source, leaves, 2)))))
    permit = replace(configuration.permit, masks=tuple(masks), filters=tuple(filters))
    rows = _masked_spine(rng, configuration, dict(masks))
    return replace(configuration, permit=permit, rows=rows, spine=Spine(rows))


def _can(mask, word):
    """Whether Python has the values: of nanoseconds it has none."""
    return not (word == "timestamp_ns" and str(mask) != "null")


def _tree(rng, source, leaves, depth):
    if depth and rng.random() < 0.5:
        parts = tuple(_tree(rng, source, leaves, depth - 1) for _ in range(2))
        return rng.choice((And, Or))(parts) if rng.random() < 0.8 else Not(parts[0])
    column = rng.choice(leaves)
    known = [value for value in _values(source.column(column.name)) if value == value]
    if not known or rng.random() < 0.2:
        return IsNull(column.name)
    if rng.random() < 0.3:
        return Among(column.name, tuple(rng.choices(known, k=3)))
    sign = rng.choice(("=", "!=", "<", "<=", ">", ">="))
    return Compare(column.name, sign, rng.choice(known))


def _values(column):
    plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    return [
        v for v in plain.to_pylist() if v is not None and v not in (float("inf"), -float("inf"))
    ]


def _masked_spine(rng, configuration, masks):
    """The spine with its keys as the sources' masks have them, now and then: then they are found."""
    rows = configuration.rows
    for join in configuration.plan.joins:
        dataset = join.table.version.dataset if join.table.version else ""
        for name, source in join.keys:
            mask = masks.get(ColumnRef(dataset, source))
            if mask is None or rng.random() < 0.3:
                continue
            word, column = join.table.schema.column(source).type, rows.column(name)
            try:
                made = [masked(mask, value, word, key=KEY) for value in column.to_pylist()]
                found = pa.array(made, column.type)
            except (pa.ArrowException, TypeError, ValueError, AttributeError, OverflowError):
                continue
            rows = rows.set_column(rows.column_names.index(name), name, found)
    return rows
