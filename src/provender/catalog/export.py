"""Governance as code, written back: what is in force as the YAML files of catalog/.

A file that says the same already is left as it is, comments and all. One that differs is written
anew: what it lists keeps its order, but comments are lost. The file of a dataset that has another
name now moves. No other is deleted: what is not in force may be new and not applied yet, or
hidden from who exports.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from provender.catalog.documents import UNITS, Reader
from provender.core import governance
from provender.core.datasets import Dataset
from provender.core.digest import canonical, plain
from provender.core.editing import WHOLE
from provender.core.errors import Problems
from provender.core.governance import Governance
from provender.core.names import DatasetRef

RULES = "policies/"
NEW_RULES = f"{RULES}exported.yml"
"""Where rules go that no file has."""
LINE = 100
"""How long lines are."""


def export(
    in_force: Governance,
    folder: Path,
    *,
    called_now: Callable[[str], str] = str,
    rules: bool = True,
) -> dict[str, str | None]:
    """Return the text of each file of ``folder`` that says something else than what is in force.

    None: the file goes, for ``called_now`` says that its dataset has another name. Without
    ``rules`` the files of rules stay as they are: only who governs knows all of them.

    Raises:
        Problems: a file that is there cannot be read.
    """
    reader = Reader(folder)
    there = {name: reader.part(name) for name in reader.names()}
    if reader.problems:
        raise Problems(f"{folder.name}/ cannot be read", reader.problems)
    wanted = _parts(in_force, there)
    if not rules:
        wanted = {name: part for name, part in wanted.items() if not name.startswith(RULES)}
    moved = {_file(new): old for old, new in _moved(there, wanted, called_now)}
    before = {name: there.get(moved.get(name, name), Governance()) for name in wanted}
    written = {
        name: _text(name, part, before[name])
        for name, part in wanted.items()
        if _said(part) != _said(there.get(name, Governance()))
    }
    return {**written, **dict.fromkeys(moved.values())}


def write(folder: Path, files: Mapping[str, str | None]) -> None:
    """Write ``files`` into ``folder``, each whole or not at all; what has no text goes."""
    for name, text in files.items():
        path = folder / name
        if text is None:
            path.unlink(missing_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.write_text(text, "utf-8")
        new.replace(path)


def _moved(
    there: Mapping[str, Governance],
    wanted: Mapping[str, Governance],
    called_now: Callable[[str], str],
) -> Iterator[tuple[str, str]]:
    """The files of datasets that have another name now, each with that name."""
    for name, part in there.items():
        for dataset in part.datasets if name not in wanted else ():
            now = called_now(dataset.ref.dataset)
            if now != dataset.ref.dataset and _file(now) in wanted:
                yield name, now


def _file(dataset: str) -> str:
    ref = DatasetRef.parse(dataset)
    return f"datasets/{ref.domain}/{ref.name}.yml"


def _parts(in_force: Governance, there: Mapping[str, Governance]) -> dict[str, Governance]:
    """What each file is to say: rules stay in the files where they are."""
    place = {rule.id: name for name, part in there.items() for rule in part.rules}
    parts = {
        "domains.yml": Governance(domains=in_force.domains),
        "people.yml": Governance(teams=in_force.teams, people=in_force.people),
        "tags.yml": Governance(tags=in_force.tags),
        "glossary.yml": Governance(terms=in_force.terms),
        "purposes.yml": Governance(purposes=in_force.purposes),
    }
    for name in (name for name in there if name.startswith(RULES)):
        parts[name] = Governance()
    for rule in in_force.rules:
        name = place.get(rule.id, NEW_RULES)
        had = parts.get(name, Governance())
        parts[name] = replace(had, rules=(*had.rules, rule))
    for dataset in in_force.datasets:
        parts[_file(dataset.ref.dataset)] = Governance(datasets=(_plain(dataset),))
    return parts


def _plain(dataset: Dataset) -> Dataset:
    """The dataset as a file says it: a tag of every column is one of the dataset."""
    if WHOLE not in dataset.column_tags:
        return dataset
    own = {column: tags for column, tags in dataset.column_tags.items() if column != WHOLE}
    return replace(dataset, tags=(*dataset.tags, *dataset.column_tags[WHOLE]), column_tags=own)


def _said(part: Governance) -> dict[tuple[str, str], str]:
    """What a file says, whatever the order it says it in."""
    return {key: canonical(value) for key, value in governance.objects(part).items()}


def _text(name: str, part: Governance, before: Governance) -> str:
    order = list(governance.objects(before))

    def as_before(key: tuple[str, str]) -> int:
        return order.index(key) if key in order else len(order)

    said = sorted(governance.objects(part).items(), key=lambda item: as_before(item[0]))
    values = [value for _, value in said]
    match name.split("/"):
        case ["people.yml"]:
            people = [value for (kind, _), value in said if kind == "person"]
            teams = [key for kind, key in (key for key, _ in said) if kind == "team"]
            return _yaml({"teams": teams, "people": [_document(one) for one in people]})
        case ["purposes.yml"]:
            return _yaml({one["name"]: one["description"] for one in values})
        case ["datasets", _, _]:
            (dataset,) = values
            return _yaml(_dataset(dataset, next(iter(before.datasets), dataset)))
        case _:
            return _yaml([_document(value) for value in values])


def _document(value: Any) -> dict[str, Any]:
    """The fields of a value that are not as they would be if nothing was said of them."""
    always = {"id", "name", "definition", "actors", "actions"}
    return {
        part.name: plain(said)
        for part in fields(value)
        if (said := getattr(value, part.name)) not in (part.default, {}) or part.name in always
    }


def _dataset(dataset: Dataset, before: Dataset) -> dict[str, Any]:
    said: dict[str, Any] = {
        "name": dataset.ref.dataset,
        "description": dataset.description,
        "owner": dataset.owner,
        "stewards": list(dataset.stewards),
        "deputies": list(dataset.deputies),
        "format": dataset.format.value,
        "event_timestamp": dataset.event_timestamp,
        "fresh_within": _duration(dataset.fresh_within) if dataset.fresh_within else None,
        "tags": list(dataset.tags),
        "terms": list(dataset.terms),
        "columns": {name: dict(_column(dataset, name)) for name in _columns(dataset, before)},
        "links": list(dataset.links),
        "documentation": dataset.documentation,
    }
    return {part: value for part, value in said.items() if value}


def _columns(dataset: Dataset, before: Dataset) -> Iterable[str]:
    """The columns that are spoken of, in the order in which they were before."""
    spoken_of = [*dataset.column_descriptions, *dataset.column_tags, *dataset.column_from]
    were = [*before.column_descriptions, *before.column_tags, *before.column_from]
    return dict.fromkeys([*(name for name in were if name in spoken_of), *spoken_of])


def _column(dataset: Dataset, name: str) -> Iterator[tuple[str, Any]]:
    if tags := dataset.column_tags.get(name):
        yield "tags", list(tags)
    if text := dataset.column_descriptions.get(name):
        yield "description", text
    if sources := dataset.column_from.get(name):
        yield "from", list(sources)
    if text := dataset.column_anonymises.get(name):
        yield "anonymises", text


def _duration(span: timedelta) -> str:
    """The duration in the largest unit that it is a whole number of; else as ISO 8601 has it."""
    for unit, size in UNITS.items():
        if span % size == timedelta(0):
            return f"{span // size}{unit}"
    return f"PT{span.total_seconds():f}S"


class Legibly(yaml.SafeDumper):
    """YAML for people: lines of text as a block; what is not plain text in double quotes.

    PyYAML by itself writes some texts with line breaks so that it reads them otherwise.
    """


def _string(dumper: Legibly, text: str) -> yaml.ScalarNode:
    lines = text.split("\n")
    plain_text = all(line.isprintable() and line == line.rstrip() for line in lines)
    block = len(lines) > 1 and plain_text and lines[0][:1] not in ("", " ")
    style = "|" if block else None if plain_text and lines == [text.strip()] else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


Legibly.add_representer(str, _string)


def _yaml(said: Any) -> str:
    return yaml.dump(said, Dumper=Legibly, sort_keys=False, allow_unicode=True, width=LINE)
