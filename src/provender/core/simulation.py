"""What a changed policy would have decided: who would lose, who would gain, by what was asked.

The questions are those that were recorded; each distinct one is decided twice, by the policy in
force and by the changed one, both now and with the grants of now: what differs is the change's
doing, and nothing else's. Pure: no clock, no database.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from provender.core.datasets import Dataset
from provender.core.governance import Governance
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef, Grant, Reason, Rule, decide

MOST = 1_000
"""Questions that are told of losses, and of gains; all are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What somebody asked about one dataset."""

    actor: str
    action: Action
    dataset: str
    columns: tuple[str, ...]
    purpose: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How often a question was asked, and when last."""

    question: Question
    times: int
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Columns of a question that the changed policy decides otherwise; ``was`` and ``becomes`` say why."""

    question: Question
    columns: tuple[str, ...]
    was: str
    becomes: str
    times: int
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What would be lost and gained, most asked first; of thousands the first, and how many."""

    since: datetime
    decisions: int
    questions: int
    losing: int = 0
    gaining: int = 0
    losses: tuple[Difference, ...] = ()
    gains: tuple[Difference, ...] = ()

    @property
    def changes_nothing(self) -> bool:
        return not (self.losing or self.gaining)


@dataclass(frozen=True, slots=True)
class Policy:
    """What decides: rules, tags, who is who and what datasets are; as it is, or as it would be."""

    rules: tuple[Rule, ...]
    protected: frozenset[str]
    purposes: Collection[str]
    datasets: Mapping[str, Dataset]
    actors: Mapping[str, Actor] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        governance: Governance,
        projects: Callable[[Sequence[str]], frozenset[str]] = lambda _: frozenset(),
    ) -> "Policy":
        """Return the policy that ``governance`` is; ``projects`` says whose they are, by owners."""
        return cls(
            rules=governance.rules,
            protected=governance.taxonomy.protected,
            purposes=frozenset(governance.purposes),
            datasets={one.ref.dataset: one for one in governance.datasets},
            actors={
                person.id: Actor(
                    person.id,
                    frozenset(person.teams),
                    projects([person.id, *person.teams]),
                    frozenset(person.attributes.items()),
                )
                for person in governance.people
            },
        )

    def reasons(
        self, question: Question, grants: Sequence[Grant], *, now: datetime
    ) -> tuple[Reason, ...]:
        """Return the reason for each column of ``question``, in their order."""
        asked = [ColumnRef(question.dataset, column) for column in question.columns]
        if question.purpose and question.purpose not in self.purposes:
            because = f"purpose {question.purpose} is not declared"
            return tuple(Reason(column=c, allowed=False, because=because) for c in sorted(asked))
        dataset = self.datasets.get(question.dataset)
        return decide(
            self.actors.get(question.actor) or Actor(question.actor),
            question.action,
            asked,
            purpose=question.purpose,
            datasets={} if dataset is None else {question.dataset: dataset},
            protected=self.protected,
            rules=self.rules,
            grants=grants,
            now=now,
        ).reasons


def simulate(
    asked: Iterable[Asked],
    before: Policy,
    after: Policy,
    *,
    grants: Iterable[Grant],
    since: datetime,
    now: datetime,
) -> Simulation:
    """Return what ``after`` decides otherwise than ``before``, of all that was ``asked``."""
    by_dataset: dict[str, list[Grant]] = {}
    for grant in grants:
        by_dataset.setdefault(grant.dataset, []).append(grant)
    losses: list[Difference] = []
    gains: list[Difference] = []
    questions = decisions = 0
    for one in asked:
        questions, decisions = questions + 1, decisions + one.times
        given = by_dataset.get(one.question.dataset, ())
        was = before.reasons(one.question, given, now=now)
        becomes = after.reasons(one.question, given, now=now)
        losses += _differing(one, was, becomes, allowed=False)
        gains += _differing(one, was, becomes, allowed=True)
    return Simulation(
        since=since,
        decisions=decisions,
        questions=questions,
        losing=len(losses),
        gaining=len(gains),
        losses=_first(losses),
        gains=_first(gains),
    )


def _differing(
    one: Asked, was: Sequence[Reason], becomes: Sequence[Reason], *, allowed: bool
) -> Iterator[Difference]:
    """The columns that are ``allowed`` afterwards and were not, or the other way round."""
    changed = [
        (old, new)
        for old, new in zip(was, becomes, strict=True)
        if old.allowed != new.allowed and new.allowed is allowed
    ]
    if changed:
        yield Difference(
            question=one.question,
            columns=tuple(new.column.column for _, new in changed),
            was=_said(old for old, _ in changed),
            becomes=_said(new for _, new in changed),
            times=one.times,
            last_at=one.last_at,
        )


def _said(reasons: Iterable[Reason]) -> str:
    return "; ".join(dict.fromkeys(reason.because for reason in reasons))


def _first(found: list[Difference]) -> tuple[Difference, ...]:
    def order(one: Difference) -> tuple[object, ...]:
        asked = one.question
        return -one.times, asked.actor, asked.dataset, asked.action, asked.purpose, one.columns

    return tuple(sorted(found, key=order)[:MOST])
