"""The policy in words, and what would be otherwise without one of its rules."""

from collections.abc import Iterator
from dataclasses import MISSING, fields, replace
from datetime import timedelta
from typing import Any

from provender.core.digest import plain
from provender.core.errors import Denied
from provender.core.names import unknown
from provender.core.policy import EVERY, Rule
from provender.core.simulation import Simulation
from provender.web.page import Page, Visit

SINCE = timedelta(days=30)
SHOWN = 50
SAID = ("id", "actors", "actions", "datasets", "purposes", "tags", "description")
"""What the sentence about a rule says; the rest follows it, where it says something."""


def policy(visit: Visit) -> Page:
    """Every rule that the actor may know, in words; with ``?without=`` who would lose and gain."""
    without = visit.asked("without")
    governance = visit.catalog.governance(datasets=False)
    rules = sorted(governance.rules, key=lambda rule: rule.id)
    if without and without not in {rule.id for rule in rules}:
        raise unknown("rule", without, [rule.id for rule in rules])
    found, refused = _simulated(visit, without) if without else (None, "")
    return Page(
        template="policy.html",
        title="Policy",
        facts={"rules": rules, "without": without, "simulation": found, "refused": refused},
        shown={
            "said": {rule.id: sentence(rule) for rule in rules},
            "more": {rule.id: list(_more(rule)) for rule in rules},
            "shown": SHOWN,
            "days": SINCE.days,
        },
    )


def sentence(rule: Rule) -> str:
    """Return who may do what to which data by ``rule``, and what for."""
    who = "everybody" if "anyone" in rule.actors else _listed(rule.actors)
    what = "any dataset" if EVERY in rule.datasets else _listed(rule.datasets)
    purpose = "any purpose" if EVERY in rule.purposes else _listed(rule.purposes)
    reach = f", with columns tagged {_listed(rule.tags)}" if rule.tags else ""
    return f"{who} may {_listed(rule.actions)} {what} for {purpose}{reach}"


def _listed(words: tuple[str, ...]) -> str:
    *first, last = map(str, words)
    return f"{', '.join(first)} and {last}" if first else last


def _more(rule: Rule) -> Iterator[str]:
    """What else a rule says, part by part."""
    for part in fields(rule):
        value = getattr(rule, part.name)
        default = part.default if part.default is not MISSING else None
        if part.name not in SAID and value != default and value:
            yield f"{part.name}: {_written(plain(value))}"


def _written(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_written, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {_written(one)}" for key, one in value.items() if one)
    return str(value)


def _simulated(visit: Visit, without: str) -> tuple[Simulation | None, str]:
    """What would be decided otherwise without a rule; or why the actor is not told."""
    try:
        whole = visit.catalog.desk.governance()
        rest = tuple(rule for rule in whole.rules if rule.id != without)
        supposed = replace(whole, rules=rest)
        return visit.catalog.access.simulate(supposed, since=visit.now - SINCE), ""
    except Denied as denied:
        return None, denied.message
