"""Rules that are new or change, against the newest versions of what they are about, and the projects there are."""

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import standings
from provender.catalog.rows import ProjectRow
from provender.core import rulefit
from provender.core.governance import Change, Governance, Step
from provender.core.policy import fits
from provender.core.rules import Rule
from provender.core.schema import Schema


def problems(db: Session, becomes: Governance, steps: Iterable[Step]) -> list[str]:
    """Return in words what of the rules that ``steps`` write cannot be done to the data they are about."""
    rules = _written(steps)
    schemas = _schemas(db, becomes, rules)
    return [fault for rule in rules for fault in rulefit.problems(rule, becomes.datasets, schemas)]


def warnings(
    db: Session, becomes: Governance, steps: Iterable[Step]
) -> dict[tuple[str, str], list[str]]:
    """Return for each rule that ``steps`` write, by its step, what is allowed of it, and perhaps not meant."""
    rules = _written(steps)
    schemas = _schemas(db, becomes, rules)
    projects = frozenset(db.scalars(select(ProjectRow.name)))
    return {
        ("rule", rule.id): [
            *rulefit.homeless(rule, projects),
            *rulefit.warnings(rule, becomes.datasets, schemas),
        ]
        for rule in rules
    }


def _written(steps: Iterable[Step]) -> list[Rule]:
    return [s.value for s in steps if s.kind == "rule" and s.change in (Change.ADD, Change.CHANGE)]


def _schemas(db: Session, becomes: Governance, rules: Iterable[Rule]) -> Mapping[str, Schema]:
    """The schemas of the newest versions of datasets whose rows one of ``rules`` masks or filters."""
    parting = [rule for rule in rules if rule.mask or rule.filter]
    names = [
        name
        for name in (dataset.ref.dataset for dataset in becomes.datasets)
        if any(fits(name, rule.datasets) for rule in parting)
    ]
    return standings.schemas(db, names)
