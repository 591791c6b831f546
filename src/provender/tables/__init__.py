"""Tables of the lake: Parquet, Delta and CSV; written once, read by DuckDB, told apart by content."""

from collections.abc import Callable

from provender.core.datasets import Format
from provender.core.errors import Unavailable
from provender.core.protocols import TableFormat

PACKAGES = ("duckdb", "pyarrow", "deltalake")


def format_for(fmt: Format) -> TableFormat:
    """Return what reads and writes tables of ``fmt``; its packages are imported now.

    Raises:
        Unavailable: a package that it needs is not installed.
    """
    try:
        return _LOADERS[fmt]()
    except ImportError as error:
        if error.name not in PACKAGES:
            raise
        raise Unavailable(
            f"{fmt} tables need the package {error.name}, which is not installed",
            hint="pip install 'provender[tables]'",
        ) from error


def _parquet() -> TableFormat:
    from provender.tables.parquet import ParquetFormat

    return ParquetFormat()


def _delta() -> TableFormat:
    from provender.tables.delta import DeltaFormat

    return DeltaFormat()


def _csv() -> TableFormat:
    from provender.tables.csv import CsvFormat

    return CsvFormat()


_LOADERS: dict[Format, Callable[[], TableFormat]] = {
    Format.PARQUET: _parquet,
    Format.DELTA: _delta,
    Format.CSV: _csv,
}
