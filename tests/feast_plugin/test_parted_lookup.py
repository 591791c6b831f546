"""Permits for a part by plain Feast calls: the same values as `connect().online`, or refused as there."""

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from feast import FeatureStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from provender.catalog.local import LocalCatalog
from provender.core.audit import EventKind
from provender.core.clock import utc_now
from provender.core.effects import Effect
from provender.core.errors import Denied
from provender.core.policy import Action, Rule
from provender.core.serving import SERVER
from provender.core.tags import Tag
from provender.feast_plugin import collaborators
from provender.feast_plugin.online import ProvenderOnlineStore
from provender.feast_plugin.repo import apply
from provender.feast_plugin.runs import materialize
from provender.online.pump import Pump
from provender.online.store import OnlineStore
from provender.sdk import connect
from provender.settings import Settings
from tests.feast_plugin.governed import (
    ANA,
    DATASET,
    DEFINITIONS,
    FOUND_BY,
    GOVERNANCE,
    SAM,
    TRIPS,
    repository,
    speaking_as,
)
from tests.feast_plugin.plain import HOUR, NOON
from tests.feast_plugin.test_gate import grant_serving
from tests.stress import times

DRIVERS = [1, 2, 3, 9]
MASKS = {
    "value": ("null", "bucket(10)", "constant(5)", "hash"),
    "rating": ("null", "bucket(4)", "constant(1.5)"),
    "home_address": ("null", "truncate(3)", "constant(x)", "hash"),
}
FILTERS = ("value = 11", "value >= 12", "value is not null", "rating < 6.0 or value is null")
ASKED = (
    ["trips:value"],
    ["trips:rating", "trips:home_address"],
    ["trips:value", "trips:rating", "trips:home_address"],
    ["scaled:scaled_value"],
    ["scaled:scaled_value", "trips:rating"],
    ["scaled:scaled_value", "trips:value"],
)
SERVE = {"actions": (Action.SERVE,), "purposes": ("serving",)}
Apply = Callable[..., None]


@pytest.fixture
def applied(
    repo: Path,
    settings: Settings,
    catalog: LocalCatalog,
    online: OnlineStore,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    more = 'Field(name="rating", dtype=Float64), Field(name="home_address", dtype=String)'
    repository(repo, definitions=DEFINITIONS.replace('Field(name="rating", dtype=Float64)', more))
    given = [grant_serving(settings, who, columns=("home_address",)) for who in (ANA, SERVER)]
    apply(repo, catalog, online, settings=settings)
    list(materialize(repo, settings=settings))
    monkeypatch.setattr("provender.feast_plugin.online._now", lambda: NOON + 2 * HOUR)
    with speaking_as(settings, SAM) as steward:
        for one in given:
            steward.records.revoke(one)
    return repo


@pytest.fixture
def ruled(
    applied: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> Iterator[Apply]:
    """Return what has other rules in force, and the servers know of them."""
    names = [f"of.{name.replace('_', '-')}" for name in MASKS]
    tags = (*GOVERNANCE.tags, *(Tag(name=name) for name in names))
    marked = {
        name: (*DATASET.column_tags.get(name, ()), f"of.{name.replace('_', '-')}") for name in MASKS
    }
    dataset = replace(DATASET, column_tags=marked)
    with LocalCatalog(f"sqlite:///{settings.home / 'catalog.db'}", actor=SERVER) as server:
        pump = Pump(online, server.records, "trips")

        def rule(*rules: Rule) -> None:
            said = replace(
                GOVERNANCE, tags=tags, datasets=(dataset,), rules=(*GOVERNANCE.rules, *rules)
            )
            catalog.desk.apply(said)
            pump.renew(utc_now())

        yield rule


def of(column: str, effect: Effect, *who: str, mask: str = "") -> Rule:
    tags = ("personal.address",) if column == "home_address" else (f"of.{column}",)
    name = f"{column}-{effect}-{'-'.join(one[:3] for one in who)}".replace("_", "-")
    return Rule(id=name, actors=who, tags=tags, effect=effect, mask=mask, **SERVE)  # type: ignore[arg-type]


def some_rules(chance: random.Random) -> list[Rule]:
    """Rules that leave a part to who asks, to servers, or to both."""
    both = [(ANA, SERVER), (ANA,), (SERVER,)]
    address = of(
        "home_address", Effect.MASK, ANA, SERVER, mask=chance.choice(MASKS["home_address"])
    )
    found = [address]
    for column in ("value", "rating"):
        if chance.random() < 0.6:
            mask = chance.choice(MASKS[column])
            found.append(of(column, Effect.MASK, *chance.choice(both), mask=mask))
    if chance.random() < 0.3:
        found.append(of("value", Effect.COMPUTE, *chance.choice(both)))
    if chance.random() < 0.6:
        found.append(
            Rule(id="rows", actors=chance.choice(both), filter=chance.choice(FILTERS), **SERVE)
        )  # type: ignore[arg-type]
    return found


def answered(ask: Callable[[], dict[str, Any]]) -> dict[str, Any] | str:
    try:
        return ask()
    except Denied as error:
        return type(error).__name__


def by_feast(store: FeatureStore, features: list[str]) -> dict[str, Any]:
    rows = [{"driver_id": one, "factor": 2.0} for one in DRIVERS]
    return dict(store.get_online_features(features, rows).to_dict())


def by_feast_awaited(store: FeatureStore, features: list[str]) -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        rows = [{"driver_id": one, "factor": 2.0} for one in DRIVERS]
        try:
            return dict((await store.get_online_features_async(features, rows)).to_dict())
        finally:
            await store.close()

    return asyncio.run(ask())


@pytest.mark.parametrize("seed", range(times(1)))
def test_plain_feast_gives_what_the_sdk_gives_by_random_permits(
    ruled: Apply, applied: Path, settings: Settings, seed: int
) -> None:
    chance, told = random.Random(seed), []
    later = settings.model_copy(update={"clock": NOON + 2 * HOUR, "feature_repo": applied})
    store = FeatureStore(repo_path=str(applied))
    for _ in range(3):
        rules = some_rules(chance)
        ruled(*rules)
        with connect(settings=later) as workspace:
            for features in ASKED:

                def ask(features: list[str] = features) -> dict[str, Any]:
                    lookup = workspace.online(features=features)
                    factor = {"factor": [2.0] * len(DRIVERS)} if lookup.plan.request else {}
                    return lookup({"driver_id": DRIVERS, **factor}).to_dict()

                wanted = answered(ask)
                for call in (by_feast, by_feast_awaited):
                    found = answered(lambda: call(store, features))  # noqa: B023
                    assert found == wanted, (features, [str(rule) for rule in rules])
                told.append(wanted)
    assert any(isinstance(one, dict) for one in told)


def test_rows_that_feasts_own_code_reads_are_masked_and_what_it_may_return_is_never_for_computing_only(
    ruled: Apply, applied: Path
) -> None:
    store, read = FeatureStore(repo_path=str(applied)), ProvenderOnlineStore()
    view = store.get_feature_view("trips")
    keys = [EntityKey(join_keys=["driver_id"], entity_values=[Value(int64_val=n)]) for n in (1, 3)]

    def values(feature: str) -> list[Any]:
        found = read.online_read(store.config, view, keys, [feature])
        return [row and getattr(row[feature], row[feature].WhichOneof("val")) for _, row in found]

    rows = Rule(id="rows", actors=(ANA,), filter="value = 11", **SERVE)  # type: ignore[arg-type]
    ruled(of("rating", Effect.MASK, ANA, mask="bucket(4)"), of("value", Effect.COMPUTE, ANA), rows)
    assert values("rating") == [4.0, None]
    with pytest.raises(
        Denied, match="trips:value may feed other features, and is never returned"
    ) as told:
        values("value")
    assert "Feast reads the inputs of others as if they were asked for" in told.value.hint
    ruled()
    assert values("value") == [11, 2**53 + 1]


def test_lookups_by_plain_feast_are_told(
    ruled: Apply, applied: Path, settings: Settings, catalog: LocalCatalog
) -> None:
    ruled()
    store = FeatureStore(repo_path=str(applied))
    for _ in range(3):
        assert by_feast(store, ["trips:value", "scaled:scaled_value"])
    collaborators.close()
    with speaking_as(settings, ANA) as ana:
        found = ana.records.audit_events(kind=EventKind.ACCESS_PERMIT, subject=str(TRIPS))
    [told] = [event for event in found if "lookups" in event.detail]
    assert (told.actor, told.detail["lookups"], told.detail["entities"]) == (ANA, 3, 12)
    assert told.detail["reasons"] == dict.fromkeys(("value", *FOUND_BY), "rule untagged-is-served")
