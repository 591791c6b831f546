"""Datasets by a number of their own, so that a name can change; their versions and grants."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from provender.catalog.rows.columns import Name, Row, UtcDateTime, Value
from provender.core.datasets import Dataset, DatasetVersion, Run
from provender.core.policy import Grant


class CounterRow(Row):
    """The last number given out of a kind; numbers are given under the writer's lock."""

    __tablename__ = "counters"
    name: Mapped[str] = mapped_column(String, primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class DatasetRow(Row):
    """``latest`` is the newest version that readers get; ``scope`` 0: in none yet.

    A dataset that was withdrawn keeps its row, so that nothing else gets its number or name.
    """

    __tablename__ = "datasets"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    urn: Mapped[str] = mapped_column(String, unique=True)
    name: Mapped[str] = mapped_column(Name, unique=True)
    domain: Mapped[str] = mapped_column(String, index=True)
    revision: Mapped[int] = mapped_column(Integer)
    latest: Mapped[int | None] = mapped_column(Integer)
    scope: Mapped[int] = mapped_column(Integer, index=True)
    value: Mapped[Dataset] = mapped_column(Value(Dataset))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DatasetNameRow(Row):
    """Every name that a dataset ever had. No name is ever given to another."""

    __tablename__ = "dataset_names"
    name: Mapped[str] = mapped_column(Name, primary_key=True)
    dataset: Mapped[int] = mapped_column(ForeignKey("datasets.id"), index=True)
    since_at: Mapped[datetime] = mapped_column(UtcDateTime)
    until_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class OwnerRow(Row):
    __tablename__ = "owners"
    dataset: Mapped[int] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    actor: Mapped[str] = mapped_column(String, primary_key=True, index=True)
    role: Mapped[str] = mapped_column(String, primary_key=True)


class AssignmentRow(Row):
    """A tag on a column, or on the dataset as a whole: ``column_name`` is empty."""

    __tablename__ = "assignments"
    __table_args__ = (Index(None, "tag", "dataset"),)
    dataset: Mapped[int] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    column_name: Mapped[str] = mapped_column(String, primary_key=True)
    tag: Mapped[str] = mapped_column(String, primary_key=True)
    value: Mapped[str] = mapped_column(String, primary_key=True)
    by: Mapped[str] = mapped_column(String)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class DatasetTermRow(Row):
    """A word of the glossary that a column, or the dataset as a whole, is about."""

    __tablename__ = "dataset_terms"
    dataset: Mapped[int] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    column_name: Mapped[str] = mapped_column(String, primary_key=True)
    term: Mapped[str] = mapped_column(String, primary_key=True, index=True)


class VersionRow(Row):
    """``value`` names the dataset as it was called when the version was published."""

    __tablename__ = "versions"
    __table_args__ = (
        Index(None, "dataset", "content"),
        Index(None, "dataset", "state", "number"),
        Index(
            "ix_versions_quarantined",
            "dataset",
            "number",
            sqlite_where=text("state = 'quarantined'"),
            postgresql_where=text("state = 'quarantined'"),
        ),
    )
    dataset: Mapped[int] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    content: Mapped[str] = mapped_column(String)
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)
    row_count: Mapped[int] = mapped_column(BigInteger)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    earliest: Mapped[datetime | None] = mapped_column(UtcDateTime)
    latest: Mapped[datetime | None] = mapped_column(UtcDateTime)
    value: Mapped[DatasetVersion] = mapped_column(Value(DatasetVersion))
    state: Mapped[str] = mapped_column(String, server_default=text("'published'"))
    severity: Mapped[str] = mapped_column(String, server_default=text("'warn'"))
    state_reason: Mapped[str] = mapped_column(Text, server_default=text("''"))
    state_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    state_by: Mapped[str] = mapped_column(String, server_default=text("''"))
    replacement: Mapped[int | None] = mapped_column(Integer)
    run: Mapped[Run | None] = mapped_column(Value(Run))
    data_gone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    data_gone_why: Mapped[str] = mapped_column(Text, server_default=text("''"))


class GrantRow(Row):
    """``whole``: no columns are named. ``any_purpose``: every purpose is fine.

    What is granted is a dataset, or an ``object`` of another kind.
    """

    __tablename__ = "grants"
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    object_kind: Mapped[str] = mapped_column(String, server_default=text("'dataset'"))
    object: Mapped[str] = mapped_column(String, server_default=text("''"))
    dataset: Mapped[int | None] = mapped_column(ForeignKey("datasets.id"), index=True)
    grantee: Mapped[str] = mapped_column(String, index=True)
    action: Mapped[str] = mapped_column(String)
    whole: Mapped[bool]
    any_purpose: Mapped[bool]
    until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    value: Mapped[Grant] = mapped_column(Value(Grant))
