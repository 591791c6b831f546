"""Spines given as SQL: one query over datasets and sources that are named, and nothing else.

The query runs in a DuckDB that sees no file, no network and no Python variable. The tables that
it names are streamed to it from outside, and of each only the columns that the query uses: what
it could read without a permit is not there. Where the used columns are not plain (NATURAL JOIN,
COLUMNS(…), PIVOT, a row taken as a whole), all of them count as used.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import sqlglot
from feast.data_source import PushSource
from feast.infra.registry.base_registry import BaseRegistry
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope

from provender import bootstrap
from provender.core.clock import utc_now
from provender.core.errors import InvalidInput, ProvenderError
from provender.core.names import DatasetRef, suggest
from provender.core.policy import Action, Permit
from provender.core.training import Table
from provender.feast_plugin.source import CatalogSource
from provender.feast_plugin.terms import Terms
from provender.offline.scan import BATCH_ROWS, bounded_session, column_names, scan
from provender.offline.spine import Spine
from provender.offline.spines import of_stream
from provender.tables.arrow import quote

HINT = (
    "it is one query of DuckDB's SQL over datasets and data sources, without files, such as "
    "SELECT driver_id, event_timestamp FROM shop.trips"
)
STAND_IN = "provender_source_"
"""Begins the names of the tables while the columns are looked up."""

Name = tuple[str, ...]
Find = Callable[[str], Table]
"""The table that a dataset's or source's name stands for; NotFound if for none."""


@dataclass(frozen=True, slots=True)
class Source:
    """A table that a query names, and which of its columns the query uses, in the table's order."""

    name: Name
    table: Table
    columns: tuple[str, ...]


def run_sql(query: str, find: Find, terms: Terms) -> Spine:
    """Return the rows of ``query``.

    Raises:
        InvalidInput: it is not one query, or cannot be run.
        NotFound: it names a table that is neither a dataset nor a data source.
        Denied: a column that it uses is closed to the actor.
    """
    tree = _parse(query)
    tables = {name: find(".".join(name)) for name in dict.fromkeys(map(_name, _named(tree)))}
    columns = {name: column_names(terms.engine, table) for name, table in tables.items()}
    plain = _plain(tree, columns) if tables else None
    used = plain.used if plain else {name: set(listed) for name, listed in columns.items()}
    sources = [
        Source(name, table, tuple(column for column in columns[name] if column in used[name]))
        for name, table in tables.items()
    ]
    text = plain.written_out if plain and _leaves_out(tree) else query
    return _run(text, sources, _permit(sources, terms), terms)


def named_tables(registry: BaseRegistry, project: str, terms: Terms) -> Find:
    """Return what finds a table by the name of a data source, or of a dataset: ``domain.name``, ``"domain.name@3"``."""

    def find(name: str) -> Table:
        sources = {
            source.name: source for source in registry.list_data_sources(project, allow_cache=True)
        }
        source = sources.get(name)
        if source is None and bootstrap.has_catalog(terms.settings) and _is_dataset(name):
            source = CatalogSource(dataset=name)
        if isinstance(source, PushSource):
            source = source.batch_source
        if source is None:
            raise _refused(f"there is no table {name}; {suggest(name, sources)}")
        return terms.table(source, wanted_by="the spine's SQL")

    return find


def _is_dataset(name: str) -> bool:
    try:
        DatasetRef.parse(name)
    except InvalidInput:
        return False
    return True


def _permit(sources: Sequence[Source], terms: Terms) -> Permit | None:
    if not sources:
        return None
    columns = {column for source in sources for column in source.table.columns(source.columns)}
    tables = [source.table for source in sources]
    return terms.permit(Action.READ, tables, columns, purpose=terms.purpose)


def _parse(query: str) -> exp.Query:
    try:
        statements = sqlglot.parse(query, dialect="duckdb")
    except SqlglotError as error:
        raise _refused(str(error)) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise _refused("it is not one SELECT")
    return statements[0]


def _named(tree: exp.Query) -> Iterator[exp.Table]:
    """The tables of a query that are neither its own CTEs nor functions."""
    for scope in traverse_scope(tree):
        for source in scope.sources.values():
            if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier):
                yield source


def _name(table: exp.Table) -> Name:
    return tuple(part.name for part in table.parts)


def _leaves_out(tree: exp.Query) -> bool:
    """Whether a star leaves columns out, which are then not there to be left out."""
    return any(any(star.args.values()) for star in tree.find_all(exp.Star))


@dataclass(frozen=True, slots=True)
class _Plain:
    """A query whose used columns are known, and its text with every star written out."""

    used: dict[Name, set[str]]
    written_out: str


def _plain(tree: exp.Query, columns: dict[Name, list[str]]) -> _Plain | None:
    """What the query uses; None where that cannot be told."""
    natural = any(join.args.get("method") == "NATURAL" for join in tree.find_all(exp.Join))
    if natural or tree.find(exp.Columns, exp.Pivot):
        return None
    try:
        qualified = _qualified(tree, columns)
        found = _columns_by_table(qualified)
    except SqlglotError:
        return None
    if found is None:
        return None
    joined_by = {
        identifier.name.lower()
        for join in tree.find_all(exp.Join)
        for identifier in join.args.get("using") or ()
    }
    used = {
        name: {one for one in listed if one.lower() in found[f"{STAND_IN}{number}"] | joined_by}
        for number, (name, listed) in enumerate(columns.items())
    }
    return _Plain(used, qualified.sql(dialect="duckdb"))


def _qualified(tree: exp.Query, columns: dict[Name, list[str]]) -> exp.Query:
    """The query with every table under a stand-in's name, and every column with its table."""
    stand_ins = {name: f"{STAND_IN}{number}" for number, name in enumerate(columns)}
    copy = tree.copy()
    for table in list(_named(copy)):
        if not table.alias:
            table.set("alias", exp.TableAlias(this=table.this.copy()))
        stand_in = stand_ins[_name(table)]
        table.set("this", exp.to_identifier(stand_in))
        table.set("db", None)
        table.set("catalog", None)
    for column in copy.find_all(exp.Column):
        column.set("db", None)
        column.set("catalog", None)
    schema: dict[str, object] = {
        stand_in: {quote(column): "unknown" for column in columns[name]}
        for name, stand_in in stand_ins.items()
    }
    return qualify(copy, dialect="duckdb", schema=schema, validate_qualify_columns=False)


def _columns_by_table(tree: exp.Query) -> dict[str, set[str]] | None:
    """Per stand-in the columns used, in lower case; None if one is of no table that is known."""
    found: dict[str, set[str]] = defaultdict(set)
    if tree.find(exp.TableColumn):  # a row taken as a whole
        return None
    for scope in traverse_scope(tree):
        if any(isinstance(one, exp.Star) for one in scope.expression.expressions):
            return None
        for column in scope.columns:
            source = _source_of(column.table, scope)
            if source is None or isinstance(column.this, exp.Star):
                return None
            if isinstance(source, exp.Table) and source.name.startswith(STAND_IN):
                found[source.name].add(column.name.lower())
    return found


def _source_of(name: str, scope: Scope | None) -> object:
    while scope is not None:
        if name in scope.sources:
            return scope.sources[name]
        scope = scope.parent
    return None


def _run(text: str, sources: Sequence[Source], permit: Permit | None, terms: Terms) -> Spine:
    try:
        with bounded_session(terms.engine, isolated=True) as session:
            for number, source in enumerate(sources):
                _register(session, number, source, permit, terms)
            session.execute("SET lock_configuration=true")
            relation = session.sql(text)
            if relation is None:
                raise _refused("it gives no rows")
            reader = relation.to_arrow_reader(BATCH_ROWS)
            return of_stream(reader.schema, reader, spill=terms.engine.spill)
    except ProvenderError as error:
        short = isinstance(error.__cause__, duckdb.OutOfMemoryException)
        if isinstance(error.__cause__, duckdb.Error) and not short:
            raise _refused(str(error.__cause__)) from error.__cause__
        raise


def _register(
    session: duckdb.DuckDBPyConnection,
    number: int,
    source: Source,
    permit: Permit | None,
    terms: Terms,
) -> None:
    stand_in = f"{STAND_IN}{number}"
    session.register(stand_in, _Rows(source, permit, terms))
    *folder, name = source.name
    if folder:
        session.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(folder[-1])}")
    place = ".".join(quote(part) for part in [*folder, name])
    session.execute(f"CREATE VIEW {place} AS FROM {stand_in}")


@dataclass(frozen=True, slots=True)
class _Rows:
    """A table's used columns, streamed anew for every scan of it."""

    source: Source
    permit: Permit | None
    terms: Terms

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        if self.permit is None:
            raise RuntimeError("a table is only named with a permit for it")
        reader: pa.RecordBatchReader = scan(
            self.terms.engine, self.source.table, self.source.columns, self.permit,
            now=utc_now(), key=self.terms.key,
        )  # fmt: skip
        return reader.__arrow_c_stream__(requested_schema)


def _refused(why: str) -> InvalidInput:
    return InvalidInput(f"the spine's SQL cannot be run: {why}", hint=HINT)
