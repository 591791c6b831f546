"""The form of what is declared: the same for files, for the API and for edits.

What has it is written to catalog/ and read again as it was. Whether one object fits to the
others is `governance.check`'s question.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from provender.core import rules
from provender.core.datasets import Dataset
from provender.core.errors import InvalidInput
from provender.core.glossary import Term
from provender.core.governance import Domain, Governance, objects
from provender.core.names import DatasetRef, check_name, is_legible
from provender.core.people import Person, check_actor_id
from provender.core.policy import EVERY, Rule
from provender.core.rules import attribute_faults
from provender.core.tags import Tag

LONGEST = {
    "name": 200,
    "link": 2_000,
    "description": 4_000,
    "definition": 20_000,
    "documentation": 200_000,
}
"""In characters."""
LONGEST_FRESH = timedelta(days=36_500)
LINK = re.compile(r"(https?://|mailto:)\S+\Z")


def settled(said: Governance) -> Governance:
    """Return ``said`` as it is kept: without spaces around texts, without what says nothing."""
    return replace(
        said,
        terms=tuple(replace(term, definition=term.definition.strip()) for term in said.terms),
        datasets=tuple(map(_settled, said.datasets)),
    )


def faults(said: Governance) -> list[str]:
    """Return in words what is wrong with the form of each object of ``said``."""
    return [
        problem
        for (kind, name), value in objects(said).items()
        for problem in problems(kind, name, value)
    ]


def problems(kind: str, name: str, value: Any) -> Iterator[str]:
    """Say what is wrong with the form of one object, as `governance.objects` has it."""
    yield from (f"{kind} {name[:80]}: {problem}" for problem in _problems(kind, name, value))


def text_problems(part: str, text: str, kind: str = "description") -> Iterator[str]:
    """Say why ``text`` cannot be kept as ``part``; how long it may be is said by its ``kind``."""
    longest = LONGEST[kind]
    if len(text) > longest:
        yield f"{part}: {len(text):,} characters are too many; at most {longest:,} are kept"
    if not is_legible(text):
        yield f"{part}: holds NUL or half of a character, which no database keeps"


def link_problems(link: str) -> Iterator[str]:
    """Say why ``link`` is none that somebody can follow."""
    yield from text_problems(f"link {link[:80]!r}", link, "link")
    if not LINK.match(link):
        yield f"link {link[:80]!r}: write https://… or mailto:…"


def _problems(kind: str, name: str, value: Any) -> Iterator[str]:
    match value:
        case Dataset():
            yield from _of_dataset(value)
        case Domain():
            yield from _named(check_name, name, what="domain name")
            yield from text_problems("description", value.description)
        case Person():
            yield from _named(check_actor_id, name)
            yield from text_problems("name", value.name, "name")
            yield from text_problems("contact", value.contact, "link")
            for attribute, said in value.attributes.items():
                yield from attribute_faults(attribute, said)
        case Tag():
            yield from _name_problems(name)
            if any(letter.isspace() for letter in name):
                yield "the name of a tag has no spaces"
            yield from text_problems("description", value.description)
        case Term():
            yield from _name_problems(name)
            yield from _said("definition", value.definition)
            yield from text_problems("definition", value.definition, "definition")
            yield from (
                p for word in value.synonyms for p in text_problems("synonyms", word, "name")
            )
        case Rule():
            yield from _name_problems(name)
            yield from text_problems("description", value.description)
            yield from (
                f"{part}: there are none"
                for part in ("actors", "actions")
                if not getattr(value, part)
            )
            yield from rules.faults(value)
        case _ if kind == "team":
            yield from _named(check_actor_id, name)
        case _:
            yield from _name_problems(name)
            yield from text_problems("description", value["description"])


def _of_dataset(dataset: Dataset) -> Iterator[str]:
    if dataset.ref.version is not None:
        yield f"names a version; write {dataset.ref.dataset}"
    yield from _named(DatasetRef.parse, dataset.ref.dataset)
    yield from _said("description", dataset.description)
    yield from text_problems("description", dataset.description)
    yield from text_problems("documentation", dataset.documentation, "documentation")
    for link in dataset.links:
        yield from link_problems(link)
    within = dataset.fresh_within
    if within is not None and not timedelta(0) < within <= LONGEST_FRESH:
        yield f"fresh_within: {within} is not more than nothing and at most 100 years"
    spoken_of = (*dataset.column_tags, *dataset.column_descriptions, *dataset.column_from)
    for column in dict.fromkeys(spoken_of):
        if column == EVERY:
            yield "columns: * is not a column; use tags for the whole dataset"
        yield from _said("a column's name", column)
        yield from text_problems(f"column {column[:80]!r}", column, "link")
    for column, text in dataset.column_descriptions.items():
        yield from text_problems(f"description of column {column[:80]!r}", text)
    for column, text in dataset.column_anonymises.items():
        yield from text_problems(f"anonymises of column {column!r}", text)
    for column, names in dataset.column_from.items():
        for name in names:
            yield from text_problems(f"from of column {column!r}", name, "link")
    yield from text_problems("event_timestamp", dataset.event_timestamp or "", "link")


def _named(check: Callable[..., object], name: str, **more: str) -> Iterator[str]:
    try:
        check(name, **more)
    except InvalidInput as error:
        yield f"{error.message} ({error.hint})"


def _name_problems(name: str) -> Iterator[str]:
    yield from text_problems("name", name, "name")
    if name != name.strip() or not name.isprintable():
        yield f"name {name[:80]!r}: has a space at an end, or a character that is not printed"
    yield from _said("name", name)


def _said(part: str, text: str) -> Iterator[str]:
    if not text.strip():
        yield f"{part}: is blank"


def _settled(dataset: Dataset) -> Dataset:
    return replace(
        dataset,
        description=dataset.description.strip(),
        column_tags={name: tags for name, tags in dataset.column_tags.items() if tags},
        column_descriptions={n: text for n, text in dataset.column_descriptions.items() if text},
        event_timestamp=dataset.event_timestamp or None,
    )
