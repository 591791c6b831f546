"""Decisions about online lookups, counted: what is alike is told once, with how often and since when.

A lookup has no time for an audit event of its own. Whoever answers it counts it beside the *matter*
it is: who asked, for what, of which columns, and what decided. No keys of entities, no values. Pure.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from provender.core.audit import Outcome
from provender.core.bounds import COLUMNS, DATASETS, MANY
from provender.core.decisions import Permit
from provender.core.errors import InvalidInput
from provender.core.people import ACTOR_ID
from provender.core.policy import Action

MOST = 100
"""Tallies that are handed in together at most."""
LONGEST = 500
"""Characters of a text that was not decided here: names, requests, why something was refused."""
WRITTEN = 700_000
"""Characters that are written down of a batch, about; of one dataset of one tally alone it may be more.

A body with a batch is no longer, and shorter than a body may be.
"""
ENTRY, EVENT = 20, 500
"""Characters around a name, and around a part of a tally, where they are written down."""
BATCH_ID = re.compile(r"\d{20}-[0-9a-f]{12}\.\d{1,6}\Z")
ONLINE, IN_PROCESS = "online server", "in process"
Columns = Mapping[str, Mapping[str, str]]
"""What is said of columns, by dataset and column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What lookups that are counted together have in common.

    ``actor`` is empty where nobody is asked who they are: it is whoever runs the server. ``views``
    are the versions of the definitions that were read. ``reasons`` and ``tags`` are those of the
    moment of the decision, by dataset and column; ``lease`` the policy lease, or the permit, it was.
    """

    actor: str
    purpose: str
    project: str
    service: str = ""
    views: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, dict[str, str]] = field(default_factory=dict)
    tags: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    lease: str = ""
    where: str = ONLINE


def matter_of(
    permit: Permit,
    *,
    project: str,
    service: str = "",
    views: Mapping[str, int],
    tags: Mapping[str, Mapping[str, tuple[str, ...]]],
) -> Matter | None:
    """Return what lookups in process by ``permit`` are; None where it is of nothing governed."""
    reasons: dict[str, dict[str, str]] = {}
    for column, because in permit.because:
        reasons.setdefault(column.dataset, {})[column.column] = because
    if not reasons:
        return None
    return Matter(
        actor=permit.actor,
        purpose=permit.purpose,
        project=project,
        service=service,
        views=dict(views),
        reasons=reasons,
        tags={
            name: {column: told[column] for column in columns if column in told}
            for name, columns in reasons.items()
            if (told := tags.get(name))
        },
        lease=permit.decision,
        where=IN_PROCESS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many ``lookups`` of one matter were ``allowed``, or not, of how many ``entities`` together.

    ``because`` says why they were refused. ``first`` and ``last`` are ids of requests, ``began`` and
    ``ended`` when those were decided.
    """

    matter: Matter
    allowed: bool
    lookups: int
    entities: int
    first: str
    last: str
    began: datetime
    ended: datetime
    because: str = ""

    @property
    def verdict(self) -> Outcome:
        return Outcome.ALLOW if self.allowed else Outcome.DENY

    @property
    def texts(self) -> tuple[str, ...]:
        matter = self.matter
        told = (matter.purpose, matter.project, matter.service, matter.lease, matter.where)
        return (*told, self.first, self.last, self.because)

    def detail(self, dataset: str) -> dict[str, object]:
        """Return what an audit event tells of the part that is about ``dataset``."""
        matter = self.matter
        named = {"service": matter.service, "because": self.because}
        tags = matter.tags.get(dataset)
        return {
            "action": Action.SERVE,
            "verdict": self.verdict,
            **({"tags": tags} if tags else {}),
            "purpose": matter.purpose,
            "decision": matter.lease,
            "reasons": matter.reasons[dataset],
            "project": matter.project,
            "views": matter.views,
            **{name: value for name, value in named.items() if value},
            "lookups": self.lookups,
            "entities": self.entities,
            "requests": [self.first, self.last],
            "from": self.began,
            "to": self.ended,
            "where": matter.where,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Tallies that are handed in together, once: however often a batch comes, it counts once."""

    id: str
    tallies: tuple[Tally, ...]


@dataclass(slots=True)
class _Load:
    """How much there is together so far: each part of a tally, which is about one dataset, is an event."""

    datasets: set[str] = field(default_factory=set)
    parts: int = 0
    size: int = 0

    def takes(self, dataset: str, size: int) -> bool:
        """Whether so much more is not too much; then it is there."""
        self.datasets.add(dataset)
        self.parts += 1
        self.size += size
        return self.parts == 1 or (
            len(self.datasets) <= DATASETS and self.parts <= MANY and self.size <= WRITTEN
        )


def portions(tallies: Iterable[Tally]) -> Iterator[tuple[Tally, ...]]:
    """Yield ``tallies`` in such lists as can be handed in; one of too much as several, each of some datasets."""
    load, whole, datasets = _Load(), list[Tally](), list[str]()
    for one in tallies:
        datasets = []
        for dataset, size in _sizes(one):
            if not load.takes(dataset, size):
                yield (*whole, *_about(one, datasets))
                load, whole, datasets = _Load(), [], []
                load.takes(dataset, size)
            datasets.append(dataset)
        whole += _about(one, datasets)
    if whole:
        yield tuple(whole)


def _about(one: Tally, datasets: Iterable[str]) -> list[Tally]:
    """Return ``one`` of ``datasets`` only; nothing of none."""
    matter, kept = one.matter, set(datasets)
    if not kept or kept == matter.reasons.keys():
        return [one] if kept else []
    reasons = {name: told for name, told in matter.reasons.items() if name in kept}
    tags = {name: told for name, told in matter.tags.items() if name in kept}
    return [replace(one, matter=replace(matter, reasons=reasons, tags=tags))]


def _sizes(one: Tally) -> Iterator[tuple[str, int]]:
    """Yield about how many characters are written down of each dataset."""
    matter = one.matter
    fixed = EVENT + sum(map(len, one.texts)) + sum(len(view) + ENTRY for view in matter.views)
    for dataset, reasons in matter.reasons.items():
        because = sum(len(column) + len(why) + ENTRY for column, why in reasons.items())
        tags = matter.tags.get(dataset, {}).items()
        tagged = sum(
            len(column) + ENTRY + sum(len(tag) + ENTRY for tag in of) for column, of in tags
        )
        yield dataset, fixed + because + tagged


def check(batch: Batch) -> None:
    """Return if ``batch`` can be what it says it is. Clocks differ and go back: they are not held to ours.

    Raises:
        InvalidInput: its id is none, a tally counts nothing, is of no dataset or nobody, or
            says more than there is to say; or all together is more than is written down at once.
    """
    if not BATCH_ID.match(batch.id) or not 0 < len(batch.tallies) <= MOST:
        raise InvalidInput(
            f"batch {batch.id!r:.60} of {len(batch.tallies)} tallies is none that a journal makes",
            hint=f"hand in 1-{MOST} tallies at a time, under the name of their segment and a number",
        )
    for number, tally in enumerate(batch.tallies):
        if why := _wrong(tally):
            raise InvalidInput(
                f"tally {number} of batch {batch.id} {why}",
                hint="see docs/how-to/see-who-looked-up.md for what journals hold",
            )
    load = _Load()
    if not all(load.takes(*part) for tally in batch.tallies for part in _sizes(tally)):
        raise InvalidInput(
            f"batch {batch.id} tells more than is written down at once",
            hint=f"hand in tallies of at most {DATASETS} datasets, {MANY} with all tallies of each, "
            f"and {WRITTEN} characters at a time",
        )


def _wrong(tally: Tally) -> str:
    matter = tally.matter
    if tally.lookups < 1 or tally.entities < 0:
        return f"counts {tally.lookups} lookups of {tally.entities} entities"
    if matter.actor and not ACTOR_ID.match(matter.actor):
        return f"is of {matter.actor!r:.80}, which is no actor"
    if not matter.reasons or not all(matter.reasons.values()):
        return "is of no column"
    if any(len(columns) > COLUMNS for columns in matter.reasons.values()):
        return f"is of more than {COLUMNS} columns of a dataset"
    if any(len(text) > LONGEST for text in tally.texts):
        return f"has a text of more than {LONGEST} characters"
    return ""
