"""Commands against a catalog that is a service: what they say is what they say of a database."""

from collections.abc import Iterator

import pytest

from provender.asgi import app
from provender.sdk import connect
from provender.settings import Settings
from tests.api.server import listening
from tests.cli.conftest import orders


@pytest.fixture
def service(home) -> Iterator[str]:
    """The address of a server over a catalog of its own, which takes everybody for Sam."""
    settings = Settings(home=home / "service", actor="person:sam")
    with listening(app(settings)) as address:
        yield address


def test_a_dataset_is_governed_published_read_and_granted_through_a_service(run, home, service):
    def remote(*arguments: object, **environment: str):
        return run(*arguments, PROVENDER_CATALOG_URL=service, **environment)

    assert "applied" in remote("governance", "apply").out
    assert remote("governance", "plan").out.splitlines()[-1].startswith("0 would change")
    published = remote("dataset", "publish", "shop.orders", home / "orders.parquet")
    assert published.out.startswith("shop.orders@1 sha256:")
    more = orders(home / "more.parquet", amounts=[1.0])
    assert remote("dataset", "publish", "shop.orders", more).out.startswith("shop.orders@2 ")
    assert remote("dataset", "list", "--json").json[0]["latest"] == 2
    assert "One row per order." in remote("dataset", "show", "shop.orders@1").out
    hits = remote("search", "order", "amount", "--json").json["hits"]
    assert "shop.orders" in [hit["name"] for hit in hits]
    assert "are what was published" in remote("dataset", "verify", "shop.orders").out
    granted = remote("access", "grant", "shop.orders", "--to", "person:max", "--json").json
    assert [one["id"] for one in remote("access", "list", "--json").json] == [granted["id"]]
    assert remote("access", "revoke", granted["id"]).code == 0
    assert remote("status", "--json").json["datasets"] == 1
    assert not (home / ".provender" / "catalog.db").exists()


def test_mistakes_end_as_they_do_without_a_service(run, home, service):
    run("governance", "apply", PROVENDER_CATALOG_URL=service)
    unknown = run("dataset", "show", "shop.ordesr", PROVENDER_CATALOG_URL=service)
    assert (unknown.code, "did you mean shop.orders?" in unknown.err) == (3, True)
    away = run("dataset", "list", PROVENDER_CATALOG_URL="http://127.0.0.1:9")
    assert (away.code, "does not answer" in away.err) == (7, True)
    for of_database in (("catalog", "upgrade"), ("backup", "b.gz"), ("serve", "web")):
        refused = run(*of_database, PROVENDER_CATALOG_URL=service)
        assert (refused.code, "and this needs its database" in refused.err) == (2, True)
        assert "catalog pages on" not in refused.err


def test_who_asks_is_who_the_service_takes_us_for(run, home, service):
    run("governance", "apply", PROVENDER_CATALOG_URL=service)
    for command in (("dataset", "edit", "shop.orders", "--description", "x"), ("status",)):
        refused = run(*command, actor="person:max", PROVENDER_CATALOG_URL=service)
        assert refused.code == 2
        assert "PROVENDER_ACTOR is person:max" in refused.err
        assert "takes whoever asks for person:sam" in refused.err
    shown = run("status", "--json", PROVENDER_CATALOG_URL=service).json
    assert shown["actor"] == "person:sam"


def test_a_token_that_nobody_looks_at_is_warned_of(run, home, service):
    run("governance", "apply", PROVENDER_CATALOG_URL=service)
    leftover = {"PROVENDER_TOKEN": "pvd_of_another_service"}
    there = run("dataset", "list", **leftover, PROVENDER_CATALOG_URL=service)
    assert there.code == 0
    assert "is in local mode: it takes everybody for person:sam" in there.err
    here = run("dataset", "list", **leftover)
    assert here.code == 0
    assert "warning: PROVENDER_TOKEN is not looked at" in here.err
    assert "pvd_of" not in here.err + there.err
    assert "warning" not in run("dataset", "list").err


def test_who_asks_a_service_for_a_purpose_is_who_it_takes_us_for(run, home, service):
    settings = Settings(home=home, catalog_url=service)
    run("governance", "apply", PROVENDER_CATALOG_URL=service)
    with connect(settings=settings, purpose="reporting") as workspace:
        assert workspace.catalog.actor.id == "person:sam"
