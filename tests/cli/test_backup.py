"""``provender backup`` and ``provender restore``: what they do, say and exit with."""

import pyarrow.parquet as pq
import pytest


def test_a_catalog_goes_into_a_file_and_comes_back_in_another_home(published, home):
    made = published("backup", "catalog.tgz", "--json")
    assert made.code == 0, made.err
    assert {part["name"]: part["rows"] for part in made.json["tables"]}["versions"] == 1
    elsewhere = {"PROVENDER_HOME": home / "elsewhere"}
    back = published("restore", "catalog.tgz", **elsewhere)
    assert back.code == 0, back.err
    assert f"the catalog holds {made.json['rows']} rows" in back.out
    assert "provender fsck" in back.out
    (home / ".provender" / "lake").rename(home / "elsewhere" / "lake")
    assert published("fsck", "--json", **elsewhere).json["ok"] is True
    assert published("dataset", "show", "shop.orders@1", **elsewhere).code == 0
    assert published("audit", "verify", **elsewhere).code == 0
    assert len(list((home / "elsewhere" / "secrets" / "audit").glob("*.key"))) <= 1
    assert (
        pq.read_table(next((home / "elsewhere" / "lake").glob("shop/**/*.parquet"))).num_rows == 3
    )


def test_a_catalog_with_rows_is_not_restored_over(published, home):
    assert published("backup", "catalog.tar").out.startswith("catalog.tar holds ")
    again = published("restore", "catalog.tar")
    assert (again.code, "not empty" in again.err) == (5, True)
    there = published("backup", "catalog.tar")
    assert (there.code, "is there already" in there.err) == (5, True)


def test_a_damaged_file_is_named(published, home):
    published("backup", "catalog.tar")
    file = home / "catalog.tar"
    file.write_bytes(file.read_bytes()[:30_000])
    cut = published("restore", "catalog.tar", PROVENDER_HOME=home / "new")
    assert (cut.code, "is damaged" in cut.err, "as it was" in cut.err) == (6, True, True)


def test_who_does_not_govern_makes_no_backup(published, home):
    refused = published("backup", "catalog.tar", actor="person:max")
    assert refused.code == 4
    assert "person:max may not back up the catalog" in refused.err
    assert not (home / "catalog.tar").exists()


@pytest.mark.parametrize("name", ["README.md", "notes.tgz", "nothing.tar"])
def test_a_file_that_is_no_backup_is_told_so_in_one_line(published, home, name):
    (home / name).write_bytes(b"" if name == "nothing.tar" else b"# Read me\n" * 200)
    wrong = published("restore", name, PROVENDER_HOME=home / "new")
    assert wrong.code == 2
    assert wrong.err == (
        f"error: {name} is no backup of a catalog\n hint: make one: provender backup FILE\n"
    )
