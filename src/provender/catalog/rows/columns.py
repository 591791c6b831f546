"""The tables. A row holds the core value as JSON, beside the columns that queries need.

There are no relationships, so nothing loads lazily. ``SCHEMA`` is the Alembic revision that
makes these tables; the full-text index beside them differs by database and is made there too.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from provender.core.datasets import Dataset, DatasetVersion
from provender.core.features import RepoSpec
from provender.core.governance import Domain
from provender.core.people import Person
from provender.core.policy import Grant, Rule
from provender.core.serving import ServingManifest
from provender.core.tags import Tag
from provender.core.training import TrainingSetManifest
from provender.values import from_json, to_json

SCHEMA = "0002"
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: TIMESTAMPTZ in PostgreSQL, ISO 8601 text of fixed width in SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        native = DateTime(timezone=True) if dialect.name == "postgresql" else Text()
        return dialect.type_descriptor(native)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        instant = value.astimezone(UTC)
        return (
            instant if dialect.name == "postgresql" else instant.isoformat(timespec="microseconds")
        )

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        instant = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return instant.astimezone(UTC)


class Value(TypeDecorator[Any]):
    """A core value of one kind, as canonical JSON."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[Any]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else to_json(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else from_json(self.kind, value)


class Row(DeclarativeBase):
    """What every table has in common: how constraints are named."""

    metadata = MetaData(naming_convention=NAMES)


class TeamRow(Row):
    __tablename__ = "teams"
    id: Mapped[str] = mapped_column(String, primary_key=True)


class PersonRow(Row):
    __tablename__ = "people"
    id: Mapped[str] = mapped_column(String, primary_key=True)
    value: Mapped[Person] = mapped_column(Value(Person))


class DomainRow(Row):
    __tablename__ = "domains"
    name: Mapped[str] = mapped_column(String, primary_key=True)
    value: Mapped[Domain] = mapped_column(Value(Domain))


class TagRow(Row):
    __tablename__ = "tags"
    name: Mapped[str] = mapped_column(String, primary_key=True)
    protected: Mapped[bool]
    value: Mapped[Tag] = mapped_column(Value(Tag))


class PurposeRow(Row):
    __tablename__ = "purposes"
    name: Mapped[str] = mapped_column(String, primary_key=True)
    description: Mapped[str] = mapped_column(Text)


class RuleRow(Row):
    __tablename__ = "rules"
    id: Mapped[str] = mapped_column(String, primary_key=True)
    value: Mapped[Rule] = mapped_column(Value(Rule))


class DatasetRow(Row):
    __tablename__ = "datasets"
    name: Mapped[str] = mapped_column(String, primary_key=True)
    domain: Mapped[str] = mapped_column(String, index=True)
    owner: Mapped[str] = mapped_column(String, index=True)
    value: Mapped[Dataset] = mapped_column(Value(Dataset))


class StewardRow(Row):
    __tablename__ = "dataset_stewards"
    dataset: Mapped[str] = mapped_column(ForeignKey("datasets.name"), primary_key=True)
    steward: Mapped[str] = mapped_column(String, primary_key=True, index=True)


class DatasetTagRow(Row):
    """A tag on a dataset as a whole: those that decide whether it can be discovered."""

    __tablename__ = "dataset_tags"
    dataset: Mapped[str] = mapped_column(ForeignKey("datasets.name"), primary_key=True)
    tag: Mapped[str] = mapped_column(String, primary_key=True)


class VersionRow(Row):
    __tablename__ = "versions"
    __table_args__ = (Index(None, "dataset", "content"),)
    dataset: Mapped[str] = mapped_column(ForeignKey("datasets.name"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    content: Mapped[str] = mapped_column(String)
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)
    row_count: Mapped[int] = mapped_column(BigInteger)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    earliest: Mapped[datetime | None] = mapped_column(UtcDateTime)
    latest: Mapped[datetime | None] = mapped_column(UtcDateTime)
    value: Mapped[DatasetVersion] = mapped_column(Value(DatasetVersion))


class GrantRow(Row):
    """``whole``: no columns are named. ``any_purpose``: every purpose is fine."""

    __tablename__ = "grants"
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    dataset: Mapped[str] = mapped_column(ForeignKey("datasets.name"), index=True)
    grantee: Mapped[str] = mapped_column(String, index=True)
    action: Mapped[str] = mapped_column(String)
    whole: Mapped[bool]
    any_purpose: Mapped[bool]
    until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    value: Mapped[Grant] = mapped_column(Value(Grant))


class RepoRow(Row):
    __tablename__ = "repos"
    project: Mapped[str] = mapped_column(String, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    digest: Mapped[str] = mapped_column(String)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_by: Mapped[str] = mapped_column(String)
    value: Mapped[RepoSpec] = mapped_column(Value(RepoSpec))


class ServingManifestRow(Row):
    __tablename__ = "serving_manifests"
    project: Mapped[str] = mapped_column(String, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    digest: Mapped[str] = mapped_column(String)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_by: Mapped[str] = mapped_column(String)
    value: Mapped[ServingManifest] = mapped_column(Value(ServingManifest))


class TrainingSetRow(Row):
    __tablename__ = "training_sets"
    id: Mapped[str] = mapped_column(String, primary_key=True)
    project: Mapped[str] = mapped_column(String, index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    value: Mapped[TrainingSetManifest] = mapped_column(Value(TrainingSetManifest))


class EdgeRow(Row):
    """``downstream`` was made from ``upstream``; ``source`` is the fact that said so."""

    __tablename__ = "lineage_edges"
    upstream: Mapped[str] = mapped_column(String, primary_key=True)
    downstream: Mapped[str] = mapped_column(String, primary_key=True)
    source: Mapped[str] = mapped_column(String, primary_key=True, index=True)
    __table_args__ = (Index(None, "downstream"),)


class RestsOnRow(Row):
    """A lineage node shows only to those who may discover every dataset it rests on."""

    __tablename__ = "rests_on"
    node: Mapped[str] = mapped_column(String, primary_key=True)
    dataset: Mapped[str] = mapped_column(String, primary_key=True)


class AuditRow(Row):
    __tablename__ = "audit_events"
    __table_args__ = (UniqueConstraint("previous"),)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String, index=True)
    kind: Mapped[str] = mapped_column(String, index=True)
    subject: Mapped[str] = mapped_column(String, index=True)
    detail: Mapped[dict[str, Any]] = mapped_column(Value(dict))
    previous: Mapped[str] = mapped_column(String)
    digest: Mapped[str] = mapped_column(String)


class DocumentRow(Row):
    """What search finds. ``node`` is the lineage node that decides who may see it."""

    __tablename__ = "search_documents"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String)
    name: Mapped[str] = mapped_column(String, index=True)
    project: Mapped[str] = mapped_column(String)
    node: Mapped[str] = mapped_column(String, index=True)
    owner: Mapped[str] = mapped_column(String)
    description: Mapped[str] = mapped_column(Text)


class WordRow(Row):
    """A word that occurs in a document, by one of its trigrams: how misspelt words are found."""

    __tablename__ = "search_words"
    trigram: Mapped[str] = mapped_column(String, primary_key=True)
    word: Mapped[str] = mapped_column(String, primary_key=True)
