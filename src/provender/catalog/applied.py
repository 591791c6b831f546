"""What catalog/ said when it was applied last, kept beside what is in force."""

from dataclasses import replace
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from provender.catalog.changes import Change
from provender.catalog.nodes import portions
from provender.catalog.rows import DatasetNameRow, DatasetRow, GovernedRow
from provender.core import governance
from provender.core.datasets import Dataset
from provender.core.digest import canonical, digest
from provender.core.glossary import Term
from provender.core.governance import Domain, Governance
from provender.core.names import DatasetRef
from provender.core.people import Person
from provender.core.policy import Rule
from provender.core.tags import Tag
from provender.values import from_json

TYPES: dict[str, type[Any]] = {
    "team": dict,
    "person": Person,
    "domain": Domain,
    "tag": Tag,
    "term": Term,
    "purpose": dict,
    "rule": Rule,
    "dataset": Dataset,
}
"""What the kinds of objects that catalog/ declares are kept as."""


def parsed(kind: str, text: str) -> Any:
    """Return the object of a kind that is kept as ``text``."""
    return from_json(TYPES[kind], text)


def said(db: Session) -> Governance:
    """Return what catalog/ said last, datasets under the names that they have now."""
    rows = db.execute(select(GovernedRow.kind, GovernedRow.name, GovernedRow.value))
    found: dict[str, dict[str, Any]] = {kind: {} for kind in TYPES}
    for kind, name, text in rows:
        found[kind][name] = parsed(kind, text)
    names = renamed(db)
    datasets = (
        replace(dataset, ref=DatasetRef.parse(names.get(name, name)))
        for name, dataset in found["dataset"].items()
    )
    return Governance(
        teams=tuple(found["team"]),
        people=tuple(found["person"].values()),
        domains=tuple(found["domain"].values()),
        tags=tuple(found["tag"].values()),
        terms=tuple(found["term"].values()),
        purposes={name: one["description"] for name, one in found["purpose"].items()},
        rules=tuple(found["rule"].values()),
        datasets=tuple(datasets),
    )


def renamed(db: Session) -> dict[str, str]:
    """Return what each dataset is called now by every name that it does not have any more."""
    former = select(DatasetNameRow.name, DatasetRow.name.label("now")).join(
        DatasetRow, DatasetRow.id == DatasetNameRow.dataset
    )
    found = db.execute(former.where(DatasetNameRow.name != DatasetRow.name))
    return {row.name: row.now for row in found}


def remember(db: Session, desired: Governance, *, change: Change) -> bool:
    """Let ``desired`` be what catalog/ said last; return whether it says something else than before."""
    wanted = governance.objects(desired)
    rows = db.execute(select(GovernedRow.kind, GovernedRow.name, GovernedRow.digest))
    there = {(row.kind, row.name): row.digest for row in rows}
    now = {key: digest(value) for key, value in wanted.items()}
    other = [key for key in wanted if there.get(key) != now[key]]
    for kind in TYPES:
        over = [name for of, name in there if of == kind and now.get((of, name)) != there[of, name]]
        for portion in portions(over):
            gone = (GovernedRow.kind == kind, GovernedRow.name.in_(portion))
            db.execute(delete(GovernedRow).where(*gone))
    if other:
        said = [
            {
                "kind": kind,
                "name": name,
                "digest": now[kind, name],
                "value": canonical(wanted[kind, name]),
                "applied_at": change.at,
                "applied_by": change.actor,
            }
            for kind, name in other
        ]
        db.connection().execute(insert(GovernedRow), said)
    return bool(other) or not there.keys() <= wanted.keys()
