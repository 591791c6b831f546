"""Masks and row filters online: over HTTP and in process the same, as `core.effects` says of each value."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from provender.catalog.local import LocalCatalog
from provender.core.datasets import Manifest
from provender.core.effects import Effect, Mask, masked, project_key
from provender.core.errors import Denied
from provender.core.features import EntitySpec, FieldSpec, OnDemandSpec, RepoSpec, ViewSpec
from provender.core.names import FeatureRef
from provender.core.policy import Action, Rule
from provender.core.schema import Column, Schema
from provender.core.serving import SERVER
from provender.core.tags import Tag
from provender.online.columns import ColumnEncoder
from provender.online.embedded import embedded_server
from provender.online.secrets import Keyring
from provender.online.store import OnlineStore
from provender.sdk import connect
from provender.settings import Settings
from provender.transforms import code_digest
from tests.online.views import covering
from tests.serving.governed import GOVERNANCE, ORDERS, PROJECT, T0, VERSION, serving
from tests.serving.transforms import departure

MASKS = {
    "name": ("string", "hash"),
    "amount": ("int64", "bucket(10)"),
    "seen": ("timestamp", "truncate(month)"),
    "note": ("string", "null"),
    "grade": ("string", "constant(x)"),
    "street": ("string", "truncate(3)"),
}
REGION, TEMP = "region", "temp"
FEATURES = {**{name: word for name, (word, _) in MASKS.items()}, REGION: "string", TEMP: "int64"}
ROWS: dict[str, list[Any]] = {
    "id": [1, 2],
    "name": ["ana", "bob"],
    "amount": [-7, 23],
    "seen": [datetime(2025, 5, 17, 3, tzinfo=UTC), T0],
    "note": ["private", None],
    "grade": [None, "b"],
    "street": ["Größe 5", "Hill"],
    REGION: ["north", "south"],
    TEMP: [20, 30],
}
IDS = [1, 2, 3]
"""One that the filter keeps, one that it does not, one that there is not."""
TAGS = {**{name: f"mask.{name}" for name in MASKS}, TEMP: "mask.compute"}
SERVE = {"actors": ("anyone",), "actions": (Action.SERVE,)}
RULES = (
    *(rule for rule in GOVERNANCE.rules if rule.id != "public"),
    *(
        Rule(id=name, tags=(TAGS[name],), effect=Effect.MASK, mask=mask, **SERVE)
        for name, (_, mask) in MASKS.items()
    ),
    Rule(id="computing", tags=(TAGS[TEMP],), effect=Effect.COMPUTE, **SERVE),
    Rule(id="north", filter=f"{REGION} = 'north'", **SERVE),
)


def view(name: str, *features: str) -> ViewSpec:
    return ViewSpec(
        name=name,
        entities=("order",),
        join_keys=(FieldSpec(name="id", type="int64"),),
        features=tuple(FieldSpec(name=one, type=FEATURES[one]) for one in features),
        dataset=ORDERS,
        event_timestamp="at",
    )


REPO = RepoSpec(
    project=PROJECT,
    entities=(EntitySpec(name="order", join_key="id", type="int64"),),
    views=(view("orders", *FEATURES), view("thin", "name")),
    on_demand=(
        OnDemandSpec(
            name="felt",
            inputs=(FeatureRef("orders", TEMP),),
            request=(FieldSpec(name="hour", type="int64"),),
            features=(FieldSpec(name="warm", type="int64"),),
            module="transforms",
            function="departure",
            code_digest=code_digest(departure),
        ),
    ),
)


@dataclass(frozen=True)
class World:
    """Where it all is, and the address of a server for it."""

    settings: Settings
    address: str

    def over_http(self, *features: str, **request: list[int]) -> tuple[int, Any]:
        """Return the status, and values and statuses by name, or what the error says."""
        parts = urlsplit(self.address)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        body = {"features": list(features), "entities": {"id": IDS, **request}}
        connection.request("POST", "/get-online-features", json.dumps(body))
        answer = connection.getresponse()
        told = json.loads(answer.read())
        connection.close()
        if answer.status != 200:
            return answer.status, json.loads(told)["message"]
        names = told["metadata"]["feature_names"]
        found = dict(zip(names, told["results"], strict=True))
        return 200, {name: (one["values"], one["statuses"]) for name, one in found.items()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("parts")
    url = f"sqlite:///{home / 'catalog.db'}"
    columns = [Column(name=name, type=word) for name, word in FEATURES.items()]
    version: Manifest = replace(VERSION, schema=Schema((*VERSION.schema.columns[:2], *columns)))
    dataset = replace(GOVERNANCE.datasets[0], column_tags={k: (v,) for k, v in TAGS.items()})
    tags = tuple(Tag(name=name, protected=True) for name in TAGS.values())
    said = replace(GOVERNANCE, tags=tags, rules=RULES, datasets=(dataset,))
    with embedded_server(home / "valkey") as valkey:
        with LocalCatalog(url, actor="person:gov") as gov, OnlineStore(valkey.url) as store:
            gov.desk.apply(said)
            gov.publish(ORDERS, version)
            gov.record(REPO)
            manifest = gov.records.serving_manifest(PROJECT)
            store.publish_manifest(manifest)
            served = manifest.view("orders")
            rows = {**ROWS, "at": [T0, T0]}
            store.write(ColumnEncoder(PROJECT, served).encode(rows))
            store.keep_coverage(PROJECT, "orders", covering(served))
        repo = Path(__file__).parent
        chosen = Settings(
            home=home, catalog_url=url, redis_url=valkey.url, actor=SERVER, feature_repo=repo
        )
        with serving(home, url, valkey.url, feature_repo=str(repo)) as address:
            yield World(chosen, address)


def expected(world: World, name: str) -> list[Any]:
    """What is left of each entity's value, by hand."""
    word, mask = MASKS[name]
    ring = Keyring({})
    ring.look_in(world.settings.home / "secrets")
    key = project_key(ring.secret(PROJECT), PROJECT)
    return [masked(Mask.parse(mask), ROWS[name][0], word, key=key), None, None]


@pytest.mark.parametrize("name", MASKS)
def test_a_masked_feature_is_the_same_over_http_and_in_process(world: World, name: str) -> None:
    wanted = expected(world, name)
    status, told = world.over_http(f"orders:{name}")
    assert status == 200, told
    there = "NULL_VALUE" if wanted[0] is None else "PRESENT"
    statuses = [there, "NOT_FOUND", "NOT_FOUND"]
    shown = [int(v.timestamp()) if isinstance(v, datetime) else v for v in wanted]
    assert told[name] == (shown, statuses)
    with connect(settings=world.settings) as workspace:
        answer = workspace.online(features=[f"orders:{name}"], project=PROJECT)({"id": IDS})
    assert (answer.to_dict()[name], answer.statuses[name]) == (wanted, statuses)


def test_many_masked_features_at_once_are_each_as_alone(world: World) -> None:
    asked = [f"orders:{name}" for name in (*MASKS, REGION)]
    status, told = world.over_http(*asked)
    assert status == 200, told
    assert told[REGION] == (["north", None, None], ["PRESENT", "NOT_FOUND", "NOT_FOUND"])
    assert told["name"][0] == expected(world, "name")
    with connect(settings=world.settings) as workspace:
        answer = workspace.online(features=asked, project=PROJECT)({"id": IDS}).to_dict()
    assert {name: answer[name] for name in MASKS} == {n: expected(world, n) for n in MASKS}


def test_what_is_for_computing_feeds_a_feature_and_is_never_returned(world: World) -> None:
    status, told = world.over_http("felt:warm", hour=[1, 1, 1])
    assert (status, told["warm"][0]) == (200, [21, None, None])
    status, said = world.over_http(f"orders:{TEMP}")
    assert status == 403
    assert f"feature orders:{TEMP} may feed other features, and is never returned" in said
    with connect(settings=world.settings) as workspace:
        felt = workspace.online(features=["felt:warm"], project=PROJECT)
        assert felt({"id": IDS, "hour": [1, 1, 1]}).to_dict()["warm"] == [21, None, None]
        with pytest.raises(Denied, match="is never returned"):
            workspace.online(features=[f"orders:{TEMP}"], project=PROJECT)


def test_a_filter_that_rows_of_a_view_do_not_tell_closes_it(world: World) -> None:
    status, told = world.over_http("thin:name")
    assert status == 403
    assert f"only rows with {REGION} = 'north', which rows online do not tell" in told
    with (
        connect(settings=world.settings) as workspace,
        pytest.raises(Denied, match="which rows online do not tell"),
    ):
        workspace.online(features=["thin:name"], project=PROJECT)


def test_no_answer_says_what_is_masked(world: World) -> None:
    asked = [f"orders:{name}" for name in (*MASKS, REGION)]
    assert not [
        value for value in ("ana", "private", "Größe 5") if value in str(world.over_http(*asked))
    ]
