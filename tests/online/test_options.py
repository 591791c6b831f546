import pytest

from provender.core.errors import Misconfigured, ProvenderError
from provender.online.embedded import EmbeddedServer
from provender.online.options import StoreOptions, Topology, from_connection_string, from_url
from provender.online.store import OnlineStore


def test_a_connection_string_is_read_as_feast_reads_it() -> None:
    options = from_connection_string("redis-1:6379,redis-2:6380,db=1,ssl=true,ssl_cert_reqs=none")
    assert options.nodes == (("redis-1", 6379), ("redis-2", 6380))
    assert (options.db, options.ssl, options.extra) == (1, True, {"ssl_cert_reqs": "none"})
    assert options.topology is Topology.REDIS


def test_passwords_are_taken_as_they_are_written() -> None:
    options = from_connection_string("localhost:6379,username=7,password=1e5=,x=1")
    assert (options.username, options.password, options.extra) == ("7", "1e5=", {"x": 1})


def test_a_unix_socket_can_be_reached_by_either_spelling(server: EmbeddedServer) -> None:
    path = from_url(server.url).unix_socket_path
    for options in (
        from_connection_string(f"localhost:0,unix_socket_path={path}"),
        from_connection_string(f"unix_socket_path={path},db=1"),
        from_url(f"{server.url}?db=2"),
    ):
        with OnlineStore(options) as store:
            assert store.health().ok, options


def test_cluster_and_sentinel_have_their_words() -> None:
    cluster = from_connection_string("a:1,b:2", redis_type="redis_cluster")
    sentinel = from_connection_string("a:1", redis_type="redis_sentinel", sentinel_master="m")
    assert cluster.topology is Topology.CLUSTER
    assert (sentinel.topology, sentinel.sentinel_master) == (Topology.SENTINEL, "m")


def test_urls_are_read() -> None:
    options = from_url("rediss://ana:hush@host:7000/3?socket_timeout=9")
    assert options.nodes == (("host", 7000),)
    assert (options.ssl, options.db, options.username, options.password) == (True, 3, "ana", "hush")
    assert options.extra == {"socket_timeout": 9.0}
    assert options.address == "rediss://host:7000/3"


def test_secrets_are_never_shown() -> None:
    for options in (
        from_url("redis://ana:hush@host/0?ssl_password=hush"),
        from_connection_string("host:1,password=hush,ssl_password=hush"),
    ):
        assert "hush" not in repr(options) + options.address + repr(OnlineStore(options))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no server"),
        ("localhost", "'localhost'"),
        ("a:b", "'a:b'"),
        ("db=1", "no server"),
        ("a:1,db=x", "db"),
    ],
)
def test_a_malformed_connection_string_is_refused(text: str, word: str) -> None:
    with pytest.raises(Misconfigured, match=word):
        from_connection_string(text)


def test_an_unknown_topology_is_refused() -> None:
    with pytest.raises(Misconfigured, match="redis_type 'ring' is unknown"):
        from_connection_string("a:1", redis_type="ring")


@pytest.mark.parametrize("url", ["http://host", "redis://host:many/0", "redis://h/0?db=x"])
def test_a_malformed_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ProvenderError) as caught:
        from_url(url.replace("//", "//ana:hush@"))
    assert "hush" not in str(caught.value)


def test_unknown_options_are_named_when_connecting() -> None:
    options = StoreOptions(extra={"colour": "red"})
    with pytest.raises(Misconfigured, match="colour"):
        options.connect()
