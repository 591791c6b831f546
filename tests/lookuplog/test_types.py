"""Features of every type that Feast can fill, from the answer to the Parquet that is published."""

import json
import math
from datetime import timedelta
from typing import Any

import pyarrow.parquet as pq
import pytest

from provender.catalog.local import LocalCatalog
from provender.core.features import RepoSpec, ServiceSpec, ViewSpec
from provender.core.lookuplog import log_dataset
from provender.core.names import FeatureRef
from provender.feast_plugin.value_types import UNFILLED, WORDS
from provender.online.codec import RowCodec
from provender.online.lookup import Question
from provender.sdk.lookuplog import ship
from provender.serving.lookuplines import Seen, shape_of
from provender.serving.snapshot import Snapshot
from provender.serving.wire import FeaturesRequest
from provender.settings import Settings
from tests.lookuplog import world
from tests.lookuplog.world import field, spooled
from tests.online.views import EVERY_TYPE, FEAST_TYPES, T0, manifest, view

NUMBERLESS = {"a": {"b": [1, None, math.nan, -math.inf]}, "č": "✈"}
VALUES = EVERY_TYPE | FEAST_TYPES | {"struct<json>": NUMBERLESS}
OBJECTS = ("map<string,json>", "struct<json>")


def value_of(word: str) -> Any:
    """Return a value of a type, as it is read online."""
    return VALUES[word] if word in VALUES else [value_of(word.partition("<")[2][:-1])]


def kept(value: Any, word: str) -> Any:
    """Return how a value of that type lies in the dataset."""
    if word in OBJECTS:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if word.startswith(("list<", "set<")):
        inner = word.partition("<")[2][:-1]
        return [None if item is None else kept(item, inner) for item in value]
    return value


WORD_OF = {kind.name.lower(): word for kind, word in WORDS.items() if kind not in UNFILLED}
WORD_OF |= {f"x{at}": word for at, word in enumerate(FEAST_TYPES)}
SERVICE = ServiceSpec(
    name="all",
    features=tuple(FeatureRef("orders", name) for name in WORD_OF),
    owner="team:shop",
)
VIEW = ViewSpec(
    name="orders",
    entities=("shop",),
    join_keys=(field("shop", "string"),),
    features=tuple(field(name, word) for name, word in WORD_OF.items()),
    dataset=world.ORDERS,
    event_timestamp="at",
    owner="team:shop",
)
REPO = RepoSpec(project="shop", views=(VIEW,), services=(SERVICE,))
SERVED = view(WORD_OF, name="orders", keys={"shop": "string"})
SNAPSHOT = Snapshot.of(
    manifest(SERVED, project="shop", services=(SERVICE,)), lambda spec: lambda columns: columns
)


def log_lookup(settings: Settings) -> None:
    """Write the segment of a lookup of two shops, of which one has rows online."""
    plan = SNAPSHOT.plan(FeaturesRequest({}, (), SERVICE.name, False, False))
    question = Question(plan, {"shop": ["a", "b"]}, T0 + timedelta(seconds=1))
    values = {name: value_of(word) for name, word in WORD_OF.items()}
    row = RowCodec(SERVED).encode(question.keys[0], values, T0)
    seen = Seen(1, SNAPSHOT, SERVICE.name, question, question.judge([row, None]))
    shape, line = shape_of(seen, hash_ids=False, boot="b")
    spooled(settings, shape, [line(seen)])


@pytest.mark.parametrize("times", [1, 2])
def test_every_type_that_feast_can_fill_is_published_as_it_was_answered(
    settings: Settings, catalog: LocalCatalog, times: int
) -> None:
    dataset = log_dataset(REPO, SERVICE, world.DATASETS)
    catalog.desk.apply(world.governance(dataset))
    catalog.record(REPO)
    for _ in range(times):
        log_lookup(settings)
        [shipment] = ship(catalog, settings, "shop")
        assert (shipment.problem, shipment.rows) == ("", 2)
    version = catalog.resolve(dataset.ref)
    assert (version.number, len(version.manifest.files)) == (times, times)
    folder = settings.lake / version.manifest.location
    table = pq.read_table(folder / version.manifest.files[-1].path)
    for name, word in WORD_OF.items():
        found = table.column(f"orders__{name}").to_pylist()
        assert found == [kept(value_of(word), word), None], (name, word)
