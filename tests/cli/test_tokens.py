"""Tokens in the terminal: made, kept where only their owner reads them, used, ended."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from provender.asgi import app
from provender.bootstrap import local_catalog
from provender.client import credentials
from provender.core.errors import Misconfigured
from provender.settings import Settings
from tests.api.server import listening


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that tokens are kept in."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return credentials.place()


@pytest.fixture
def service(home, kept) -> Iterator[tuple[str, str]]:
    """A governed server, and Ana's token for it."""
    settings = Settings(home=home / "service", actor="person:ana", mode="governed")
    with local_catalog(settings) as catalog:
        secret = catalog.keyring.create("ana").secret
    with listening(app(settings)) as address:
        yield address, secret


def test_a_token_is_made_listed_rotated_and_revoked(governed, kept):
    made = governed("token", "create", "laptop", "--action", "read", "--dataset", "shop.*")
    assert made.out.startswith("pvd_")
    assert "t1 of person:sam until" in made.err
    assert "keep it now" in made.err
    listed = governed("token", "list")
    assert "laptop" in listed.out
    assert made.out.strip() not in listed.out
    told = governed("token", "list", "--json").json
    assert told[0]["limits"]["datasets"] == ["shop.*"]
    again = governed("token", "rotate", "t1", "--json").json
    assert again["token"]["replaces"] == "t1"
    assert "revoked t2" in governed("token", "revoke", "t2").out
    assert governed("token", "revoke", "t7").code == 3
    refused = governed("token", "create", "max", "--for", "person:max")
    assert (refused.code, "cannot make a token for person:max" in refused.err) == (4, True)


def test_a_service_wants_a_token_and_takes_the_one_that_login_kept(run, service, kept):
    url, secret = service
    remote = {"PROVENDER_CATALOG_URL": url}
    nobody = run("dataset", "list", actor="", **remote)
    assert (nobody.code, "provender login" in nobody.err) == (4, True)
    wrong = run("login", "--token", "pvd_" + "a" * 43, actor="", **remote)
    assert (wrong.code, kept.exists()) == (4, False)
    done = run("login", actor="", PROVENDER_TOKEN=secret, **remote)
    assert f"you are person:ana; the token is kept in {kept}" in done.out
    assert secret not in done.out + done.err
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert run("dataset", "list", "--json", actor="", **remote).json == []
    assert run("token", "list", "--json", actor="", **remote).json[0]["actor"] == "person:ana"
    other = run("dataset", "list", actor="person:max", **remote)
    assert (other.code, "takes whoever asks for person:ana" in other.err) == (2, True)
    assert "forgotten" in run("logout", actor="", **remote).out
    assert run("dataset", "list", actor="", **remote).code == 4
    assert run("dataset", "list", actor="", PROVENDER_TOKEN=secret, **remote).code == 0


def test_a_catalog_in_a_file_asks_for_no_token(run, kept):
    refused = run("login", "--token", "x")
    assert (refused.code, "asks for no token" in refused.err) == (2, True)


def test_tokens_that_others_may_read_are_not_used(kept):
    credentials.keep("http://c:1/", "pvd_x")
    assert credentials.token_for("http://c:1") == "pvd_x"
    assert credentials.token_for("http://c:2") == ""
    kept.chmod(0o640)
    with pytest.raises(Misconfigured, match="others may read it"):
        credentials.token_for("http://c:1")
    kept.chmod(0o600)
    kept.write_text("{")
    with pytest.raises(Misconfigured, match="cannot be read"):
        credentials.token_for("http://c:1")


def test_a_file_that_another_process_left_is_no_way_in(kept):
    kept.parent.mkdir(parents=True)
    elsewhere = kept.parent / "elsewhere"
    (kept.parent / f".credentials.json.{os.getpid()}").symlink_to(elsewhere)
    credentials.keep("http://c:1", "pvd_x")
    assert not elsewhere.exists()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_token_that_cannot_be_one_is_not_shown(run, kept):
    wrong = run("dataset", "list", PROVENDER_TOKEN="pvd_ spaced secret")
    assert wrong.code == 2
    assert "secret" not in wrong.err
