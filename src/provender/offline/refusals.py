"""What every engine refuses of a spine or a source, in the same words.

Types are DuckDB's names of them: every engine lets DuckDB read what a spine and a source hold.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from provender.core.errors import InvalidInput
from provender.core.training import ViewJoin
from provender.offline.spine import Spine

FLOATS = ("FLOAT", "DOUBLE")
INTEGERS = tuple(
    f"{sign}{size}"
    for sign in ("", "U")
    for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
)
NUMBERS = (*INTEGERS, *FLOATS, "DECIMAL")
EXACT_BITS = {"FLOAT": 24, "DOUBLE": 53}
"""Below two to so many bits every integer has a float of its own."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = (datetime.min.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
LAST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def refuse_empty(spine: Spine) -> None:
    """Raise InvalidInput if ``spine`` has no rows."""
    if spine.row_count == 0:
        raise InvalidInput(
            "the spine has no rows", hint="give one row per entity and instant to be known"
        )


def refuse_missing(join: ViewJoin, present: Sequence[str]) -> None:
    """Raise InvalidInput if a source with the columns ``present`` lacks one that ``join`` reads."""
    missing = sorted(set(needed(join)) - set(present))
    if missing:
        raise InvalidInput(
            f"the source of feature view {join.view} has no column {', '.join(missing)}; "
            f"it has {', '.join(present)}",
            hint="correct the feature view, or pin a version of the dataset that has it",
        )


def needed(join: ViewJoin) -> list[str]:
    """Return the source columns that ``join`` reads, each once."""
    names = [source for _, source in join.keys] + [source for source, _ in join.features]
    names += [*join.tie_breakers, join.event_timestamp]
    return list(dict.fromkeys([*names, *filter(None, [join.created_timestamp])]))


def refuse_keys(
    join: ViewJoin, spine: Spine, asked: dict[str, str], source: dict[str, str]
) -> None:
    """Raise InvalidInput for keys that could be compared, but not rightly.

    These are text beside numbers, and floats that are not exact beside integers. ``asked`` and
    ``source`` are the types of the spine's and the source's columns by name.
    """
    for name, column in join.keys:
        left, right = asked[name], source[column]
        if _family(left) != _family(right) and "NULL" not in _family(left):
            raise InvalidInput(
                f"join key {name} of {join.view} is {left} in the spine "
                f"but {column} is {right} in the source",
                hint=f"cast {name} in the spine to {right}",
            )
        if left in FLOATS and _family(right) == "number" and right not in FLOATS:
            _refuse_inexact(spine, name, EXACT_BITS[left])
        if right in FLOATS and _family(left) == "number" and left not in FLOATS:
            _refuse_great(spine, name, column, EXACT_BITS[right])


def refuse_years(low: int | None, high: int | None) -> None:
    """Raise InvalidInput if these microseconds since 1970 are not in the years 1 to 9999."""
    if low is not None and high is not None and not FIRST <= low <= high <= LAST:
        raise InvalidInput(
            "the spine has an event timestamp outside of the years 1 to 9999",
            hint="filter such rows out; they are often a placeholder for an unknown time",
        )


def _refuse_inexact(spine: Spine, name: str, bits: int) -> None:
    """Integers that came as floats (pandas does so where one is missing) must be what they were."""
    for batch in spine.batches([name]):
        if not _exact(batch.column(0), bits):
            raise InvalidInput(
                f"join key {name} is a float in the spine, and not every value is a whole number below 2^{bits}",
                hint=f"give {name} as integers (pandas: astype('Int64') before values are lost)",
            )


def _refuse_great(spine: Spine, name: str, source_column: str, bits: int) -> None:
    """Greater integers, and decimals, would match the floats of their neighbours."""
    for batch in spine.batches([name]):
        column = batch.column(0)
        scale = column.type.scale if pa.types.is_decimal(column.type) else 0
        bounds = pc.min_max(column).as_py()
        if any(b is not None and abs(b) * 10**scale >= 2**bits for b in bounds.values()):
            raise InvalidInput(
                f"join key {name} of the spine goes beyond 2^{bits}, but {source_column} holds floats, "
                "which do not tell such numbers apart",
                hint=f"keep {source_column} as integers in the source",
            )


def _exact(column: pa.Array, bits: int) -> bool:
    present = pc.filter(column, pc.is_valid(column))
    whole = pc.and_(pc.equal(pc.floor(present), present), pc.less(pc.abs(present), 2.0**bits))
    return pc.all(whole).as_py() is not False


def _family(type_name: str) -> str:
    """Types of one family are compared with each other."""
    if type_name.endswith("]") or type_name.startswith(("STRUCT", "MAP", "UNION")):
        return type_name
    base = type_name.strip('"').split("(")[0]
    if base in NUMBERS:
        return "number"
    return (
        "VARCHAR"
        if base == "ENUM"
        else base.removesuffix("_NS").removesuffix("_MS").removesuffix("_S")
    )
