"""``provender dataset optimize`` and ``provender fsck``: what they do, say and exit with."""

import sqlite3
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import orders


@pytest.fixture
def lake(home):
    return home / ".provender" / "lake"


def test_optimizing_publishes_the_same_rows_as_a_new_version(published, lake):
    done = published("dataset", "optimize", "shop.orders", "--keys", "customer", "--json")
    assert done.code == 0, done.err
    before, after = done.json["before"], done.json["after"]
    assert done.json["changed"] is True
    assert (before["version"], after["version"]) == ("shop.orders@1", "shop.orders@2")
    assert before["content"] == after["content"]
    assert (after["rows"], after["files"], after["row_groups"]) == (3, 1, 1)
    assert after["layout"]["keys"] == ["customer"]
    shown = published("dataset", "show", "shop.orders@2", "--json").json
    (version,) = shown["versions"]
    assert version["note"] == "optimized by customer, ordered_at"
    assert version["compatibility"]["verdict"] == "identical"
    assert version["manifest"]["inputs"] == [{"domain": "shop", "name": "orders", "version": 1}]
    event = published("audit", "list", "--json").json[0]
    assert (event["kind"], event["subject"]) == ("dataset:publish", "shop.orders@2")
    assert event["detail"]["layout"] == "customer, ordered_at"


def test_optimizing_is_told_in_a_table_and_again_changes_nothing(published):
    first = published("dataset", "optimize", "shop.orders", "--keys", "customer")
    assert "row groups" in first.out
    assert "shop.orders@2 is optimized by customer, ordered_at; the same rows" in first.out
    again = published("dataset", "optimize", "shop.orders", "--keys", "customer")
    assert again.out == "shop.orders@2 is optimized by customer, ordered_at already\n"
    assert len(published("dataset", "show", "shop.orders", "--json").json["versions"]) == 2


def test_publishing_optimized_rows_again_is_the_optimized_version(published, home):
    published("dataset", "optimize", "shop.orders", "--keys", "customer")
    again = published("dataset", "publish", "shop.orders", home / "orders.parquet")
    assert again.out.startswith("shop.orders@2 ")
    more = orders(home / "more.parquet", amounts=[1.0])
    assert published("dataset", "publish", "shop.orders", more).out.startswith("shop.orders@3 ")


def test_optimizing_needs_keys_that_are_columns_and_the_right_to_publish(published):
    assert (
        "no feature view says by which keys" in published("dataset", "optimize", "shop.orders").err
    )
    wrong = published("dataset", "optimize", "shop.orders", "--keys", "custmer")
    assert wrong.code == 2
    assert "did you mean customer?" in wrong.err
    refused = published(
        "dataset", "optimize", "shop.orders", "--keys", "customer", actor="person:ana"
    )
    assert refused.code == 4
    published("dataset", "optimize", "shop.orders", "--keys", "customer")
    older = published("dataset", "optimize", "shop.orders@1", "--keys", "amount")
    assert "is not the latest version, which is shop.orders@2" in older.err


def test_a_lake_in_order_is_said_to_be(published):
    done = published("fsck")
    assert done.code == 0
    assert "nothing is left over, and nothing is damaged" in done.out
    assert "1 files of 1 versions were checked" in done.out


def test_orphans_are_named_then_removed(published, lake):
    orphan = lake / "shop" / "orders" / f"parquet-{'0' * 24}"
    orphan.mkdir()
    pq.write_table(pq.read_table(lake.parent.parent / "orders.parquet"), orphan / "part.parquet")
    left = published("fsck")
    assert left.code == 1
    assert "orphan" in left.out
    assert "provender fsck --remove" in left.out
    assert orphan.exists()
    gone = published("fsck", "--remove", "--json")
    assert gone.code == 0
    assert [f["removed"] for f in gone.json["findings"]] == [True]
    assert not orphan.exists()
    assert published("fsck", "--json").json == {
        "ok": True,
        "versions": 1,
        "files": 1,
        "findings": [],
        "catalog": [],
    }


def test_damage_is_named_and_a_changed_file_is_not_read(published, lake):
    (file,) = lake.glob("shop/orders/*/*.parquet")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    done = published("fsck", "--remove", "--json")
    assert done.code == 6
    (found,) = done.json["findings"]
    assert (found["kind"], found["path"], found["versions"]) == (
        "damaged",
        str(file),
        ["shop.orders@1"],
    )
    assert "SHA-256 differs" in found["why"]
    refused = published("dataset", "optimize", "shop.orders", "--keys", "customer")
    assert refused.code == 6
    assert file.name in refused.err
    file.unlink()
    lost = published("fsck").out
    assert "is missing" in lost
    *_, hint = lost.splitlines()
    assert hint == (
        "for what is damaged: put the lake's files back from a backup, or publish the same rows "
        "again; to keep readers away: provender dataset recall shop.orders@1 --reason …"
    )


def test_only_who_governs_may_check_the_lake(published, lake):
    orphan = lake / "shop" / "orders" / f"parquet-{'0' * 24}"
    orphan.mkdir()
    refused = published("fsck", "--remove", actor="person:ana")
    assert refused.code == 4
    assert "person:ana may not check the catalog" in refused.err
    assert "team:shop can" in refused.err
    assert orphan.exists()


def test_what_was_spilled_to_a_stores_own_folder_is_found_when_it_is_named(published, home):
    kill = (
        "import os, sys, pathlib; from provender.tables.spill import spilling\n"
        "with spilling(pathlib.Path(sys.argv[1])) as folder:\n"
        "    (folder / 'rows').write_bytes(b'x' * 100); os._exit(9)"
    )
    folders = [home / "fast disk", home / "other"]
    for folder in folders:
        assert subprocess.run([sys.executable, "-c", kill, folder], check=False).returncode == 9
        (folder / "notes.txt").write_text("not a spill")
    spills = [word for folder in folders for word in ("--spill", folder)]
    assert published("fsck").code == 0
    left = published("fsck", *spills, "--json")
    assert left.code == 1
    paths = [found["path"] for found in left.json["findings"]]
    assert all(any(path.startswith(str(folder)) for path in paths) for folder in folders)
    assert published("fsck", *spills, "--remove").code == 0
    assert published("fsck", *spills).code == 0
    assert all((folder / "notes.txt").exists() for folder in folders)
    assert not [path for folder in folders for path in folder.rglob("rows")]
    gone = published("fsck", "--spill", home / "nowhere")
    assert gone.code == 3
    assert "there is no folder" in gone.err


def damage(home, statement):
    with sqlite3.connect(home / ".provender" / "catalog.db") as db:
        db.execute(statement)
    db.close()


def test_fsck_finds_a_wrong_row_of_the_catalog_and_repairs_what_follows_from_others(
    published, home
):
    damage(home, "UPDATE counters SET value = 0 WHERE name = 'node'")
    found = published("fsck", "--json")
    assert (found.code, found.json["ok"]) == (6, False)
    (fault,) = found.json["catalog"]
    assert (fault["check"], fault["subject"], fault["repaired"]) == (
        "counters",
        "counter node",
        False,
    )
    assert "provender fsck --repair" in published("fsck").out
    repaired = published("fsck", "--repair", "--json")
    assert (repaired.code, repaired.json["catalog"][0]["repaired"]) == (0, True)
    assert published("fsck", "--json").json["catalog"] == []


def test_fsck_names_a_version_that_cannot_be_read_and_leaves_the_lake_alone(published, home):
    damage(home, "UPDATE versions SET value = '{}'")
    found = published("fsck", "--remove", "--json")
    assert found.code == 6
    assert found.json["catalog"][0]["subject"] == "versions 1 1"
    assert "the lake was not checked" in published("fsck").out
