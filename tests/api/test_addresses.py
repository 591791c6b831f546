"""T17: no address that somebody writes makes a server of ours connect to anything.

Whatever a client can send is sent with an address in it, through each way in: contracts, manifests,
descriptions, definitions; and an identity provider tells of other places. What counts is what the
interpreter itself tells of sockets, in the server's process.
"""

import json
import random
import re
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from provender.asgi import app
from provender.core.claims import Claims
from provender.core.errors import ProvenderError
from provender.oidc.bearer import Provider
from provender.oidc.fetching import fetch
from provender.oidc.keys import Pace, ProviderKeys
from provender.settings import Settings
from tests.api.conftest import Ask
from tests.api.exchanges import requests
from tests.api.server import listening
from tests.catalog.test_contracts import CONTRACT
from tests.oidc.issuer import AUDIENCE, Issuer, issuing, key
from tests.stress import times

HOSTS = (
    "127.0.0.1", "127.8.9.10", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]",
    "localhost", "localhost.", "0x7f.1", "0177.0.0.1", "2130706433", "127.1", "0",
    "169.254.169.254", "[::ffff:169.254.169.254]", "2852039166", "0xa9fea9fe", "[fe80::1]",
)  # fmt: skip
SCHEMES = ("http", "https", "s3", "file", "ftp", "gopher", "postgresql", "redis")
PORT = 5
"""Where nothing listens; whoever connects is seen all the same."""
ADDRESSES = [f"{scheme}://{host}:{PORT}/latest" for host in HOSTS for scheme in SCHEMES]
SENT = times(60)
_watching: list[tuple[str, Any]] | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching is not None and event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        told = arguments[:2] if event == "socket.getaddrinfo" else arguments[1]
        _watching.append((event, told))


sys.addaudithook(_hook)  # there is no way to take it off


@contextmanager
def watched(*known: int) -> Iterator[list[tuple[str, Any]]]:
    """What is connected to while the block runs, but for servers of the test at ports that are ``known``."""
    global _watching
    _watching, found = [], []
    try:
        yield found
    finally:
        seen, _watching = _watching, None
        found += [one for one in seen if not (isinstance(one[1], tuple) and one[1][1] in known)]


def port_of(url: str) -> int:
    return httpx.URL(url).port or 0


def test_the_watch_sees_a_connection() -> None:
    with watched() as seen, pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", PORT))
    assert ("socket.connect", ("127.0.0.1", PORT)) in seen


def places(body: Any) -> Iterator[Callable[[str], Any]]:
    """For each text in ``body``, what puts another one in its place."""
    if isinstance(body, str):
        yield lambda address: address
    parts = (
        body.items()
        if isinstance(body, dict)
        else enumerate(body if isinstance(body, list) else ())
    )
    for name, part in parts:
        for put in places(part):
            yield lambda address, name=name, put=put: _with(body, name, put(address))  # type: ignore[misc]


def _with(body: Any, name: Any, part: Any) -> Any:
    copy = dict(body) if isinstance(body, dict) else list(body)
    copy[name] = part
    return copy


def test_no_text_of_a_request_is_connected_to(ask: Ask, api: str) -> None:
    chosen = random.Random(17)
    every = [
        (one, put)
        for one in requests()
        if isinstance(one["body"], dict)
        for put in places(one["body"])
    ]
    sent = [*chosen.sample(every, min(SENT, len(every)))]
    statuses = set()
    for _, client in [(name, ask(name)) for name in ("ops", "dev")]:
        client.get("/actor")
    with watched(port_of(api)) as seen:
        for number, (one, put) in enumerate(sent):
            client = ask(one["actor"].removeprefix("person:"))
            body = put(ADDRESSES[number * 7 % len(ADDRESSES)])
            headers = {
                name: told for name, told in one["headers"].items() if name != "idempotency-key"
            }
            answer = client.request(one["method"], one["path"], json=body, headers=headers)
            statuses.add(answer.status_code)
    assert seen == []
    assert max(statuses) < 500
    assert len(sent) >= 60


@pytest.mark.parametrize("scheme", ["http", "https", "s3"])
def test_a_contract_may_name_addresses_and_nobody_asks_them(
    ask: Ask, api: str, scheme: str
) -> None:
    sam, ops = ask("sam"), ask("ops")
    where = "/datasets/aviation.flights/contract"
    urls = [f"{scheme}://{host}:{PORT}/latest" for host in HOSTS]
    named = "".join(f"  - {{url: {json.dumps(url)}, type: businessDefinition}}\n" for url in urls)
    servers = "".join(
        f"  - {{server: s{n}, type: api, location: {json.dumps(url)}}}\n"
        for n, url in enumerate(urls)
    )
    text = f"{CONTRACT}\nauthoritativeDefinitions:\n{named}servers:\n{servers}"
    with watched(port_of(api)) as seen:
        headers = {"if-none-match": "*", "content-type": "application/yaml"}
        kept = sam.put(where, content=text, headers=headers)
        assert kept.status_code == 200, kept.text
        assert ops.get(where).text == text
        assert ops.get(f"{where}/promises").status_code == 200
    assert seen == []


def test_a_version_lies_in_the_lake_and_at_no_address(ask: Ask, api: str) -> None:
    published = next(one for one in requests() if one["path"].endswith("/versions"))
    with watched(port_of(api)) as seen:
        for address in ADDRESSES:
            manifest = published["body"]["manifest"] | {"location": address}
            body = published["body"] | {"manifest": manifest}
            answer = ask("ops").post(published["path"], json=body)
            assert answer.status_code == 422, answer.text
    assert seen == []


def test_a_page_shows_addresses_in_descriptions_and_asks_none(
    governed_sqlite: str, tmp_path: Path
) -> None:
    chosen = Settings(home=tmp_path, catalog_url=governed_sqlite, actor="person:sam")
    images = " ".join(f"![x]({address}) <img src='{address}'>" for address in ADDRESSES[:40])
    with listening(app(chosen)) as server, watched(port_of(server)) as seen:
        edited = httpx.patch(
            f"{server}/api/v1/datasets/aviation.flights",
            json={"description": images, "reason": "r"},
            headers={"if-match": "*"},
        )
        assert edited.status_code == 200, edited.text
        page = httpx.get(f"{server}/datasets/aviation.flights")
        assert page.status_code == 200
        assert re.findall(r"<img[^>]*src=.(?!/static/)", page.text) == []
    assert seen == []


def provider_of(issuer: str, *, url: str = "") -> Provider:
    keys = ProviderKeys(
        issuer=issuer, url=url, algorithms=("ES256",), pace=Pace(patience=3),
        read=lambda address: fetch(address, seconds=0.4),
    )  # fmt: skip
    return Provider(keys=keys, audience=AUDIENCE, claims=Claims(), leeway=timedelta(0))


def refused(provider: Provider, token: str) -> str:
    with pytest.raises(ProvenderError) as error:
        provider.identify(token)
    assert error.value.status == 503
    return error.value.message


@pytest.mark.parametrize("host", sorted({*HOSTS} - {"127.0.0.1", "localhost", "[::1]"}))
def test_an_issuer_by_another_name_is_not_on_this_machine_nor_on_the_wire(host: str) -> None:
    with watched() as seen:
        refused(provider_of(f"https://{host}:{PORT}"), issuing_token())
    assert [one for one in seen if one[0] != "socket.getaddrinfo"] == []


def issuing_token() -> str:
    return Issuer(url="https://login.example.org").token(key("ec"))


@pytest.mark.parametrize("host", [*HOSTS, "metadata.google.internal"])
def test_what_discovery_tells_of_other_servers_is_not_followed(host: str) -> None:
    with issuing(key("ec")) as issuer:
        for scheme in ("http", "https"):
            issuer.told = {"jwks_uri": f"{scheme}://{host}:{PORT}/keys"}
            with watched(port_of(issuer.url)) as seen:
                told = refused(provider_of(issuer.url), issuer.token(key("ec")))
            assert "its keys lie on another server" in told
            assert seen == []


@pytest.mark.parametrize("path", ["/keys", "/.well-known/openid-configuration"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed_one_or_many(path: str, status: int) -> None:
    with issuing(key("ec")) as issuer, issuing(key("ec")) as canary:
        chain = {f"/{n}": (status, {"location": f"/{n + 1}"}, b"") for n in range(3)}
        first = (status, {"location": "/0"}, b"")
        issuer.answers = {path: first, **chain, "/3": (status, {"location": canary.url}, b"")}
        with watched(port_of(issuer.url)) as seen:
            assert f"status {status}" in refused(provider_of(issuer.url), issuer.token(key("ec")))
        assert (seen, canary.asked) == ([], [])


def test_what_a_resolver_says_later_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the first answer is somewhere else, all later ones are this machine."""
    asked: list[str] = []
    really = socket.getaddrinfo

    def stub(host: str, port: Any, *arguments: Any, **more: Any) -> Any:
        if host != "login.example.org":
            return really(host, port, *arguments, **more)
        asked.append(host)
        address = "198.51.100.7" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", stub)
    with issuing(key("ec")) as canary:
        issuer = f"https://login.example.org:{port_of(canary.url)}"
        for _ in range(3):
            with watched() as seen:
                refused(provider_of(issuer), issuing_token())
            connected = {told[0] for event, told in seen if event == "socket.connect"}
            assert connected <= {"198.51.100.7"}
        assert canary.asked == []
    assert len(asked) == 3


def test_one_bad_address_among_good_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, PORT))
        for address in ("198.51.100.7", "169.254.169.254")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    with watched() as seen:
        told = refused(provider_of(f"https://login.example.org:{PORT}"), issuing_token())
    assert "leads to 169.254.169.254" in told
    assert seen == []


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with issuing(key("ec")) as issuer, issuing() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert provider_of(issuer.url).identify(issuer.token(key("ec"))).actor == "person:ana"
        assert proxy.asked == []
