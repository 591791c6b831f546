"""A document as the index keeps it: its row, its texts, its codes; and what it counts in."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import facets
from provender.catalog.facets import KEPT, STATE, TAG, TYPE, Values
from provender.catalog.nominate import Codes, code, facet_code
from provender.catalog.rows import SearchDocumentRow, SearchTagRow, SearchTextRow
from provender.core.documents import Document, Texts, texts_of
from provender.core.finding import KINDS
from provender.core.lifecycle import State
from provender.core.words import run_together, words

HIGHEST_IMPACT = 15
PER_CONSUMER = 4
SHORT_NAMES = {0: 5, 1: 5, 2: 3, 3: 1}
"""What a name of so few words is worth: what others are copied from has a short one."""
SET_ASIDE = {State.DEPRECATED.value, State.RECALLED.value, State.QUARANTINED.value}
PORTION = 300


@dataclass(frozen=True, slots=True)
class Entry:
    """A document in the index. ``row`` is all but its number and since when it is as it is."""

    row: Mapping[str, Any]
    texts: Texts
    values: Values

    @property
    def scope(self) -> int:
        number: int = self.row["scope"]
        return number

    @property
    def impact(self) -> int:
        number: int = self.row["impact"]
        return number

    @property
    def counts(self) -> list[tuple[int, int, int]]:
        """What it counts in: scope, facet and value."""
        return facets.counted(self.scope, self.values, self.row["fresh_until"])

    @property
    def text_columns(self) -> dict[str, str]:
        """Its texts, by the columns that keep them."""
        texts = self.texts
        return {
            "title": texts.title,
            "columns": texts.columns,
            "body": texts.body,
            "description": texts.description,
        }

    @property
    def is_found_by(self) -> tuple[Texts, tuple[int, ...]]:
        """What decides about its codes."""
        return self.texts, self.values.every

    def says_the_same(self, other: "Entry") -> bool:
        """Return whether both say the same to a reader; what ranks them may differ."""
        told = ("kind", "name", "domain", "project", "owner", "format", "state")
        return (
            self.texts == other.texts
            and self.values.tags == other.values.tags
            and all(self.row[name] == other.row[name] for name in told)
        )

    def words(self) -> set[str]:
        """Return the distinct words of its texts."""
        return {word for part in self.texts.words() for word in part}

    def codes(self, numbers: Mapping[str, int]) -> Codes:
        """Return what the index has of it, ``numbers`` being those of its words."""
        title, columns, body = (
            tuple(code(numbers[word]) for word in part) for part in self.texts.words()
        )
        return Codes(title, columns, body, tuple(map(facet_code, self.values.every)))


def entry_of(
    document: Document, node: int, scope: int, numbers: Mapping[tuple[int, str], int]
) -> Entry:
    """Return a document as the index keeps it; ``numbers`` are those of its facets' values."""
    values = facets.values_of(document, numbers)
    described = bool(document.description)
    row: dict[str, Any] = {
        "kind": values.kind,
        "node": node,
        "name": document.name,
        "short_name": run_together(document.short_name),
        "scope": scope,
        "impact": impact(document, described=described),
        **{
            column: values.by_facet.get(facet, facets.NONE)
            for facet, column in enumerate(KEPT)
            if column and facet not in (TYPE, STATE)
        },
        "state": values.state,
        "fresh_until": document.fresh_until,
        "described": described,
        "checked": document.checked,
        "used": document.used,
    }
    return Entry(row, texts_of(document), values)


def impact(document: Document, *, described: bool) -> int:
    """Return the class of how much a document is used and how well it is kept, 0 to 15."""
    return impact_of(
        document.short_name,
        used=document.used,
        described=described,
        owned=bool(document.owner),
        checked=document.checked,
        state=document.state,
    )


def impact_of(
    short_name: str, *, used: int, described: bool, owned: bool, checked: int, state: str
) -> int:
    """Return the class of `impact`, from what it depends on."""
    kept = described + owned + 2 * checked + SHORT_NAMES.get(len(words(short_name)), 0)
    worth = PER_CONSUMER * used + kept - (4 if state in SET_ASIDE else 0)
    return min(HIGHEST_IMPACT, int(math.log2(1 + max(0, worth))))


def stored(db: Session, ids: Sequence[int]) -> Iterator[tuple[int, datetime, Entry]]:
    """Return documents as the index has them now: number, since when, and what."""
    for start in range(0, len(ids), PORTION):
        portion = ids[start : start + PORTION]
        tags: dict[int, list[int]] = {}
        of = select(SearchTagRow.document, SearchTagRow.tag)
        for document, tag in db.execute(of.where(SearchTagRow.document.in_(portion))):
            tags.setdefault(document, []).append(tag)
        both = (
            select(SearchDocumentRow.__table__, SearchTextRow.__table__)
            .join(SearchTextRow, SearchTextRow.document == SearchDocumentRow.id)
            .where(SearchDocumentRow.id.in_(portion))
            .order_by(SearchDocumentRow.id)
        )
        numbers = _type_and_state(db)
        for found in db.execute(both).mappings():
            row = {
                name: found[name]
                for name in SearchDocumentRow.__table__.columns.keys()  # noqa: SIM118 - of columns
                if name not in ("id", "from_at")
            }
            texts = Texts(found["title"], found["columns"], found["body"], found["description"])
            held = tuple(sorted(tags.get(found["id"], ())))
            yield found["id"], found["from_at"], Entry(row, texts, _values(row, held, numbers))


def _type_and_state(db: Session) -> dict[tuple[int, str], int]:
    states = [(STATE, state) for state in facets.STATES if state]
    return facets.known(db, [*states, *((TYPE, kind) for kind in KINDS)])


def _values(
    row: Mapping[str, Any], tags: tuple[int, ...], numbers: Mapping[tuple[int, str], int]
) -> Values:
    by_facet = {TYPE: numbers[TYPE, KINDS[row["kind"]]]}
    if row["state"]:
        by_facet[STATE] = numbers[STATE, facets.STATES[row["state"]]]
    for facet, column in enumerate(KEPT):
        if column and facet not in (TYPE, STATE, TAG) and row[column]:
            by_facet[facet] = row[column]
    return Values(row["kind"], row["state"], by_facet, tags)
