"""A backup made a catalog again: whole, upgraded, checked, and only then there.

Everything is one transaction: what is refused, cut off or killed leaves the database as it was.
"""

import base64
import gzip
import json
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, DateTime, LargeBinary, Table, inspect, text
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from provender.catalog import changes, epoch, fsck, fulltext, remaking, sessions, tokens
from provender.catalog import erasures as erasing
from provender.catalog.backup import (
    BATCH,
    FORMAT,
    INDICES,
    MANIFEST,
    Contents,
    Part,
    kept_columns,
    kept_tables,
    member_name,
)
from provender.catalog.changes import Change
from provender.catalog.db import Progress, downgrade_in, rewriting, unheard, upgrade_in
from provender.catalog.rows import SCHEMA
from provender.catalog.signing import Keys, is_attested
from provender.core.audit import EventKind
from provender.core.checkpoints import key_id
from provender.core.clock import Clock
from provender.core.digest import digest_stream
from provender.core.erasure import Erasure, unsigned
from provender.core.errors import Conflict, Corrupt, InvalidInput, Misconfigured, NotFound
from provender.values import from_json

Hook = Callable[[Session, Change], None]
AFTER_RESTORE: list[Hook] = [
    tokens.revoke_all,
    sessions.end_all,
]
"""What has to happen to a restored catalog before anybody may look at it: a token that was revoked
after the backup must not open it."""
GIVEN = frozenset({"alembic_version", "counters"})
"""Tables that are not empty in an empty catalog."""
SHOWN = 5


def restore(
    source: Path,
    url: str,
    *,
    actor: str,
    clock: Clock,
    keys: Keys | None = None,
    erasures: Sequence[Erasure] = (),
    progress: Progress = unheard,
) -> Contents:
    """Make the empty catalog at ``url`` what the backup ``source`` holds; return what that is.

    Its public keys go to ``keys``, so that its audit trail can be checked where it is now. What
    ``erasures``, those that the lake knows of, let go since is refused to everybody again.

    A backup of an older Provender is upgraded. The catalog is checked (`fsck`) and everything
    in `AFTER_RESTORE` done before it counts.

    Raises:
        NotFound: there is no file ``source``.
        InvalidInput: it is no backup.
        Misconfigured: it is a newer Provender's.
            Or what is to hold the keys cannot be written.
        Conflict: the catalog at ``url`` is not empty.
        Corrupt: the backup is damaged, or was made of a damaged catalog; or an erasure is not
            what was signed.
    """
    with _opened(source) as tar:
        contents = _contents(tar, source)
        _check_attested(erasures, contents, keys)
        with rewriting(url) as connection:
            _check_empty(connection)
            downgrade_in(connection, "base")
            upgrade_in(connection, contents.revision)
            _fill(connection, tar, contents, source, progress=progress)
            upgrade_in(connection, progress=progress)
            hooks: list[Hook] = [*AFTER_RESTORE, partial(erasing.again, known=erasures)]
            _finish(
                connection,
                contents,
                source,
                hooks=hooks,
                actor=actor,
                clock=clock,
                progress=progress,
            )
            if keys is not None:
                keys.trust(map(bytes.fromhex, contents.keys))
    return contents


def _finish(
    connection: Connection,
    contents: Contents,
    source: Path,
    *,
    hooks: Sequence[Hook],
    actor: str,
    clock: Clock,
    progress: Progress,
) -> None:
    """Make what was left out, do what is to be done after a restore, and check everything."""
    with Session(connection, expire_on_commit=False) as db:
        change = changes.begin(db, clock=clock, actor=actor)
        epoch.leap(db)
        if remaking.is_stale(db):  # made by an older Provender, or before its index was
            progress("making the index", 0.0)
            remaking.freshen(db)
        for hook in hooks:
            hook(db, change)
        detail = {"file": source.name, "made_at": contents.made_at, "digest": contents.digest}
        changes.tell(db, change, EventKind.CATALOG_RESTORE, "catalog", detail)
        db.commit()  # writes; the transaction is the connection's
        faults = list(islice(fsck.faults(db, progress=progress), SHOWN))
    if faults:
        listed = "; ".join(f"{fault.subject} {fault.says}" for fault in faults)
        raise Corrupt(
            f"{source} holds a damaged catalog: {listed}",
            hint="restore an older backup; this one was made of a catalog with faults",
        )


@contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    """The tar; what is wrong with its bytes, whenever it is found, is told as damage."""
    if not source.is_file():
        raise NotFound(f"there is no file {source}", hint="name a file of provender backup")
    try:
        with _archive(source) as tar:
            yield tar
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(source, str(error) or type(error).__name__) from error


def _archive(source: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(source)
    except tarfile.ReadError as error:  # its words are of every compression that it tried
        raise _no_backup(source) from error


def _contents(tar: tarfile.TarFile, source: Path) -> Contents:
    first = tar.next()
    if first is None or first.name != MANIFEST:
        raise _no_backup(source)
    try:
        contents = from_json(Contents, _file(tar, first, source).read())
    except Corrupt as error:
        raise _damaged(source, f"its manifest cannot be read: {error.message}") from error
    if contents.digest != contents.seal:
        raise _damaged(source, "its manifest was changed")
    if contents.format != FORMAT or contents.revision > SCHEMA:
        raise Misconfigured(
            f"{source} has format {contents.format} and schema {contents.revision}, "
            f"this Provender knows {FORMAT} and up to {SCHEMA}",
            hint="it was written by a newer Provender: upgrade this one",
        )
    return contents


def _check_attested(erasures: Sequence[Erasure], contents: Contents, keys: Keys | None) -> None:
    known = [bytes.fromhex(key) for key in contents.keys]
    public = {key_id(key): key for key in known} | (keys.public() if keys is not None else {})
    for erasure in erasures:
        if not is_attested(erasure, public):
            raise unsigned(f"the erasure {erasure.id} beside the lake")


def _check_empty(connection: Connection) -> None:
    for name in sorted(set(inspect(connection).get_table_names()) - GIVEN):
        if name.startswith(INDICES):
            continue
        if connection.execute(text(f'SELECT 1 FROM "{name}" LIMIT 1')).first():  # noqa: S608 - as the database names it
            raise Conflict(
                f"the catalog is not empty: there are rows in {name}",
                hint="restore into a new one: set PROVENDER_CATALOG_URL or PROVENDER_HOME to it",
            )


def _fill(
    connection: Connection,
    tar: tarfile.TarFile,
    contents: Contents,
    source: Path,
    *,
    progress: Progress,
) -> None:
    tables = {member_name(table.name): table for table in kept_tables(connection)}
    parts = {member_name(part.name): part for part in contents.tables}
    if tables.keys() != parts.keys():
        raise _damaged(source, "it does not hold the tables of its revision")
    for table in tables.values():
        connection.execute(table.delete())
    for done, member in enumerate(
        tar
    ):  # in the order they were written: what others refer to first
        part = parts.pop(member.name, None)
        if part is None:
            if member.name == MANIFEST and done == 0:
                continue
            raise _damaged(source, f"{member.name} does not belong into it")
        progress(f"writing {part.name}", done / len(tables))
        _fill_table(connection, tables[member.name], part, _file(tar, member, source), source)
    if parts:
        raise _damaged(source, f"it lacks {', '.join(sorted(parts))}")


def _fill_table(
    connection: Connection, table: Table, part: Part, lines: IO[bytes], source: Path
) -> None:
    """Insert the rows of a table, and check that they are those that were written."""
    read, rows = _reader(table), 0
    add = fulltext.add if fulltext.is_indexed(table) else _add

    def inserted() -> Iterator[bytes]:
        nonlocal rows
        while batch := list(islice(lines, BATCH)):
            add(connection, table, [read(line) for line in batch])
            rows += len(batch)
            yield from batch

    try:
        sha256 = digest_stream(inserted())
    except (ValueError, TypeError, KeyError, StatementError) as error:
        raise _damaged(source, f"{part.name} has a row that cannot be kept") from error
    if (rows, sha256) != (part.rows, part.sha256):
        raise _damaged(source, f"{part.name} is not the {part.rows} rows that were written")


def _add(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    connection.execute(table.insert(), rows)


def _reader(table: Table) -> Callable[[bytes], dict[str, Any]]:
    """Return what makes a row of a line: the database's own types from JSON's."""
    instants = {c.name for c in kept_columns(table) if isinstance(c.type, DateTime)}
    raw = {c.name for c in kept_columns(table) if isinstance(c.type, LargeBinary)}

    def read(line: bytes) -> dict[str, Any]:
        row: dict[str, Any] = json.loads(line)
        for name in instants & row.keys():
            row[name] = row[name] and datetime.fromisoformat(row[name])
        for name in raw & row.keys():
            row[name] = row[name] if row[name] is None else base64.b64decode(row[name])
        return row

    return read


def _file(tar: tarfile.TarFile, member: tarfile.TarInfo, source: Path) -> IO[bytes]:
    file = tar.extractfile(member)
    if file is None:
        raise _damaged(source, f"{member.name} is no file")
    return file


def _no_backup(source: Path) -> InvalidInput:
    return InvalidInput(
        f"{source} is no backup of a catalog", hint="make one: provender backup FILE"
    )


def _damaged(source: Path, why: str) -> Corrupt:
    return Corrupt(
        f"the backup {source} is damaged: {why}",
        hint="restore another one; the catalog is as it was",
    )
