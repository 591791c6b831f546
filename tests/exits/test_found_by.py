"""What rows are found by tells values, too: join keys and timestamps are asked for, masked keys joined as masked.

Whoever may define a view chooses what these are, and whoever retrieves what they are compared with.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from provender.core.effects import Effect
from provender.core.errors import Denied, InvalidInput, ProvenderError
from provender.core.features import EntitySpec, FieldSpec, RepoSpec, ViewSpec
from provender.core.policy import Action
from provender.tables.piped import encoded
from tests.exits.plain import feast
from tests.exits.world import ANA, CANARIES, CLOSED, GOV, MASKED, PURPOSE, SAM, VISITS, World

LATER = datetime(2026, 3, 2, 12, tzinfo=UTC)
ARROW = {"content-type": "application/vnd.apache.arrow.stream"}


def view(name: str, *, key: str = "driver_id", **times: str) -> ViewSpec:
    kind = "int64" if key == "driver_id" else "string"
    return ViewSpec(
        name=name,
        entities=(name,),
        join_keys=(FieldSpec(name=f"k_{name}", type=kind, column=key),),
        features=(FieldSpec(name="fare", type="float64"), FieldSpec(name="plate", type="string")),
        dataset=VISITS,
        **({"event_timestamp": "event_timestamp"} | times),  # type: ignore[arg-type]
    )


VIEWS = (
    view("by_driver"),
    view("by_address", key="address"),
    view("by_plate", key="plate"),
    view("at_address", event_timestamp="address"),
    view("made_at_address", created_timestamp="address"),
    view("at_plate", event_timestamp="plate"),
)


@pytest.fixture(scope="module", autouse=True)
def defined(world: World) -> None:
    entities = (
        EntitySpec(name=one.name, join_key=one.join_keys[0].name, type=one.join_keys[0].type)
        for one in VIEWS
    )
    repo = RepoSpec(project="found", entities=tuple(entities), views=VIEWS)
    world.inside(GOV).catalog.record(repo)


def spine(name: str, keys: list[int] | list[str]) -> pa.Table:
    at = pa.array([LATER] * len(keys), pa.timestamp("us", "UTC"))
    return pa.table({f"k_{name}": keys, "event_timestamp": at})


def values(world: World, feature: str, keys: list[int] | list[str], actor: str = ANA) -> list[Any]:
    name, _, column = feature.partition(":")
    found = world.inside(actor).training_set(spine(name, keys), features=[feature], project="found")
    return found.arrow()[column].to_pylist()


def fares(world: World, name: str, keys: list[int] | list[str], actor: str = ANA) -> list[Any]:
    return values(world, f"{name}:fare", keys, actor)


def sent(world: World, name: str, keys: list[int] | list[str]) -> httpx.Response:
    rows = spine(name, keys)
    query = {"feature": f"{name}:fare", "project": "found", "purpose": PURPOSE}
    return httpx.post(
        f"{world.address}/api/v1/retrieve",
        params=query,
        headers=world.bearer(ANA) | ARROW,
        content=b"".join(encoded(rows.schema, iter(rows.to_batches()))),
    )


@pytest.mark.parametrize("name", ["by_address", "at_address", "made_at_address"])
def test_rows_are_not_found_by_what_is_closed(world: World, name: str):
    keys = [f"{CLOSED}4"] if name == "by_address" else [4]
    with pytest.raises(Denied, match=r"shop\.visits\.address") as raised:
        fares(world, name, keys)
    answer = sent(world, name, keys)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "denied")
    for told in (str(raised.value), raised.value.hint, answer.text):
        assert not [one for one in CANARIES if one in told]
    assert "provender access request" in raised.value.hint


def test_rows_are_not_found_by_a_timestamp_that_is_masked(world: World):
    with pytest.raises(Denied, match=r"shop\.visits\.plate \(masked: hash\)"):
        fares(world, "at_plate", [4])
    assert sent(world, "at_plate", [4]).status_code == 403


def test_who_gets_a_key_masked_finds_rows_by_what_they_get_and_not_by_guessing(world: World):
    plates = sorted({f"{MASKED}{n}" for n in range(7)})
    assert fares(world, "by_plate", plates) == [None] * 7
    hashes = sorted(set(values(world, "by_driver:plate", [0, 2, 4])))
    assert [len(one) for one in hashes] == [64] * 3
    assert None not in fares(world, "by_plate", hashes)
    assert None not in fares(world, "by_plate", plates, SAM)


def test_an_address_that_is_for_computing_finds_rows_and_is_in_no_error(world: World):
    sam = world.inside(SAM).catalog
    grant = sam.records.grant(
        VISITS, grantee=ANA, action=Action.READ, columns=["address"], effect=Effect.COMPUTE
    )
    try:
        assert fares(world, "by_address", [f"{CLOSED}4", "nowhere"]) == [1.0, None]
        with pytest.raises(Denied, match="may compute with"):
            world.inside(ANA).read("shop.visits", ["address"])
        with pytest.raises(InvalidInput, match="cannot be read as the type") as raised:
            fares(world, "at_address", [4])
        answer = sent(world, "at_address", [4])
        assert answer.status_code == 422
        for told in (str(raised.value), raised.value.hint, answer.text):
            assert not [one for one in CANARIES if one in told]
    finally:
        sam.records.revoke(grant.id)


@pytest.mark.parametrize("role", ["timestamp_field", "created_timestamp_column"])
def test_plain_feast_asks_for_timestamps_too(world: World, tmp_path: Path, role: str):
    rows = pa.table({"driver_id": [4], "event_timestamp": pa.array([LATER])}).to_pandas()
    settings = world.settings.model_copy(update={"actor": ANA, "purpose": PURPOSE})
    with feast(tmp_path, settings, **{role: "address"}) as store:
        with pytest.raises(ProvenderError, match=r"shop\.visits\.address") as raised:
            store.get_historical_features(entity_df=rows, features=["visits:fare"]).to_arrow()
        assert not [one for one in CANARIES if one in str(raised.value)]
