"""What a steward's form says of a dataset, field by field: read, compared, merged, and made an edit.

Pure. A draft is a text for each field; `describes:NAME` and `tags:NAME` are those of a column.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from provender.core.datasets import Dataset
from provender.core.editing import Edit
from provender.core.people import Owner, Role
from provender.core.tags import Assignment

Draft = Mapping[str, str]
FIELDS = {
    "description": "Description",
    "documentation": "Documentation",
    "owner": "Owner",
    "stewards": "Stewards",
    "deputies": "Deputies",
    "terms": "Terms of the glossary",
    "tags": "Tags",
    "links": "Links",
}
DESCRIBES, TAGS = "describes:", "tags:"
OFFICES = {"owner": Role.ACCOUNTABLE, "stewards": Role.STEWARD, "deputies": Role.DEPUTY}


@dataclass(frozen=True, slots=True)
class Clash:
    """A field that two people changed differently since both had looked at it."""

    field: str
    title: str
    theirs: str
    yours: str


def draft(dataset: Dataset, columns: Iterable[str]) -> dict[str, str]:
    """Return what a form shows of ``dataset`` and these columns of it."""
    shown = {
        "description": dataset.description,
        "documentation": dataset.documentation,
        "owner": dataset.owner,
        "stewards": ", ".join(dataset.stewards),
        "deputies": ", ".join(dataset.deputies),
        "terms": ", ".join(dataset.terms),
        "tags": ", ".join(dataset.tags),
        "links": "\n".join(dataset.links),
    }
    for column in columns:
        shown[DESCRIBES + column] = dataset.column_descriptions.get(column, "")
        shown[TAGS + column] = ", ".join(dataset.column_tags.get(column, ()))
    return {field: text.strip() for field, text in shown.items()}


def everything(dataset: Dataset) -> dict[str, str]:
    """Return the draft with every column of which something is said."""
    return draft(dataset, dict.fromkeys((*dataset.column_descriptions, *dataset.column_tags)))


def title(field: str) -> str:
    """Return what a field is called on a page."""
    if field.startswith(DESCRIBES):
        return f"Description of {field.removeprefix(DESCRIBES)}"
    if field.startswith(TAGS):
        return f"Tags of {field.removeprefix(TAGS)}"
    return FIELDS[field]


def columns_of(fields: Iterable[str]) -> list[str]:
    """Return the columns that a form has fields for."""
    return [field.removeprefix(DESCRIBES) for field in fields if field.startswith(DESCRIBES)]


def changes(was: Draft, now: Draft) -> list[tuple[str, str, str]]:
    """Return the fields that changed, with both texts."""
    fields = dict.fromkeys((*was, *now))
    pairs = [(field, was.get(field, ""), now.get(field, "")) for field in fields]
    return [(field, old, new) for field, old, new in pairs if old != new]


def merged(base: Draft, theirs: Draft, yours: Draft) -> tuple[dict[str, str], list[Clash]]:
    """Return ``yours`` with what only others changed since ``base``, and where both did."""
    texts, clashes = dict(yours), []
    for field, text in yours.items():
        there = theirs.get(field, "")
        if text == there or there == base.get(field, ""):
            continue
        if text == base.get(field, ""):
            texts[field] = there
        else:
            clashes.append(Clash(field, title(field), there, text))
    return texts, clashes


def edit(dataset: Dataset, wanted: Draft) -> Edit:
    """Return what has to change for ``dataset`` to say what is ``wanted``."""
    was = draft(dataset, columns_of(wanted))
    moved = {field: text for field, text in wanted.items() if text != was.get(field, "")}
    put, there = _assignments(moved), _assignments({field: was[field] for field in moved})
    described = {
        field.removeprefix(DESCRIBES): text
        for field, text in moved.items()
        if field.startswith(DESCRIBES)
    }
    return Edit(
        description=moved.get("description"),
        documentation=moved.get("documentation"),
        owners=_owners(wanted) if OFFICES.keys() & moved.keys() else None,
        terms=words(moved["terms"]) if "terms" in moved else None,
        links=words(moved["links"]) if "links" in moved else None,
        assign=tuple(one for one in put if one not in there),
        unassign=tuple(one for one in there if one not in put),
        column_descriptions=described or None,
    )


def words(text: str) -> tuple[str, ...]:
    """Return the parts of a list that somebody wrote, apart by commas or lines, each once."""
    parts = (part.strip() for part in text.replace(",", "\n").split("\n"))
    return tuple(dict.fromkeys(part for part in parts if part))


def _owners(wanted: Draft) -> tuple[Owner, ...]:
    return tuple(
        Owner(who, role) for field, role in OFFICES.items() for who in words(wanted[field])
    )


def _assignments(fields: Draft) -> list[Assignment]:
    return [
        Assignment.parse(text, column="" if field == "tags" else field.removeprefix(TAGS))
        for field, texts in fields.items()
        if field == "tags" or field.startswith(TAGS)
        for text in words(texts)
    ]
