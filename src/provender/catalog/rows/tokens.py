"""API tokens, by what is kept of their secrets."""

from datetime import datetime

from sqlalchemy import Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from provender.catalog.rows.columns import Row, UtcDateTime, Value
from provender.core.limits import Limits


class TokenRow(Row):
    __tablename__ = "tokens"
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    sealed: Mapped[str] = mapped_column(String, unique=True)
    actor: Mapped[str] = mapped_column(String, index=True)
    name: Mapped[str] = mapped_column(Text)
    limits: Mapped[Limits] = mapped_column(Value(Limits))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    replaces: Mapped[str] = mapped_column(String)
