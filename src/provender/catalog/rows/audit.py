"""The audit trail."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from provender.catalog.rows.columns import Row, UtcDateTime, Value


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
    request: Mapped[str] = mapped_column(String, server_default=text("''"))


class CheckpointRow(Row):
    """Of the first ``size`` events; ``peaks`` are those of their tree, in hex digits."""

    __tablename__ = "audit_checkpoints"
    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[str] = mapped_column(String)
    head: Mapped[str] = mapped_column(String)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    key: Mapped[str] = mapped_column(String)
    signature: Mapped[str] = mapped_column(String)
    peaks: Mapped[str] = mapped_column(String)
