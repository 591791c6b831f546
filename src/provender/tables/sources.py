"""The files that a table is read from, wherever they are, in the form that each library opens.

A table of the catalog is exactly its files. One that no catalog governs is a file, a folder (all
files below it with a suffix of the format) or a pattern, here or in object storage. Folders called
``name=value`` below such a folder are columns, and their values count where a file has a column
of that name, too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

import duckdb
import pyarrow.fs as pafs

from provender.core.datasets import Format
from provender.core.errors import Corrupt, InvalidInput, NotFound, ProvenderError, Unavailable
from provender.core.training import Table
from provender.tables import objects, storage, unions
from provender.tables.arrow import literal, quote
from provender.tables.endpoints import Endpoint
from provender.tables.guard import check_files, check_text
from provender.tables.places import SUFFIXES, is_remote, local_files, partition_keys

TEXT = (Format.CSV, Format.JSONL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Files of one format: local paths, or URLs where there is an ``endpoint``.

    ``base`` is the folder that was asked for. Where the list of files is ``is_exact``, nothing is
    taken from their paths; ``governed`` ones are of the catalog.
    """

    format: Format
    base: str
    files: tuple[str, ...]
    endpoint: Endpoint | None = None
    governed: bool = False
    is_exact: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that folders below the base add, outermost first."""
        if self.governed or self.is_exact:
            return ()
        base = PurePosixPath(self.base)
        return partition_keys(base, [PurePosixPath(file) for file in self.files])

    @property
    def above(self) -> frozenset[str]:
        """The names in folders called ``name=value`` that lead to the base: not ours to read."""
        parts = PurePosixPath(self.base).parts
        return frozenset(part.partition("=")[0] for part in parts if "=" in part) - set(self.keys)

    @property
    def compression(self) -> str:
        """The option that says so to DuckDB, which does not see it in every path."""
        packed = all(file.lower().endswith(".gz") for file in self.files)
        return ", compression='gzip'" if packed else ""

    def relation(
        self, connection: duckdb.DuckDBPyConnection, function: str, *, options: str = ""
    ) -> duckdb.DuckDBPyRelation:
        """Return what the table ``function`` of DuckDB reads from the files.

        A column that a file does not have is null in its rows.

        Raises:
            InvalidInput: they are not files of that format, or of types that do not go together.
            Unavailable: object storage cannot be reached.
        """
        with self.explained():
            options += self._together(connection, function)
            call = self.call(connection, function, options=options)
            if not self.keys or not self.above:
                return connection.sql(f"SELECT * FROM {call}")
            plain = self.call(connection, function, options=options, partitioned=False)
            self._check_above(connection.sql(f"SELECT * FROM {plain}").columns)
            without = ", ".join(quote(name) for name in sorted(self.above))
            return connection.sql(f"SELECT * EXCLUDE ({without}) FROM {call}")

    def call(
        self,
        connection: duckdb.DuckDBPyConnection,
        function: str,
        *,
        options: str = "",
        partitioned: bool = True,
    ) -> str:
        """Return the SQL that calls the table ``function`` with the files."""
        hive = "true" if partitioned and self.keys else "false"
        listed = ", ".join(literal(place) for place in self.places(connection))
        return f"{function}([{listed}], hive_partitioning={hive}{options})"

    def places(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        """Return the files as ``connection`` opens them; no mark in a name stands for others."""
        if self.endpoint is not None:
            return objects.attach(connection, self.endpoint, list(self.files))
        return [escape(Path(file)) for file in self.files]

    def arrow(self) -> tuple[pafs.FileSystem, list[str]]:
        """Return the files as Arrow opens them: a file system, and paths in it."""
        if self.endpoint is None:
            return pafs.LocalFileSystem(), list(self.files)
        handler = pafs.FSSpecHandler(objects.files_of(self.endpoint))
        return pafs.PyFileSystem(handler), [file.partition("://")[2] for file in self.files]

    @contextmanager
    def opened(self, file: str) -> Iterator[IO[bytes]]:
        """Open one of the files to be read."""
        with self.explained(file):
            if self.endpoint is None:
                with Path(file).open("rb") as handle:
                    yield handle
            else:
                files: Any = objects.files_of(self.endpoint)
                with files.open(file.partition("://")[2]) as handle:
                    yield handle

    @contextmanager
    def explained(self, file: str = "") -> Iterator[None]:
        """Say in our words what is wrong with the files.

        Raises:
            NotFound: a file went away.
            InvalidInput: a file is not of the format.
            Corrupt: a file of the catalog is not.
            Unavailable: object storage cannot be reached.
        """
        where = file or (self.files[0] if len(self.files) == 1 else self.base)
        try:
            yield
        except ProvenderError:
            raise
        except duckdb.OutOfMemoryException:
            raise
        except (duckdb.Error, ValueError, EOFError) as error:
            raise self._wrong(error, where) from error
        except OSError as error:
            if self.endpoint is not None:
                with objects.explained(where):
                    raise
            raise self._wrong(error, where) from error

    def _together(self, connection: duckdb.DuckDBPyConnection, function: str) -> str:
        """Return the option by which files with different columns are read, if they are."""
        is_ours = self.governed or self.is_exact
        if self.format is not Format.PARQUET or is_ours or len(self.files) == 1:
            return ""
        if self.endpoint is None:
            different = unions.local_representatives(self.files)
        else:
            system, paths = self.arrow()
            listed = dict(zip(self.files, paths, strict=True))
            different = unions.remote_representatives(listed, system)
        if len(different) <= 1:
            return ""
        hidden = {*self.keys, *self.above}
        columns = {}
        for file in different:
            call = replace(self, files=(file,)).call(connection, function, partitioned=False)
            rows = connection.sql(f"SELECT * FROM {call}")
            types = zip(rows.columns, map(str, rows.types), strict=True)
            columns[file] = {name: kind for name, kind in types if name not in hidden}
        unions.check_columns(columns)
        return ", union_by_name=true"

    def _wrong(self, error: Exception, where: str) -> ProvenderError:
        said = str(error).split("\n", 1)[0]
        if self.governed:
            return Corrupt(f"{where} cannot be read: {said}", hint="restore it from a backup")
        if self.endpoint is not None and ("Traceback" in said or "Python" in said):
            return Unavailable(
                f"{where} cannot be read any more",
                hint="check the network and the credentials of the environment",
            )
        if "No files found" in said:
            return NotFound(f"there are no files at {where}", hint="check the path of the source")
        return InvalidInput(
            f"{where} cannot be read as {self.format}: {said}",
            hint="check the format of the source, and that the file is whole",
        )

    def _check_above(self, columns: list[str]) -> None:
        taken = sorted(self.above.intersection(columns))
        if taken:
            raise InvalidInput(
                f"{self.base} is in a folder called {taken[0]}=…, and its files have "
                f"columns called {', '.join(taken)}",
                hint=f"give the folder above {taken[0]}=… as the source, or rename that folder",
            )


def source_of(table: Table, root: Path) -> Source:
    """Return the files of ``table``; those of the catalog are in the lake at ``root``.

    Raises:
        NotFound: there are none.
        InvalidInput: a local file is broken, or declares far more than it holds.
        Corrupt: a file of the catalog is gone or changed.
        Unavailable: object storage cannot be reached.
    """
    if table.version is not None:
        kept = storage.verified_files(root, table)
        return Source(
            format=table.format,
            base=str(storage.resolve(root, table.location)),
            files=tuple(map(str, kept)),
            governed=True,
        )
    suffixes = SUFFIXES.get(table.format, ())
    if is_remote(table.location):
        base, urls = objects.named_files(table, *suffixes)
        endpoint = Endpoint.of(table)
        return Source(format=table.format, base=base, files=tuple(urls), endpoint=endpoint)
    folder, paths = local_files(table, *suffixes)
    if table.format in TEXT:
        paths = check_text(paths)
    elif table.format is Format.PARQUET:
        check_files(paths)
    return Source(format=table.format, base=str(folder), files=tuple(map(str, paths)))


def written(fmt: Format, file: Path) -> Source:
    """Return the one file that was just written to be a version."""
    return Source(format=fmt, base=str(file.parent), files=(str(file),), governed=True)


def escape(path: Path) -> str:
    """Return ``path`` such that DuckDB takes it as it is and not as a pattern."""
    return "".join(f"[{mark}]" if mark in "*?[" else mark for mark in str(path))
