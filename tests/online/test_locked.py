"""Locked servers: TLS with good and bad certificates, and a user with no more rights than needed."""

import asyncio
import re
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
import trustme

from provender.core.errors import Misconfigured, Unavailable
from provender.online.codec import KeyCodec, RowCodec
from provender.online.coverage import Coverage
from provender.online.embedded import EmbeddedServer
from provender.online.options import from_connection_string, from_url
from provender.online.sender import Written
from provender.online.store import OnlineStore
from tests.online.proxy import Proxy
from tests.online.servers import cluster
from tests.online.views import T0, manifest, view

VIEW = view({"x": "int64"}, keys={"id": "int64"})
PAGE = Path(__file__).parents[2] / "docs/how-to/lock-down-redis.md"


def pairs(count: int) -> list[tuple[bytes, bytes]]:
    keys = [key for key in KeyCodec("p", VIEW).keys([range(count)], count) if key]
    rows = RowCodec(VIEW)
    return [(key, rows.encode(key, {"x": n}, T0)) for n, key in enumerate(keys)]


def use_everything(store: OnlineStore) -> None:
    """Do all that writers and servers do with the store."""
    some = pairs(50)
    store.claim("p", view({"x": "string"}, keys={"id": "int64"}))
    store.claim("p", VIEW, newest=True)
    store.declare("p", VIEW)
    before = store.state()
    with store.writer() as writer:
        writer.write(some)
        assert writer.settle() == Written(50, 0)
        assert writer.replicated
        writer.write(some[:5])
        assert writer.settle() == Written(5, 0)
    assert store.write(some[:3]) == Written(3, 0)
    assert store.state() == before
    keys, rows = [key for key, _ in some], [row for _, row in some]
    (nobody,) = KeyCodec("p", VIEW).keys([[None]], 1)
    assert store.read([nobody, keys[0]]) == [None, rows[0]]
    assert store.read(keys) == rows
    assert asyncio.run(read_streaming(store, keys)) == rows
    store.keep_coverage("p", VIEW.name, Coverage(source="", layout="", end=T0))
    assert store.coverage("p", VIEW.name)
    assert set(store.covered("p")) == {VIEW.name}
    store.publish_manifest(manifest(VIEW, project="p"))
    assert store.manifest("p") == manifest(VIEW, project="p")
    assert store.projects() == ["p"]
    assert (store.count("p"), store.health(deadline=2.0).ok) == (50, True)
    assert store.delete("p", VIEW.name) == 50
    assert store.delete("p") == 0


async def read_streaming(store: OnlineStore, keys: list[bytes]) -> list[bytes | None]:
    stream = store.reader()
    try:
        return await stream.read(keys)
    finally:
        await stream.close()


def rights(role: str) -> list[str]:
    """Return the words of the user that the page tells to make for ``role``."""
    found = re.search(rf"^ACL SETUSER {role} on >\S+ (.+)$", PAGE.read_text(), re.MULTILINE)
    assert found
    return found[1].split()


@pytest.fixture
def user(server: EmbeddedServer, store: OnlineStore) -> Iterator[Callable[..., OnlineStore]]:
    with redis.Redis.from_url(server.url) as client:

        def with_rights(words: list[str]) -> OnlineStore:
            client.execute_command("ACL", "SETUSER", "tester", "reset", "on", ">hush", *words)
            return OnlineStore(f"unix://tester:hush@{from_url(server.url).unix_socket_path}")

        yield with_rights
        client.acl_deluser("tester")


def test_the_rights_of_the_page_are_enough(user) -> None:
    with user(rights("provender")) as store:
        use_everything(store)


@pytest.mark.parametrize("less", ["+mget", "+evalsha", "+script|load", "+msetnx", "+mset"])
def test_a_right_less_is_refused_by_its_name(user, less: str) -> None:
    words = rights("provender")
    assert less in words
    command = less.removeprefix("+")
    with (
        user([word for word in words if word != less]) as store,
        pytest.raises(Unavailable, match=f"(?i){re.escape(command)}") as caught,
    ):
        use_everything(store)
    assert "hush" not in str(caught.value)


def test_the_rights_of_a_reader_are_enough_to_serve_and_not_to_write(user, store) -> None:
    store.write(pairs(9))
    store.publish_manifest(manifest(VIEW, project="p"))
    keys = [key for key, _ in pairs(9)]
    with user(rights("lookups")) as reader:
        assert reader.read(keys) == [row for _, row in pairs(9)]
        assert asyncio.run(read_streaming(reader, keys)) == [row for _, row in pairs(9)]
        assert reader.manifest("p") is not None
        assert (reader.projects(), reader.health(deadline=2.0).ok) == (["p"], True)
        with pytest.raises(Unavailable, match="refuses: NOPERM"):
            reader.write(pairs(9))
        with pytest.raises(Unavailable, match="NOPERM"):
            reader.read([b"somebody else's key"])


def test_the_rights_of_the_page_are_enough_in_a_cluster(tmp_path: Path) -> None:
    with cluster(tmp_path) as nodes:
        for node in nodes:
            with node.client() as client:
                words = [*rights("provender"), *rights_of_clusters()]
                client.execute_command("ACL", "SETUSER", "tester", "on", ">hush", *words)
        listed = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        with OnlineStore(f"redis+cluster://tester:hush@{listed}/") as store:
            use_everything(store)


def rights_of_clusters() -> list[str]:
    found = re.search(r"^ACL SETUSER provender (\+cluster\S* .+)$", PAGE.read_text(), re.MULTILINE)
    assert found
    return found[1].split()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def speaking_tls(server: EmbeddedServer, certificate: trustme.LeafCert) -> Proxy:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return Proxy(from_url(server.url).unix_socket_path, tls=context)


def test_everything_works_by_tls(server, store, authority, trusted) -> None:
    with speaking_tls(server, authority.issue_cert("127.0.0.1")) as proxy:
        with OnlineStore(f"{proxy.url}?ssl_ca_certs={trusted}") as by_url:
            use_everything(by_url)
        text = f"127.0.0.1:{proxy.port},ssl=true,ssl_ca_certs={trusted}"
        with OnlineStore(from_connection_string(text)) as by_words:
            use_everything(by_words)
        with OnlineStore(f"{proxy.url}?ssl_cert_reqs=none") as unchecked:
            assert unchecked.read([b"k"]) == [None]


def test_clients_show_their_own_certificate(server, store, authority, trusted, tmp_path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(trusted)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    own = authority.issue_cert("client@provender")
    own.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "own.pem"))
    with Proxy(from_url(server.url).unix_socket_path, tls=context) as proxy:
        with OnlineStore(
            f"{proxy.url}?ssl_ca_certs={trusted}&ssl_certfile={tmp_path / 'own.pem'}"
        ) as shown:
            use_everything(shown)
        with OnlineStore(f"{proxy.url}?ssl_ca_certs={trusted}") as nameless:
            for ask in (refused_lookup, refused_stream):
                ask(nameless, ".")


def refused_lookup(store: OnlineStore, why: str) -> None:
    with pytest.raises(Unavailable, match=why):
        store.read([b"k"])


def refused_stream(store: OnlineStore, why: str) -> None:
    with pytest.raises(Unavailable, match=why):
        asyncio.run(read_streaming(store, [b"k"]))


def issued_for_another(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("redis.example.org")


def expired(authority: trustme.CA) -> trustme.LeafCert:
    past = datetime.now(UTC) - timedelta(days=1)
    return authority.issue_cert("127.0.0.1", not_before=past - timedelta(days=9), not_after=past)


def of_a_stranger(authority: trustme.CA) -> trustme.LeafCert:
    return trustme.CA().issue_cert("127.0.0.1")


@pytest.mark.parametrize(
    ("issue", "why"),
    [
        (issued_for_another, "certificate is not valid for '127.0.0.1'|IP address mismatch"),
        (expired, "certificate has expired"),
        (of_a_stranger, "CERTIFICATE_VERIFY_FAILED"),
    ],
)
def test_a_wrong_certificate_is_refused(server, store, authority, trusted, issue, why) -> None:
    with (
        speaking_tls(server, issue(authority)) as proxy,
        OnlineStore(f"rediss://ana:hush@127.0.0.1:{proxy.port}/0?ssl_ca_certs={trusted}") as asked,
    ):
        refused_lookup(asked, why)
        refused_stream(asked, why)
        assert not asked.health().ok
        assert "hush" not in asked.health().problem


def test_certificates_that_cannot_be_read_are_a_matter_of_configuration(tmp_path: Path) -> None:
    with (
        OnlineStore(f"rediss://127.0.0.1:1/0?ssl_ca_certs={tmp_path / 'none.pem'}") as store,
        pytest.raises(Misconfigured, match="TLS options cannot be used"),
    ):
        store.read([b"k"])
