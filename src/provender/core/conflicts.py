"""Rules that contradict one another: what is allowed, and perhaps not meant. Pure.

That is no error: `core.policy` says which of them counts. Whoever plans is told.
"""

from collections.abc import Iterator, Mapping, Sequence

from provender.core.datasets import Dataset
from provender.core.effects import Effect
from provender.core.people import Actor
from provender.core.policy import Tags, fits, is_about, reaches
from provender.core.rules import EVERY, Action, ColumnRef, Rule

VERBS = {Effect.DENY: "denies", Effect.COMPUTE: "keeps for computing", Effect.MASK: "masks"}


def conflicts(
    new: Sequence[Rule],
    rules: Sequence[Rule],
    *,
    people: Mapping[str, Actor],
    datasets: Sequence[Dataset],
    protected: frozenset[str],
) -> dict[str, list[str]]:
    """Return for each rule of ``new`` a sentence for each of ``rules`` that it contradicts.

    Of two that are new the second is told. Each sentence names one column that both are about.
    """
    found: dict[str, list[str]] = {}
    for at, rule in enumerate(new):
        told = {other.id for other in new[at:]}
        for other in rules:
            if other.id not in told and _may_meet(rule, other, people):
                weak, strict = sorted((rule, other), key=_rank)
                for column in _contested(weak, strict, datasets, protected):
                    found.setdefault(rule.id, []).append(_said(weak, strict, column))
                    break
    return found


def _may_meet(one: Rule, other: Rule, people: Mapping[str, Actor]) -> bool:
    """Whether two rules that say different things are about an actor, action and purpose in common."""
    return (
        (one.effect, one.mask) != (other.effect, other.mask)
        and _share_actions(one, other)
        and (EVERY in (*one.purposes, *other.purposes) or bool({*one.purposes} & {*other.purposes}))
        and _share_actors(one, other, people)
        and all(
            {*values} & {*other.attributes.get(name, values)}
            for name, values in one.attributes.items()
        )
    )


def _share_actions(one: Rule, other: Rule) -> bool:
    hiding = any(r.effect is Effect.DENY and Action.DISCOVER in r.actions for r in (one, other))
    return hiding or bool({*one.actions} & {*other.actions})


def _share_actors(one: Rule, other: Rule, people: Mapping[str, Actor]) -> bool:
    named = {*one.actors}, {*other.actors}
    return (
        any("anyone" in names for names in named)
        or bool(named[0] & named[1])
        or any(all(actor.is_one_of(tuple(names)) for names in named) for actor in people.values())
    )


def _rank(rule: Rule) -> tuple[int, str]:
    return list(Effect).index(rule.effect), rule.id


def _contested(
    weak: Rule, strict: Rule, datasets: Sequence[Dataset], protected: frozenset[str]
) -> Iterator[ColumnRef]:
    """The columns that ``weak`` would open, and ``strict`` is about."""
    for dataset in datasets:
        name = dataset.ref.dataset
        if fits(name, weak.datasets) and fits(name, strict.datasets):
            for column in (EVERY, *dataset.column_tags):
                tags = Tags.of(dataset, column, protected)
                if is_about(weak, tags) and reaches(weak, tags) and is_about(strict, tags):
                    yield ColumnRef(name, column)


def _said(weak: Rule, strict: Rule, column: ColumnRef) -> str:
    if weak.effect is Effect.MASK is strict.effect:
        return (
            f"rules {weak.id} and {strict.id} mask {column} differently, {weak.mask} and "
            f"{strict.mask}: what leaves less holds"
        )
    verb = "lets" if weak.effect is Effect.SEE else VERBS[weak.effect]
    return f"rule {strict.id} {VERBS[strict.effect]} what rule {weak.id} {verb}, such as {column}: the stricter holds"
