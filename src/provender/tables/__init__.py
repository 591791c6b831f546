"""Tables of the lake and beside it: written once, read by DuckDB, told apart by content."""

from collections.abc import Callable

from provender.core.datasets import Format
from provender.core.errors import Unavailable
from provender.core.protocols import TableFormat

PACKAGES = {
    "duckdb": "tables",
    "pyarrow": "tables",
    "deltalake": "tables",
    "fastavro": "tables",
    "pyiceberg": "iceberg",
    "sqlalchemy": "iceberg",
}
"""What the formats are built on, and the extra of ours that installs it."""


def format_for(fmt: Format) -> TableFormat:
    """Return what reads and writes tables of ``fmt``; its packages are imported now.

    Raises:
        Unavailable: a package that it needs is not installed.
    """
    try:
        return _LOADERS[fmt]()
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package not in PACKAGES:
            raise
        raise Unavailable(
            f"{fmt} tables need the package {package}, which is not installed",
            hint=f"pip install 'provender[{PACKAGES[package]}]'",
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


def _iceberg() -> TableFormat:
    from provender.tables.iceberg import IcebergFormat

    return IcebergFormat()


def _jsonl() -> TableFormat:
    from provender.tables.jsonl import JsonlFormat

    return JsonlFormat()


def _arrow() -> TableFormat:
    from provender.tables.ipc import ArrowFormat

    return ArrowFormat()


def _orc() -> TableFormat:
    from provender.tables.orc import OrcFormat

    return OrcFormat()


def _avro() -> TableFormat:
    from provender.tables.avro import AvroFormat

    return AvroFormat()


_LOADERS: dict[Format, Callable[[], TableFormat]] = {
    Format.PARQUET: _parquet,
    Format.DELTA: _delta,
    Format.ICEBERG: _iceberg,
    Format.CSV: _csv,
    Format.JSONL: _jsonl,
    Format.ARROW: _arrow,
    Format.ORC: _orc,
    Format.AVRO: _avro,
}
