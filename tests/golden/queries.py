"""The golden queries and the practice queries, with what each should find."""

from dataclasses import dataclass
from pathlib import Path

import yaml

HERE = Path(__file__).parent
GOLDEN = HERE / "queries.yml"
PRACTICE = HERE / "practice.yml"

BEST, ACCEPTABLE, RELATED = 3, 2, 1

EXACT_CLASSES = frozenset({"exact_name", "qualified_name"})
"""Where the asset of that name has to come first."""


@dataclass(frozen=True, slots=True)
class Query:
    """What somebody types, and the assets that answer it, graded 3 (best) to 1 (related).

    ``meant`` is what they would have typed without a slip; the same as ``text`` otherwise.
    """

    text: str
    intent: str
    meant: str
    relevant: dict[str, int]
    why: str

    @property
    def best(self) -> frozenset[str]:
        return frozenset(name for name, grade in self.relevant.items() if grade == BEST)

    @property
    def acceptable(self) -> frozenset[str]:
        return frozenset(name for name, grade in self.relevant.items() if grade >= ACCEPTABLE)


def load_queries(path: Path = GOLDEN) -> list[Query]:
    """Return the queries of a file, class by class."""
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [
        Query(
            text=str(entry["query"]),
            intent=intent,
            meant=str(entry.get("meant", entry["query"])),
            relevant=entry["relevant"],
            why=entry["why"],
        )
        for intent, entries in written.items()
        for entry in entries
    ]
