"""How the rows of a source lie: Parquet files, alike or not, or a dataset's version in another format."""

from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq

from provender.core.datasets import Dataset
from provender.core.names import DatasetRef
from provender.core.training import Table
from provender.tables.arrow import Naive
from provender.tables.versions import write_version

LARGE = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}


def write_parts(rows, folder, parts, row_group, rng):
    """Write ``rows`` to that many Parquet files, cut anywhere, and return their names in order."""
    cuts = sorted(rng.randint(0, rows.num_rows) for _ in range(parts - 1))
    return _write(_cut(rows, cuts), folder, row_group)


def write_mixed(rows, folder, row_group, rng):
    """Write a long file, a short one, and one by another tool: types differ, values do not.

    Its text is large text and its zones are others; sometimes its units are finer, too.
    """
    first, second, third = _cut(rows, [rows.num_rows * 8 // 10, rows.num_rows * 9 // 10])
    finer = rng.random() < 0.5
    kinds = [pa.field(field.name, _other(field.type, finer=finer)) for field in third.schema]
    return _write([first, second, third.cast(pa.schema(kinds))], folder, row_group)


def keep(lake, place, number, rows, fmt):
    """Return the table of a dataset's first version that has ``rows`` in the format ``fmt``.

    Raises:
        InvalidInput: the format cannot keep them without loss.
    """
    ref = DatasetRef("test", f"{place.lower().replace('-', '_')}_view_{number}")
    dataset = Dataset(ref=ref, description="", owner="person:test", format=fmt)
    manifest = write_version(lake, dataset, rows, naive=Naive.LOCAL)
    return Table(
        format=fmt,
        location=manifest.location,
        files=tuple(file.path for file in manifest.files),
        snapshot=manifest.native_snapshot,
        schema=manifest.schema,
        version=DatasetRef(ref.domain, ref.name, 1),
        content=manifest.logical_digest,
        entries=manifest.files,
    )


def in_microseconds(rows):
    """Return ``rows``, whose nanoseconds are whole microseconds, as datasets keep them."""
    kinds = []
    for field in rows.schema:
        is_fine = pa.types.is_timestamp(field.type) and field.type.unit == "ns"
        kinds.append(
            pa.field(field.name, pa.timestamp("us", field.type.tz) if is_fine else field.type)
        )
    return rows.cast(pa.schema(kinds))


def _cut(rows, cuts):
    return [rows.slice(a, b - a) for a, b in pairwise([0, *cuts, rows.num_rows])]


def _write(parts, folder, row_group):
    folder.mkdir(parents=True)
    names = tuple(f"part-{number:05d}.parquet" for number in range(len(parts)))
    for name, part in zip(names, parts, strict=True):
        pq.write_table(part, folder / name, row_group_size=row_group)
    return names


def _other(kind, *, finer):
    if pa.types.is_timestamp(kind):
        unit = "us" if finer and kind.unit in ("s", "ms") else kind.unit
        return pa.timestamp(unit, kind.tz and "America/New_York")
    return LARGE.get(kind, kind)
