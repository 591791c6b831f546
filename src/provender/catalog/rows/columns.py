"""What tables are made of: names of constraints, and the columns that both databases keep alike."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, MetaData, SmallInteger, String, Text, TypeDecorator
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeEngine

from provender.core.errors import InvalidInput
from provender.values import from_json, to_kept_json

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
Name = String().with_variant(String(collation="C"), "postgresql")
"""Text that is listed in its order: letter by letter in both databases, whatever the locale."""


class Row(DeclarativeBase):
    """What every table has in common: how constraints are named."""

    metadata = MetaData(naming_convention=NAMES)


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
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return utc_of(value)


def utc_of(value: datetime | str | None) -> datetime | None:
    """Return an instant as it was written, from what a driver gives of a `UtcDateTime`."""
    if value is None:
        return None
    return (value if isinstance(value, datetime) else datetime.fromisoformat(value)).astimezone(UTC)


class Unfit(InvalidInput, DontWrapMixin):
    """A value that could not be read again; told as it is, and not as a fault of the database."""


class Value(TypeDecorator[Any]):
    """A core value of one kind, as canonical JSON that is known to be read back as that kind."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        try:
            return to_kept_json(self.kind, value)
        except InvalidInput as error:
            raise Unfit(error.message, hint=error.hint) from error

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else from_json(self.kind, value)


class Coded(TypeDecorator[str]):
    """One of a few words, kept as its place among them: add words at the end only."""

    impl = SmallInteger
    cache_ok = True

    def __init__(self, words: tuple[str, ...]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: str | None, dialect: Dialect) -> int | None:
        return None if value is None else self.words.index(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> str | None:
        return None if value is None else self.words[value]
