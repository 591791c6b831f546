import pytest

from provender.core.errors import Misconfigured, ProvenderError
from provender.online.embedded import EmbeddedServer
from provender.online.options import StoreOptions, Topology, from_connection_string, from_url
from provender.online.store import OnlineStore
from provender.settings import read_settings


def test_a_connection_string_is_read_as_feast_reads_it() -> None:
    options = from_connection_string("redis-1:6379,redis-2:6380,db=1,ssl=true,ssl_cert_reqs=none")
    assert options.nodes == (("redis-1", 6379), ("redis-2", 6380))
    assert (options.db, options.ssl, options.extra) == (1, True, {"ssl_cert_reqs": "none"})
    assert options.topology is Topology.REDIS


def test_passwords_are_taken_as_they_are_written() -> None:
    text = "localhost:6379,username=7,password=1e5=,socket_timeout=1"
    options = from_connection_string(text)
    assert (options.username, options.password) == ("7", "1e5=")
    assert options.extra == {"socket_timeout": 1}


@pytest.mark.parametrize(("word", "meant"), [("true", True), ("True", True), ("1", True)])
@pytest.mark.parametrize("no", ["false", "False", "0"])
def test_truth_values_are_read_as_json_and_python_write_them(
    word: str, no: str, *, meant: bool
) -> None:
    text = f"localhost:6379,ssl={word},ssl_check_hostname={no}"
    options = from_connection_string(text)
    assert (options.ssl, bool(options.extra["ssl_check_hostname"])) == (meant, False)
    assert not from_connection_string(f"localhost:6379,ssl={no}").ssl
    with pytest.raises(Misconfigured, match="ssl in the connection string is no truth value"):
        from_connection_string("localhost:6379,ssl=no")


def test_a_connection_string_may_be_a_url() -> None:
    url = "rediss://ana:a%2Cb%40c@host:7000/3?socket_timeout=9"
    assert from_connection_string(url) == from_url(url)
    assert from_connection_string(url).password == "a,b@c"
    cluster = from_connection_string("redis://:hush@host:7000", redis_type="redis_cluster")
    assert (cluster.topology, cluster.password) == (Topology.CLUSTER, "hush")
    watched = from_connection_string(
        "redis://host:7000/2", redis_type="redis_sentinel", sentinel_master="main"
    )
    assert (watched.topology, watched.sentinel_master, watched.db) == (
        Topology.SENTINEL,
        "main",
        2,
    )
    several = "redis+cluster://a:1,b:2/"
    assert from_connection_string(several) == from_url(several)
    with pytest.raises(Misconfigured, match="no databases"):
        from_connection_string(url, redis_type="redis_cluster")


@pytest.mark.parametrize(
    "text",
    [
        "redis:/:hush@localhost:6399",
        ":hush@localhost:6399",
        "//:hush@localhost:6399",
        "localhost:6379,password=a,hush:6399",
        "localhost:6379,password=a,hush",
        "localhost:6379,password=a,hush=1",
        "localhost:6379,password=a,-hush=1",
        "localhost:hush",
        "localhost:6379,ssl=hush",
        "localhost:6379,db=hush",
        "redis://ana:hush/x@localhost:1/0",
        "redis://ana:a?hush=1@localhost:1/0",
        "redis://localhost/0?hush=1",
        "redis://localhost/0?decode_responses=true",
        "redis+cluster://ana:a,hush@localhost:1,hush/",
    ],
)
def test_nothing_of_a_malformed_connection_string_is_shown(text: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        from_connection_string(text)
    assert "hush" not in f"{caught.value} {caught.value.hint}"


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


def test_clusters_and_sentinels_have_urls() -> None:
    cluster = from_url("rediss+cluster://ana:hush@a:1,b:2,[::1]:3/?ssl_ca_certs=ca.pem")
    assert (cluster.topology, cluster.ssl) == (Topology.CLUSTER, True)
    assert cluster.nodes == (("a", 1), ("b", 2), ("::1", 3))
    assert (cluster.username, cluster.password) == ("ana", "hush")
    assert cluster.extra == {"ssl_ca_certs": "ca.pem"}
    watched = from_url("redis+sentinel://:p%40ss@a:1,b:2/the%20one/3?socket_timeout=2")
    assert (watched.topology, watched.sentinel_master) == (Topology.SENTINEL, "the one")
    assert (watched.nodes, watched.db, watched.password) == ((("a", 1), ("b", 2)), 3, "p@ss")
    assert watched.answer_seconds == 2.0
    assert from_url("redis+sentinel://a:1/main").db == 0
    assert cluster.address == "rediss+cluster://a:1,b:2,::1:3/"
    assert watched.address == "redis+sentinel://a:1,b:2/the one/3"


def test_the_settings_take_the_urls_that_the_store_takes() -> None:
    for url in (
        "redis://h:1/0",
        "rediss://h:1/0",
        "unix:///a.sock",
        "redis+cluster://u:p@a:1,b:2/",
        "rediss+cluster://a:1,b:2/",
        "redis+sentinel://a:1,b:2/main/0",
    ):
        assert read_settings({"PROVENDER_REDIS_URL": url}).redis_url == url
        assert from_url(url)
    for url in ("redis+ring://a:1/", "http://a", "redis+cluster://hush@a:1,b:99999/"):
        with pytest.raises(Misconfigured, match="PROVENDER_REDIS_URL is not usable") as caught:
            read_settings({"PROVENDER_REDIS_URL": url})
        assert "hush" not in str(caught.value)


def test_secrets_are_never_shown() -> None:
    for options in (
        from_url("redis://ana:hush@host/0?ssl_password=hush"),
        from_url("redis+cluster://ana:hush@host:1/?ssl_password=hush"),
        from_url("redis+sentinel://ana:hush@host:1/main/0"),
        from_connection_string("host:1,password=hush,ssl_password=hush"),
    ):
        assert "hush" not in repr(options) + options.address + repr(OnlineStore(options))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no server"),
        ("localhost", "part 1 of the connection string is no server"),
        ("x:1,a:b", "part 2 of the connection string is no server"),
        ("x:1,colour=red", "unknown parameter"),
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


@pytest.mark.parametrize(
    "url",
    [
        "http://host",
        "redis://host:many/0",
        "redis://h/0?db=x",
        "redis+ring://h:1/",
        "redis+cluster://h:1,h/",
        "redis+cluster://h:1/3",
        "redis+sentinel://h:1/",
        "unix+cluster://h:1/",
    ],
)
def test_a_malformed_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ProvenderError) as caught:
        from_url(url.replace("//", "//ana:hush@"))
    assert "hush" not in str(caught.value)


def test_unknown_options_are_named_when_connecting() -> None:
    options = StoreOptions(extra={"colour": "red"})
    with pytest.raises(Misconfigured, match="colour"):
        options.connect()
