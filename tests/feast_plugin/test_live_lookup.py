"""`connect().online(…)` by the policy of now: what its word tells, and that it costs no trip more."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provender.catalog.local import LocalCatalog
from provender.core.clock import utc_now
from provender.core.effects import Effect
from provender.core.errors import Denied
from provender.core.leases import LEASE
from provender.core.policy import Action, Rule
from provender.core.serving import SERVER
from provender.feast_plugin.repo import apply
from provender.online.pump import Pump
from provender.online.store import OnlineStore
from provender.sdk import connect
from provender.sdk.online import OnlineLookup
from provender.settings import Settings
from tests.feast_plugin.governed import (
    ANA,
    DATASET,
    DEFINITIONS,
    FOUND_BY,
    GOVERNANCE,
    MAX,
    SAM,
    repository,
    speaking_as,
)
from tests.feast_plugin.plain import HOUR, NOON
from tests.feast_plugin.test_gate import catalog_url, grant_serving

NOW = NOON + 2 * HOUR
ONE = {"driver_id": [1]}
CLOSED = "trips:home_address"


@pytest.fixture
def applied(filled: Path) -> Path:
    return filled


@pytest.fixture
def pump(applied: Path, settings: Settings, online: OnlineStore) -> Iterator[Pump]:
    with LocalCatalog(catalog_url(settings), actor=SERVER) as server:
        yield Pump(online, server.records, "trips")


Open = Callable[..., OnlineLookup]


@pytest.fixture
def opened(applied: Path, settings: Settings) -> Iterator[Open]:
    """Return what opens the lookup of a feature, for an actor and with other settings."""
    spaces = []

    def opened(actor: str, feature: str = "trips:value", **changes: Any) -> OnlineLookup:
        more = {"actor": actor, "clock": NOW, "feature_repo": applied, **changes}
        spaces.append(connect(settings=settings.model_copy(update=more)))
        return spaces[-1].online(features=[feature])

    yield opened
    for space in spaces:
        space.close()


def called(lookup: OnlineLookup) -> list[Any]:
    return lookup(ONE).to_dict()["value"]


def awaited(lookup: OnlineLookup) -> list[Any]:
    async def once() -> list[Any]:
        try:
            return (await lookup.aio(ONE)).to_dict()["value"]
        finally:
            await lookup.aclose()

    return asyncio.run(once())


@pytest.mark.parametrize("ask", [called, awaited])
def test_what_is_revoked_is_denied_with_the_word_and_granted_again_with_another(
    opened: Open, settings: Settings, pump: Pump, ask: Callable[[OnlineLookup], list[Any]]
) -> None:
    pump.renew(utc_now())
    grant = grant_serving(settings, MAX, columns=("value", *FOUND_BY))
    lookup = opened(MAX)
    pump.renew(utc_now())
    assert ask(lookup) == [11]
    with speaking_as(settings, SAM) as steward:
        steward.records.revoke(grant)
    pump.renew(utc_now())
    with pytest.raises(Denied, match=r"person:max may not serve shop\.trips\."):
        ask(lookup)
    grant_serving(settings, MAX, columns=("value", *FOUND_BY))
    lookup._looked -= 1  # a second later
    assert ask(lookup) == [11]


def test_what_a_server_may_not_serve_any_more_is_closed_to_everybody(
    opened: Open, applied: Path, settings: Settings, catalog: LocalCatalog, online: OnlineStore
) -> None:
    """Though nothing was applied since: the lease says so, not the manifest."""
    leaking = DEFINITIONS.replace(
        'Field(name="rating", dtype=Float64)', 'Field(name="home_address", dtype=String)'
    )
    repository(applied, definitions=leaking)
    granted = [grant_serving(settings, who, columns=("home_address",)) for who in (MAX, SERVER)]
    grant_serving(settings, MAX, columns=FOUND_BY)
    apply(applied, catalog, online, settings=settings)
    lookup = opened(MAX, CLOSED)
    assert lookup(ONE).statuses["home_address"] == ["NOT_FOUND"]
    with speaking_as(settings, SAM) as steward:
        steward.records.revoke(granted[1])
    time.sleep(LEASE.total_seconds())
    with pytest.raises(Denied, match=f"{CLOSED} is closed for serving: service:online may not"):
        lookup(ONE)


def test_a_lookup_by_the_policy_of_now_takes_as_many_commands_as_one_by_that_of_before(
    opened: Open, settings: Settings, pump: Pump, online: OnlineStore
) -> None:
    grant_serving(settings, MAX, columns=("value", *FOUND_BY))
    pump.renew(utc_now())
    asked = {}
    for policy in ("applied", "live"):
        lookup = opened(MAX, online_policy=policy)
        called(lookup)
        before = commands(online)
        for _ in range(20):
            pump.renew(utc_now())
            lookup._looked += LEASE.total_seconds()  # no look beside the rows meanwhile
            assert called(lookup) == [11]
        asked[policy] = {
            name: count - before.get(name, 0)
            for name, count in commands(online).items()
            if name in ("mget", "get", "hget", "hgetall")
        }
    assert asked["live"] == asked["applied"]
    assert asked["live"]["mget"] == 20


def commands(online: OnlineStore) -> dict[str, int]:
    """How often the store was given which command."""
    with online.commands() as client:
        told = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): said["calls"] for name, said in told.items()}


def test_what_servers_give_masked_comes_masked_in_process(
    opened: Open, catalog: LocalCatalog
) -> None:
    lookup = opened(ANA, "trips:value")
    assert called(lookup) == [11]
    mask = Rule(
        id="rough",
        actors=(SERVER,),
        actions=(Action.SERVE,),
        effect=Effect.MASK,
        mask="bucket(10)",
    )
    catalog.desk.apply(replace(GOVERNANCE, rules=(*GOVERNANCE.rules, mask)))
    time.sleep(LEASE.total_seconds())
    with pytest.raises(Denied, match=r"may not serve the join key shop\.trips\.driver_id"):
        called(lookup)
    among = replace(mask, tags=("quality.gold",))
    gold = replace(DATASET, column_tags={**DATASET.column_tags, "value": ("quality.gold",)})
    rules = (*GOVERNANCE.rules, among)
    catalog.desk.apply(replace(GOVERNANCE, rules=rules, datasets=(gold,)))
    lookup._looked -= 1  # a second later
    assert called(lookup) == [10]
