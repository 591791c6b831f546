"""Getting a dataset at the terminal."""

import json
from pathlib import Path

import pytest


@pytest.fixture
def granted(published):
    columns = "ordered_at,customer,amount"
    given = published(
        "access",
        "grant",
        "shop.orders",
        "--to",
        "person:ana",
        "--purpose",
        "reporting",
        "--columns",
        columns,
    )
    assert given.code == 0, given.err
    return published


def test_a_dataset_is_got_in_another_format_once_its_publisher_converted_it(granted, home):
    def get(*options):
        return granted(
            "dataset", "get", "shop.orders", "--purpose", "reporting", *options, actor="person:ana"
        )

    here = get("--json").json
    assert here["version"]["ref"]["version"] == 1
    assert Path(here["path"]).is_dir()
    assert get("--format", "jsonl").code == 4
    converted = granted("dataset", "convert", "shop.orders", "jsonl")
    assert converted.out.startswith(
        "shop.orders@1 is there as parquet, jsonl; rows' digest sha256:"
    )
    copied = get("--format", "jsonl", "--output", home / "orders.jsonl")
    assert copied.code == 0, copied.err
    assert [
        json.loads(line)["amount"] for line in (home / "orders.jsonl").read_text().splitlines()
    ] == [
        1.5,
        2.5,
        None,
    ]
    assert get("--format", "jsonl", "--output", home / "orders.jsonl").code == 5
    assert (
        get("--format", "jsonl", "--json").json["version"]["manifest"]["logical_digest"]
        == (here["version"]["manifest"]["logical_digest"])
    )


def test_the_age_is_said_in_words(granted):
    def get(*options):
        return granted(
            "dataset", "get", "shop.orders", "--purpose", "reporting", *options, actor="person:ana"
        )

    old = get("--max-age", "12h")
    assert old.code == 5
    assert "older than 12 h\n" in old.err
    assert get("--max-age", "5000w").code == 0
    assert "'12 parsecs' is not an age" in get("--max-age", "12 parsecs").err
    assert get("--as-of", "2000-01-01").code == 3
    assert get("--version", "1").code == 0


def test_an_instant_may_have_a_zone_and_one_that_is_none_is_refused_in_words(granted):
    def get(*options):
        return granted(
            "dataset", "get", "shop.orders", "--purpose", "reporting", *options, actor="person:ana"
        )

    first = "2000-01-01T12:00:00+00:00"
    for written in ("2000-01-01T12:00", "2000-01-01T12:00:00Z", "2000-01-01T14:00:00+02:00"):
        told = get("--as-of", written)
        assert told.code == 3, told.err
        assert f"shop.orders had no version at {first}" in told.err
    wrong = get("--as-of", "yesterday")
    assert wrong.code == 2
    assert "'yesterday' is not an instant; write for example 2026-03-01" in wrong.err
    assert "%Y" not in wrong.err


def test_who_may_not_read_gets_no_path(published):
    assert published("dataset", "get", "shop.orders", actor="person:max").code == 4


def test_what_cannot_be_copied_is_refused_before_it_is_converted(granted, home):
    def get(*options):
        return granted("dataset", "get", "shop.orders@1", "--purpose", "reporting", *options)

    (home / "here").mkdir()
    table = get("--format", "delta", "--output", home / "there")
    assert table.code == 2
    assert "shop.orders@1 is a table in delta, which cannot be copied by its files" in table.err
    taken = get("--format", "csv", "--output", home / "here")
    assert (taken.code, "is there already" in taken.err) == (5, True)
    versions = granted("dataset", "convert", "shop.orders@1", "jsonl").out
    assert versions.startswith("shop.orders@1 is there as parquet, jsonl;"), "nothing else is"
