"""The assets of the golden set, as people wrote them down in ``assets/``.

One file per domain, in the shape of ``catalog/datasets/`` with what is still to come: owners by
role, glossary terms with synonyms, documentation. Decides nothing about search.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
ASSETS = HERE / "assets"
ROLES = ("accountable", "steward", "deputy")


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the glossary with the other words for it."""

    name: str
    synonyms: tuple[str, ...]
    definition: str


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    description: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asset:
    """A dataset (``domain.name``), or a feature view or service (``project/name``).

    ``owners`` maps a role to an id such as ``team:fleet``; ``people`` are the names of the
    persons among them. ``columns`` are the features of a feature view.
    """

    name: str
    kind: str
    domain: str
    description: str
    columns: tuple[Column, ...]
    owners: dict[str, str]
    people: tuple[str, ...]
    tags: tuple[str, ...]
    terms: tuple[Term, ...]
    format: str
    state: str
    documentation: str

    @property
    def bare_name(self) -> str:
        """The name without its domain or project."""
        return self.name.replace("/", ".").rpartition(".")[2]

    @property
    def all_tags(self) -> tuple[str, ...]:
        """The tags of the asset, then those of its columns, each once."""
        return tuple(dict.fromkeys((*self.tags, *(t for c in self.columns for t in c.tags))))


def load_assets() -> list[Asset]:
    """Return all assets, by file and then in the order they are written in."""
    people = {person["id"]: person["name"] for person in _read(ASSETS / "people.yml")["people"]}
    return [asset for path in domain_files() for asset in _assets_of(_read(path), people)]


def load_terms() -> list[Term]:
    """Return the glossaries of all domains."""
    return [term for path in domain_files() for term in _glossary(_read(path)).values()]


def load_tags() -> dict[str, str]:
    """Return what each tag of the taxonomy means."""
    return {tag["name"]: tag["description"] for tag in _read(ASSETS / "tags.yml")["tags"]}


def domain_files() -> list[Path]:
    """Return the files of assets, one per domain."""
    return sorted(set(ASSETS.glob("*.yml")) - {ASSETS / "people.yml", ASSETS / "tags.yml"})


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _glossary(file: dict[str, Any]) -> dict[str, Term]:
    return {
        entry["term"]: Term(entry["term"], tuple(entry["synonyms"]), entry["definition"])
        for entry in file["glossary"]
    }


def _assets_of(file: dict[str, Any], people: dict[str, str]) -> Iterator[Asset]:
    glossary = _glossary(file)
    for written in file["assets"]:
        entry = {**file["defaults"], **written}
        kind = entry.get("type", "dataset")
        yield Asset(
            name=entry["name"],
            kind=kind,
            domain=file["domain"],
            description=entry["description"],
            columns=tuple(_columns(entry["columns"])),
            owners=entry["owners"],
            people=tuple(people[id_] for id_ in entry["owners"].values() if id_ in people),
            tags=tuple(entry.get("tags", ())),
            terms=tuple(glossary[term] for term in entry.get("terms", ())),
            format=entry["format"] if kind == "dataset" else "",
            state=entry.get("state", "published"),
            documentation=entry.get("documentation", ""),
        )


def _columns(written: dict[str, Any]) -> Iterable[Column]:
    for name, about in written.items():
        if isinstance(about, str):
            yield Column(name, about)
        else:
            yield Column(name, about["description"], tuple(about["tags"]))
