"""Text as instants: read by DuckDB's cast, as engines read the text columns of files."""

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from provender.core.errors import InvalidInput
from provender.offline.refusals import refuse_years
from provender.offline.session import MACRO, MICROS
from provender.tables.session import session

INSTANT = pa.timestamp("us", "UTC")
HINT = "write ISO 8601 with dashes and colons, such as 2013-07-04T12:00:00+00:00"


def read_instants(texts: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Return ``texts``, the column ``name`` of a spine, as microseconds in UTC, finer digits cut off.

    Text without a zone is in UTC; null stays null.

    Raises:
        InvalidInput: a text is not an instant of the years 1 to 9999.
    """
    if not len(texts):
        return pa.chunked_array([], INSTANT)
    micros = _micros(texts, name)
    if micros.null_count > texts.null_count:  # infinity has no microseconds
        endless = texts.filter(pc.and_(pc.is_null(micros), pc.is_valid(texts)))[0]
        raise _refused(name, f"{endless.as_py()!r} is none")
    bounds = pc.min_max(micros)
    refuse_years(bounds["min"].as_py(), bounds["max"].as_py())
    return micros.cast(INSTANT)


def _micros(texts: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    with session() as connection:
        connection.execute(MACRO)
        connection.register("texts", pa.table({"said": texts.cast(pa.string())}))
        try:
            found = connection.sql(f"SELECT {MICROS}(said) FROM texts").to_arrow_table()
        except duckdb.ConversionException as error:
            raise _refused(name, str(error)) from error
    return found.column(0).cast(pa.int64())


def _refused(name: str, why: str) -> InvalidInput:
    return InvalidInput(
        f"the spine's event timestamp {name!r} holds text that is not an instant: {why}", hint=HINT
    )
