"""Governance as code: what catalog/ says, against what the catalog has, as a plan of steps."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from provender.core.datasets import Dataset
from provender.core.digest import canonical
from provender.core.glossary import Term
from provender.core.names import suggest
from provender.core.people import Person
from provender.core.policy import Rule
from provender.core.tags import TARGETS, Tag, Taxonomy


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A part of the business that datasets belong to."""

    name: str
    description: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A repository of feature definitions, whose name its online keys begin with."""

    name: str
    description: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Governance:
    """Everything that catalog/ declares."""

    domains: tuple[Domain, ...] = ()
    teams: tuple[str, ...] = ()
    people: tuple[Person, ...] = ()
    tags: tuple[Tag, ...] = ()
    terms: tuple[Term, ...] = ()
    purposes: dict[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    datasets: tuple[Dataset, ...] = ()

    @property
    def taxonomy(self) -> Taxonomy:
        return Taxonomy(self.tags)


class Change(StrEnum):
    """What a step does: catalog/ is the whole truth, so what it does not declare is removed."""

    ADD = "add"
    CHANGE = "change"
    KEEP = "keep"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One object to write, with what it becomes; or to remove, with what it was."""

    change: Change
    kind: str
    name: str
    value: Any


def check(desired: Governance) -> list[str]:
    """Return every problem of ``desired`` in words; an empty list if there is none."""
    problems: list[str] = []
    people = {person.id for person in desired.people} | set(desired.teams)
    domains = [domain.name for domain in desired.domains]
    for kind, names in _names(desired).items():
        problems += [
            f"{kind} {n!r} is declared twice" for n in sorted({*names}) if names.count(n) > 1
        ]
    for domain in desired.domains:
        owners = (domain.owner,) if domain.owner else ()
        problems += _unknown(f"domain {domain.name}", "owner", owners, people)
    for person in desired.people:
        problems += _unknown(f"person {person.id}", "team", person.teams, desired.teams)
    for tag in desired.tags:
        problems += _unfit(tag, people)
    for term in desired.terms:
        owners = (term.owner,) if term.owner else ()
        problems += _unknown(f"term {term.name}", "owner", owners, people)
    terms = [term.name for term in desired.terms]
    for dataset in desired.datasets:
        where = f"dataset {dataset.ref}"
        problems += _unknown(where, "domain", (dataset.ref.domain,), domains)
        problems += _unknown(where, "owner", (dataset.owner,), people)
        problems += _unknown(where, "steward", dataset.stewards, people)
        problems += _unknown(where, "deputy", dataset.deputies, people)
        problems += _unknown(where, "term", dataset.terms, terms)
        problems += desired.taxonomy.misuses(dataset.assignments, where=where)
    for rule in desired.rules:
        where = f"rule {rule.id}"
        problems += _unknown(where, "actor", rule.actors, people | {"anyone"})
        problems += _unknown(where, "purpose", rule.purposes, {*desired.purposes, "*"})
        problems += desired.taxonomy.problems(rule.tags, where=where)
    return problems


def diff(current: Governance, desired: Governance) -> list[Step]:
    """Return one step per object of either, in the order in which they must be taken.

    Removals come last, and in reverse: whatever rests on something goes before it.
    """
    had, wanted = _objects(current), _objects(desired)
    written = [
        Step(change=_change(had.get((kind, name)), value), kind=kind, name=name, value=value)
        for (kind, name), value in wanted.items()
    ]
    removed = [
        Step(change=Change.REMOVE, kind=kind, name=name, value=value)
        for (kind, name), value in had.items()
        if (kind, name) not in wanted
    ]
    return written + removed[::-1]


def _change(old: Any, new: Any) -> Change:
    if old is None:
        return Change.ADD
    return Change.KEEP if canonical(old) == canonical(new) else Change.CHANGE


def _objects(governance: Governance) -> Mapping[tuple[str, str], Any]:
    objects: dict[tuple[str, str], Any] = {}
    objects |= {("team", team): {"id": team} for team in governance.teams}
    objects |= {("person", person.id): person for person in governance.people}
    objects |= {("domain", domain.name): domain for domain in governance.domains}
    objects |= {("tag", tag.name): tag for tag in governance.tags}
    objects |= {("term", term.name): term for term in governance.terms}
    objects |= {
        ("purpose", name): {"name": name, "description": text}
        for name, text in governance.purposes.items()
    }
    objects |= {("rule", rule.id): rule for rule in governance.rules}
    objects |= {("dataset", dataset.ref.dataset): dataset for dataset in governance.datasets}
    return objects


def _names(governance: Governance) -> dict[str, list[str]]:
    return {
        "domain": [domain.name for domain in governance.domains],
        "team": list(governance.teams),
        "person": [person.id for person in governance.people],
        "tag": [tag.name for tag in governance.tags],
        "term": [term.name for term in governance.terms],
        "rule": [rule.id for rule in governance.rules],
        "dataset": [dataset.ref.dataset for dataset in governance.datasets],
    }


def _unfit(tag: Tag, people: Iterable[str]) -> list[str]:
    """What is wrong with a tag: who may assign it, what it may be put on, which values it has."""
    where = f"tag {tag.name}"
    problems = _unknown(where, "assigner", tag.assigners, {*people, "anyone"})
    problems += [
        f"{where}: on {target!r} is neither of {' and '.join(TARGETS)}"
        for target in tag.on
        if target not in TARGETS
    ]
    if not tag.on:
        problems.append(f"{where}: may be put on nothing; write on: [{', '.join(TARGETS)}]")
    if "=" in tag.name:
        problems.append(f"{where}: a name holds no =; list what follows it under values")
    if not all(tag.values):
        problems.append(f"{where}: a value is empty")
    return problems


def _unknown(where: str, what: str, used: Iterable[str], known: Iterable[str]) -> list[str]:
    names = set(known)
    return [
        f"{where}: {what} {name!r} is not declared ({suggest(name, names)})"
        for name in used
        if name not in names
    ]
