"""`connect().online(…)`: keys of many kinds in, columns, rows, statuses and ages out; always the newest plan."""

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from provender.catalog.local import LocalCatalog
from provender.core.clock import utc_now
from provender.core.errors import Denied, InvalidInput, NotFound, Unavailable
from provender.feast_plugin import collaborators
from provender.feast_plugin.definitions import open_store
from provender.feast_plugin.repo import apply
from provender.feast_plugin.runs import materialize
from provender.online.store import OnlineStore
from provender.sdk import Workspace, connect
from provender.sdk.answers import Answer
from provender.sdk.online import OnlineLookup
from provender.settings import Settings
from tests.feast_plugin.governed import DEFINITIONS, FOUND_BY, MAX, SAM, repository, speaking_as
from tests.feast_plugin.plain import HOUR, NOON, TICK
from tests.feast_plugin.test_gate import grant_serving

NOW = NOON + 2 * HOUR
SECOND = timedelta(seconds=1)
ONE = {"driver_id": [1]}
FOUR = ["driver_id", "rating", "scaled_value", "value"]
KEYS = {"driver_id": [1, 2, 9], "factor": [2.0, 1.0, 1.0]}


@pytest.fixture
def applied(filled: Path) -> Path:
    return filled


@pytest.fixture
def workspace(applied: Path, settings: Settings) -> Iterator[Workspace]:
    chosen = settings.model_copy(update={"clock": NOW, "feature_repo": applied})
    with connect(settings=chosen) as opened:
        yield opened


@pytest.fixture
def lookup(workspace: Workspace) -> OnlineLookup:
    return workspace.online("service_v1")


ROWS = [dict(zip(KEYS, row, strict=True)) for row in zip(*KEYS.values(), strict=True)]
KINDS: dict[str, Any] = {
    "dict of lists": KEYS,
    "list of dicts": ROWS,
    "Arrow table": pa.table(KEYS),
    "Arrow batch": pa.RecordBatch.from_pydict(KEYS),
    "pandas frame": pd.DataFrame(KEYS),
    "numpy arrays": {name: np.array(values) for name, values in KEYS.items()},
}


@pytest.mark.parametrize("kind", KINDS)
def test_keys_come_in_many_kinds(lookup: OnlineLookup, kind: str) -> None:
    answer = lookup(KINDS[kind])
    assert (answer.names[0], sorted(answer.names)) == ("driver_id", FOUR)
    assert answer.dicts() == [
        {"driver_id": 1, "rating": 5.5, "value": 11, "scaled_value": 22.0},
        {"driver_id": 2, "rating": None, "value": None, "scaled_value": None},
        {"driver_id": 9, "rating": None, "value": None, "scaled_value": None},
    ]
    assert len(answer) == 3
    assert answer.to_dict()["value"] == [11, None, None]


def test_the_answer_says_why_a_value_is_missing_and_how_old_it_is(lookup: OnlineLookup) -> None:
    answer = lookup(KEYS, now=NOW + TICK)
    assert answer.statuses["driver_id"] == ["PRESENT"] * 3
    assert answer.statuses["value"] == ["PRESENT", "NULL_VALUE", "NOT_FOUND"]
    assert answer.event_timestamps["value"] == [NOON + HOUR, NOON + HOUR, None]
    assert answer.ages == {
        "rating": [3600.000001, 3600.000001, None],
        "value": [3600.000001, 3600.000001, None],
        "scaled_value": [3600.000001, 3600.000001, None],
    }
    old = lookup(KEYS, now=NOW + timedelta(days=2))
    assert old.statuses["value"] == ["OUTSIDE_MAX_AGE", "OUTSIDE_MAX_AGE", "NOT_FOUND"]
    assert old.ages["value"][0] == timedelta(days=2, hours=1).total_seconds()


def test_numpy_has_values_and_what_of_them_is_there(lookup: OnlineLookup) -> None:
    arrays = lookup({"driver_id": [1, 2, 3], "factor": [2.0, 1.0, 1.0]}).numpy()
    assert arrays["value"].values.dtype == np.int64
    assert arrays["value"].valid.tolist() == [True, False, True]
    assert arrays["value"].values[[0, 2]].tolist() == [11, 2**53 + 1]
    assert arrays["rating"].values.dtype == np.float64
    assert arrays["rating"].valid.tolist() == [True, False, True]
    assert arrays["driver_id"].values.tolist() == [1, 2, 3]


def test_arrow_and_pandas_keep_types_and_whole_numbers(lookup: OnlineLookup) -> None:
    answer = lookup({"driver_id": [3, 9], "factor": [1.0, 1.0]})
    table = answer.arrow()
    assert table.schema.field("value").type == pa.int64()
    assert table.column("value").to_pylist() == [2**53 + 1, None]
    frame = answer.pandas()
    assert frame["value"].dtype == pd.Int64Dtype()
    assert frame["value"][0] == 2**53 + 1
    assert frame["rating"].isna().tolist() == [False, True]


def test_the_awaited_answer_is_the_same(lookup: OnlineLookup) -> None:
    async def walk() -> list[Any]:
        answers = await asyncio.gather(*[lookup.aio(KEYS) for _ in range(5)])
        await lookup.aclose()
        return answers

    assert [answer.dicts() for answer in asyncio.run(walk())] == [lookup(KEYS).dicts()] * 5


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"driver_id": [1]}, "no request column 'factor'"),
        ([], "no entities"),
        ([{"driver_id": 1, "factor": 1.0}, {"driver_id": 1}], "row 1"),
        ([1], "row 0"),
        ("driver_id", "no file driver_id"),
        ({"driver_id": [1, 2], "factor": [1.0]}, "factor"),
    ],
)
def test_keys_that_do_not_fit_are_refused(lookup: OnlineLookup, keys: Any, message: str) -> None:
    with pytest.raises((InvalidInput, NotFound), match=message):
        lookup(keys)


BOTH_ENDS = """
both = FeatureService(
    name="both_ends",
    owner="team:models",
    features=[
        trips[["value"]].with_name("first").with_join_key_map({"driver_id": "first_id"}),
        trips[["value"]].with_name("second").with_join_key_map({"driver_id": "second_id"}),
    ],
)
"""


def test_one_view_is_looked_up_under_two_names(
    workspace: Workspace, applied: Path, settings: Settings, catalog: LocalCatalog,
    online: OnlineStore,
) -> None:  # fmt: skip
    repository(applied, definitions=DEFINITIONS + BOTH_ENDS)
    apply(applied, catalog, online, settings=settings)
    lookup = workspace.online("both_ends", full_feature_names=True)
    keys = {"first_id": [1, 3], "second_id": [3, 9]}
    assert lookup(keys).to_dict() == {
        **keys,
        "first__value": [11, 2**53 + 1],
        "second__value": [2**53 + 1, None],
    }
    with open_store(applied, workspace.settings) as store, collaborators.using(workspace.settings):
        rows = [{"first_id": 1, "second_id": 3}, {"first_id": 3, "second_id": 9}]
        service = store.get_feature_service("both_ends")
        feasts = store.get_online_features(service, rows, full_feature_names=True).to_dict()
    assert feasts == lookup(keys).to_dict()
    with pytest.raises(InvalidInput, match="comes from both"):
        workspace.online("both_ends")


class Ticks:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def digests_asked(online: OnlineStore) -> int:
    client = online.options.connect()
    try:
        return int(client.info("commandstats").get("cmdstat_hget", {"calls": 0})["calls"])
    finally:
        client.close()


def test_new_definitions_are_taken_up_within_a_second_and_looked_for_once_in_it(
    workspace: Workspace, applied: Path, settings: Settings, catalog: LocalCatalog,
    online: OnlineStore,
) -> None:  # fmt: skip
    ticks = Ticks()
    usual = workspace.online("service_v1")
    lookup = OnlineLookup(online, "trips", usual._compiled, now=workspace.settings.now, ticks=ticks)
    assert sorted(lookup(KEYS).names) == FOUR
    fewer = DEFINITIONS.replace("features=[trips, scaled]", 'features=[trips[["value"]]]')
    repository(applied, definitions=fewer)
    apply(applied, catalog, online, settings=settings)
    before = digests_asked(online)
    ticks.now = 0.999
    assert sorted(lookup(KEYS).names) == FOUR
    assert digests_asked(online) == before
    ticks.now = 1.0
    assert lookup({"driver_id": [1]}).names == ("driver_id", "value")
    assert [lookup({"driver_id": [1]}).names for _ in range(3)] == [("driver_id", "value")] * 3
    assert digests_asked(online) == before + 1


async def once(lookup: OnlineLookup) -> Answer:
    try:
        return await lookup.aio(KEYS)
    finally:
        await lookup.aclose()


def test_answers_of_an_emptied_store_say_that_rows_may_be_missing(
    workspace: Workspace, applied: Path, settings: Settings, catalog: LocalCatalog,
    online: OnlineStore,
) -> None:  # fmt: skip
    ticks = Ticks()
    compiled = workspace.online("service_v1")._compiled
    lookup = OnlineLookup(online, "trips", compiled, now=workspace.settings.now, ticks=ticks)
    assert lookup(KEYS).incomplete == ()
    assert asyncio.run(once(lookup)).incomplete == ()
    online.delete("trips")
    emptied = lookup(KEYS)
    assert (emptied.incomplete, emptied.statuses["value"]) == (("trips",), ["NOT_FOUND"] * 3)
    apply(applied, catalog, online, settings=settings)
    ticks.now += 1
    assert lookup(KEYS).incomplete == ("trips",)
    list(materialize(applied, settings=settings))
    ticks.now += 1
    healed = lookup(KEYS)
    assert (healed.incomplete, healed.to_dict()["value"][0]) == ((), 11)


def test_a_lookup_ends_with_the_actors_permit_and_within_a_minute_of_its_revocation(
    workspace: Workspace, settings: Settings, online: OnlineStore
) -> None:
    grants = [
        grant_serving(settings, MAX, columns=("value",)),
        grant_serving(settings, MAX, columns=("rating",), until=utc_now() + 2 * SECOND),
    ]
    grant_serving(settings, MAX, columns=FOUND_BY)
    actor = workspace.settings.model_copy(update={"actor": MAX})
    ticks = Ticks()
    with connect(settings=actor) as opened:
        usual = opened.online(features=["trips:value"])
        kept = OnlineLookup(online, "trips", usual._compiled, now=actor.now, ticks=ticks)
        ending = opened.online(features=["trips:rating"])
        assert (kept(ONE).to_dict()["value"], ending(ONE).to_dict()["rating"]) == ([11], [5.5])
        with speaking_as(settings, SAM) as steward:
            steward.records.revoke(grants[0])
        ticks.now = 59.9
        assert kept(ONE).to_dict()["value"] == [11]
        ticks.now = 61.0
        for _ in range(3):
            with pytest.raises(Denied, match="person:max may not serve"):
                kept(ONE)
        time.sleep(2)
        with pytest.raises(Denied, match=r"trips:rating was open for serving until"):
            ending(ONE, now=NOW)


def test_a_feature_that_is_gone_is_said_and_a_catalog_that_is_down_is_not(
    workspace: Workspace, online: OnlineStore
) -> None:
    """The catalog's failure is one of its connection: what was compiled goes on."""
    ticks = Ticks()
    usual = workspace.online("service_v1")
    failures: list[Exception] = []

    def compiled() -> Any:
        if failures:
            raise failures[0]
        return usual._compiled()

    lookup = OnlineLookup(online, "trips", compiled, now=workspace.settings.now, ticks=ticks)
    published = online.manifest("trips")
    assert published is not None
    failures.append(Unavailable("the catalog does not answer", hint="start it"))
    lookup._digest = "sha256:other"
    ticks.now = 1.0
    assert lookup(KEYS).to_dict()["value"][0] == 11
    assert lookup.problem == "the catalog does not answer"
    failures[0] = NotFound("feature service service_v1 not found", hint="apply it")
    ticks.now = 2.0
    for _ in range(3):
        with pytest.raises(NotFound):
            lookup(KEYS)
        with pytest.raises(NotFound):
            asyncio.run(lookup.aio(KEYS))
    failures.clear()
    with pytest.raises(NotFound):
        lookup(KEYS)
    ticks.now = 3.0
    assert lookup(KEYS).to_dict()["value"][0] == 11
    assert lookup.problem == ""


def test_a_module_that_cannot_be_imported_stops_only_lookups_of_its_view(
    workspace: Workspace, applied: Path
) -> None:
    module = applied / "transforms.py"
    module.write_text(f"import nosuchlib\n{module.read_text()}")
    assert workspace.online(features=["trips:value"])({"driver_id": [1]}).to_dict()["value"] == [11]
    with pytest.raises(InvalidInput, match=r"transforms cannot be imported: .*nosuchlib"):
        workspace.online("service_v1")
