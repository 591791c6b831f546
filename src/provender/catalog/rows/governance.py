"""What catalog/ declares beside datasets."""

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from provender.catalog.rows.columns import Name, Row, Value
from provender.core.glossary import Term
from provender.core.governance import Domain
from provender.core.people import Person
from provender.core.policy import Rule
from provender.core.tags import Tag


class TeamRow(Row):
    __tablename__ = "teams"
    id: Mapped[str] = mapped_column(Name, primary_key=True)


class PersonRow(Row):
    __tablename__ = "people"
    id: Mapped[str] = mapped_column(Name, primary_key=True)
    value: Mapped[Person] = mapped_column(Value(Person))


class DomainRow(Row):
    __tablename__ = "domains"
    name: Mapped[str] = mapped_column(Name, primary_key=True)
    value: Mapped[Domain] = mapped_column(Value(Domain))


class TagRow(Row):
    __tablename__ = "tags"
    name: Mapped[str] = mapped_column(Name, primary_key=True)
    protected: Mapped[bool]
    value: Mapped[Tag] = mapped_column(Value(Tag))


class TermRow(Row):
    """A word of the glossary."""

    __tablename__ = "terms"
    name: Mapped[str] = mapped_column(Name, primary_key=True)
    value: Mapped[Term] = mapped_column(Value(Term))


class PurposeRow(Row):
    __tablename__ = "purposes"
    name: Mapped[str] = mapped_column(Name, primary_key=True)
    description: Mapped[str] = mapped_column(Text)


class RuleRow(Row):
    __tablename__ = "rules"
    id: Mapped[str] = mapped_column(Name, primary_key=True)
    value: Mapped[Rule] = mapped_column(Value(Rule))
