"""Files as other tools leave them, in every format that is files and nothing else."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from pyarrow import orc

from provender.core.datasets import Format


@dataclass(frozen=True)
class Writer:
    format: Format
    suffix: str
    put: Callable[[pa.Table, Path], None]

    def __str__(self) -> str:
        return self.suffix

    def write(self, rows: pa.Table, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.put(rows, path)
        return path


def _csv(rows: pa.Table, path: Path) -> None:
    pacsv.write_csv(rows, path)


def _jsonl(rows: pa.Table, path: Path) -> None:
    rows.to_pandas().to_json(path, orient="records", lines=True, date_format="iso")


def _packed(write: Callable[[pa.Table, Path], None]) -> Callable[[pa.Table, Path], None]:
    def packed(rows: pa.Table, path: Path) -> None:
        plain = path.with_name(path.name + ".plain")
        write(rows, plain)
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()

    return packed


def _ipc_file(rows: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(path, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=300)


def _ipc_stream(rows: pa.Table, path: Path) -> None:
    with path.open("wb") as file, pa.ipc.new_stream(file, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=300)


AVRO = {pa.int64(): "long", pa.string(): "string", pa.float64(): "double"}


def _avro(rows: pa.Table, path: Path) -> None:
    fields = [
        {
            "name": field.name,
            "type": [
                "null",
                AVRO.get(field.type, {"type": "long", "logicalType": "timestamp-micros"}),
            ],
        }
        for field in rows.schema
    ]
    with path.open("wb") as file:
        schema = {"type": "record", "name": "row", "fields": fields}
        fastavro.writer(file, schema, rows.to_pylist(), sync_interval=2000)


WRITERS = [
    Writer(Format.PARQUET, ".parquet", pq.write_table),
    Writer(Format.CSV, ".csv", _csv),
    Writer(Format.CSV, ".csv.gz", _packed(_csv)),
    Writer(Format.JSONL, ".jsonl", _jsonl),
    Writer(Format.JSONL, ".ndjson.gz", _packed(_jsonl)),
    Writer(Format.ARROW, ".arrow", _ipc_file),
    Writer(Format.ARROW, ".arrows", _ipc_stream),
    Writer(Format.ORC, ".orc", orc.write_table),
    Writer(Format.AVRO, ".avro", _avro),
]
