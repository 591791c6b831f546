"""``provender dataset retention|hold|expire``: what they do, say and exit with."""

import pytest

from tests.cli.conftest import orders


@pytest.fixture
def versions(published, home):
    """Three versions of the orders."""
    for amount in (7.0, 8.0):
        file = orders(home / f"{amount}.parquet", amounts=[amount] * 3)
        assert published("dataset", "publish", "shop.orders", file).code == 0
    return published


def test_data_is_kept_for_as_long_as_is_said_and_then_goes(versions, home):
    dry = versions("dataset", "retention", "shop.orders", "--keep-versions", "1", "--dry-run")
    assert "not among the last 1" in dry.out
    now = versions("dataset", "retention", "shop.orders", "--json").json
    assert now["retention"] == {"keep_versions": None, "keep_days": None, "hold": ""}
    said = versions("dataset", "retention", "shop.orders", "--keep-versions", "1")
    assert "kept: the last version" in said.out
    dry = versions("dataset", "expire", "shop.orders", "--dry-run", "--json").json
    assert [one["goes"] for one in dry["versions"]] == [True, True, False]
    assert dry["files"] == 0
    done = versions("dataset", "expire", "shop.orders")
    assert "2 files were removed" in done.out
    gone = versions("dataset", "verify", "shop.orders@1")
    assert (gone.code, "was deleted on" in gone.err) == (3, True)
    assert versions("dataset", "verify", "shop.orders@3").code == 0
    assert versions("fsck", "--json").json["ok"] is True


def test_a_hold_keeps_everything_until_it_is_lifted(versions):
    versions("dataset", "retention", "shop.orders", "--keep-versions", "1")
    held = versions("dataset", "hold", "shop.orders", "--reason", "case 7")
    assert "on hold: case 7" in held.out
    assert versions("dataset", "expire", "shop.orders", "--json").json["files"] == 0
    changed = versions("dataset", "retention", "shop.orders", "--keep-days", "9", "--json").json
    assert changed["retention"] == {"keep_versions": None, "keep_days": 9, "hold": "case 7"}
    lifted = versions("dataset", "hold", "shop.orders", "--lift", "--json").json
    assert lifted["retention"]["hold"] == ""


def test_a_hold_says_why_or_is_lifted(versions):
    assert versions("dataset", "hold", "shop.orders").code == 2
    assert versions("dataset", "hold", "shop.orders", "--lift", "--reason", "x").code == 2


def test_others_than_stewards_are_refused(versions):
    refused = versions("dataset", "expire", "shop.orders", actor="person:ana")
    assert refused.code == 4
