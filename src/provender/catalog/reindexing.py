"""The search index as a whole: whether it holds what is there, and how it is made anew."""

from collections.abc import Iterator

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from provender.catalog import declarations, definitions
from provender.catalog.changes import Change
from provender.catalog.rows import DatasetRow, DocumentRow, NodeRow, RepoRow, VersionRow, WordRow
from provender.catalog.search import INDEX


def check(db: Session) -> Iterator[tuple[str, str]]:
    """Yield documents and datasets of which one is there without the other."""
    key = INDEX.c.id if db.get_bind().dialect.name == "postgresql" else INDEX.c.rowid
    indexed = set(db.scalars(select(key)))
    rows = db.execute(select(DocumentRow.id, DocumentRow.name))
    documents = {row.id: row.name for row in rows}
    for number in indexed - documents.keys():
        yield f"document {number}", "is in the index only"
    for number in documents.keys() - indexed:
        yield documents[number], "is not in the index"
    lost = select(DocumentRow.name).where(DocumentRow.node.not_in(select(NodeRow.id)))
    for name in db.scalars(lost):
        yield name, "is found by a node that is not there"
    there = set(db.scalars(select(DatasetRow.name).where(DatasetRow.withdrawn_at.is_(None))))
    found = set(db.scalars(select(DocumentRow.name).where(DocumentRow.kind == "dataset")))
    for name in there - found:
        yield name, "is not found"
    for name in found - there:
        yield name, "is found, but not there"


def rebuild(db: Session, change: Change) -> None:
    """Make the index anew, of every dataset and of what every project defines now."""
    for table in (INDEX, DocumentRow, WordRow):
        db.execute(delete(table))
    datasets = select(DatasetRow).where(DatasetRow.withdrawn_at.is_(None)).order_by(DatasetRow.id)
    for row in db.scalars(datasets).all():
        last = db.get(VersionRow, (row.id, row.latest)) if row.latest else None
        declarations.index(db, change, row.value, last.value if last else None)
    newest = select(RepoRow.project, func.max(RepoRow.number)).group_by(RepoRow.project)
    for project, number in db.execute(newest.order_by(RepoRow.project)).all():
        definitions.index(db, change, db.get_one(RepoRow, (project, number)).value, None)
