"""The steps of versions, at the command line: what is said, to whom, and with which exit code."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture
def two(published, home):
    """Two versions of shop.orders."""
    more = home / "more.parquet"
    rows = pq.read_table(home / "orders.parquet")
    pq.write_table(pa.concat_tables([rows, rows]), more)
    published("dataset", "publish", "shop.orders", more)
    return published


def test_a_recalled_version_is_refused_to_readers_who_get_the_last_good_one(two):
    recalled = two(
        "dataset",
        "recall",
        "shop.orders@2",
        "--reason",
        "doubled",
        "--refuse",
        "--replacement",
        "1",
    )
    assert recalled.code == 0, recalled.err
    assert "shop.orders@2 was recalled by person:sam" in recalled.out
    assert ": doubled; readers get @1" in recalled.out
    assert "nobody is known to have read it" in recalled.out
    assert two("dataset", "verify", "shop.orders").out.startswith("shop.orders@1: ")
    refused = two("dataset", "verify", "shop.orders@2")
    assert refused.code == 5
    assert "doubled" in refused.err
    assert "hint: read shop.orders@1 instead" in refused.err
    shown = two("dataset", "show", "shop.orders", "--json").json
    assert {number: s["state"] for number, s in shown["standings"].items()} == {
        "1": "published",
        "2": "recalled",
    }
    assert "was recalled" in two("dataset", "show", "shop.orders@2").out


def test_a_deprecated_version_is_read_with_a_warning_in_words(two):
    two("dataset", "deprecate", "shop.orders@1", "--reason", "half of it", "--replacement", "2")
    read = two("dataset", "verify", "shop.orders@1")
    assert read.code == 0
    assert read.err.startswith("warning: shop.orders@1 was deprecated by person:sam")
    assert "read shop.orders@2 instead" in read.err
    restored = two("dataset", "restore", "shop.orders@1", "--json").json
    assert restored["release"]["standing"]["state"] == "published"
    assert two("dataset", "verify", "shop.orders@1").err == ""


def test_a_draft_is_nobodys_until_it_is_published(two, home):
    path = pq.read_table(home / "more.parquet").slice(1)
    pq.write_table(path, home / "fewer.parquet")
    made = two("dataset", "publish", "shop.orders", home / "fewer.parquet", "--draft")
    assert made.code == 0, made.err
    assert "provender dataset publish-draft shop.orders@3" in made.out
    assert two("dataset", "verify", "shop.orders").out.startswith("shop.orders@2: ")
    assert two("dataset", "publish-draft", "shop.orders@3").code == 0
    assert two("dataset", "verify", "shop.orders").out.startswith("shop.orders@3: ")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("recall", "shop.orders@2"), 2, "Missing option '--reason'"),
        (("recall", "shop.orders", "--reason", "x"), 2, "names no version"),
        (("restore", "shop.orders@1"), 5, "cannot restore a version that is published"),
        (("release", "shop.orders@1"), 5, "cannot release a version that is published"),
        (("publish-draft", "shop.orders@1"), 5, "cannot publish a version that is published"),
        (("recall", "shop.orders@1", "--reason", "x", "--expected", "7"), 5, "not 7"),
    ],
)
def test_a_step_that_cannot_be_taken_is_explained(two, arguments, code, says):
    failed = two("dataset", *arguments)
    assert failed.code == code
    assert says in failed.err


def test_a_dataset_is_renamed_and_both_names_go_on(two):
    renamed = two("dataset", "rename", "shop.orders", "shop.purchases")
    assert renamed.out.startswith("shop.purchases, once shop.orders")
    assert two("dataset", "verify", "shop.orders@1").out.startswith("shop.purchases@1: ")
    refused = two("governance", "apply")
    assert refused.code == 2
    assert "dataset shop.orders is called shop.purchases now" in refused.err
    shown = two("dataset", "show", "shop.orders").out.splitlines()
    assert ["once", "shop.orders"] in [line.split() for line in shown]
    assert "renamed from shop.orders" in two("dataset", "history", "shop.purchases").out
    assert two("dataset", "rename", "shop.purchases", "shop.Purchases").code == 2
    stale = two("dataset", "rename", "shop.purchases", "shop.bought", "--expected", "1")
    assert stale.code == 5
