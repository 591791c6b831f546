"""What is not in force as catalog/ declared it when it was applied last."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, or_, select, type_coerce
from sqlalchemy.orm import Session

from provender.catalog.applied import parsed
from provender.catalog.rows import DatasetNameRow, DatasetRow, GovernedRow, HistoryRow
from provender.core.digest import canonical, plain

PORTION = 100
"""How many datasets are read at a time: whoever looks may stop at any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """An object that is not as it was applied; ``value`` None: it is gone.

    ``dataset`` is the row of a dataset, ``said`` what catalog/ said of the object.
    """

    kind: str
    name: str
    value: Any
    said: Any
    since: datetime
    dataset: DatasetRow | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """Which parts differ."""
        if self.value is None:
            return ()
        there, said = plain(self.value), plain(self.said)
        return tuple(sorted(part for part in there if there[part] != said.get(part)))


def datasets(db: Session, shown: ColumnElement[bool], *, after: str = "") -> Iterator[Drifted]:
    """Each dataset of those ``shown`` that is not as it was applied, by name beyond ``after``."""
    wanted = (
        select(DatasetRow, GovernedRow.value)
        .join(DatasetNameRow, DatasetNameRow.dataset == DatasetRow.id)
        .join(
            GovernedRow,
            and_(GovernedRow.kind == "dataset", GovernedRow.name == DatasetNameRow.name),
        )
        .where(shown)
        .where(type_coerce(DatasetRow.value, Text) != GovernedRow.value)
        .order_by(DatasetRow.name)
    )
    while True:
        found = db.execute(wanted.where(DatasetRow.name > after).limit(PORTION)).all()
        yield from (one for row, text in found if (one := _dataset(row, text)) is not None)
        if len(found) < PORTION:
            return
        after = found[-1][0].name


def _dataset(row: DatasetRow, text: str) -> Drifted | None:
    said = parsed("dataset", text)
    if canonical(said) == canonical(row.value):
        return None
    return Drifted(
        kind="dataset",
        name=row.name,
        value=row.value,
        said=said,
        since=row.changed_at,
        dataset=row,
    )


def others(db: Session, *, after: tuple[str, str] = ("", "")) -> Iterator[Drifted]:
    """Each object but datasets that is not as it was applied, by kind and name beyond ``after``."""
    kind, name = after
    wanted = (
        select(GovernedRow.kind, GovernedRow.name, GovernedRow.value, HistoryRow)
        .join(
            HistoryRow,
            and_(
                HistoryRow.kind == GovernedRow.kind,
                HistoryRow.key == GovernedRow.name,
                HistoryRow.to_sequence.is_(None),
            ),
        )
        .where(GovernedRow.kind != "dataset")
        .where(or_(HistoryRow.value.is_(None), HistoryRow.value != GovernedRow.value))
        .where(
            or_(
                GovernedRow.kind > kind,
                and_(GovernedRow.kind == kind, GovernedRow.name > name),
            )
        )
        .order_by(GovernedRow.kind, GovernedRow.name)
    )
    for of_kind, called, text, row in db.execute(wanted):
        said = parsed(of_kind, text)
        value = None if row.value is None else parsed(of_kind, row.value)
        if value is None or canonical(said) != canonical(value):
            yield Drifted(kind=of_kind, name=called, value=value, said=said, since=row.from_at)
