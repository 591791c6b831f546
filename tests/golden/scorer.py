"""How well a search answers the golden queries: reciprocal rank, exact names first, recall.

A search is a function from a text to names of assets, best first. Pure: what it returns is all
that counts, not how.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from tests.golden.queries import EXACT_CLASSES, Query

Search = Callable[[str], Sequence[str]]

DEPTH = 10
"""Results looked at; an answer further down counts as not found."""
RECALL_AT = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one query found: the first names, best first."""

    query: Query
    found: tuple[str, ...]

    @property
    def reciprocal_rank(self) -> float:
        """1 / rank of the first acceptable asset, 0 when none is among the first ten."""
        ranks = (at for at, name in enumerate(self.found, 1) if name in self.query.acceptable)
        return next((1 / rank for rank in ranks), 0.0)

    @property
    def recall(self) -> float:
        """The share of the best assets among the first five; of five, where there are more."""
        within = self.query.best.intersection(self.found[:RECALL_AT])
        return len(within) / min(RECALL_AT, len(self.query.best))

    @property
    def is_first(self) -> bool:
        return bool(self.found) and self.found[0] in self.query.best


@dataclass(frozen=True, slots=True)
class Score:
    """Means over the queries of a class, or of all; 0–1."""

    queries: int
    mrr: float
    recall_at_5: float
    first: float


@dataclass(frozen=True, slots=True)
class Report:
    """The scores of a search on a set of queries.

    ``exact_first`` is over the queries that are an asset's name. ``nothing_found`` is over the
    queries without an answer, which count nowhere else; 1 is right.
    """

    total: Score
    by_class: dict[str, Score]
    exact_first: float
    nothing_found: float
    misses: tuple[Outcome, ...]

    def __str__(self) -> str:
        lines = [f"{'class':<16}{'n':>5}{'MRR':>8}{'recall@5':>10}{'first':>8}"]
        for name, score in {**self.by_class, "all": self.total}.items():
            lines.append(
                f"{name:<16}{score.queries:>5}{score.mrr:>8.3f}{score.recall_at_5:>10.3f}"
                f"{score.first:>8.3f}"
            )
        lines.append(f"exact name first {self.exact_first:.3f}")
        lines.append(f"nothing found where nothing is {self.nothing_found:.3f}")
        return "\n".join(lines)


def evaluate(queries: Sequence[Query], search: Search) -> Report:
    """Return how well ``search`` answers ``queries``; each is asked once, in order.

    ``misses`` are the queries whose first result is none of the best, to look at by eye.
    """
    outcomes = [Outcome(query, tuple(search(query.text)[:DEPTH])) for query in queries]
    answered = [outcome for outcome in outcomes if outcome.query.best]
    unanswerable = [outcome for outcome in outcomes if not outcome.query.best]
    classes = dict.fromkeys(outcome.query.intent for outcome in answered)
    exact = [outcome for outcome in answered if outcome.query.intent in EXACT_CLASSES]
    return Report(
        total=_score(answered),
        by_class={
            name: _score([one for one in answered if one.query.intent == name]) for name in classes
        },
        exact_first=_share([outcome.is_first for outcome in exact]),
        nothing_found=_share([not outcome.found for outcome in unanswerable]),
        misses=tuple(outcome for outcome in answered if not outcome.is_first),
    )


def _score(outcomes: Sequence[Outcome]) -> Score:
    return Score(
        queries=len(outcomes),
        mrr=_share([outcome.reciprocal_rank for outcome in outcomes]),
        recall_at_5=_share([outcome.recall for outcome in outcomes]),
        first=_share([outcome.is_first for outcome in outcomes]),
    )


def _share(values: Sequence[float]) -> float:
    """Return the mean; 1 of nothing, because nothing went wrong."""
    return fmean(values) if values else 1.0
