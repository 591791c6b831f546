"""Delta tables that no catalog governs, written: rows are added, or the whole is replaced, in one commit."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from provender.core.datasets import Format
from provender.core.errors import Conflict, Unavailable
from provender.core.training import Table
from provender.tables.delta import check_path, opened, unreachable
from provender.tables.endpoints import Endpoint
from provender.tables.places import is_remote
from provender.tables.spill import noted_table
from provender.tables.stream import Taken

ONCE = CommitProperties(max_commit_retries=0)
"""A second try to create a table would append to what somebody else has created."""


def append_rows(table: Table, fitted: Callable[[pa.Schema], pa.Table], spill: Path) -> None:
    """Add to ``table`` what ``fitted`` makes of its schema, in one commit.

    Raises:
        NotFound: there is no table at that place.
        Conflict: somebody committed at the same time what does not go with it.
        Unavailable: the disk is full or fails, or object storage cannot be reached.
    """
    found = opened(replace(table, snapshot=""))
    rows = fitted(pa.schema(found.schema().to_arrow()))
    options = Endpoint.of(table).delta_options if is_remote(table.location) else None
    with _explained(table), _noted(table, spill):
        write_deltalake(found, rows, mode="append", storage_options=options)


def create_table(target: Path, rows: pa.RecordBatchReader, spill: Path) -> None:
    """Write ``rows`` to a new Delta table in the folder ``target``.

    Raises:
        Taken: somebody has made a table there meanwhile; that stays.
        Unavailable: the disk is full or fails.
    """
    check_path(target)
    try:
        with _explained(_at(target)), _noted(_at(target), spill):
            write_deltalake(str(target), rows, mode="error", commit_properties=ONCE)
    except (Conflict, Unavailable) as error:
        if isinstance(error, Conflict) or "already exists" in str(error.__cause__):
            raise Taken(target) from error
        raise


def replace_table(target: Path, rows: pa.RecordBatchReader, spill: Path) -> None:
    """Make ``rows`` the next version of the Delta table in the folder ``target``, be it the first.

    Raises:
        Conflict: somebody committed at the same time.
        Unavailable: the disk is full or fails.
    """
    check_path(target)
    with _explained(_at(target)), _noted(_at(target), spill):
        write_deltalake(str(target), rows, mode="overwrite", schema_mode="overwrite")


def _at(folder: Path) -> Table:
    return Table(format=Format.DELTA, location=str(folder))


def _noted(table: Table, spill: Path) -> AbstractContextManager[None]:
    """Let a note below ``spill`` tell ``provender fsck`` of what is written and not committed."""
    if is_remote(table.location):
        return nullcontext()
    return noted_table(Path(table.location.removeprefix("file://")), spill)


@contextmanager
def _explained(table: Table) -> Iterator[None]:
    try:
        yield
    except CommitFailedError as error:
        raise Conflict(
            f"another writer committed to the Delta table {table.location} meanwhile: {error}",
            hint="write the rows again",
        ) from error
    except (DeltaError, OSError) as error:
        if is_remote(table.location):
            raise unreachable(table, table.location, error) from error
        raise Unavailable(
            f"the Delta table {table.location} cannot be written: {error}",
            hint="check the disk and the folder; no row was added",
        ) from error
