"""Names of datasets change; what was said, granted, published and made under the old one stays."""

from dataclasses import replace

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from provender.catalog import (
    access,
    breakglass,
    changes,
    declarations,
    epoch,
    history,
    indexing,
    naming,
    revisions,
    standings,
)
from provender.catalog.changes import Change
from provender.catalog.rows import (
    DatasetNameRow,
    DatasetRow,
    DomainRow,
    FactRow,
    GrantRow,
    NodeRow,
    RequestedRow,
    RequestRow,
    RuleRow,
)
from provender.core.audit import EventKind
from provender.core.errors import InvalidInput
from provender.core.lineage import NodeKind
from provender.core.names import DatasetRef, unknown
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef


def rename(
    db: Session, by: Actor, ref: DatasetRef, to: str, *, expected: int | None, change: Change
) -> DatasetRow:
    """Return the row of a dataset that is called ``to`` from now on.

    Its former names go on meaning it: no other dataset ever gets one of them. Rules that name
    the dataset by its whole name name it by the new one.

    Raises:
        NotFound: ``by`` knows no such dataset, or the new domain is not declared.
        Denied: ``by`` does not steward it; or does not govern, and the domain changes.
        Conflict: another dataset is called so, or was once.
        InvalidInput: ``to`` is no name of a dataset.
        PreconditionFailed: the dataset was changed meanwhile.
    """
    target = DatasetRef.parse(to)
    row = access.discovered(db, by, ref.dataset, now=change.at)
    old = row.value.ref
    access.check(db, by, Action.STEWARD, [ColumnRef(row.name)], now=change.at)
    _check_target(db, by, ref, old, target, change=change)
    revisions.check(row, expected)
    if target == old:
        return row
    naming.add_names(db, {target.dataset: row.id}, now=change.at)
    db.get_one(DatasetNameRow, old.dataset).until_at = change.at
    row.name, row.domain = target.dataset, target.domain
    row.value = replace(row.value, ref=target)
    revisions.further(row, change)
    db.flush()
    _rename_lineage(db, row.id, old, target)
    _rename_grants(db, change, row)
    _rename_requests(db, change, row, old)
    breakglass.rename(db, change, row)
    _rename_rules(db, change, old, target)
    history.keep(db, change, "dataset", row.urn, row.value)
    epoch.bump(db)
    indexing.settle(db, [row])  # rules are of names
    latest = standings.newest(db, row.id)
    declarations.index(db, change, row.value, latest.value if latest else None)
    changes.tell(
        db,
        change,
        EventKind.DATASET_RENAME,
        target.dataset,
        {"was": old.dataset, "becomes": target.dataset},
    )
    return row


def _check_target(
    db: Session, by: Actor, ref: DatasetRef, old: DatasetRef, target: DatasetRef, *, change: Change
) -> None:
    for named in (ref, target):
        if named.version is not None:
            raise InvalidInput(
                f"{named} names a version; a dataset is renamed as a whole",
                hint=f"write {named.dataset}",
            )
    if target.domain == old.domain:
        return
    doing = f"move a dataset to domain {target.domain}"
    access.check(db, by, Action.GOVERN, [access.EVERYTHING], now=change.at, doing=doing)
    if db.get(DomainRow, target.domain) is None:
        raise unknown("domain", target.domain, db.scalars(select(DomainRow.name)))


def _rename_lineage(db: Session, dataset: int, old: DatasetRef, new: DatasetRef) -> None:
    """Nodes and facts keep their numbers, so that edges stay where they are."""
    rest = func.substr(NodeRow.name, len(old.dataset) + 1)
    of_dataset = (NodeRow.dataset == dataset, NodeRow.kind == NodeKind.DATASET.value)
    db.execute(update(NodeRow).where(*of_dataset).values(name=new.dataset + rest))
    of_versions = FactRow.name.startswith(f"version:{old}@", autoescape=True)
    facts = db.scalars(select(FactRow).where(or_(FactRow.name == f"latest:{old}", of_versions)))
    for fact in facts.all():
        fact.name = fact.name.replace(f":{old}", f":{new}", 1)
    db.flush()


def _rename_grants(db: Session, change: Change, dataset: DatasetRow) -> None:
    wanted = select(GrantRow).where(GrantRow.dataset == dataset.id).order_by(GrantRow.number)
    for row in db.scalars(wanted).all():
        row.value = replace(row.value, dataset=dataset.name)
        history.keep(db, change, "grant", row.value.id, row.value)


def _rename_requests(db: Session, change: Change, dataset: DatasetRow, old: DatasetRef) -> None:
    of = select(RequestedRow.request).where(RequestedRow.dataset == dataset.id)
    for row in db.scalars(select(RequestRow).where(RequestRow.number.in_(of))).all():
        row.value = row.value.renamed(old.dataset, dataset.name)
        history.keep(db, change, "request", row.value.id, row.value)


def _rename_rules(db: Session, change: Change, old: DatasetRef, new: DatasetRef) -> None:
    for row in db.scalars(select(RuleRow).order_by(RuleRow.id)).all():
        if old.dataset in row.value.datasets:
            named = (new.dataset if name == old.dataset else name for name in row.value.datasets)
            row.value = replace(row.value, datasets=tuple(dict.fromkeys(named)))
            history.keep(db, change, "rule", row.id, row.value)
