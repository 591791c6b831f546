"""Signing in and out with a browser: what a session is, when it is over, what its forms carry."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import text

from provender.api.identity import governed
from provender.catalog.local import LocalCatalog
from provender.core.errors import Unauthenticated
from provender.core.identity import Mode
from provender.core.sessions import IDLE, LONGEST, SEEN, derived
from provender.core.tokens import IssuedToken
from provender.core.turns import Turns
from provender.web.app import ACTIONS, OPEN, PAGES, application
from provender.web.signing import onward
from provender.web.templates import FOLDER
from provender.web.visitors import signed_in
from tests.api.server import listening
from tests.catalog.conftest import (
    clock,
    governed_postgresql,
    governed_sqlite,
    governed_url,
    postgres_template,
    sqlite_template,
)
from tests.catalog.world import NOW, Clock
from tests.postgres import postgres, postgres_url

__all__ = [
    "clock",
    "governed_postgresql",
    "governed_sqlite",
    "governed_url",
    "postgres",
    "postgres_template",
    "postgres_url",
    "sqlite_template",
]

OURS = {"sec-fetch-site": "same-origin"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


class Site:
    """A governed site, and browsers that visit it."""

    def __init__(self, catalog: LocalCatalog, address: str, clock: Clock) -> None:
        self.catalog, self.address, self.clock = catalog, address, clock

    def browser(self) -> httpx.Client:
        return httpx.Client(base_url=self.address, headers=OURS)

    def token(self, name: str) -> IssuedToken:
        return self.catalog.as_actor(f"person:{name}").keyring.create("test")

    @contextmanager
    def signed_in(self, name: str) -> Iterator[httpx.Client]:
        with self.browser() as browser:
            assert sign_in(browser, self.token(name).secret).status_code == 303
            yield browser


def carried(page: httpx.Response) -> str:
    found = CSRF.search(page.text)
    assert found, page.text
    return found[1]


def sign_in(browser: httpx.Client, secret: str, there: str = "/inbox") -> httpx.Response:
    fields = {"csrf": carried(browser.get("/sign-in")), "token": secret, "next": there}
    return browser.post("/sign-in", data=fields)


@pytest.fixture
def site(governed_url: str, clock: Clock) -> Iterator[Site]:
    yield from sites(governed_url, clock, Mode(mode="governed"))


def sites(url: str, clock: Clock, mode: Mode) -> Iterator[Site]:
    with LocalCatalog(url, actor="service:web", clock=clock) as catalog:
        identify = governed(catalog.identify, anonymous=mode.anonymous)
        visitors = signed_in(catalog.as_actor, catalog, identify, mode=mode)
        with listening(application(catalog, clock=clock, visitors=visitors)) as address:
            yield Site(catalog, address, clock)


def test_who_is_not_known_is_led_to_the_form_and_back(site: Site) -> None:
    with site.browser() as browser:
        led = browser.get("/datasets?tag=source.bts&q=a b")
        assert led.status_code == 303
        assert led.headers["location"] == "/sign-in?next=/datasets%3Ftag%3Dsource.bts%26q%3Da%2520b"
        page = browser.get(led.headers["location"])
        assert 'value="/datasets?tag=source.bts&amp;q=a%20b"' in page.text
        done = sign_in(browser, site.token("ana").secret, "/datasets?tag=source.bts")
        assert (done.status_code, done.headers["location"]) == (303, "/datasets?tag=source.bts")
        shown = browser.get("/inbox")
        assert "signed in as <b>person:ana</b>" in shown.text
        assert "Local mode" not in shown.text
        assert browser.get("/sign-in?next=/audit").headers["location"] == "/audit"


def test_no_page_is_for_nobody(site: Site) -> None:
    with site.browser() as browser:
        for path in (path for path, _ in PAGES if path not in OPEN):
            asked = re.sub(r"\{\w+\}", "a.b", path)
            assert browser.get(asked).status_code == 303, path
            twin = "/index.json" if asked == "/" else f"{asked}.json"
            told = browser.get(twin)
            assert (told.status_code, told.json()["error"]["code"]) == (401, "unauthenticated")
            assert browser.get(asked, headers={"hx-request": "true"}).status_code == 401, path
            wrong = browser.get(asked, headers={"authorization": "Bearer pvd_x"})
            assert wrong.status_code == 401, path


def test_no_form_is_for_nobody_nor_without_what_our_page_put_in(site: Site) -> None:
    foreign = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
    with site.browser() as nobody, site.signed_in("ana") as ana, site.signed_in("max") as max_:
        others, own = carried(max_.get("/tokens")), {"csrf": carried(ana.get("/tokens"))}
        for path in (path for path, _ in ACTIONS if path not in OPEN):
            asked = re.sub(r"\{\w+\}", "a.b", path)
            assert nobody.post(asked, data={"csrf": "x"}).status_code == 401, path
            for csrf in ("", "x", others, "é"):
                refused = ana.post(asked, data={"csrf": csrf})
                assert refused.status_code == 403, (path, csrf)
                assert "not made for you" in refused.text
            assert ana.post(asked, data=own, headers=foreign).status_code == 403, path
        assert "signed in as" in ana.get("/inbox").text


def test_nobody_signs_a_browser_in_but_its_own_form(site: Site) -> None:
    secret = site.token("max").secret
    with site.browser() as browser, site.browser() as other:
        theirs = carried(other.get("/sign-in"))
        for csrf in ("", theirs):
            sent = browser.post("/sign-in", data={"csrf": csrf, "token": secret})
            assert sent.status_code == 403
        carried(browser.get("/sign-in"))
        sent = browser.post("/sign-in", data={"csrf": theirs, "token": secret})
        assert (sent.status_code, "provender" in browser.cookies) == (403, False)


def test_a_wrong_token_is_told_and_not_repeated(site: Site) -> None:
    with site.browser() as browser:
        wrong = sign_in(browser, "pvd_" + "x" * 43)
        assert wrong.status_code == 401
        assert "that token is not known here" in wrong.text
        assert "x" * 43 not in wrong.text
        assert "provender" not in browser.cookies


def test_the_cookie_is_for_nothing_else(governed_sqlite: str, clock: Clock) -> None:
    for mode, host, name in (
        (Mode(mode="governed"), "127.0.0.1", "provender"),
        (Mode(mode="governed", public_host="c.example"), "c.example", "__Host-provender"),
    ):
        for site in sites(governed_sqlite, clock, mode):
            headers = OURS | {"host": host}
            form = httpx.get(f"{site.address}/sign-in", headers=headers)
            signing = form.headers["set-cookie"].partition(";")[0]
            fields = {"csrf": carried(form), "token": site.token("ana").secret}
            sent = headers | {"cookie": signing}
            done = httpx.post(f"{site.address}/sign-in", data=fields, headers=sent)
            cookies = done.headers.get_list("set-cookie")
            session = next(c for c in cookies if c.startswith(f"{name}="))
            said = {part.strip().lower() for part in session.split(";")[1:]}
            assert {"httponly", "samesite=lax", "path=/"} <= said
            assert ("secure" in said) == name.startswith("__Host-")
            assert not any(part.startswith("domain") for part in said)
            assert any(c.startswith(f"{name}-signing=") and "Max-Age=0" in c for c in cookies)
            kept = session.partition(";")[0].partition("=")[2]
            with site.catalog._door.reading() as db:
                assert kept not in str(db.execute(text("SELECT * FROM sessions")).all())


def test_signing_in_gives_a_new_secret_and_ends_the_old_session(site: Site) -> None:
    with site.signed_in("ana") as browser:
        first = browser.cookies["provender"]
        fixed = browser.get("/inbox").status_code
        assert fixed == 200
        page = browser.get("/tokens")
        browser.cookies.set("provender-signing", "chosen")
        fields = {"csrf": derived("csrf", "chosen"), "token": site.token("max").secret}
        assert browser.post("/sign-in", data=fields).status_code == 303
        assert "person:max" in browser.get("/inbox").text
        assert page.status_code == 200
    with pytest.raises(Unauthenticated):
        site.catalog.signed_in(first)


def test_signing_out_ends_it_for_whoever_has_the_cookie(site: Site) -> None:
    with site.signed_in("ana") as browser:
        secret = browser.cookies["provender"]
        out = browser.post("/sign-out", data={"csrf": carried(browser.get("/inbox"))})
        assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
        assert "provender" not in browser.cookies
        browser.cookies.set("provender", secret)
        assert browser.get("/inbox").status_code == 303
    told = [e.kind for e in site.catalog.as_actor("person:gov").records.audit_events(limit=2)]
    assert told == ["session:end", "session:begin"]


def test_a_session_is_over_when_idle_and_after_half_a_day(site: Site) -> None:
    with site.signed_in("ana") as idle, site.signed_in("max") as busy:
        began = site.clock()
        while site.clock() - began < LONGEST - timedelta(minutes=50):
            assert busy.get("/inbox").status_code == 200
            site.clock.advance(timedelta(minutes=50))
        assert idle.get("/inbox").status_code == 303
        assert busy.get("/inbox").status_code == 200
        site.clock.now = began + LONGEST
        assert busy.get("/inbox").status_code == 303


def test_it_is_written_down_rarely_that_a_session_is_used(site: Site) -> None:
    with site.signed_in("ana") as browser:
        secret = browser.cookies["provender"]
        site.clock.advance(SEEN - timedelta(seconds=1))
        site.catalog.signed_in(secret)
        site.clock.advance(IDLE - SEEN + timedelta(seconds=2))
        with pytest.raises(Unauthenticated):
            site.catalog.signed_in(secret)


def test_a_session_is_over_with_its_token_and_with_its_actor(site: Site) -> None:
    issued, gov = site.token("ana"), site.catalog.as_actor("person:gov")
    with site.browser() as ana, site.signed_in("max") as max_:
        sign_in(ana, issued.secret)
        gov.keyring.revoke(issued.token.id)
        assert ana.get("/inbox").status_code == 303
        gov.desk.withdraw("person", "person:max", reason="left")
        assert max_.get("/inbox").status_code == 303


def test_a_cookie_opens_pages_only_and_a_token_is_stronger_than_it(site: Site) -> None:
    with site.signed_in("ana") as browser:
        bearer = {"authorization": f"Bearer {site.token('max').secret}"}
        assert "person:max" in browser.get("/inbox", headers=bearer).text
        bad = {"authorization": "Bearer pvd_x"}
        assert browser.get("/inbox", headers=bad).status_code == 401


def test_tokens_are_made_shown_once_and_revoked_on_a_page(site: Site) -> None:
    with site.signed_in("ana") as browser:
        fields = {
            "csrf": carried(browser.get("/tokens")),
            "name": "night",
            "action": ["read"],
            "datasets": "aviation.*, people.*",
            "purpose": "report",
            "days": "7",
        }
        made = browser.post("/tokens", data=fields)
        assert made.headers["cache-control"] == "private, no-store"
        secret = re.search(r'value="(pvd_[\w-]{43})"', made.text)
        assert secret
        found = site.catalog.identify(secret[1])
        assert found.limits.datasets == ("aviation.*", "people.*")
        assert (found.limits.actions, found.limits.purpose) == (("read",), "report")
        assert found.until == NOW + timedelta(days=7)
        again = browser.get("/tokens")
        assert "night" in again.text
        assert secret[1] not in again.text
        csrf = {"csrf": carried(again)}
        assert browser.post("/tokens/t2/revoke", data=csrf).status_code == 303
        with pytest.raises(Unauthenticated):
            site.catalog.identify(secret[1])
        wrong = fields | {"days": "400"}
        assert browser.post("/tokens", data=wrong).status_code == 422


def test_nobody_looks_around_where_a_setting_says_so(governed_sqlite: str, clock: Clock) -> None:
    for site in sites(governed_sqlite, clock, Mode(mode="governed", anonymous=True)):
        with site.browser() as browser:
            shown = browser.get("/datasets")
            assert shown.status_code == 200
            assert "service:anonymous" in shown.text
            assert 'href="/sign-in"' in shown.text
            assert "people.salaries" not in shown.text
            sign_in(browser, site.token("ana").secret)
            assert "person:ana" in browser.get("/datasets").text
            made = browser.post("/tokens", data={"name": "x", "days": "7"})
            assert made.status_code == 403


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ("/datasets?q=1#a", "/datasets?q=1#a"),
        ("", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("datasets", "/"),
        ("/a\r\nset-cookie: x=y", "/"),
        ("/\t/evil.example", "/"),
        ("/" + "a" * 2000, "/"),
        ("http:/evil", "/"),
    ],
)
def test_signing_in_leads_to_no_other_site(asked: str, there: str) -> None:
    assert onward(asked) == there


def test_every_form_that_changes_something_is_written_so_that_it_is_found() -> None:
    for path in FOLDER.glob("*.html"):
        for form in re.findall(r"<form[^>]*>", path.read_text(), re.IGNORECASE):
            changes = "post" in form.lower()
            assert not changes or form.startswith('<form method="post"'), (path.name, form)


def test_of_whom_nobody_knows_no_large_form_is_read(site: Site) -> None:
    began = time.monotonic()
    with site.browser() as browser:
        sent = browser.post("/sign-in", content=b"a=" + b"%41" * 100_000, headers=FORM)
    assert (sent.status_code, "larger than 10,000 bytes" in sent.text) == (422, True)
    at = urlsplit(site.address)
    with socket.create_connection((at.hostname, at.port), timeout=5) as one:
        told = ["POST /tokens HTTP/1.1", f"Host: {at.netloc}", "Content-Length: 900000"]
        told += [f"{name}: {value}" for name, value in (OURS | FORM).items()]
        one.sendall("\r\n".join([*told, "", ""]).encode())
        assert one.recv(100).split()[1] in (b"303", b"401")  # before anything of it came
    assert time.monotonic() - began < 5


def test_pages_and_forms_wait_for_turns_of_their_actor_but_what_revokes(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, of = list[str](), Turns.of

    def noted(self: Turns, actor: str):
        asked.append(actor)
        return of(self, actor)

    monkeypatch.setattr(Turns, "of", noted)
    with site.signed_in("ana") as browser:
        assert asked == []
        page = browser.get("/tokens")
        assert (page.status_code, asked) == (200, ["person:ana"])
        browser.post("/tokens", data={"csrf": carried(page), "name": "laptop"})
        assert asked == ["person:ana"] * 2
        ended = browser.post("/tokens/t1/revoke", data={"csrf": carried(page)})
        assert (ended.is_server_error, asked) == (False, ["person:ana"] * 2)
