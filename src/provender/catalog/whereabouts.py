"""Where values of a join key are: in which columns of which datasets, and where no catalog governs."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from sqlalchemy import Text, func, or_, select, type_coerce
from sqlalchemy.orm import Session

from provender.catalog import access, naming
from provender.catalog.rows import DatasetRow, RepoRow, RetentionRow, VersionRow
from provender.core.digest import canonical
from provender.core.erasure import Place, Scope, columns_of
from provender.core.errors import Conflict, InvalidInput
from provender.core.features import RepoSpec
from provender.core.names import DatasetRef, unknown
from provender.core.people import Actor
from provender.core.policy import Action

AT_ONCE = 50


def foresee(
    db: Session, by: Actor, join_key: str, datasets: Sequence[str], *, now: datetime
) -> Scope:
    """Return where values of ``join_key`` are, in ``datasets`` only, where some are named.

    Raises:
        Denied: ``by`` does not govern.
        NotFound: a dataset is not there, or has no such column.
        Conflict: one of them is on hold.
    """
    check_allowed(db, by, now=now)
    repos, rows = _repos(db), {row.name: row for row in _datasets(db)}
    columns = _columns(db, join_key, repos, rows)
    wanted = [_named(db, columns, text) for text in datasets]
    places = tuple(
        Place(dataset=name, urn=rows[name].urn, columns=found)
        for name, found in columns.items()
        if not wanted or name in wanted
    )
    if not places:
        raise InvalidInput(
            f"no dataset has a column {join_key!r}, and no feature view joins by it",
            hint="name a join key, as entities and columns do",
        )
    check_no_hold(db, [rows[place.dataset] for place in places])
    return Scope(
        places=places,
        unkeyed=tuple(_unkeyed(db, rows, columns)),
        elsewhere=tuple(_elsewhere(repos, join_key)),
    )


def check_allowed(db: Session, by: Actor, *, now: datetime) -> None:
    """Check that ``by`` may erase subjects.

    Raises:
        Denied: they do not govern.
    """
    access.check(db, by, Action.GOVERN, [access.EVERYTHING], now=now, doing="erase a subject")


def check_no_hold(db: Session, rows: Iterable[DatasetRow]) -> None:
    """Check that data of datasets may go.

    Raises:
        Conflict: one is on hold.
    """
    for row in rows:
        rule = db.get(RetentionRow, row.id)
        if rule is not None and rule.value.hold:
            raise Conflict(
                f"{row.name} is on hold: {rule.value.hold}",
                hint=f"lift it (provender dataset hold {row.name} --lift), or name the datasets "
                "that are not",
            )


def _named(db: Session, columns: dict[str, tuple[str, ...]], text: str) -> str:
    row = naming.locate(db, DatasetRef.parse(text).dataset)
    if row is None or row.name not in columns:
        raise unknown("dataset with that join key", text, list(columns))
    return row.name


def _datasets(db: Session) -> Sequence[DatasetRow]:
    """Every dataset, be it withdrawn: its files are there."""
    return db.scalars(select(DatasetRow).order_by(DatasetRow.name)).all()


def _columns(
    db: Session, join_key: str, repos: Sequence[RepoSpec], rows: dict[str, DatasetRow]
) -> dict[str, tuple[str, ...]]:
    """The columns with values of ``join_key``, by what datasets are called now."""
    views = [view for repo in repos for view in repo.views if view.dataset is not None]
    said = {name: row.value.column_from for name, row in rows.items() if row.value.column_from}
    named = {str(view.dataset.at(None)) for view in views if view.dataset is not None}
    sources = {one for made in said.values() for many in made.values() for one in many}
    now = naming.current(db, named | {one.rpartition(".")[0] for one in sources})
    joined = {
        (now[str(view.dataset.at(None))], key.source_column)
        for view in views
        for key in view.join_keys
        if view.dataset is not None and key.name == join_key
    }
    made_from = {
        name: {column: [_now(one, now) for one in many] for column, many in made.items()}
        for name, made in said.items()
    }
    known = {name for name, _ in joined} | set(made_from)
    return columns_of(join_key, joined, _schemas(db, rows, join_key, known), made_from)


def _now(column: str, now: dict[str, str]) -> str:
    dataset, _, name = column.rpartition(".")
    return f"{now[dataset]}.{name}"


def _schemas(
    db: Session, rows: dict[str, DatasetRow], join_key: str, known: Iterable[str]
) -> dict[str, frozenset[str]]:
    """Every column that any version ever had, of the datasets in which ``join_key`` can be."""
    is_said = type_coerce(VersionRow.value, Text).contains(canonical(join_key), autoescape=True)
    is_known = VersionRow.dataset.in_([rows[name].id for name in known if name in rows])
    found: dict[int, set[str]] = defaultdict(set)
    every = select(VersionRow.dataset, VersionRow.value).where(or_(is_said, is_known))
    for dataset, version in db.execute(every.execution_options(yield_per=AT_ONCE)):
        found[dataset].update(version.manifest.schema.names)
    return {name: frozenset(found[row.id]) for name, row in rows.items() if row.id in found}


def _repos(db: Session) -> list[RepoSpec]:
    last = select(RepoRow.project, func.max(RepoRow.number).label("n")).group_by(RepoRow.project)
    newest = last.subquery()
    on = (RepoRow.project == newest.c.project) & (RepoRow.number == newest.c.n)
    return list(db.scalars(select(RepoRow.value).join(newest, on).order_by(RepoRow.project)))


def _elsewhere(repos: Iterable[RepoSpec], join_key: str) -> Iterator[str]:
    """Feature views whose source no catalog governs."""
    for repo in repos:
        for view in repo.views:
            if view.dataset is None and any(key.name == join_key for key in view.join_keys):
                yield f"the source of feature view {repo.project}/{view.name}"


def _unkeyed(
    db: Session, rows: dict[str, DatasetRow], columns: dict[str, tuple[str, ...]]
) -> Iterator[str]:
    """Datasets without the key of which a version was made from one with it."""
    others = {row.id: name for name, row in rows.items() if name not in columns}
    made_of: dict[str, set[str]] = defaultdict(set)
    has_inputs = ~type_coerce(VersionRow.value, Text).contains('"inputs":[]')
    every = select(VersionRow.dataset, VersionRow.value).where(has_inputs)
    for dataset, version in db.execute(every.execution_options(yield_per=AT_ONCE)):
        if dataset in others:
            made_of[others[dataset]].update(ref.dataset for ref in version.manifest.inputs)
    now = naming.current(db, {name for sources in made_of.values() for name in sources})
    yield from sorted(
        name for name, sources in made_of.items() if any(now[one] in columns for one in sources)
    )
