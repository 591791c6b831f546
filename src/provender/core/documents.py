"""One thing to find, and the words it is found by, each in its place.

Words lie between blanks and places between line feeds, so that whether a place holds a word is
one search for a piece of text. Pure: what a word's code is, the index knows.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from provender.core.lineage import Node
from provender.core.words import distinct, name_words, words

MOST_WORDS = 20_000
"""Words of one document that are found: a vector of more would not fit into the database."""
BREAK = "\n"
HALVES = "\f"
"""Between the names of columns and what is said of them."""
SHOWN_LETTERS = 300
UNPRINTED = str.maketrans(dict.fromkeys("\n\t\f\r\0", " "))


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a dataset or a feature of a view, with what is said of it."""

    name: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One thing to find. ``labels`` are what people sorted it under, with their synonyms.

    ``owners`` are ids or names. ``state`` is that of its latest version, ``used`` how many
    consume it, ``checked`` 1 where its checks pass and -1 where one fails.
    """

    kind: str
    name: str
    node: Node
    project: str = ""
    domain: str = ""
    owner: str = ""
    format: str = ""
    state: str = ""
    tags: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    labels: tuple[str, ...] = ()
    description: str = ""
    documentation: str = ""
    owners: tuple[str, ...] = ()
    around: tuple[str, ...] = ()
    fresh_until: datetime | None = None
    used: int = 0
    checked: int = 0

    @property
    def short_name(self) -> str:
        """The name without the domain or the project."""
        return self.name.replace("/", ".").rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Texts:
    """The words of a document by place, and the beginning of its description.

    ``title``: of the short name, of its parts run together, of what stands before it. ``columns``:
    a line for each column's name, then a line for what is said of each. ``body``: labels, what is
    said, what stands around.
    """

    title: str
    columns: str
    body: str
    description: str

    def words(self) -> tuple[list[str], list[str], list[str]]:
        """Return the distinct words of title, columns and body, sorted; not too many."""
        title = sorted(set(self.title.split()))[:MOST_WORDS]
        body = sorted(set(self.body.split()) - set(title))[: MOST_WORDS - len(title)]
        said = {word for line in _lines(self.columns) for word in line.split()}
        left = MOST_WORDS - len(title) - len(body)
        return title, sorted(said - set(title) - set(body))[:left], body


def texts_of(document: Document) -> Texts:
    """Return the words of a document."""
    short = name_words(document.short_name)
    own = words(document.short_name)
    whole = name_words(document.name) + name_words(document.project)
    title = (own, [w for w in short if w not in own], [w for w in whole if w not in short])
    around = (document.kind, document.domain, document.format, *document.owners, *document.around)
    body = (
        distinct(document.labels),
        distinct((document.description, document.documentation)),
        distinct(around),
    )
    return Texts(
        title=_placed(title),
        columns=_columns(document.fields),
        body=_placed(body),
        description=document.description[:SHOWN_LETTERS].replace("\0", " "),
    )


def lines_of(text: str) -> list[str]:
    """Return the places of a text."""
    return text.split(BREAK)


def halves_of(columns: str) -> tuple[str, str]:
    """Return the lines of the names of columns, and those of what is said of them."""
    names, _, said = columns.partition(HALVES)
    return names, said


def name_of(line: str) -> str:
    """Return the name of a column as it is written, from its line."""
    return line.partition("\t")[0]


def _columns(fields: Iterable[Field]) -> str:
    listed = list(fields)
    names = [
        f"{field.name.translate(UNPRINTED)}\t {' '.join(name_words(field.name))} "
        for field in listed
    ]
    said = [f" {' '.join(distinct((field.description,)))} " for field in listed]
    return BREAK.join(names) + HALVES + BREAK.join(said)


def _lines(columns: str) -> Iterable[str]:
    names, said = halves_of(columns)
    yield from (line.partition("\t")[2] for line in names.split(BREAK))
    yield said


def _placed(parts: Iterable[Iterable[str]]) -> str:
    return BREAK.join(f" {' '.join(part)} " for part in parts)
