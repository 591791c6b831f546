"""Whether what rules and grants say can be done to the data that they are about.

At a read, a mask that does not fit leaves nothing and a filter that cannot be told refuses; who
plans a rule, or gives a grant, is told before. Pure.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from provender.core.datasets import Dataset
from provender.core.effects import Effect, Mask
from provender.core.names import suggest
from provender.core.policy import Tags, fits, is_about
from provender.core.rules import ROWS, Grant, Rule, mask_of
from provender.core.schema import Schema

SHOWN = 3
"""How many columns that a mask does not fit are named of a dataset."""


def problems(rule: Rule, datasets: Iterable[Dataset], schemas: Mapping[str, Schema]) -> list[str]:
    """Return in words what of ``rule`` cannot be done to any of ``datasets``, by their ``schemas``.

    A dataset without a schema has no version yet, and is left out. A filter may be about columns
    that some datasets of a pattern lack, but not all; a mask of every column, whatever its tags,
    need not fit all of them.
    """
    about = [dataset for dataset in datasets if _is_judged(rule, dataset, schemas)]
    found = [fault for one in about for fault in _unmasked(rule, one, schemas) if rule.tags]
    untold = _untold(rule, about, schemas)
    return found + (next(iter(untold.values())) if untold and len(untold) == len(about) else [])


def warnings(rule: Rule, datasets: Iterable[Dataset], schemas: Mapping[str, Schema]) -> list[str]:
    """Return in words of which columns and rows nothing is shown, though `problems` lets that be."""
    about = [dataset for dataset in datasets if _is_judged(rule, dataset, schemas)]
    found = [fault for one in about for fault in _unmasked(rule, one, schemas) if not rule.tags]
    untold = _untold(rule, about, schemas)
    if len(untold) < len(about):
        found += [fault for told in untold.values() for fault in told]
    return found


def homeless(rule: Rule, projects: Collection[str]) -> Iterator[str]:
    """Say in words which projects ``rule`` names that there are not: it is about nobody in them yet."""
    for name in rule.of_projects:
        if name not in projects:
            yield (
                f"rule {rule.id}: there is no project {name!r} now ({suggest(name, projects)}): "
                "only who governs may be the first to apply it"
            )


def grant_problems(grant: Grant, schema: Schema | None, closed: Collection[str]) -> Iterator[str]:
    """Say in words what does not go together in ``grant``; ``closed`` columns it must name to give."""
    if grant.effect is Effect.DENY:
        yield "a grant gives; what denies is a rule with the effect deny"
    if (grant.effect is Effect.MASK) is not bool(grant.mask):
        yield "the effect mask has a mask, and no other effect"
    if grant.effect is not Effect.SEE and grant.action not in ROWS:
        yield f"only to {' and '.join(ROWS)} a part can be given, not to {grant.action}"
    mask = mask_of(grant.mask)
    if mask is not None and schema is not None:
        given = grant.columns or tuple(name for name in schema.names if name not in closed)
        yield from _unfit(mask, grant.dataset, given, schema)


def _is_judged(rule: Rule, dataset: Dataset, schemas: Mapping[str, Schema]) -> bool:
    return dataset.ref.dataset in schemas and fits(dataset.ref.dataset, rule.datasets)


def _unmasked(rule: Rule, dataset: Dataset, schemas: Mapping[str, Schema]) -> Iterator[str]:
    mask, name = mask_of(rule.mask), dataset.ref.dataset
    if mask is None:
        return
    columns = [
        column
        for column in schemas[name].names
        if is_about(rule, Tags.of(dataset, column, frozenset()))
    ]
    yield from (f"rule {rule.id}: {why}" for why in _unfit(mask, name, columns, schemas[name]))


def _unfit(mask: Mask, dataset: str, columns: Iterable[str], schema: Schema) -> Iterator[str]:
    there = (schema.column(name) for name in columns if name in schema)
    unfit = [f"{column.name}, which is {column.type}" for column in there if mask.unfit(column)]
    if unfit:
        more = f" and {len(unfit) - SHOWN} more" if unfit[SHOWN:] else ""
        yield f"mask {mask} does not fit {'; '.join(unfit[:SHOWN])}{more}, of {dataset}"


def _untold(
    rule: Rule, about: Iterable[Dataset], schemas: Mapping[str, Schema]
) -> dict[str, list[str]]:
    """Why the filter cannot be told of rows, by the datasets that it cannot be told of."""
    rows = rule.rows
    if rows is None:
        return {}
    names = [dataset.ref.dataset for dataset in about]
    found = {name: rows.problems(schemas[name]) for name in names}
    return {
        name: [f"rule {rule.id}: filter {rows}: of {name}, {why}" for why in faults]
        for name, faults in found.items()
        if faults
    }
