"""The whole catalog in one file: a tar of a table each as JSON lines, and a manifest of them.

A backup is one state of the database, taken while others read and write, and the same from
SQLite and PostgreSQL: what one wrote the other restores, full-text indices too.

The manifest comes first: the revision of the tables, how many rows each has, and the digest of
their bytes; it has its own digest, too. So a changed byte is found before anything counts.
"""

import base64
import json
import os
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import IO, Any, ClassVar

from sqlalchemy import Connection, MetaData, Table, select, text

from provender.catalog import changes, checkpoints, fulltext
from provender.catalog.db import Progress, unheard
from provender.catalog.door import Door
from provender.catalog.operators import check_operates
from provender.core.audit import EventKind
from provender.core.digest import CHUNK_BYTES, digest, digest_stream
from provender.core.errors import Conflict, Unavailable
from provender.core.policy import Action
from provender.values import to_json

FORMAT = "provender-catalog/1"
MANIFEST = "MANIFEST.json"
BATCH = 1_000
DERIVED = frozenset({"documents", "trigrams", "alembic_version"})
"""Tables that are made anew: those of older indices."""
INDICES = ("documents_index", "search_index", "search_past_index")
COMPRESSED = (".gz", ".tgz")
PRIVATE = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A table in a backup."""

    name: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What is in a backup; ``digest`` is that of the rest.

    ``keys`` are the public keys, as 64 hex digits, that checkpoints of its audit trail are signed
    with.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    format: str
    revision: str
    made_at: datetime
    made_by: str
    tables: tuple[Part, ...]
    keys: tuple[str, ...] = ()
    digest: str = ""

    @property
    def seal(self) -> str:
        """What ``digest`` is to be."""
        made = [self.format, self.revision, self.made_at, self.made_by, self.tables]
        return digest([*made, self.keys] if self.keys else made)

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.tables)


def write(door: Door, target: Path, *, progress: Progress = unheard) -> Contents:
    """Write the catalog to the new file ``target``, whole or not at all, and return what is in it.

    That it was done is in the audit trail, and in the backup itself. Only its owner may read it.

    Raises:
        Denied: the actor may not govern.
        Conflict: ``target`` is there already.
        Unavailable: it cannot be written.
    """
    if target.exists():
        raise Conflict(f"{target} is there already", hint="name a new file")
    with door.writing(Action.GOVERN) as (db, change):
        check_operates(db, door.who(db), doing="back up the catalog", now=change.at)
        sealing = checkpoints.sealing_of(db)
        changes.tell(db, change, EventKind.CATALOG_BACKUP, "catalog", {"file": target.name})
    with door.reading() as db, _placed(target) as file:
        return write_tables(
            db.connection(),
            file,
            by=door.actor,
            at=change.at,
            keys=sealing.keys.public().values() if sealing else (),
            compress=target.suffix in COMPRESSED,
            progress=progress,
        )


def write_tables(
    connection: Connection,
    target: Path,
    *,
    by: str,
    at: datetime,
    keys: Iterable[bytes] = (),
    compress: bool = False,
    progress: Progress = unheard,
) -> Contents:
    """Write what the transaction of ``connection`` sees to ``target``; return what that is."""
    tables = kept_tables(connection)
    parts: list[Part] = []
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as folder:
        for done, table in enumerate(tables):
            progress(f"reading {table.name}", done / len(tables))
            parts.append(_write_table(connection, table, Path(folder) / table.name))
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        contents = Contents(
            format=FORMAT,
            revision=revision,
            made_at=at,
            made_by=by,
            tables=tuple(parts),
            keys=tuple(key.hex() for key in keys),
        )
        contents = replace(contents, digest=contents.seal)
        with tarfile.open(target, "w:gz" if compress else "w") as tar:
            _add(tar, MANIFEST, BytesIO(to_json(contents).encode()), at)
            for part in parts:
                with (Path(folder) / part.name).open("rb") as file:
                    _add(tar, member_name(part.name), file, at)
    return contents


def kept_tables(connection: Connection) -> list[Table]:
    """Return the tables that a backup holds, those that others refer to first."""
    known = MetaData()
    known.reflect(connection, only=lambda name, _: name not in DERIVED and not _is_index(name))
    return known.sorted_tables


def member_name(table: str) -> str:
    """Return what the table is called in the tar."""
    return f"tables/{table}.jsonl"


def kept_columns(table: Table) -> list[Any]:
    """Return the columns that are not of an index."""
    return [column for column in table.columns if column.name != fulltext.VECTOR]


def _is_index(name: str) -> bool:
    return name in INDICES or name.startswith(tuple(f"{index}_" for index in INDICES))


def _write_table(connection: Connection, table: Table, path: Path) -> Part:
    rows = 0
    columns = kept_columns(table)
    found_by = fulltext.is_indexed(table)
    rows_of = fulltext.with_codes(connection, table, columns) if found_by else select(*columns)
    wanted = rows_of.order_by(*table.primary_key.columns)
    with (
        path.open("wb") as file,
        connection.execute(wanted.execution_options(yield_per=BATCH)) as found,
    ):
        for row in found.mappings():
            file.write(_line(fulltext.plain(row)))
            rows += 1
    with path.open("rb") as file:
        return Part(name=table.name, rows=rows, sha256=digest_stream(_chunks(file)))


def _line(row: Mapping[Any, Any]) -> bytes:
    said = {name: _plain(value) for name, value in row.items()}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _plain(value: Any) -> Any:
    """A value as JSON has it, the same from both databases."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case bytes() | memoryview():
            return base64.b64encode(bytes(value)).decode()
    return value


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def _add(tar: tarfile.TarFile, name: str, file: IO[bytes], at: datetime) -> None:
    member = tarfile.TarInfo(name)
    member.size = file.seek(0, os.SEEK_END)
    member.mtime, member.mode = int(at.timestamp()), PRIVATE
    file.seek(0)
    tar.addfile(member, file)


@contextmanager
def _placed(target: Path) -> Iterator[Path]:
    """A file beside ``target`` that becomes it at the end, when it is on the disk."""
    part = target.with_name(f"{target.name}.part")
    try:
        part.unlink(missing_ok=True)
        part.touch(mode=PRIVATE)
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.link(part, target)  # unlike a rename it never takes the place of another
    except FileExistsError as error:
        raise Conflict(f"{target} is there already", hint="name a new file") from error
    except OSError as error:
        raise Unavailable(
            f"the backup {target} cannot be written: {error.strerror or error}",
            hint="name a file in a folder that you may write, on a disk with room",
        ) from error
    finally:
        part.unlink(missing_ok=True)
