"""Governance as code: what catalog/ says, against what the catalog has, as a plan of steps.

A plan compares three: what catalog/ says now, what is in force, and what catalog/ said when it
was applied last. What is in force but was never said by catalog/ is somebody's who declared it
elsewhere, and stays. What is in force but not as catalog/ said has drifted: a step that would
undo that says so. Pure: no clock, no database.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from provender.core import derivation
from provender.core.audit import TRAIL
from provender.core.conflicts import conflicts
from provender.core.datasets import Dataset
from provender.core.digest import canonical, digest, plain, short
from provender.core.errors import InvalidInput
from provender.core.glossary import Term
from provender.core.names import suggest
from provender.core.people import PROJECT, Actor, Person
from provender.core.policy import EVERY, Rule
from provender.core.tags import TARGETS, Tag, Taxonomy

FIELDS = {
    "team": "teams",
    "person": "people",
    "domain": "domains",
    "tag": "tags",
    "term": "terms",
    "purpose": "purposes",
    "rule": "rules",
    "dataset": "datasets",
}
"""Kinds of objects, and where `Governance` has them."""


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


Declared = Domain | Person | Tag | Term | Rule | Dataset
"""One object that can be declared by itself."""


class Change(StrEnum):
    """What a step does: what catalog/ said once and does not declare any more is removed."""

    ADD = "add"
    CHANGE = "change"
    KEEP = "keep"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """That an object is not as catalog/ said last: it was ``base``, is ``theirs``, would be ``yours``.

    None: it is not there.
    """

    base: Any
    theirs: Any
    yours: Any

    @property
    def parts(self) -> tuple[str, ...]:
        """Which parts of ``theirs`` would change; none if it is there or not as a whole."""
        if self.theirs is None or self.yours is None:
            return ()
        theirs, yours = plain(self.theirs), plain(self.yours)
        return tuple(part for part in theirs if theirs[part] != yours.get(part))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One object to write, with what it becomes; or to remove, with what it was.

    ``warnings`` say what is allowed, and perhaps not meant.
    """

    change: Change
    kind: str
    name: str
    value: Any
    drift: Drift | None = None
    warnings: tuple[str, ...] = ()

    @property
    def overwrites(self) -> bool:
        """Whether the step undoes what somebody did since catalog/ was applied last."""
        return self.drift is not None and self.change is not Change.KEEP


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
        problems += _unmade(where, dataset)
    for rule in desired.rules:
        where = f"rule {rule.id}"
        known = people | {"anyone"} | {one for one in rule.actors if one.startswith(PROJECT)}
        problems += _unknown(where, "actor", rule.actors, known)
        problems += _unknown(where, "purpose", rule.purposes, {*desired.purposes, "*"})
        problems += desired.taxonomy.misnamed(rule.tags, where=where)
    return problems


def diff(current: Governance, desired: Governance, applied: Governance | None = None) -> list[Step]:
    """Return one step per object of either, in the order in which they must be taken.

    ``applied`` is what was desired last; None: all that is there now. Removals come last, and in
    reverse: whatever rests on something goes before it.
    """
    had, wanted = objects(current), objects(desired)
    said = had if applied is None else objects(applied)
    written = [
        _step(key, said.get(key), theirs=had.get(key), yours=value) for key, value in wanted.items()
    ]
    others = [
        _step(key, said.get(key), theirs=value, yours=None)
        for key, value in had.items()
        if key not in wanted
    ]
    kept = [step for step in others if step.change is Change.KEEP]
    removed = [step for step in others if step.change is Change.REMOVE]
    return written + kept + removed[::-1]


def warned(
    steps: Iterable[Step], becomes: Governance, more: Mapping[tuple[str, str], Iterable[str]]
) -> list[Step]:
    """Return ``steps`` with warnings: of rules that fit no dataset, or contradict one another.

    ``more`` are others, by kinds and names of steps.
    """
    names = [dataset.ref.dataset for dataset in becomes.datasets]
    told, written = list(steps), (Change.ADD, Change.CHANGE)
    new = [step.value for step in told if step.kind == "rule" and step.change in written]
    against = conflicts(
        new,
        becomes.rules,
        people={person.id: Actor(person.id, frozenset(person.teams)) for person in becomes.people},
        datasets=becomes.datasets,
        protected=becomes.taxonomy.protected,
    )
    said = {
        ("rule", rule.id): (*_unfitting(rule, names), *against.get(rule.id, ())) for rule in new
    }
    return [
        replace(step, warnings=(*said.get(key, ()), *more.get(key, ())))
        for step in told
        for key in ((step.kind, step.name),)
    ]


def _unfitting(rule: Rule, names: Iterable[str]) -> Iterator[str]:
    for pattern in rule.datasets:
        if pattern not in (EVERY, TRAIL) and not any(fnmatchcase(name, pattern) for name in names):
            yield f"rule {rule.id}: no dataset fits {pattern!r} now"


def plan_digest(steps: Iterable[Step]) -> str:
    """Return what a plan is told by: one that would change anything else has another."""
    changes = [step for step in steps if step.change is not Change.KEEP]
    return short(digest(changes), length=32)


def together(desired: Governance, steps: Iterable[Step]) -> Governance:
    """Return what is in force after ``steps``: what is desired, and what stays beside it."""
    there: dict[str, list[Any]] = {kind: [] for kind in FIELDS}
    wanted = objects(desired)
    for step in steps:
        if step.change is Change.KEEP and (step.kind, step.name) not in wanted:
            there[step.kind].append(step.value)
    purposes = {one["name"]: one["description"] for one in there.pop("purpose")}
    teams = tuple(one["id"] for one in there.pop("team"))
    more = {
        FIELDS[kind]: (*getattr(desired, FIELDS[kind]), *values) for kind, values in there.items()
    }
    return replace(
        desired,
        teams=(*desired.teams, *teams),
        purposes={**desired.purposes, **purposes},
        **more,
    )


def only(value: "Declared") -> Governance:
    """Return the governance that declares one object."""
    kinds: dict[type, str] = {
        Domain: "domains",
        Person: "people",
        Tag: "tags",
        Term: "terms",
        Rule: "rules",
        Dataset: "datasets",
    }
    declared: dict[str, Any] = {kinds[type(value)]: (value,)}
    return Governance(**declared)


def without(governance: Governance, kind: str, name: str) -> Governance:
    """Return ``governance`` without one object."""
    if kind == "purpose":
        left = {key: text for key, text in governance.purposes.items() if key != name}
        return replace(governance, purposes=left)
    if kind == "team":
        return replace(governance, teams=tuple(team for team in governance.teams if team != name))
    gone = objects(governance)[kind, name]
    others: dict[str, Any] = {
        FIELDS[kind]: tuple(one for one in getattr(governance, FIELDS[kind]) if one is not gone)
    }
    return replace(governance, **others)


def _step(key: tuple[str, str], base: Any, *, theirs: Any, yours: Any) -> Step:
    kind, name = key
    change = _change(base, theirs, yours)
    drifted = (base is None and yours is None) or (
        change is not Change.KEEP and not _same(base, theirs)
    )
    return Step(
        change=change,
        kind=kind,
        name=name,
        value=theirs if yours is None else yours,
        drift=Drift(base=base, theirs=theirs, yours=yours) if drifted else None,
    )


def _change(base: Any, theirs: Any, yours: Any) -> Change:
    if yours is None:
        return Change.KEEP if base is None else Change.REMOVE
    if theirs is None:
        return Change.ADD
    return Change.KEEP if _same(theirs, yours) else Change.CHANGE


def _same(one: Any, other: Any) -> bool:
    return canonical(one) == canonical(other)


def objects(governance: Governance) -> Mapping[tuple[str, str], Any]:
    """Return every object by its kind and name, in the order in which they must be written."""
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


def _unmade(where: str, dataset: Dataset) -> Iterator[str]:
    """What is wrong with what columns are said to be made from."""
    for column in sorted(dataset.column_anonymises.keys() - dataset.column_from.keys()):
        yield f"{where}: column {column!r} says that it anonymises, but not what; add from: […]"
    try:
        edges = derivation.declared(dataset)
    except InvalidInput as error:
        yield f"{where}: {error.message} ({error.hint})"
        return
    for edge in edges:
        if (edge.upstream, edge.column) == (edge.downstream, edge.to):
            yield f"{where}: column {edge.to!r} is made from itself"


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
    if tag.four_eyes and not tag.protected:
        problems.append(f"{where}: four_eyes closes nothing; write protected: true, too")
    return problems


def _unknown(where: str, what: str, used: Iterable[str], known: Iterable[str]) -> list[str]:
    names = set(known)
    return [
        f"{where}: {what} {name!r} is not declared ({suggest(name, names)})"
        for name in used
        if name not in names
    ]
