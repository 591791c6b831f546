"""What random questions to a point-in-time engine are like: all options, crossed.

Hypothesis draws options from the choices (and shrinks them), `random_options` by a seed.
"""

import random
from dataclasses import dataclass
from datetime import timedelta

from hypothesis import strategies as st

from tests.offline import thresholds
from tests.offline.columns import DAY, MINUTE, STORAGES, TEXTS
from tests.offline.thresholds import Thresholds

BASES = {
    "2026": 1_767_225_600_000_000,
    "around 1970": -3 * MINUTE,
    "1905": -2_051_222_400_000_000,
    "far future": 9_150_000_000_000_000,
}
STEPS = {"microsecond": 1, "second": 1_000_000, "minute": MINUTE, "day": DAY}
FILES = ("file", "folder", "listed")
KEPT = ("csv", "jsonl", "delta", "iceberg")
"""Formats that versions of datasets are kept in, beside Parquet."""
TTLS = {
    "none": lambda step: None,
    "zero": lambda step: timedelta(0),
    "one microsecond": lambda step: timedelta(microseconds=1),
    "one step": lambda step: timedelta(microseconds=step),
    "nearly two steps": lambda step: timedelta(microseconds=2 * step - 1),
    "three steps": lambda step: timedelta(microseconds=3 * step),
    "ten thousand years": lambda step: timedelta(days=3_652_500),
}


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """What a view and its source are like. Everything else about it is drawn by the seed."""

    n_keys: int
    rows: int
    ttl: str
    event: str
    created: str
    features: int
    types: str
    ranked: str
    layout: str
    row_group: int
    clustered: bool
    governed: bool
    own_keys: bool


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a question is like. ``keys`` is how many keys there are, ``spread`` how many instants."""

    seed: int
    spine_rows: int
    keys: int
    spread: int
    base: str
    step: str
    spine_time: str
    spine_form: str
    spine_order: str
    names: str
    known_by_then: bool
    thresholds: Thresholds
    views: tuple[ViewOptions, ...]


VIEW_CHOICES = {
    "n_keys": (0, 1, 1, 2, 3),
    "rows": (0, 3, 8, 20),
    "ttl": tuple(TTLS),
    "event": tuple(STORAGES),
    "created": ("no", *STORAGES),
    "features": (1, 2, 4),
    "types": ("common", "rare types too"),
    "ranked": ("by those asked", "by all"),
    "layout": (*FILES, "mixed") * 4 + KEPT,
    "row_group": (3, 100_000),
    "clustered": (False, True),
    "governed": (False, True),
    "own_keys": (False, True),
}
CHOICES = {
    "spine_rows": (1, 4, 12, 30),
    "keys": (1, 2, 4),
    "spread": (2, 4, 8),
    "base": tuple(BASES),
    "step": tuple(STEPS),
    "spine_time": (*STORAGES, *TEXTS),
    "spine_form": ("table", "chunks", "files"),
    "spine_order": ("any", "by time", "by key"),
    "names": ("plain", "odd"),
    "known_by_then": (False, True),
}
NO_VIEWS = 0.02


def option_sets(*, without=frozenset()):
    """Return the Hypothesis strategy of small questions: all options crossed, but those ``without``."""
    view = st.builds(ViewOptions, **_strategies(VIEW_CHOICES, without))
    views = st.lists(view, min_size=1, max_size=3).map(tuple)
    limits = st.builds(Thresholds, **_strategies(thresholds.CHOICES, without))
    return st.builds(
        Options,
        seed=st.integers(0, 2**32),
        thresholds=limits,
        views=views,
        **_strategies(CHOICES, without),
    )


def random_options(seed, spine_rows, *, without=frozenset()):
    """Return the options of a bigger question; ``spine_rows`` is how many rows it has at most."""
    rng = random.Random(seed)
    drawn = {name: rng.choice(kept) for name, kept in _kept(CHOICES, without).items()}
    per_key = rng.choice((2, 10, 40))
    drawn["seed"] = seed
    drawn["spine_rows"] = rng.randint(max(1, spine_rows // 4), spine_rows)
    drawn["keys"] = max(2, spine_rows // rng.choice((2, 20, 200)))
    drawn["spread"] = rng.choice((4, 12, 100))
    if rng.random() < 0.1:
        drawn["keys"] = 2
    count = 0 if rng.random() < NO_VIEWS else rng.choice((1, 2, 3, 4))
    views = []
    for _ in range(count):
        view = {name: rng.choice(kept) for name, kept in _kept(VIEW_CHOICES, without).items()}
        view["rows"] = min(drawn["keys"] * per_key, spine_rows * 2) if rng.random() > 0.03 else 0
        if view["n_keys"] == 0:  # every row is of the one key that there is
            view["rows"] = min(view["rows"], 60)
        if view["row_group"] == 3:  # a file of ten thousand row groups tells nothing but patience
            view["row_group"] = max(3, view["rows"] // 60)
        views.append(ViewOptions(**view))
    limits = {name: rng.choice(offered) for name, offered in thresholds.CHOICES.items()}
    return Options(views=tuple(views), thresholds=Thresholds(**limits), **drawn)


def _kept(choices, without):
    return {name: [o for o in offered if o not in without] for name, offered in choices.items()}


def _strategies(choices, without):
    return {name: st.sampled_from(kept) for name, kept in _kept(choices, without).items()}
