"""The policy in words: rules as they were applied, what contradicts, what masks do, and who would lose and gain.

What a mask does is shown of values that are made up; nothing here reads data.
"""

from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from provender.core import conflicts
from provender.core.digest import plain
from provender.core.effects import Effect, Mask, masked, project_key
from provender.core.errors import Denied, InvalidInput
from provender.core.governance import Governance
from provender.core.names import unknown
from provender.core.people import Actor
from provender.core.policy import EVERY, Mode, Rule
from provender.core.schema import Column
from provender.core.simulation import Simulation
from provender.web.page import Page, Visit

USUAL_DAYS = 30
MOST_DAYS = 366
DAYS = (7, 30, 90, 365)
SHOWN = 50
MOST_DATASETS = 500
"""Up to so many datasets contradictions are looked for at once; of more, if it is asked for."""
SAID = (
    *("id", "actors", "actions", "datasets", "purposes", "tags", "description"),
    *("effect", "mask", "filter", "mode"),
)
"""What the sentence about a rule says; the rest follows it, where it says something."""
EXAMPLES: tuple[tuple[str, Any], ...] = (
    ("string", "N12345"),
    ("int64", 1234),
    ("float64", 12.34),
    ("date", date(2026, 3, 17)),
    ("timestamp", datetime(2026, 3, 17, 8, 45, 10, tzinfo=UTC)),
)
"""Made-up values by type, to show what masks make of them."""
EXAMPLE_KEY = project_key(b"of the example, and of nothing else", "example")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a mask makes of a made-up value; ``becomes`` is None where nothing is left."""

    type: str
    value: str
    becomes: str | None


def policy(visit: Visit) -> Page:
    """Every rule that the actor may know, in words.

    With ``?without=`` a rule, or ``?enforce=`` one that is only watched: who would lose and gain
    by it, of what was decided in so many ``?days=``.
    """
    known = visit.catalog.governance()
    rules = sorted(known.rules, key=lambda rule: rule.id)
    without, enforce = visit.asked("without"), visit.asked("enforce")
    for chosen in (without, enforce):
        if chosen and chosen not in {rule.id for rule in rules}:
            raise unknown("rule", chosen, [rule.id for rule in rules])
    days = _days(visit)
    found, refused = _simulated(visit, without, enforce, days) if without or enforce else (None, "")
    looks = len(known.datasets) <= MOST_DATASETS or visit.asked("conflicts") == "1"
    return Page(
        template="policy.html",
        title="Policy",
        facts={
            "rules": rules,
            "conflicts": contradictions(known) if looks else None,
            "masks": {rule.id: previews(rule.masks_with) for rule in rules if rule.masks_with},
            "without": without,
            "enforce": enforce,
            "days": days,
            "simulation": found,
            "refused": refused,
        },
        shown={
            "said": {rule.id: sentence(rule) for rule in rules},
            "more": {rule.id: list(_more(rule)) for rule in rules},
            "watched": [rule for rule in rules if rule.mode is Mode.SHADOW],
            "shown": SHOWN,
            "spans": DAYS,
        },
    )


def contradictions(known: Governance) -> dict[str, list[str]]:
    """Return in words which rules contradict others, as whoever applied them was told."""
    return conflicts.conflicts(
        known.rules,
        known.rules,
        people={person.id: Actor(person.id, frozenset(person.teams)) for person in known.people},
        datasets=known.datasets,
        protected=known.taxonomy.protected,
    )


def previews(mask: Mask | None) -> list[Preview]:
    """Return what ``mask`` makes of made-up values of the types that it fits."""
    return [
        Preview(type=kind, value=str(value), becomes=None if left is None else str(left))
        for kind, value in EXAMPLES
        if mask is not None and not mask.unfit(Column(name="example", type=kind))
        for left in [masked(mask, value, kind, key=EXAMPLE_KEY)]
    ]


def sentence(rule: Rule) -> str:
    """Return who may, or may not, do what to which data by ``rule``, what for, and what they get."""
    who = "everybody" if "anyone" in rule.actors else _listed(rule.actors)
    what = "any dataset" if EVERY in rule.datasets else _listed(rule.datasets)
    purpose = "any purpose" if EVERY in rule.purposes else _listed(rule.purposes)
    rows = f", only rows with {rule.filter}" if rule.filter else ""
    if rule.effect is Effect.SEE:
        reach = f", with columns tagged {_listed(rule.tags)}" if rule.tags else ""
        return f"{who} may {_listed(rule.actions)} {what} for {purpose}{reach}{rows}"
    if rule.tags:
        what = f"columns tagged {_listed(rule.tags, 'or')} of {what}"
    if rule.effect is Effect.DENY:
        return f"{who} may not {_listed(rule.actions, 'or')} {what} for {purpose}"
    how = f"masked: {rule.mask}" if rule.effect is Effect.MASK else "to compute features only"
    return f"{who} may {_listed(rule.actions)} {what} for {purpose}, {how}{rows}"


def _listed(words: Sequence[str], last_word: str = "and") -> str:
    *first, last = map(str, words)
    return f"{', '.join(first)} {last_word} {last}" if first else last


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


def _days(visit: Visit) -> int:
    days = visit.number("days") or USUAL_DAYS
    if days > MOST_DAYS:
        raise InvalidInput(
            f"days={days} is more than {MOST_DAYS}", hint=f"look at {MOST_DAYS} at most"
        )
    return days


def _simulated(
    visit: Visit, without: str, enforce: str, days: int
) -> tuple[Simulation | None, str]:
    """What would be decided otherwise without a rule, or if one held; or why the actor is not told."""
    try:
        whole = visit.catalog.desk.governance()
        supposed = tuple(
            replace(rule, mode=Mode.ENFORCE) if rule.id == enforce else rule
            for rule in whole.rules
            if rule.id != without
        )
        since = visit.now - timedelta(days=days)
        return visit.catalog.access.simulate(replace(whole, rules=supposed), since=since), ""
    except Denied as denied:
        return None, denied.message
