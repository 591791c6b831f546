"""What holds of the facts: names, versions, grants, the audit trail, what was said when.

Each check yields what it is about and what is wrong with it. Nothing here can be put right but
from a backup, or by somebody who knows what happened.
"""

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Executable, Text, func, select, text, type_coerce
from sqlalchemy.orm import Session

from provender.catalog import proving, standings
from provender.catalog.rows import (
    BreakGlassRow,
    DatasetNameRow,
    DatasetRow,
    DomainRow,
    ErasureRow,
    GrantRow,
    HistoryRow,
    HoldRow,
    ModelRow,
    PersonRow,
    ProfileRow,
    PurposeRow,
    RepoRow,
    RequestedRow,
    RequestRow,
    RetentionRow,
    Row,
    RuleRow,
    TagRow,
    TeamRow,
    TermRow,
    TrainingSetRow,
    Value,
    VersionRow,
)
from provender.core.digest import canonical
from provender.core.errors import Corrupt, ProvenderError
from provender.core.lifecycle import Severity, State
from provender.core.policy import Grant
from provender.values import from_json

Wrong = Iterator[tuple[str, str]]
BATCH = 500
OPEN = HistoryRow.to_sequence.is_(None)


def database(db: Session) -> Wrong:
    """SQLite's pages, indices and references; PostgreSQL looks after its own."""
    if db.get_bind().dialect.name != "sqlite":
        return
    for fault in db.scalars(text("PRAGMA integrity_check")):
        if fault != "ok":
            yield "database", str(fault)
    for table, row, parent, _ in db.execute(text("PRAGMA foreign_key_check")):
        yield f"{table} row {row}", f"refers to a row of {parent} that is not there"


def values(db: Session) -> Wrong:
    """Every stored core value is one of its kind."""
    for table in Row.metadata.sorted_tables:
        for column in table.columns:
            if not isinstance(column.type, Value):
                continue
            keys = list(table.primary_key.columns)
            stored = select(type_coerce(column, Text), *keys).where(column.is_not(None))
            for value, *key in _streamed(db, stored):
                try:
                    from_json(column.type.kind, value)
                except ProvenderError as error:
                    yield f"{table.name} {' '.join(map(str, key))}", error.message


def audit_trail(db: Session) -> Wrong:
    """The chain of events holds, and time does not fall along it."""
    try:
        proving.prove(db)
    except Corrupt as error:
        yield "audit trail", error.message
    fallen = text(
        "SELECT later.sequence FROM audit_events later JOIN audit_events earlier "
        "ON earlier.sequence = later.sequence - 1 WHERE later.at < earlier.at"
    )
    for sequence in db.scalars(fallen):
        yield f"audit event {sequence}", "happened before the one that it follows"


def names(db: Session) -> Wrong:
    """A dataset's name is its current one of all that it ever had; nobody else has one."""
    current: dict[int, list[str]] = {}
    there = select(DatasetNameRow.dataset, DatasetNameRow.name)
    for number, name in db.execute(there.where(DatasetNameRow.until_at.is_(None))):
        current.setdefault(number, []).append(name)
    rows = db.execute(
        select(DatasetRow.id, DatasetRow.name, DatasetRow.withdrawn_at, DatasetRow.value)
    )
    for number, name, withdrawn_at, value in rows:
        called = current.get(number, [])
        if withdrawn_at is not None and called:
            yield name, f"is withdrawn, but its name {', '.join(called)} has no end"
        if withdrawn_at is None and called != [name]:
            yield name, f"is called {', '.join(sorted(called)) or 'nothing'} among the names"
        if value.ref.dataset != name:
            yield name, f"speaks of {value.ref.dataset}"


def versions(db: Session) -> Wrong:
    """Numbers have no gaps; what a row says beside its value, the value says too."""
    counted = select(
        DatasetRow.name, func.count(), func.min(VersionRow.number), func.max(VersionRow.number)
    ).join(VersionRow, VersionRow.dataset == DatasetRow.id)
    for name, count, first, last in db.execute(counted.group_by(DatasetRow.name)):
        if (first, last) != (1, count):
            yield name, f"has {count} versions, numbered {first} to {last}"
    ever: dict[int, set[str]] = {}
    for number, name in db.execute(select(DatasetNameRow.dataset, DatasetNameRow.name)):
        ever.setdefault(number, set()).add(name)
    for (row,) in _streamed(db, select(VersionRow)):
        yield from _wrong_in(row, ever.get(row.dataset, set()))


def _wrong_in(row: VersionRow, names: set[str]) -> Wrong:
    version, manifest = row.value, row.value.manifest
    events = manifest.event_range
    said = {
        "number": (row.number, version.number),
        "content": (row.content, manifest.content),
        "publication": (row.published_at, version.published_at),
        "row count": (row.row_count, manifest.row_count),
        "size": (row.size_bytes, manifest.size_bytes),
        "earliest event": (row.earliest, events and events.earliest),
        "latest event": (row.latest, events and events.latest),
    }
    for what, (beside, inside) in said.items():
        if beside != inside:
            yield str(version.ref), f"has the {what} {beside}, its manifest {inside}"
    if version.ref.dataset not in names:
        yield str(version.ref), "names a dataset that was never called so"
    if row.state not in set(State) or row.severity not in set(Severity):
        yield str(version.ref), f"stands at {row.state}, {row.severity}: no such state"


def grants(db: Session) -> Wrong:
    """What a grant's row says beside its value, the value says too."""
    for (row,) in _streamed(db, select(GrantRow)):
        given = row.value
        said = {
            "grantee": (row.grantee, given.grantee),
            "action": (row.action, given.action.value),
            "end": (row.until, given.until),
            "revocation": (row.revoked_at, given.revoked_at),
        }
        for what, (beside, inside) in said.items():
            if beside != inside:
                yield f"grant {given.id}", f"has the {what} {beside}, its value {inside}"
        if row.object_kind == "dataset" and row.dataset is None:
            yield f"grant {given.id}", "is on no dataset"


def requests(db: Session) -> Wrong:
    """What a request's row says beside its value, the value says too; its datasets are its parts."""
    of: dict[int, set[str]] = {}
    named = select(RequestedRow.request, DatasetRow.name)
    for number, name in db.execute(named.join(DatasetRow, DatasetRow.id == RequestedRow.dataset)):
        of.setdefault(number, set()).add(name)
    for (row,) in _streamed(db, select(RequestRow)):
        asked = row.value
        said = {
            "requester": (row.requester, asked.requester),
            "grantee": (row.grantee, asked.grantee),
            "state": (row.state, asked.state.value),
            "end": (row.lapses_at, asked.lapses_at),
            "datasets": (of.get(row.number, set()), set(asked.datasets)),
        }
        for what, (beside, inside) in said.items():
            if beside != inside:
                yield f"request {asked.id}", f"has the {what} {beside}, its value {inside}"


def holds(db: Session) -> Wrong:
    """A dataset is on hold exactly if its retention says so, for the reason that it says."""
    placed: dict[int, list[str]] = {}
    open_holds = select(HoldRow.dataset, HoldRow.reason).where(HoldRow.until_at.is_(None))
    for number, reason in db.execute(open_holds):
        placed.setdefault(number, []).append(reason)
    rows = select(DatasetRow.id, DatasetRow.name, RetentionRow.value).join(
        RetentionRow, RetentionRow.dataset == DatasetRow.id, isouter=True
    )
    for number, name, rule in db.execute(rows):
        said = [rule.hold] if rule is not None and rule.hold else []
        if placed.get(number, []) != said:
            yield name, f"is on hold for {placed.get(number, [])}, its retention says {said}"


def erasures(db: Session) -> Wrong:
    """What was erased is gone, and nothing that was measured of it is there."""
    numbers = {urn: number for urn, number in db.execute(select(DatasetRow.urn, DatasetRow.id))}  # noqa: C416 - typed
    for value in db.scalars(select(ErasureRow.value)):
        for done in value.erased:
            gone = {
                (numbers.get(done.urn), number): f"{done.dataset}@{number}"
                for number in done.erased
            }
            for key, name in gone.items():
                row = db.get(VersionRow, key)
                if row is not None and row.value.manifest.digest not in done.manifests:
                    continue  # of a backup from before: another version has that number
                if row is not None and row.data_gone_at is None:
                    yield name, f"was erased by {value.id}, and is not marked as gone"
                if row is not None and _is_measured(db, row):
                    yield name, f"was erased by {value.id}, and has a profile"


def models(db: Session) -> Wrong:
    """Numbers of a model's versions have no gaps; each is of a training set that is there."""
    counted = select(
        ModelRow.name, func.count(), func.min(ModelRow.number), func.max(ModelRow.number)
    )
    for name, count, first, last in db.execute(counted.group_by(ModelRow.name)):
        if (first, last) != (1, count):
            yield f"model {name}", f"has {count} versions, numbered {first} to {last}"
    kept = select(TrainingSetRow.id)
    lost = select(ModelRow.name, ModelRow.number, ModelRow.training_set)
    for name, number, made_of in db.execute(lost.where(ModelRow.training_set.not_in(kept))):
        yield f"model {name}@{number}", f"was made of {made_of}, which is not there"
    for (row,) in _streamed(db, select(ModelRow)):
        said, beside = row.value.trained, (row.name, row.number, row.training_set, row.artifact)
        if beside != (said.name, row.value.number, said.training_set, said.artifact):
            yield f"model {row.name}@{row.number}", f"speaks of {row.value.id}, or of another set"


def _is_measured(db: Session, row: VersionRow) -> bool:
    of_version = (ProfileRow.dataset == row.dataset, ProfileRow.number == row.number)
    return db.scalar(select(ProfileRow.number).where(*of_version).limit(1)) is not None


def history(db: Session) -> Wrong:
    """Of an object one state follows the other, without a gap, and at most one is open."""
    in_order = select(HistoryRow).order_by(
        HistoryRow.kind, HistoryRow.key, HistoryRow.from_sequence
    )
    before: HistoryRow | None = None
    for (row,) in _streamed(db, in_order):
        about = f"{row.kind} {row.key}"
        if row.to_sequence is not None and row.to_sequence < row.from_sequence:
            yield about, f"was said from {row.from_sequence} to {row.to_sequence}"
        if before is not None and (before.kind, before.key) == (row.kind, row.key):
            if before.to_sequence is None:
                yield about, f"has no end from {before.from_sequence}, yet another state follows"
            elif (before.to_sequence, before.to_at) != (row.from_sequence, row.from_at):
                yield about, f"said nothing between {before.to_sequence} and {row.from_sequence}"
        before = row


def history_is_current(db: Session) -> Wrong:
    """What history says of now is what the tables say, of every kind that it keeps."""
    for kind, current in CURRENT.items():
        rows = select(HistoryRow.key, HistoryRow.value).where(HistoryRow.kind == kind, OPEN)
        said = {key: value for key, value in db.execute(rows) if value is not None}
        for key, value in current(db):
            text_then = said.pop(key, None)
            if text_then is None:
                yield f"{kind} {key}", "is there, and history does not say so"
            elif not _same(text_then, value):
                yield f"{kind} {key}", "is not what history says it is"
        for key, text_then in said.items():
            if not (kind == "grant" and _ended(text_then)):
                yield f"{kind} {key}", "is not there, but history says it is"


def _same(said: str, value: Any) -> bool:
    """Whether history says ``value``; what was said before a kind got a field leaves that out."""
    if said == canonical(value):
        return True
    return not isinstance(value, dict) and bool(from_json(type(value), said) == value)


def _ended(said: str) -> bool:
    """Whether a grant was revoked: with its dataset it may have gone since."""
    return from_json(Grant, said).revoked_at is not None


def _keyed(key: Any, value: Any) -> Callable[[Session], Iterator[tuple[str, Any]]]:
    return lambda db: _pairs(db, select(key, value))


def _pairs(db: Session, of_key_and_value: Executable) -> Iterator[tuple[str, Any]]:
    for row in _streamed(db, of_key_and_value):
        yield row[0], row[1]


def _streamed(db: Session, statement: Executable) -> Iterator[Any]:
    """The rows, a batch at a time; PostgreSQL's cursor is closed also if not all are taken."""
    with db.execute(statement.execution_options(yield_per=BATCH)) as rows:
        yield from rows


def _teams(db: Session) -> Iterator[tuple[str, Any]]:
    yield from ((name, {"id": name}) for name in db.scalars(select(TeamRow.id)))


def _purposes(db: Session) -> Iterator[tuple[str, Any]]:
    for row in db.scalars(select(PurposeRow)):
        yield row.name, {"name": row.name, "description": row.description}


def _datasets(db: Session) -> Iterator[tuple[str, Any]]:
    there = select(DatasetRow.urn, DatasetRow.value).where(DatasetRow.withdrawn_at.is_(None))
    return _pairs(db, there)


def _standings(db: Session) -> Iterator[tuple[str, Any]]:
    rows = select(DatasetRow.urn, VersionRow).join(VersionRow, VersionRow.dataset == DatasetRow.id)
    for urn, row in _streamed(db, rows):
        yield f"{urn}@{row.number}", standings.standing(row)


def _grants(db: Session) -> Iterator[tuple[str, Any]]:
    yield from ((grant.id, grant) for grant in db.scalars(select(GrantRow.value)))


def _requests(db: Session) -> Iterator[tuple[str, Any]]:
    yield from ((asked.id, asked) for asked in db.scalars(select(RequestRow.value)))


def _broken(db: Session) -> Iterator[tuple[str, Any]]:
    yield from ((taken.id, taken) for taken in db.scalars(select(BreakGlassRow.value)))


def _definitions(db: Session) -> Iterator[tuple[str, Any]]:
    last = select(RepoRow.project, func.max(RepoRow.number).label("number"))
    newest = last.group_by(RepoRow.project).subquery()
    rows = select(RepoRow.project, RepoRow.value).join(
        newest, (RepoRow.project == newest.c.project) & (RepoRow.number == newest.c.number)
    )
    return _pairs(db, rows)


def _retentions(db: Session) -> Iterator[tuple[str, Any]]:
    rows = select(DatasetRow.urn, RetentionRow.value)
    return _pairs(db, rows.join(RetentionRow, RetentionRow.dataset == DatasetRow.id))


CURRENT: dict[str, Callable[[Session], Iterator[tuple[str, Any]]]] = {
    "team": _teams,
    "person": _keyed(PersonRow.id, PersonRow.value),
    "domain": _keyed(DomainRow.name, DomainRow.value),
    "tag": _keyed(TagRow.name, TagRow.value),
    "term": _keyed(TermRow.name, TermRow.value),
    "purpose": _purposes,
    "rule": _keyed(RuleRow.id, RuleRow.value),
    "dataset": _datasets,
    "version": _standings,
    "grant": _grants,
    "request": _requests,
    "break-glass": _broken,
    "definitions": _definitions,
    "retention": _retentions,
}
"""What is in the tables now, by the kind that history keeps it as: its key there, and its value."""
