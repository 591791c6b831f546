"""Rows that were pushed to the offline store: those of many pushes in one version, each push once.

A push may have an id, by which its sender sends it again when no answer came. The ids of what a
version brought stand in its note (`pushids`), so that whoever appends next, in whichever process, sees them
in the same history that it publishes into: a push is there once, or not at all. Only datasets of the
catalog have such a history; of pushes to files the ids are known to this process alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from feast.data_source import DataSource
from feast.feature_view import FeatureView

from provender import bootstrap
from provender.core.clock import utc_now
from provender.core.errors import Conflict, Incompatible, InvalidInput, ProvenderError, Unavailable
from provender.core.features import ViewSpec
from provender.feast_plugin import collaborators, gate
from provender.feast_plugin.appends import (
    append,
    check_columns,
    latest_of,
    publish_behind,
    schema_behind,
)
from provender.feast_plugin.definitions import open_store
from provender.feast_plugin.joins import batch_source
from provender.feast_plugin.pushids import Known, PushId, check_rows, note_of
from provender.feast_plugin.runs import pushed_views
from provender.feast_plugin.source import CatalogSource
from provender.feast_plugin.terms import Terms
from provender.feast_plugin.translation import view_spec
from provender.online.columns import CREATED_TIMESTAMPS, EVENT_TIMESTAMP, Columns, row_count
from provender.online.kinds import is_null, kind_of
from provender.online.nesting import shown
from provender.settings import Settings
from provender.tables.arrow import type_word
from provender.tables.pinning import arrow_columns

ATTEMPTS = 20
"""How often rows are appended again where somebody else published meanwhile."""

Outcome = ProvenderError | None


@dataclass(frozen=True, slots=True)
class Push:
    """Columns of plain values as they came, and the id of the push; empty: it has none."""

    columns: Columns
    id: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Where rows go: the source of views, its columns, and by which names each of them may come."""

    source: DataSource
    where: str
    schema: pa.Schema
    names: Mapping[str, tuple[str, ...]]


class Appender:
    """Appends pushes to the sources of one Feast repository; not for several threads."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self._path = path
        self._settings = settings
        self._known: dict[str, Known] = {}
        bootstrap.prepare_home(settings)

    def append(self, source: str, pushes: Sequence[Push]) -> list[Outcome]:
        """Append the rows of ``pushes`` to the sources behind push source ``source``.

        Returns:
            What is wrong with each push; None: its rows are there for good, in one version with
            the others', or were already. A push that does not fit keeps no other out.

        Raises:
            NotFound: no applied view has that push source.
            Denied: the actor may not publish the dataset behind it.
        """
        with open_store(self._path, self._settings) as store:
            views = pushed_views(store, source)
            gate.check_push(store.config, views)
            terms = Terms.of(store.config)
            return self._append(_targets(views, terms), source, pushes, terms)

    def _append(
        self, targets: Sequence[Target], source: str, pushes: Sequence[Push], terms: Terms
    ) -> list[Outcome]:
        outcomes: list[Outcome] = [None] * len(pushes)
        fitting: dict[int, list[pa.Table]] = {}
        for index, push in enumerate(pushes):
            try:
                fitting[index] = [typed(push.columns, target) for target in targets]
            except ProvenderError as error:
                outcomes[index] = error
        ids = {
            i: PushId.of(source, pushes[i].id, pushes[i].columns) for i in fitting if pushes[i].id
        }
        for number, target in enumerate(targets):
            rows = {i: tables[number] for i, tables in fitting.items() if outcomes[i] is None}
            for index, refusal in self._append_fitting(target, rows, ids, terms).items():
                outcomes[index] = refusal
        return outcomes

    def _append_fitting(
        self, target: Target, rows: Mapping[int, pa.Table], ids: Mapping[int, PushId], terms: Terms
    ) -> dict[int, ProvenderError]:
        """Append ``rows``; return the errors of those that were refused.

        Some rows are refused only once they are written: then each half is tried, so that one
        such push makes few versions more.
        """
        try:
            return self._append_to(target, rows, ids, terms)
        except InvalidInput as error:
            if len(rows) == 1:
                return dict.fromkeys(rows, error)
            middle, entries = len(rows) // 2, list(rows.items())
            halves = (dict(entries[:middle]), dict(entries[middle:]))
            first, second = (self._append_fitting(target, half, ids, terms) for half in halves)
            return first | second
        except ProvenderError as error:
            return dict.fromkeys(rows, error)

    def _append_to(
        self, target: Target, rows: Mapping[int, pa.Table], ids: Mapping[int, PushId], terms: Terms
    ) -> dict[int, ProvenderError]:
        """Append those of ``rows`` whose id is not there yet; return why others are refused.

        Raises:
            Unavailable: others publish all the time, or the lake cannot be written.
            InvalidInput: the rows of one of them are refused, so all are.
        """
        known = self._known.setdefault(target.where, Known())
        for _ in range(ATTEMPTS):
            now, latest = utc_now(), None
            if isinstance(target.source, CatalogSource):
                latest = latest_of(target.source, terms)
                catalog = collaborators.catalog(terms.settings)
                known.learn(catalog, target.source.ref, latest.number, now=now)
            known.forget(now=now)
            new, fresh, refused = _sorted_out(rows, ids, known)
            if not new:
                return refused
            table = pa.concat_tables(new)
            try:
                if isinstance(target.source, CatalogSource) and latest is not None:
                    publish_behind(target.source, latest, table, terms, note=note_of(fresh))
                else:
                    append(target.source, table, terms, wanted_by=target.where)
            except Incompatible:
                raise
            except Conflict:
                continue
            known.add(fresh, at=now)
            return refused
        raise Unavailable(
            f"others publish {target.where} all the time: the rows were tried {ATTEMPTS} times",
            hint="push again",
        )


def typed(columns: Columns, target: Target) -> pa.Table:
    """Return pushed ``columns`` with the names and types of the source.

    A column may be called as in the source, or as the feature, key or timestamp that is made of it.

    Raises:
        InvalidInput: columns are missing, or others are there; they are of different lengths;
            or a value is not of its column's type.
    """
    row_count(columns)
    called = {
        name: next((other for other in names if other in columns), "")
        for name, names in target.names.items()
    }
    used = {other: name for name, other in called.items() if other}
    given = [used.get(column, column) for column in columns]
    check_columns(given, target.schema.names, target.where)
    arrays = [_array(columns[called[field.name]], field, target.where) for field in target.schema]
    return pa.Table.from_arrays(arrays, schema=target.schema)


def _targets(views: Sequence[FeatureView], terms: Terms) -> list[Target]:
    """Return the sources of ``views``, each once."""
    by_name: dict[str, tuple[DataSource, list[ViewSpec]]] = {}
    for view in views:
        source = batch_source(view)
        by_name.setdefault(source.name, (source, []))[1].append(view_spec(view))
    return [_target(source, specs, terms) for source, specs in by_name.values()]


def _target(source: DataSource, views: Sequence[ViewSpec], terms: Terms) -> Target:
    if isinstance(source, CatalogSource):
        where, schema = source.ref.dataset, schema_behind(latest_of(source, terms))
    else:
        table = terms.table(source, wanted_by=f"push source of {views[0].name}")
        where, schema = table.location, arrow_columns(table, terms.settings.lake)
    also: dict[str, list[str]] = {name: [name] for name in schema.names}
    for view in views:
        for one in (*view.join_keys, *view.features):
            also.setdefault(one.source_column, []).append(one.name)
        also.setdefault(view.event_timestamp, []).append(EVENT_TIMESTAMP)
        if view.created_timestamp:
            also.setdefault(view.created_timestamp, []).extend(CREATED_TIMESTAMPS)
    names = {name: tuple(dict.fromkeys(also[name])) for name in schema.names}
    return Target(source, where, schema, names)


def _array(values: Sequence[Any], column: pa.Field, where: str) -> pa.Array:
    word = type_word(column.type)
    is_local = word == "timestamp_local"  # Feast's sources mean UTC by it
    kind = kind_of("timestamp" if is_local else word)
    found: list[Any] = []
    for index, value in enumerate(values):
        if is_null(value):
            found.append(None)
            continue
        try:
            written = kind.write(value)
            read = kind.read(written) if kind.read else written
            found.append(read.replace(tzinfo=None) if is_local else read)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidInput(
                f"row {index} for {where}: {column.name} is {word}, and {shown(value)} is not: {error}",
                hint=f"give {column.name} values of that type",
            ) from None
    try:
        return pa.array(found, column.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise InvalidInput(
            f"the rows for {where} have values in {column.name} that are no {column.type}: {error}",
            hint=f"give {column.name} values of that type",
        ) from error


def _sorted_out(
    rows: Mapping[int, pa.Table], ids: Mapping[int, PushId], known: Known
) -> tuple[list[pa.Table], dict[str, str], dict[int, ProvenderError]]:
    """Return the tables to append, the ids that they bring, and who is refused for the id's sake.

    Of one id only the first is appended.
    """
    new: list[pa.Table] = []
    fresh: dict[str, str] = {}
    refused: dict[int, ProvenderError] = {}
    for index, table in rows.items():
        one = ids.get(index)
        if one is None:
            new.append(table)
            continue
        try:
            if known.has(one):
                continue
            if one.token in fresh:
                check_rows(one, fresh[one.token])
                continue
        except InvalidInput as error:
            refused[index] = error
            continue
        fresh[one.token] = one.rows
        new.append(table)
    return new, fresh, refused
