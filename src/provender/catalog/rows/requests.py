"""Requests for access and the datasets that they ask for; access that was taken without one."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from provender.catalog.rows.columns import Row, UtcDateTime, Value
from provender.core.breakglass import BreakGlass
from provender.core.requests import AccessRequest


class RequestRow(Row):
    """``lapses_at`` ends an open request without anybody writing that down."""

    __tablename__ = "requests"
    __table_args__ = (Index(None, "state", "number"),)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    requester: Mapped[str] = mapped_column(String, index=True)
    grantee: Mapped[str] = mapped_column(String, index=True)
    state: Mapped[str] = mapped_column(String)
    lapses_at: Mapped[datetime] = mapped_column(UtcDateTime)
    value: Mapped[AccessRequest] = mapped_column(Value(AccessRequest))


class RequestedRow(Row):
    """A dataset that a request asks for a part of."""

    __tablename__ = "requested_datasets"
    request: Mapped[int] = mapped_column(ForeignKey("requests.number"), primary_key=True)
    dataset: Mapped[int] = mapped_column(ForeignKey("datasets.id"), primary_key=True, index=True)


class BreakGlassRow(Row):
    """That somebody took access; ``reviewed_at`` is null until somebody else reviewed it."""

    __tablename__ = "break_glass"
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    actor: Mapped[str] = mapped_column(String, index=True)
    dataset: Mapped[int] = mapped_column(ForeignKey("datasets.id"), index=True)
    review_by: Mapped[datetime] = mapped_column(UtcDateTime)
    reviewed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    value: Mapped[BreakGlass] = mapped_column(Value(BreakGlass))
