"""The graph of what was made from what, by numbers: a name is kept once, an edge is three of them."""

from sqlalchemy import Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from provender.catalog.rows.columns import Coded, Name, Row
from provender.core.lineage import How
from provender.core.tags import Way

HOWS = tuple(how.value for how in How)
WAYS = ("", *(way.value for way in Way))


class NodeRow(Row):
    """A thing in the graph, or a column of it. ``dataset`` is that which it is of, if any."""

    __tablename__ = "nodes"
    __table_args__ = (UniqueConstraint("kind", "name", "column_name"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String)
    name: Mapped[str] = mapped_column(Name)
    column_name: Mapped[str] = mapped_column(String)
    dataset: Mapped[int | None] = mapped_column(Integer, index=True)
    scope: Mapped[int] = mapped_column(Integer)


class FactRow(Row):
    """What says that edges are there, and takes them along when it goes: ``repo:delays``."""

    __tablename__ = "facts"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String, unique=True)


class EdgeRow(Row):
    """``downstream`` was made from ``upstream``; ``fact`` says so. ``way``: anonymised how, empty: not."""

    __tablename__ = "edges"
    __table_args__ = (Index(None, "downstream", "upstream"),)
    upstream: Mapped[int] = mapped_column(Integer, primary_key=True)
    downstream: Mapped[int] = mapped_column(Integer, primary_key=True)
    fact: Mapped[int] = mapped_column(Integer, primary_key=True, index=True)
    how: Mapped[str] = mapped_column(Coded(HOWS))
    way: Mapped[str] = mapped_column(Coded(WAYS), server_default=text("0"))


class RestsOnRow(Row):
    """A node shows only to those who may discover every dataset it rests on."""

    __tablename__ = "rests_on"
    node: Mapped[int] = mapped_column(Integer, primary_key=True)
    dataset: Mapped[int] = mapped_column(Integer, primary_key=True, index=True)


class CarriedRow(Row):
    """A column has a tag: after ``distance`` edges, the last from column ``via``; 0: it was put there."""

    __tablename__ = "carried"
    node: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    tag: Mapped[str] = mapped_column(String, primary_key=True)
    distance: Mapped[int] = mapped_column(Integer)
    via: Mapped[int] = mapped_column(Integer, index=True)
