"""Scopes: what the decision to show something depends on, the same for all that shares it.

Of a dataset these are who decides about it, which of its tags protect or are named by rules that
close something, and which patterns of rules its name fits; of what rests on several datasets, the scopes of all of them. There are some
hundred scopes where there are hundreds of thousands of datasets: deciding each once is deciding
everything. `core.policy.decide` decides; nothing here does.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from provender.catalog import naming
from provender.catalog.rows import DatasetRow, NodeRow, RestsOnRow, ScopeRow
from provender.core.datasets import Dataset, Format
from provender.core.digest import canonical
from provender.core.effects import Effect
from provender.core.lineage import NodeKind
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import EVERY, Action, ColumnRef, Grant, Rule, concerning, decide
from provender.core.tags import tag_name

COUNTER = "scope"
GONE = canonical({"gone": True})
"""The key of what was withdrawn: nobody sees it, nor what rests on it."""
ALL, ANY = "all", "any"
STAND_IN = DatasetRef("scope", "dataset")
PORTION = 500
FEW = 50
"""Scopes that a condition lists; of more it has a mark each."""


@dataclass(frozen=True)
class Policy:
    """The rules in force and the tags that protect, at one epoch."""

    rules: tuple[Rule, ...]
    protected: frozenset[str]

    @cached_property
    def patterns(self) -> tuple[str, ...]:
        """Every pattern of dataset names that a rule has."""
        return tuple(sorted({pattern for rule in self.rules for pattern in rule.datasets}))

    @cached_property
    def closing(self) -> tuple[Rule, ...]:
        """The rules that take something away, whatever else there is."""
        return tuple(rule for rule in self.rules if rule.effect is not Effect.SEE or rule.filter)

    @cached_property
    def valued(self) -> frozenset[str]:
        """Every tag that a rule names with a value."""
        return frozenset(tag for rule in self.rules for tag in rule.tags if "=" in tag)

    @cached_property
    def of_datasets(self) -> frozenset[str]:
        """Every tag that counts on a dataset as a whole: that protects, denies or masks."""
        return self.protected.union(*(r.tags for r in self.rules if r.effect is not Effect.SEE))

    @cached_property
    def of_columns(self) -> frozenset[str]:
        """Every tag that counts on a column for discovering the dataset: of which rules give a part."""
        parts = (Effect.MASK, Effect.COMPUTE)
        return frozenset(tag for rule in self.rules if rule.effect in parts for tag in rule.tags)

    def kept(self, written: Iterable[str], counting: frozenset[str]) -> list[str]:
        """Return those tags that count, with the values that rules name."""
        return sorted(
            {
                tag if tag in self.valued else tag_name(tag)
                for tag in written
                if tag in counting or tag_name(tag) in counting
            }
        )


def key_of(dataset: Dataset, policy: Policy) -> str:
    """Return what the decision about ``dataset`` as a whole depends on."""
    name = dataset.ref.dataset
    within: list[str] = []
    if policy.of_columns:
        within = policy.kept(map(str, dataset.assignments), policy.of_columns)
    return canonical(
        {
            "deciders": sorted(dataset.who_decides),
            "tags": policy.kept(dataset.written_tags_of(EVERY), policy.of_datasets),
            "patterns": [p for p in policy.patterns if fnmatchcase(name, p)],
            **({"within": within} if within else {}),
        }
    )


def key_of_several(scopes: Iterable[int], *, of_entity: bool = False) -> str:
    """Return what the decision about something that rests on datasets of ``scopes`` depends on.

    An entity is seen by who sees one of its views.
    """
    return canonical({ANY if of_entity else ALL: sorted(set(scopes))})


def ensured(db: Session, keys: Collection[str]) -> dict[str, int]:
    """Return the number of the scope of each key; those that are new get one."""
    wanted = sorted(set(keys))
    found = known(db, wanted)
    new = [key for key in wanted if key not in found]
    if new:
        first = naming.take(db, COUNTER, len(new))
        given = {key: number for number, key in enumerate(new, first)}
        db.execute(insert(ScopeRow), [{"id": n, "key": key} for key, n in given.items()])
        found |= given
    return found


def known(db: Session, keys: Collection[str]) -> dict[str, int]:
    """Return the numbers of those scopes that there are."""
    wanted = sorted(set(keys))
    found: dict[str, int] = {}
    for start in range(0, len(wanted), PORTION):
        portion = wanted[start : start + PORTION]
        rows = db.execute(select(ScopeRow.key, ScopeRow.id).where(ScopeRow.key.in_(portion)))
        found |= dict(rows.all())
    return found


def of_nodes(db: Session, nodes: Collection[int], *, add: bool = True) -> dict[int, int]:
    """Return the scope of what each of ``nodes`` rests on, as its datasets are scoped now.

    Without ``add`` a scope that there is not yet is numbered -1.
    """
    resting: dict[int, list[int]] = {node: [] for node in nodes}
    entities: set[int] = set()
    every = sorted(resting)
    for start in range(0, len(every), PORTION):
        wanted = (
            select(RestsOnRow.node, DatasetRow.scope, NodeRow.kind)
            .join(DatasetRow, DatasetRow.id == RestsOnRow.dataset)
            .join(NodeRow, NodeRow.id == RestsOnRow.node)
            .where(RestsOnRow.node.in_(every[start : start + PORTION]))
        )
        for node, scope, kind in db.execute(wanted):
            resting[node].append(scope)
            if kind == NodeKind.ENTITY.value:
                entities.add(node)
    keys = {
        n: key_of_several(scopes, of_entity=n in entities)
        for n, scopes in resting.items()
        if len(set(scopes)) != 1
    }
    numbers = ensured(db, keys.values()) if add else known(db, keys.values())
    return {
        n: numbers.get(keys[n], -1) if n in keys else scopes[0] for n, scopes in resting.items()
    }


def among(column: str, numbers: Collection[int]) -> str:
    """Return the condition that ``column`` is one of ``numbers``."""
    return f"{column} IN ({', '.join(map(str, sorted(numbers)))})" if numbers else "1 = 0"


def within(db: Session, column: str, scopes: Collection[int]) -> str:
    """Return the condition that ``column`` is one of ``scopes``, of which there may be thousands.

    Reading a list of thousands takes a database longer than most searches.
    """
    if len(scopes) <= FEW:
        return among(column, scopes)
    return _marked(column, frozenset(scopes), db.get_bind().dialect.name)


@lru_cache(maxsize=64)
def _marked(column: str, scopes: frozenset[int], dialect: str) -> str:
    """The condition by a mark for each scope: 1 if it is one of ``scopes``.

    PostgreSQL takes any such condition to hold for one row in 200, and its negation for all but
    that, so it is put in the way that is nearer: most actors see most of what there is.
    """
    last = max(scopes)
    if dialect != "postgresql":
        marks = bytearray(last + 1)
        for scope in scopes:
            marks[scope] = 1
        return f"substr(x'{marks.hex()}', {column} + 1, 1) = x'01'"
    bits = sum(1 << scope for scope in scopes).to_bytes(last // 8 + 1, "little").hex()
    known = f"CASE WHEN {column} BETWEEN 0 AND {last} THEN "
    bit = f"{known}get_bit('\\x{bits}'::bytea, {column}) ELSE 0 END"
    return f"{bit} = 1" if 2 * len(scopes) < last else f"{bit} <> 0"


def decided(
    keys: Mapping[int, str], who: Actor, action: Action, policy: Policy, *, now: datetime
) -> frozenset[int]:
    """Return which of the scopes ``keys`` are open to ``who``."""
    read: dict[int, Any] = {number: json.loads(key) for number, key in keys.items()}
    rules = concerning(who, action, policy.rules, purpose="")
    opened = {
        number
        for number, key in read.items()
        if "deciders" in key
        and _is_open(key, _stand_in(key, STAND_IN), who, action, policy, rules, (), now=now)
    }
    several = {n for n, key in read.items() if ALL in key and opened.issuperset(key[ALL])}
    any_of = {n for n, key in read.items() if ANY in key and not opened.isdisjoint(key[ANY])}
    return frozenset(opened | several | any_of)


def opens(
    grant: Grant, name: str, key: str, who: Actor, action: Action, policy: Policy, *, now: datetime
) -> bool:
    """Return whether ``grant`` opens dataset ``name`` with the scope ``key``, while it lasts."""
    read = json.loads(key)
    if "deciders" not in read:
        return False
    stand_in, endless = _stand_in(read, DatasetRef.parse(name)), replace(grant, until=None)
    return _is_open(read, stand_in, who, action, policy, policy.closing, [endless], now=now)


def _is_open(
    key: Mapping[str, Sequence[str]],
    stand_in: Dataset,
    who: Actor,
    action: Action,
    policy: Policy,
    rules: Iterable[Rule],
    grants: Sequence[Grant],
    *,
    now: datetime,
) -> bool:
    fitting, name = frozenset(key["patterns"]), stand_in.ref.dataset
    return decide(
        who,
        action,
        [ColumnRef(name)],
        purpose="",
        datasets={name: stand_in},
        protected=policy.protected,
        rules=[replace(r, datasets=(EVERY,)) for r in rules if fitting & {*r.datasets}],
        grants=grants,
        now=now,
    ).allowed


def _stand_in(key: Mapping[str, Sequence[str]], ref: DatasetRef) -> Dataset:
    """A dataset with just what the decision depends on."""
    owner, *others = key["deciders"]
    return Dataset(
        ref=ref,
        description="",
        owner=owner,
        stewards=tuple(others),
        format=Format.PARQUET,
        tags=tuple(key["tags"]),
        column_tags={"tagged": tuple(key.get("within", ()))},
    )
