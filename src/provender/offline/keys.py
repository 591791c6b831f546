"""Which keys of a spine may be compared with which of a source: DuckDB would compare more, and wrongly."""

import pyarrow as pa
import pyarrow.compute as pc

from provender.core.errors import InvalidInput

FLOATS = ("FLOAT", "DOUBLE")
EXACT_FLOAT = 2.0**53
"""Below it every integer has a float of its own."""
NUMBERS = ("INT", "FLOAT", "DOUBLE", "DECIMAL")


def check_key(view: str, *, name: str, asked: str, source_column: str, found: str) -> None:
    """Return if a spine's key ``name`` of DuckDB's type ``asked`` can be compared with the source's ``found``.

    Raises:
        InvalidInput: one is text, the other a number, or the like.
    """
    if _family(asked) != _family(found) and "NULL" not in _family(asked):
        raise InvalidInput(
            f"join key {name} of {view} is {asked} in the spine "
            f"but {source_column} is {found} in the source",
            hint=f"cast {name} in the spine to {found}",
        )


def must_be_exact(asked: str, found: str) -> bool:
    """Return whether integers came as floats (pandas does so where one is missing)."""
    return asked in FLOATS and _family(found) == "number" and found not in FLOATS


def check_exact(column: pa.ChunkedArray, name: str) -> None:
    """Return if integers that came as floats are still what they were.

    Raises:
        InvalidInput: one has a fraction, or is too great to be sure.
    """
    present = pc.filter(column, pc.is_valid(column))
    whole = pc.and_(pc.equal(pc.floor(present), present), pc.less(pc.abs(present), EXACT_FLOAT))
    if pc.all(whole).as_py() is False:
        raise InvalidInput(
            f"join key {name} is a float in the spine, and not every value is a whole number below 2^53",
            hint=f"give {name} as integers (pandas: astype('Int64') before values are lost)",
        )


def _family(type_name: str) -> str:
    if type_name.startswith('"NULL"') or type_name == "NULL":
        return "NULL"
    if any(word in type_name for word in NUMBERS):
        return "number"
    word = type_name.split("(")[0].split("_")[0]
    return "VARCHAR" if word == "ENUM" else word
