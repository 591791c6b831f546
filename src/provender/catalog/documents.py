"""Governance as code, read: the YAML files of catalog/ to one `Governance`.

Every problem of every file is found before any is complained about, and names file and key.
"""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode

from provender.catalog import yamlfaults
from provender.core import form, governance
from provender.core.datasets import Dataset, Format
from provender.core.effects import Effect
from provender.core.errors import InvalidInput, Problems, ProvenderError
from provender.core.glossary import Term
from provender.core.governance import Domain, Governance
from provender.core.names import DatasetRef, check_name, suggest
from provender.core.people import Person, check_actor_id
from provender.core.policy import EVERY, Action, Mode, Rule
from provender.core.tags import TARGETS, Tag, Way

FILES = ("domains.yml", "glossary.yml", "people.yml", "purposes.yml", "tags.yml")
FOLDERS = ("datasets", "policies")
DURATION = re.compile(r"(\d{1,9}) ?(s|min|h|d|w)\Z")
UNITS = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "min": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
"""How a duration is written: ``6h``, ``2d``; what has parts of a second, as ISO 8601 has it."""
T = TypeVar("T")


def _listed(value: object) -> object:
    """An empty YAML list is null."""
    return [] if value is None else value


def _duration(value: object) -> object:
    """A duration as ``6h`` or ``2d``; else what ISO 8601 makes of it."""
    written = DURATION.match(value) if isinstance(value, str) else None
    try:
        return int(written[1]) * UNITS[written[2]] if written else value
    except OverflowError:
        raise ValueError(f"{value!r} is longer than anybody waits") from None


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Duration = Annotated[timedelta, BeforeValidator(_duration), Field(gt=timedelta(0))]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Document(BaseModel):
    """What every document has in common: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DomainDocument(Document):
    name: str
    description: str = ""
    owner: str = ""


class PersonDocument(Document):
    id: str
    name: str = ""
    teams: Names = ()
    contact: str = ""
    attributes: dict[str, str] = Field(default_factory=dict)


class PeopleDocument(Document):
    teams: Names = ()
    people: Annotated[tuple[PersonDocument, ...], BeforeValidator(_listed)] = ()


class TagDocument(Document):
    name: str
    description: str = ""
    protected: bool = False
    values: Names = ()
    on: Names = TARGETS
    assigners: Names = ()
    travels: bool = True
    stops_at: Annotated[tuple[Way, ...], BeforeValidator(_listed)] = ()
    four_eyes: bool = False


class TermDocument(Document):
    name: Text
    definition: Text
    synonyms: Names = ()
    owner: str = ""


class RuleDocument(Document):
    id: str
    description: str = ""
    actors: tuple[str, ...] = Field(min_length=1)
    actions: tuple[Action, ...] = Field(min_length=1)
    datasets: tuple[str, ...] = (EVERY,)
    purposes: tuple[str, ...] = (EVERY,)
    tags: Names = ()
    effect: Effect = Effect.SEE
    mask: str = ""
    filter: str = ""
    projects: Names = ()
    attributes: dict[str, Names] = Field(default_factory=dict)
    mode: Mode = Mode.ENFORCE


class ColumnDocument(Document):
    description: str = ""
    tags: Names = ()
    sources: Names = Field(default=(), alias="from")
    anonymises: str = ""


class DatasetDocument(Document):
    name: str
    description: Text
    owner: str
    format: Format
    stewards: Names = ()
    deputies: Names = ()
    event_timestamp: str | None = None
    fresh_within: Duration | None = None
    tags: Names = ()
    terms: Names = ()
    documentation: str = ""
    columns: dict[str, ColumnDocument | None] = {}
    links: Names = ()


WITHIN: dict[type[Document], type[Document]] = {
    PeopleDocument: PersonDocument,
    DatasetDocument: ColumnDocument,
}
"""What the lists and mappings inside a document are made of."""


class UniqueKeys(yaml.SafeLoader):
    """YAML whose mappings have no key twice, where plain YAML keeps the last in silence."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise ConstructorError(None, None, f"key {key!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


class Reader:
    """The files of one folder, read once, and what is wrong with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[str] = []

    def governance(self) -> Governance:
        """Return what the files say; what cannot be read is among the problems instead."""
        parts = [self.part(name) for name in self.names()]
        return Governance(
            domains=tuple(one for part in parts for one in part.domains),
            teams=tuple(one for part in parts for one in part.teams),
            people=tuple(one for part in parts for one in part.people),
            tags=tuple(one for part in parts for one in part.tags),
            terms=tuple(one for part in parts for one in part.terms),
            purposes={name: text for part in parts for name, text in part.purposes.items()},
            rules=tuple(one for part in parts for one in part.rules),
            datasets=tuple(one for part in parts for one in part.datasets),
        )

    def names(self) -> Iterator[str]:
        """Return the files that are read, relative to the folder, be they there or not."""
        yield from FILES
        for pattern in ("policies/*.yml", "datasets/*/*.yml"):
            for path in sorted(self.folder.glob(pattern)):
                yield path.relative_to(self.folder).as_posix()

    def part(self, name: str) -> Governance:
        """Return what one file says; nothing, if it is not there."""
        match name.split("/"):
            case ["people.yml"]:
                people = self._parse(name, PeopleDocument, default=PeopleDocument())
                return Governance(
                    teams=self._each(name, people.teams, check_actor_id),
                    people=self._each(name, people.people, _person),
                )
            case ["purposes.yml"]:
                return Governance(purposes=self._parse(name, dict[str, str], default={}))
            case ["policies", _]:
                documents = self._parse_list(name, RuleDocument)
                return Governance(rules=tuple(Rule(**dict(one)) for one in documents))
            case ["datasets", _, _]:
                return Governance(datasets=self._dataset(name))
            case _:
                kind, make, field = LISTS[name]
                documents = self._parse_list(name, kind)
                made: dict[str, Any] = {field: self._each(name, documents, make)}
                return Governance(**made)

    def stray_files(self) -> Iterator[str]:
        """Say which files look like governance but are read by nobody."""
        for path in sorted(self.folder.rglob("*")):
            if not path.is_file() or path.suffix not in (".yml", ".yaml"):
                continue
            name = path.relative_to(self.folder)
            if path.suffix == ".yaml":
                yield f"{self._name(path)}: is not read; rename it to {path.stem}.yml"
            elif len(name.parts) == 1 and name.name not in FILES:
                yield f"{self._name(path)}: is not a governance file ({suggest(name.name, FILES)})"
            elif len(name.parts) > 1 and name.parts[0] not in FOLDERS:
                hint = suggest(name.parts[0], FOLDERS)
                yield f"{self._name(path)}: is in a folder that is not read ({hint})"
            elif len(name.parts) != {"datasets": 3, "policies": 2}.get(name.parts[0], 1):
                yield f"{self._name(path)}: belongs in datasets/<domain>/ or policies/ itself"

    def _dataset(self, name: str) -> tuple[Dataset, ...]:
        document = self._parse(name, DatasetDocument, default=None)
        documents = () if document is None else (document,)
        return self._each(name, documents, partial(_dataset, path=self.folder / name))

    def _each(
        self, name: str, documents: tuple[T, ...], make: Callable[[T], Any]
    ) -> tuple[Any, ...]:
        """What ``make`` makes of each document; where it raises, the problem is noted."""
        made: list[Any] = []
        for document in documents:
            try:
                made.append(make(document))
            except ProvenderError as error:
                hint = f" ({error.hint})" if error.hint else ""
                self.problems.append(f"{self._name(self.folder / name)}: {error.message}{hint}")
        return tuple(made)

    def _parse_list(self, name: str, kind: type[T]) -> tuple[T, ...]:
        parsed: tuple[T, ...] = self._parse(name, tuple[kind, ...], default=())  # type: ignore[valid-type]
        return parsed

    def _parse(self, name: str, kind: Any, *, default: Any) -> Any:
        """The file's content as ``kind``; ``default`` if it is missing, empty or wrong."""
        path = self.folder / name
        try:
            content = yaml.load(path.read_text("utf-8"), Loader=UniqueKeys)  # noqa: S506 - a SafeLoader
            return default if content is None else TypeAdapter(kind).validate_python(content)
        except FileNotFoundError:
            return default
        except ValidationError as error:
            self.problems += [
                f"{self._name(path)}: {text}" for text in _in_words(error, content, kind)
            ]
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            self.problems.append(f"{self._name(path)}: cannot be read: {yamlfaults.said(error)}")
        return default

    def _name(self, path: Path) -> str:
        return f"{self.folder.name}/{path.relative_to(self.folder).as_posix()}"


def read_governance(folder: Path) -> Governance:
    """Return what the YAML files of ``folder`` say.

    Raises:
        InvalidInput: there is no such folder.
        Problems: files cannot be read, have unknown keys, or contradict one another; all
            problems are listed, each with its file and key.
    """
    if not folder.is_dir():
        raise InvalidInput(
            f"there is no governance folder {folder}",
            hint="set PROVENDER_GOVERNANCE, or make it with domains.yml, people.yml, tags.yml, "
            "purposes.yml, policies/ and datasets/",
        )
    reader = Reader(folder)
    found = reader.governance()
    problems = [*reader.problems, *reader.stray_files()]
    if not problems:
        problems = [*form.faults(found), *governance.check(found)]
    if problems:
        raise Problems(f"{folder.name}/ cannot be accepted", problems)
    return form.settled(found)


def _domain(document: DomainDocument) -> Domain:
    check_name(document.name, what="domain name")
    return Domain(**dict(document))


def _person(document: PersonDocument) -> Person:
    return Person(**dict(document))


def _tag(document: TagDocument) -> Tag:
    return Tag(**dict(document))


def _term(document: TermDocument) -> Term:
    return Term(**dict(document))


def _dataset(document: DatasetDocument, *, path: Path) -> Dataset:
    ref = DatasetRef.parse(document.name)
    if ref.version is not None:
        raise InvalidInput(f"name {document.name!r} names a version", hint=f"write {ref.dataset}")
    if (ref.domain, ref.name) != (path.parent.name, path.stem):
        raise InvalidInput(
            f"name {document.name!r} does not fit the file's place",
            hint=f"move it to datasets/{ref.domain}/{ref.name}.yml",
        )
    columns = {name: column or ColumnDocument() for name, column in document.columns.items()}
    if EVERY in columns:
        raise InvalidInput("columns: * is not a column", hint="use tags: for the whole dataset")
    return Dataset(
        ref=ref,
        description=document.description,
        owner=document.owner,
        format=document.format,
        stewards=document.stewards,
        deputies=document.deputies,
        terms=document.terms,
        documentation=document.documentation,
        fresh_within=document.fresh_within,
        tags=document.tags,
        column_tags={name: c.tags for name, c in columns.items() if c.tags},
        column_descriptions={n: c.description for n, c in columns.items() if c.description},
        column_from={name: c.sources for name, c in columns.items() if c.sources},
        column_anonymises={n: c.anonymises for n, c in columns.items() if c.anonymises},
        event_timestamp=document.event_timestamp,
        links=document.links,
    )


LISTS: dict[str, tuple[type[Any], Callable[[Any], Any], str]] = {
    "domains.yml": (DomainDocument, _domain, "domains"),
    "glossary.yml": (TermDocument, _term, "terms"),
    "tags.yml": (TagDocument, _tag, "tags"),
}
"""Files that are one list: of which documents, what is made of each, and where it goes."""


def _in_words(error: ValidationError, content: Any, kind: Any) -> Iterator[str]:
    for fault in error.errors():
        *path, last = fault["loc"] or ("the whole",)
        where = _where(content, path)
        match fault["type"]:
            case "extra_forbidden":
                document = get_args(kind)[0] if get_args(kind) else kind
                known = WITHIN[document] if len(path) > 1 else document
                yield f"{where}unknown key {last!r} ({suggest(str(last), known.model_fields)})"
            case "missing":
                yield f"{where}key {last!r} is missing"
            case _:
                yield f"{_where(content, [*path, last])}{fault['msg']}"


def _where(content: Any, path: list[int | str]) -> str:
    """The path of keys in words: entries of lists by their name or id, else counted from 1."""
    parts: list[str] = []
    for key in path:
        content = content[key] if _has(content, key) else None
        if isinstance(key, int):
            name = content.get("name") or content.get("id") if isinstance(content, dict) else None
            parts.append(str(name or f"entry {key + 1}"))
        else:
            parts.append(str(key))
    return f"{': '.join(parts)}: " if parts else ""


def _has(content: Any, key: int | str) -> bool:
    if isinstance(content, dict):
        return key in content
    return isinstance(content, list) and isinstance(key, int) and key < len(content)
