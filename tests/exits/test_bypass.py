"""T13: with a token and nothing else, no path, address or credential leads to raw bytes."""

import re
from collections.abc import Iterator

import httpx
import pytest
import redis

from provender.api.app import OPERATIONS
from provender.core.errors import ProvenderError
from provender.online.embedded import embedded_server
from provender.online.options import from_url
from provender.settings import Settings
from tests.exits.asking import Answer, everything
from tests.exits.plain import feast
from tests.exits.world import ANA, CANARIES, SAM, World, serving, spine

PASSWORD = "zqxpasswordvj"
PATH = re.compile(r"[A-Za-z0-9_.@%-]+(?:/[A-Za-z0-9_.@%-]+)+")
WAYS = (
    "/{}", "/static/{}", "/static/../{}", "/static/..%2f..%2f{}", "/api/v1/{}", "/lake/{}", "/datasets/{}",
    "/api/v1/datasets/{}", "/api/v1/retrieve/{}", "/static/%2e%2e/%2e%2e/{}", "//{}", "/file:///{}",
)  # fmt: skip
RAW = (b"PAR1", b"SQLite format 3", b"BEGIN ", *(one.encode() for one in CANARIES))


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[World]:
    """The world, with an online store that wants a password, which the service has."""
    folder = tmp_path_factory.mktemp("bypass")
    server = embedded_server(folder / "redis")
    socket = from_url(server.url).unix_socket_path
    with redis.Redis.from_url(server.url) as client:
        client.execute_command("ACL", "SETUSER", "service", "on", f">{PASSWORD}", "~*", "+@all")
        client.set("row", CANARIES[0])
        client.execute_command("ACL", "SETUSER", "default", "off")
    settings = Settings(
        home=folder / "service",
        mode="governed",
        redis_url=f"unix://service:{PASSWORD}@{socket}",
        entity_secret="zqxsecretofentitiesvj",
    )
    with serving(settings, folder) as world:
        yield world
    with redis.Redis.from_url(settings.redis_url) as client:
        client.execute_command("ACL", "SETUSER", "default", "on")
    server.close()


@pytest.fixture(scope="module")
def answers(world: World) -> list[Answer]:
    return list(everything(world, ANA))


def test_no_answer_tells_a_credential_or_where_things_lie_on_the_server(world: World, answers):
    home = str(world.settings.home)
    hidden = [PASSWORD, "zqxsecretofentitiesvj", home, "redis_url", *world.tokens.values()]
    assert len(answers) > len(OPERATIONS) / 3
    told = {(a.asked, word) for a in answers for word in hidden if word in a.text}
    assert told == set()


def test_no_path_that_an_answer_tells_is_an_address_of_bytes(world: World, answers):
    told = {path for answer in answers for path in PATH.findall(answer.text)}
    location = world.inside(SAM).version("shop.visits").manifest.location
    (file,) = (world.settings.lake / location).glob("*.parquet")
    assert any(location in path for path in told), "what is tried is what a client knows"
    places = {
        *(path for path in told if "visits" in path or path.endswith(".parquet")),
        *(f"{location}/{file.name}", f"lake/{location}/{file.name}", str(file), "catalog.db"),
        *("service/catalog.db", str(world.settings.home / "catalog.db"), "secrets/visits.key"),
    }
    tried = 0
    with httpx.Client(headers=world.bearer(ANA)) as client:
        for place in sorted(places):
            for way in WAYS:
                answer = client.get(f"{world.address}{way.format(place.lstrip('/'))}")
                tried += 1
                assert not [raw for raw in RAW if raw in answer.content], (way, place)
    assert tried > 100


@pytest.mark.parametrize(
    "named",
    [
        {"dataset": "../../catalog.db"}, {"dataset": "shop.visits/../x"}, {"dataset": "file:///etc/passwd"},
        {"column": 'fare" FROM read_text(\'/etc/passwd\') --'}, {"column": "*"}, {"column": "rowid"},
        {"column": "filename"}, {"column": "file_row_number"}, {"column": "region) OR (1=1"},
        {"purpose": "' OR 1=1 --"}, {"version": "0"}, {"as_of": "1e99"},
    ],
)  # fmt: skip
def test_no_question_leads_around_the_plan(world: World, named):
    asked = {"dataset": "shop.visits", "column": "fare", "purpose": "research"} | named
    answer = httpx.get(f"{world.address}/api/v1/retrieve", params=asked, headers=world.bearer(ANA))
    assert answer.status_code in (403, 404, 422), answer.text
    assert not [raw for raw in RAW if raw in answer.content]


def test_the_sdk_has_nothing_to_open(world: World, tmp_path):
    outside = world.outside(ANA)
    reading = outside.get("shop.visits")
    for open_it in (
        lambda: reading.files,
        lambda: reading.path,
        lambda: outside.verify("shop.visits"),
        lambda: outside.convert("shop.visits", "csv"),
        lambda: outside.training_set(str(world.settings.lake), service="open_v1"),
        lambda: outside.settings.database_url,
    ):
        with pytest.raises(ProvenderError):
            open_it()
    assert not list(outside.settings.home.rglob("*.parquet"))


@pytest.mark.parametrize("offline", ["ours", "file", "duckdb"])
def test_plain_feast_reads_nothing_whatever_offline_store_it_is_told_to_use(
    world: World, tmp_path, offline: str
):
    rows = spine().select(["driver_id", "event_timestamp"]).to_pandas()
    with feast(
        tmp_path, world.alone(ANA, tmp_path / "home"), offline=offline, online="sqlite"
    ) as store:
        for features in (["visits:fare"], ["visits:address"]):
            with pytest.raises((ProvenderError, AssertionError)) as raised:
                store.get_historical_features(entity_df=rows, features=features).to_arrow()
            assert not [one for one in CANARIES if one in str(raised.value)]
            if offline == "ours" and features == ["visits:fare"]:
                assert "there is no lake" in str(raised.value)


def test_the_online_store_wants_what_no_client_has(world: World):
    socket = from_url(world.settings.redis_url).unix_socket_path
    for url in (
        f"unix://{socket}",
        f"unix://ana:{world.tokens[ANA]}@{socket}",
        f"unix://service:@{socket}",
    ):
        with (
            redis.Redis.from_url(url) as client,
            pytest.raises((redis.ResponseError, redis.AuthenticationError)),
        ):
            client.get("row")
    outside = world.outside(ANA)
    with pytest.raises(ProvenderError):
        outside.online("open_v1")({"driver_id": [1]})
    assert PASSWORD not in str(outside.settings)
