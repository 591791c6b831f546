"""Browsers that signed in, by what is kept of their cookies."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from provender.catalog.rows.columns import Row, UtcDateTime, Value
from provender.core.identity import Identity


class SessionRow(Row):
    __tablename__ = "sessions"
    sealed: Mapped[str] = mapped_column(String, primary_key=True)
    actor: Mapped[str] = mapped_column(String, index=True)
    identity: Mapped[Identity] = mapped_column(Value(Identity))
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    until: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
