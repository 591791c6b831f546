"""What is known of a version beside its manifest, and who read it."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from provender.catalog.rows.columns import Row, UtcDateTime, Value
from provender.core.datasets import Manifest
from provender.core.erasure import Erasure
from provender.core.retention import Retention


def _of_version() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["dataset", "number"], ["versions.dataset", "versions.number"])


class ProfileRow(Row):
    """A column's profile, so that rights close columns; '' is what is of the whole."""

    __tablename__ = "profiles"
    __table_args__ = (_of_version(),)
    dataset: Mapped[int] = mapped_column(Integer, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    column_name: Mapped[str] = mapped_column(String, primary_key=True)
    value: Mapped[dict[str, Any]] = mapped_column(Value(dict))


class CheckRow(Row):
    __tablename__ = "version_checks"
    __table_args__ = (_of_version(),)
    dataset: Mapped[int] = mapped_column(Integer, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    contract: Mapped[int | None] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String)
    column_name: Mapped[str] = mapped_column(String)
    outcome: Mapped[str] = mapped_column(String)
    severity: Mapped[str] = mapped_column(String)
    detail: Mapped[str] = mapped_column(Text)


class ContractRow(Row):
    """A contract as it was written; the one without an end is in force."""

    __tablename__ = "contracts"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    dataset: Mapped[int] = mapped_column(ForeignKey("datasets.id"), index=True)
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    sha256: Mapped[str] = mapped_column(String)
    contract_id: Mapped[str] = mapped_column(String)
    contract_version: Mapped[str] = mapped_column(String)
    status: Mapped[str] = mapped_column(String)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    by: Mapped[str] = mapped_column(String)
    until_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RepresentationRow(Row):
    """The same rows in another format."""

    __tablename__ = "representations"
    __table_args__ = (_of_version(),)
    dataset: Mapped[int] = mapped_column(Integer, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    format: Mapped[str] = mapped_column(String, primary_key=True)
    manifest: Mapped[Manifest] = mapped_column(Value(Manifest))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    made_by: Mapped[str] = mapped_column(String)


class HoldRow(Row):
    """While a hold has no end, no data of the dataset goes."""

    __tablename__ = "holds"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    dataset: Mapped[int] = mapped_column(ForeignKey("datasets.id"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    by: Mapped[str] = mapped_column(String)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    until_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RetentionRow(Row):
    __tablename__ = "retentions"
    dataset: Mapped[int] = mapped_column(
        ForeignKey("datasets.id"), primary_key=True, autoincrement=False
    )
    value: Mapped[Retention] = mapped_column(Value(Retention))


class ConsumptionRow(Row):
    """Who reads which version; number 0: it was not told."""

    __tablename__ = "consumption"
    dataset: Mapped[int] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    consumer_kind: Mapped[str] = mapped_column(String, primary_key=True)
    consumer: Mapped[str] = mapped_column(String, primary_key=True, index=True)
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    times: Mapped[int] = mapped_column(Integer)


class ErasureRow(Row):
    """An erasure as far as it is, signed; ``position`` is that of the event that began it."""

    __tablename__ = "erasures"
    id: Mapped[str] = mapped_column(String, primary_key=True)
    position: Mapped[int] = mapped_column(Integer, unique=True)
    value: Mapped[Erasure] = mapped_column(Value(Erasure))
