"""Padding: assets that look like the golden ones and answer no golden query as well.

Half are near misses of one asset, such as ``stg_baskets_eu`` or ``orders_daily_v3``; half are put
together from names, sentences, columns, tags and terms of assets of one domain. No other words
are used than those of the golden assets and `AFFIXES`, so a search that counts words meets the
same words everywhere.

**Never a better answer.** An asset is let through (`Gate`) only if for every golden query and
every best answer to it, its evidence `is_worse_than` that answer's: it covers fewer of the words,
or the same words in lesser parts of the asset, or all in a longer name. So it has no name of a
golden asset, no tag, owner, term or column that a query asks for, and at least one word of each
question is missing. What a query without an answer asks for occurs nowhere.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import TypeVar

from provender.core.names import PART
from tests.golden.corpus import Asset, load_assets
from tests.golden.evidence import Evidence, Where, name_length, passes_for, places, stems
from tests.golden.queries import Query, load_queries

SEED = 20_260_101
BEFORE = ("stg", "raw", "tmp", "dim", "fct", "hist", "int", "agg", "old", "test", "bak", "clean")
AFTER = (
    *("daily", "weekly", "monthly", "hourly", "yearly", "v2", "v3", "v4", "v5", "old", "new"),
    *("eu", "us", "apac", "uk", "de", "fr", "north", "south", "east", "west", "sandbox"),
    *("2018", "2019", "2020", "2021", "2022", "2023", "2024", "backup", "copy", "sample"),
    *("draft", "final", "wide", "slim", "full", "delta", "snapshot", "archive", "test", "tmp"),
)
AFFIXES = frozenset((*BEFORE, *AFTER))
SAYINGS = (
    "As {name}, {affix}.",
    "{affix} variant of {name}; ask before you use it.",
    "Copy of {name} ({affix}) made for a project that has ended.",
    "Experiment on {name}, {affix}.",
)
Thing = TypeVar("Thing")
STATES = ("published", "published", "published", "published", "draft", "deprecated")


def padding(count: int, *, seed: int = SEED) -> Iterator[Asset]:
    """Yield ``count`` assets with names of their own; the same seed yields the same assets."""
    golden = load_assets()
    gate = Gate(golden, load_queries())
    mixer = Mixer(golden, Random(seed))
    names = {asset.name for asset in golden}
    made = 0
    while made < count:
        asset = mixer.near_miss() if made % 2 else mixer.mixture()
        is_new_name = asset.name not in names and PART.match(asset.bare_name)
        if is_new_name and gate.lets_through(asset):
            names.add(asset.name)
            made += 1
            yield asset


class Mixer:
    """Makes assets from the words of the golden ones; knows nothing of the queries."""

    def __init__(self, golden: Sequence[Asset], random: Random) -> None:
        self._random = random
        self._golden = golden
        self._by_domain: dict[str, list[Asset]] = defaultdict(list)
        for asset in golden:
            self._by_domain[asset.domain].append(asset)

    def near_miss(self) -> Asset:
        """Return an asset named after a golden one, with some of its columns."""
        one = self._random.choice(self._golden)
        affix = self._random.choice(AFTER)
        saying = self._random.choice(SAYINGS)
        return replace(
            one,
            name=self._prefix_of(one) + self._decorated(one.bare_name, affix),
            description=saying.format(name=one.bare_name, affix=affix.capitalize()),
            columns=self._some(one.columns),
            tags=self._some(one.tags),
            terms=self._some(one.terms),
            documentation="",
            state=self._random.choice(STATES),
        )

    def mixture(self) -> Asset:
        """Return an asset with name, sentence, columns and owner from several of one domain."""
        one = self._random.choice(self._golden)
        peers = self._by_domain[one.domain]
        named, said, owned, *shaped = (self._random.choice(peers) for _ in range(5))
        words = [*self._some(one.bare_name.split("_")), *self._some(named.bare_name.split("_"))]
        columns = [column for asset in shaped for column in self._some(asset.columns)]
        return replace(
            one,
            name=self._prefix_of(one) + self._decorated("_".join(words), self._affix_or_none()),
            description=self._sentence(one, said),
            columns=tuple({column.name: column for column in columns}.values()),
            owners=owned.owners,
            people=owned.people,
            tags=self._some(said.tags),
            terms=self._some(named.terms),
            documentation="",
            state=self._random.choice(STATES),
        )

    def _prefix_of(self, asset: Asset) -> str:
        return asset.name.removesuffix(asset.bare_name)

    def _decorated(self, name: str, affix: str) -> str:
        before = self._random.choice(BEFORE) + "_" if self._random.random() < 0.4 else ""
        number = f"_{self._random.randrange(2, 90)}" if self._random.random() < 0.5 else ""
        return before + name + (f"_{affix}" if affix else "") + number

    def _affix_or_none(self) -> str:
        return self._random.choice(AFTER) if self._random.random() < 0.5 else ""

    def _sentence(self, *assets: Asset) -> str:
        """Return one part of each description, in a new order."""
        parts = [self._random.choice(asset.description.split(", ")) for asset in assets]
        self._random.shuffle(parts)
        return "; ".join(part.rstrip(".") for part in parts) + "."

    def _some(self, things: Sequence[Thing]) -> tuple[Thing, ...]:
        """Return between one of ``things`` and all, in their order; none of none."""
        if not things:
            return ()
        kept = set(self._random.sample(range(len(things)), self._random.randint(1, len(things))))
        return tuple(thing for at, thing in enumerate(things) if at in kept)


class Gate:
    """Turns away what would answer a golden query as well as the best golden assets."""

    def __init__(self, golden: Sequence[Asset], queries: Sequence[Query]) -> None:
        by_name = {asset.name: asset for asset in golden}
        self._words = {query.text: tuple(sorted(stems(query.meant))) for query in queries}
        self._asking: dict[str, list[str]] = defaultdict(list)
        for text, words in self._words.items():
            for word in words:
                self._asking[word].append(text)
        self._typed_for: dict[str, tuple[str, ...]] = {}
        self._best = {
            query.text: [self.evidence(query.text, by_name[name]) for name in sorted(query.best)]
            for query in queries
        }

    def lets_through(self, asset: Asset) -> bool:
        """Say whether every best answer to every query is better than ``asset``."""
        return not self.rivalled(asset)

    def rivalled(self, asset: Asset) -> list[str]:
        """Return the queries that ``asset`` answers as well as one of their best answers."""
        found, length = self._found(asset), name_length(asset)
        touched = {text for word in found for text in self._asking[word]}
        return sorted(text for text in touched if self._rivals(text, found, length))

    def evidence(self, text: str, asset: Asset) -> Evidence:
        """Return where the words of the query ``text`` stand in ``asset``."""
        return self._of(text, self._found(asset), name_length(asset))

    def _rivals(self, text: str, found: dict[str, Where], length: int) -> bool:
        best, mine = self._best[text], self._of(text, found, length)
        return not best or not all(mine.is_worse_than(one) for one in best)

    def _of(self, text: str, found: dict[str, Where], length: int) -> Evidence:
        return Evidence(tuple(found.get(word, Where.NOWHERE) for word in self._words[text]), length)

    def _found(self, asset: Asset) -> dict[str, Where]:
        """Return the words of queries that occur in ``asset``, with the best part they stand in."""
        found: dict[str, Where] = {}
        for word, where in places(asset).items():
            for typed in self._taken_for(word):
                found[typed] = max(where, found.get(typed, where))
        return found

    def _taken_for(self, word: str) -> tuple[str, ...]:
        """Return the words of queries that a search may take ``word`` for."""
        if word not in self._typed_for:
            self._typed_for[word] = tuple(
                typed for typed in self._asking if passes_for(word, typed)
            )
        return self._typed_for[word]
