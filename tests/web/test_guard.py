from types import SimpleNamespace

import pytest

from provender.core.digest import digest_bytes
from provender.core.errors import Denied
from provender.hosts import LOOPBACK_NAMES
from provender.web import app as pages
from provender.web.guard import is_twin, twin_of
from provender.web.page import Page
from tests.web.clock import NOW
from tests.web.conftest import ask


def test_every_answer_carries_the_security_headers(ana):
    for path in ("/", "/nowhere", "/index.json", "/static/provender.css"):
        headers = ana.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; connect-src 'self'")
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_pages_are_not_kept_by_caches_and_the_style_sheet_is(ana):
    assert ana.get("/").headers["cache-control"] == "private, no-store"
    assert "max-age" in ana.get("/static/provender.css").headers["cache-control"]


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd"]
)
def test_only_static_files_are_served_from_disk(ana, path):
    assert ana.get(path).status_code == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8400", 200),
        ("127.0.0.1:8400", 200),
        ("[::1]:8400", 200),
        ("LOCALHOST", 200),
        ("evil.example", 421),
        ("localhost.evil.example:8400", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
    ],
)
def test_on_loopback_only_loopback_names_are_answered(ana, host, status):
    app = pages.application(ana.catalog, clock=lambda: NOW, hosts=LOOPBACK_NAMES)

    assert ask(app, "/healthz", headers={"host": host}).status_code == status


def test_lists_are_read_only(ana):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert ask(ana.app, "/datasets", method=method).status_code == 405
    assert ask(ana.app, "/datasets", method="HEAD").status_code == 200


@pytest.mark.parametrize(
    ("path", "twin"),
    [
        ("/index.json", True),
        ("/datasets.json", True),
        ("/datasets/aviation.flights.json", True),
        ("/datasets/aviation.json", False),
        ("/datasets/aviation.json.json", True),
        ("/static/x.json", False),
        ("/datasets", False),
    ],
)
def test_a_twin_is_told_from_a_dataset_called_json(path, twin):
    assert is_twin(path) is twin


def test_the_address_of_a_twin_keeps_the_query():
    assert twin_of("/", "") == "/index.json"
    assert twin_of("/search", "q=a") == "/search.json?q=a"


def test_an_unforeseen_error_shows_nothing_of_its_inside(ana, monkeypatch):
    def broken(visit):
        raise RuntimeError("secret path /srv/x")

    reader = with_page(ana, monkeypatch, broken)
    for path in ("/broken", "/broken.json"):
        answer = reader.get(path)
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert "something went wrong" in answer.text


def test_a_denial_is_answered_403_with_who_can_grant_it(ana, monkeypatch):
    def closed(visit):
        raise Denied("person:ana may not", hint="person:sam can grant it")

    answer = with_page(ana, monkeypatch, closed).get("/broken")
    assert answer.status_code == 403
    assert "person:sam can grant it" in answer.text


def test_a_value_that_a_template_lacks_is_an_error_not_a_blank(ana, monkeypatch):
    def incomplete(visit):
        return Page(template="version.html", title="x", facts={})

    assert with_page(ana, monkeypatch, incomplete).get("/broken").status_code == 500


def with_page(reader, monkeypatch, show):
    monkeypatch.setattr(pages, "PAGES", (*pages.PAGES, ("/broken", show)))
    app = pages.application(reader.catalog, clock=lambda: NOW)
    return SimpleNamespace(get=lambda path: ask(app, path))


def test_the_vendored_script_is_the_one_that_was_looked_at():
    script = (pages.STATIC / "htmx.js").read_bytes()
    assert digest_bytes(script) == (
        "sha256:a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130"
    )
