"""What is found: whole words are integer codes, the heap that is searched is narrow, texts lie apart."""

from datetime import datetime

from sqlalchemy import (
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from provender.catalog.rows.columns import Name, Row, UtcDateTime


class ScopeRow(Row):
    """What the decision to show something depends on, the same for everything that shares it."""

    __tablename__ = "scopes"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(Text, unique=True)


class _Found:
    """The columns of a document that nomination, facets and ranking need."""

    kind: Mapped[int] = mapped_column(SmallInteger)
    node: Mapped[int] = mapped_column(Integer, index=True)
    name: Mapped[str] = mapped_column(Name, index=True)
    short_name: Mapped[str] = mapped_column(Name, index=True)
    scope: Mapped[int] = mapped_column(Integer)
    impact: Mapped[int] = mapped_column(SmallInteger)
    domain: Mapped[int] = mapped_column(Integer)
    project: Mapped[int] = mapped_column(Integer)
    owner: Mapped[int] = mapped_column(Integer)
    format: Mapped[int] = mapped_column(Integer)
    state: Mapped[int] = mapped_column(SmallInteger)
    fresh_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    described: Mapped[bool]
    checked: Mapped[int] = mapped_column(SmallInteger)
    used: Mapped[int] = mapped_column(Integer)
    from_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SearchDocumentRow(_Found, Row):
    """A document. Facets are ids of ``facet_values``. In PostgreSQL a ``vector`` lies beside."""

    __tablename__ = "search_documents"
    __table_args__ = (Index("ix_search_documents_impact", "impact", "id"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)


class SearchTextRow(Row):
    """The words of a document in their order, for ranking and for saying why."""

    __tablename__ = "search_texts"
    document: Mapped[int] = mapped_column(
        ForeignKey("search_documents.id"), primary_key=True, autoincrement=False
    )
    title: Mapped[str] = mapped_column(Text)
    columns: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)


class SearchTagRow(Row):
    __tablename__ = "search_tags"
    __table_args__ = (Index("ix_search_tags_document_tag", "document", "tag"),)
    tag: Mapped[int] = mapped_column(Integer, primary_key=True)
    document: Mapped[int] = mapped_column(ForeignKey("search_documents.id"), primary_key=True)


class FacetValueRow(Row):
    __tablename__ = "facet_values"
    __table_args__ = (UniqueConstraint("facet", "value"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    facet: Mapped[int] = mapped_column(SmallInteger)
    value: Mapped[str] = mapped_column(Name)


class FacetCountRow(Row):
    """How many documents of a scope have a value: what browsing without words shows."""

    __tablename__ = "facet_counts"
    scope: Mapped[int] = mapped_column(Integer, primary_key=True)
    facet: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    value: Mapped[int] = mapped_column(Integer, primary_key=True)
    documents: Mapped[int] = mapped_column(Integer)


class SearchWordRow(Row):
    """A whole word that occurs in that many documents; its id is its code in the index."""

    __tablename__ = "search_words"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    word: Mapped[str] = mapped_column(Name, unique=True)
    stem: Mapped[str] = mapped_column(Name, index=True)
    documents: Mapped[int] = mapped_column(Integer)


class StubRow(Row):
    """A word with one letter less, or as it is: words with a common stub differ by a slip."""

    __tablename__ = "search_stubs"
    stub: Mapped[str] = mapped_column(Name, primary_key=True)
    word: Mapped[int] = mapped_column(ForeignKey("search_words.id"), primary_key=True, index=True)


class SynonymRow(Row):
    """A word that means another one by a term of the glossary."""

    __tablename__ = "synonyms"
    word: Mapped[str] = mapped_column(Name, primary_key=True)
    means: Mapped[str] = mapped_column(Name, primary_key=True)
    term: Mapped[str] = mapped_column(Name, primary_key=True)


class PastDocumentRow(_Found, Row):
    """A document as it was until another took its place, with its texts."""

    __tablename__ = "search_past"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    document: Mapped[int] = mapped_column(Integer, index=True)
    until_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    title: Mapped[str] = mapped_column(Text)
    columns: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)


class PastRestsOnRow(Row):
    """What a document of the past rested on while it was found."""

    __tablename__ = "past_rests_on"
    past: Mapped[int] = mapped_column(ForeignKey("search_past.id"), primary_key=True)
    dataset: Mapped[int] = mapped_column(Integer, primary_key=True)


class UnansweredRow(Row):
    """Words that somebody searched for and nothing was found."""

    __tablename__ = "unanswered"
    words: Mapped[str] = mapped_column(Name, primary_key=True)
    times: Mapped[int] = mapped_column(Integer)
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    settled_by: Mapped[str] = mapped_column(String)
