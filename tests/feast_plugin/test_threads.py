"""Many threads that retrieve at once: every cell is right."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from feast import FeatureStore

from tests.feast_plugin.plain import CUSTOMER, DRIVER, NOON, store, view, write
from tests.oracle.asof import asof
from tests.stress import times

THREADS = 16
MINUTE = timedelta(minutes=1)
TTL = {"first": None, "second": 5, "third": 30}
Rows = list[tuple[tuple[int], int, int | None, tuple[int]]]


def made_up(seed: int) -> Rows:
    chance = random.Random(seed)
    return [
        ((chance.randrange(5),), chance.randrange(60), chance.randrange(60), (number,))
        for number in range(200)
    ]


WORLD: dict[str, Rows] = {name: made_up(seed) for seed, name in enumerate(TTL)}


def opened(folder: Path) -> FeatureStore:
    made = store(folder)
    views = []
    for name, ttl in TTL.items():
        table = pa.table(
            {
                "driver_id": [keys[0] for keys, *_ in WORLD[name]],
                "event_timestamp": [NOON + event * MINUTE for _, event, _, _ in WORLD[name]],
                "created": [NOON + made_at * MINUTE for _, _, made_at, _ in WORLD[name]],
                "value": [value for *_, (value,) in WORLD[name]],
            }
        )
        path = write(folder / f"{name}.parquet", table)
        views.append(view(path, name=name, created="created", ttl=ttl * MINUTE if ttl else None))
    made.apply([DRIVER, CUSTOMER, *views])
    return made


def check(feast_store: FeatureStore, seed: int) -> None:
    chance = random.Random(seed)
    asked = [((chance.randrange(6),), chance.randrange(-5, 70)) for _ in range(50)]
    names = chance.sample(list(TTL), chance.randint(1, 3))
    by_then = chance.random() < 0.5
    spine = pd.DataFrame(
        {
            "driver_id": [keys[0] for keys, _ in asked],
            "event_timestamp": [NOON + at * MINUTE for _, at in asked],
        }
    )
    answer = feast_store.get_historical_features(
        spine,
        features=[f"{name}:value" for name in names],
        full_feature_names=True,
        filter_by_created_timestamp=by_then,
    ).to_arrow()
    for name in names:
        expected = asof(asked, WORLD[name], ttl=TTL[name], known_by_then=by_then)
        assert answer.column(f"{name}__value").to_pylist() == [e and e[0] for e in expected]


@pytest.mark.parametrize(("stores_open", "each"), [(1, times(8, calm=4)), (4, times(2, calm=1))])
def test_retrievals_of_many_threads_are_all_right(
    tmp_path: Path, stores_open: int, each: int
) -> None:
    stores = [opened(tmp_path / str(n)) for n in range(stores_open)]
    jobs: list[Callable[[], None]] = [
        lambda seed=seed: check(stores[seed % len(stores)], seed) for seed in range(THREADS * each)
    ]
    with ThreadPoolExecutor(THREADS) as threads:
        done = list(threads.map(lambda job: job(), jobs))
    assert len(done) == THREADS * each
