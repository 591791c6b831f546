"""What the catalog said when, what catalog/ said last, and what requests were answered."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from provender.catalog.rows.columns import Name, Row, UtcDateTime


class HistoryRow(Row):
    """An object's value from one change to the next; the open row is what is there now.

    ``value`` is canonical JSON, or null while the object is gone.
    """

    __tablename__ = "history"
    __table_args__ = (
        UniqueConstraint("kind", "key", "from_sequence"),
        Index(None, "kind", "from_at", "to_at"),
    )
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String)
    key: Mapped[str] = mapped_column(Name)
    from_sequence: Mapped[int] = mapped_column(BigInteger)
    from_at: Mapped[datetime] = mapped_column(UtcDateTime)
    to_sequence: Mapped[int | None] = mapped_column(BigInteger)
    to_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    value: Mapped[str | None] = mapped_column(Text)
    by: Mapped[str] = mapped_column(String)
    reason: Mapped[str] = mapped_column(Text)


class GovernedRow(Row):
    """An object as catalog/ declared it when it was applied last."""

    __tablename__ = "governed"
    kind: Mapped[str] = mapped_column(String, primary_key=True)
    name: Mapped[str] = mapped_column(Name, primary_key=True)
    digest: Mapped[str] = mapped_column(String)
    value: Mapped[str] = mapped_column(Text)
    applied_at: Mapped[datetime] = mapped_column(UtcDateTime)
    applied_by: Mapped[str] = mapped_column(String)


class IdempotencyRow(Row):
    """A request that was answered, so that the same one is answered the same until then."""

    __tablename__ = "idempotency"
    actor: Mapped[str] = mapped_column(String, primary_key=True)
    key: Mapped[str] = mapped_column(String, primary_key=True)
    operation: Mapped[str] = mapped_column(String)
    request_digest: Mapped[str] = mapped_column(String)
    status: Mapped[int] = mapped_column(Integer)
    answer: Mapped[str] = mapped_column(Text)
    etag: Mapped[str] = mapped_column(String)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    until_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
