"""What stewards do at the terminal: edit, look back, plan, apply, export, and settle."""

import pytest
import yaml


def orders_file(home):
    return home / "catalog" / "datasets" / "shop" / "orders.yml"


def said(home):
    return yaml.safe_load(orders_file(home).read_text())


@pytest.fixture
def edited(governed):
    made = governed(
        "dataset",
        "edit",
        "shop.orders",
        "--description",
        "One row per order, cancelled or not.",
        "--column-tag",
        "amount:personal.direct",
        "--reason",
        "amounts lead to people",
    )
    assert made.code == 0
    assert made.out.splitlines()[0] == "shop.orders is at revision 2"
    assert "One row per order, cancelled or not." in made.out
    return governed


def test_an_edit_is_found_and_remembered_with_its_reason(edited):
    shown = edited("dataset", "show", "shop.orders").out
    assert "cancelled or not" in shown
    history = edited("dataset", "history", "shop.orders")
    rows = history.out.splitlines()
    assert "column_tags, description" in rows[1]
    assert "declared" in rows[2]
    assert "amounts lead to people" in history.out
    states = edited("dataset", "history", "shop.orders", "--json").json["items"]
    assert [(state["by"], state["reason"]) for state in states] == [
        ("person:sam", "amounts lead to people"),
        ("person:sam", ""),
    ]
    first = edited("dataset", "history", "shop.orders", "--limit", 1)
    (more,) = (line for line in first.out.splitlines() if line.startswith("there is more: "))
    rest = edited(
        "dataset", "history", "shop.orders", *more.removeprefix("there is more: ").split()
    )
    assert "there is more" not in rest.out
    assert "amounts lead" not in rest.out


def test_every_part_can_be_edited(governed, home):
    (home / "orders.md").write_text("# Orders\n")
    (home / "catalog" / "glossary.yml").write_text("- {name: order, definition: A sale.}\n")
    assert governed("catalog", "apply").code == 0
    made = governed(
        *("dataset", "edit", "shop.orders", "--json", "--documentation", home / "orders.md"),
        *("--owner", "person:ana", "--steward", "person:sam", "--deputy", "person:max"),
        *("--tag", "personal.direct", "--column-untag", "customer:personal.direct"),
        *("--describe", "amount=In euro.", "--describe", "customer="),
        *("--term", "order", "--link", "https://example.org", "--expected", 1),
    )
    dataset = made.json["dataset"]
    assert (made.json["revision"], dataset["documentation"]) == (2, "# Orders\n")
    assert (dataset["owner"], dataset["stewards"]) == ("person:ana", ["person:sam"])
    assert (dataset["deputies"], dataset["tags"]) == (["person:max"], ["personal.direct"])
    assert (dataset["column_tags"], dataset["terms"]) == ({}, ["order"])
    assert dataset["column_descriptions"] == {"amount": "In euro."}
    assert dataset["links"] == ["https://example.org"]
    deputies = governed("dataset", "edit", "shop.orders", "--json", "--deputy", "person:sam").json
    assert deputies["dataset"]["owner"] == "person:ana"
    again = governed("dataset", "edit", "shop.orders", "--term", "order")
    assert again.out == "shop.orders says so already, at revision 3\n"


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--tag", "personal.dirct"), 2, "did you mean personal.direct?"),
        (("--column-tag", "personal.direct"), 2, "is no tag on a column"),
        (("--describe", "amount"), 2, "describes no column"),
        (("--description", "x", "--expected", "7"), 5, "at revision 1, not 7"),
        (("--owner", "person:nobody"), 2, "'person:nobody' is not declared"),
    ],
)
def test_an_edit_that_cannot_be_is_explained(governed, options, code, says):
    failed = governed("dataset", "edit", "shop.orders", *options)
    assert (failed.code, failed.out) == (code, "")
    assert says in failed.err


def test_who_does_not_steward_a_dataset_does_not_edit_it(governed):
    denied = governed("dataset", "edit", "shop.orders", "--description", "x", actor="person:max")
    assert denied.code == 4
    assert "ask who governs to name person:max a steward of shop.orders" in denied.err
    refused = governed(
        "access", "grant", "shop.orders", "--to", "person:max", "--action", "steward"
    )
    assert (refused.code, "'steward' is not one of" in refused.err) == (2, True)


def test_a_plan_tells_by_its_exit_code_what_applying_would_do(governed, home):
    assert governed("catalog", "plan", "--exit-code").code == 0
    orders_file(home).write_text(orders_file(home).read_text() + "links: [https://example.org]\n")
    assert governed("catalog", "plan").code == 0
    changes = governed("catalog", "plan", "--exit-code")
    assert changes.code == 8
    assert "1 would change, 12 as they were" in changes.out
    plan = changes.out.rpartition("plan ")[2].partition(":")[0]
    other = governed("catalog", "apply", "--overwrite", "--expected", plan.replace(plan[0], "x"))
    assert (other.code, "not any more the plan" in other.err) == (5, True)
    assert governed("dataset", "edit", "shop.orders", "--description", "Edited.").code == 0
    undoes = governed("catalog", "plan", "--exit-code")
    assert undoes.code == 5
    (row,) = (line for line in undoes.out.splitlines() if "shop.orders" in line)
    assert row.split() == ["change", "dataset", "shop.orders", "description,", "links"]


def test_an_edit_is_not_undone_by_applying_until_it_is_said(edited, home):
    refused = edited("catalog", "apply")
    assert refused.code == 5
    assert "change dataset shop.orders: description, column_tags" in refused.err
    assert "provender catalog export" in refused.err
    assert "cancelled" in edited("dataset", "show", "shop.orders").out
    done = edited("catalog", "apply", "--overwrite", "--json").json
    (step,) = (step for step in done if step["change"] != "keep")
    assert step == {
        "change": "change",
        "kind": "dataset",
        "name": "shop.orders",
        "overwrites": True,
        "parts": ["description", "column_tags"],
        "declared": True,
        "warnings": [],
    }
    assert "cancelled" not in edited("dataset", "show", "shop.orders").out


def test_an_edit_is_exported_and_then_nothing_would_change(edited, home):
    before = said(home)
    others = {
        path: path.read_text()
        for path in (home / "catalog").rglob("*.yml")
        if path != orders_file(home)
    }
    told = edited("catalog", "export", "--dry-run")
    assert told.out == "catalog/datasets/shop/orders.yml\n1 file would be written\n"
    assert said(home) == before
    files = edited("catalog", "export", "--json").json["files"]
    assert files == ["datasets/shop/orders.yml"]
    assert said(home)["description"] == "One row per order, cancelled or not."
    assert said(home)["columns"]["amount"] == {"tags": ["personal.direct"], "description": "EUR."}
    assert {path: path.read_text() for path in others} == others
    assert edited("catalog", "plan", "--exit-code").code == 0
    assert edited("catalog", "export").out == "catalog/ says what is in force\n"
    assert edited("catalog", "apply").code == 0


def test_the_file_of_a_renamed_dataset_moves(governed, home):
    assert governed("dataset", "rename", "shop.orders", "shop.sales").code == 0
    refused = governed("catalog", "plan")
    assert refused.code == 2
    assert "dataset shop.orders is called shop.sales now" in refused.err
    columns = list(said(home)["columns"])
    new = home / "catalog" / "datasets" / "shop" / "new.yml"
    new.write_text("name: shop.new\ndescription: New.\nowner: team:shop\nformat: parquet\n")
    told = governed("catalog", "export").out
    assert told == (
        "catalog/datasets/shop/sales.yml\ncatalog/datasets/shop/orders.yml goes\n2 files written\n"
    )
    assert not orders_file(home).exists()
    moved = yaml.safe_load(orders_file(home).with_name("sales.yml").read_text())
    assert (moved["name"], list(moved["columns"])) == ("shop.sales", columns)
    assert "1 would change, 13 as they were" in governed("catalog", "plan").out
    assert new.exists()


def test_governance_is_the_same_by_its_older_name(edited, home):
    assert edited("governance", "plan", "--exit-code").code == 5
    assert edited("governance", "export").code == 0
    assert edited("governance", "apply").out.startswith("nothing changes\n")


def test_what_waits_is_shown_with_what_to_do_and_settled(edited):
    waits = edited("inbox")
    assert "dataset shop.orders is not as catalog/ declares it" in waits.out
    assert "provender catalog export" in waits.out
    (task,) = edited("inbox", "--kind", "drift", "--json").json["items"]
    assert f"provender inbox settle {task['id']}" in waits.out
    assert edited("inbox", "settle", task["id"], "--expected", 1).code == 5
    assert edited("inbox", "settle", task["id"]).out == "settled\n"
    assert edited("inbox").out == "nothing waits for you\n"
    assert edited("inbox", "settle", task["id"]).code == 3
    assert edited("inbox", actor="person:max").out == "nothing waits for you\n"


def test_what_was_kept_waits_no_longer(edited):
    assert edited("catalog", "export").code == 0
    assert edited("catalog", "apply").code == 0
    assert edited("inbox", "--kind", "drift").out == "nothing waits for you\n"


def test_a_long_inbox_goes_on_where_it_ended(governed, home):
    for name in ("a", "b", "c"):
        path = home / "catalog" / "datasets" / "shop" / f"{name}.yml"
        path.write_text(
            f"name: shop.{name}\ndescription: Some.\nowner: team:shop\nformat: parquet\n"
        )
    assert governed("catalog", "apply").code == 0
    first = governed("inbox", "--limit", 2)
    assert "shop.b has no tag" in first.out
    (more,) = (line for line in first.out.splitlines() if line.startswith("there is more"))
    after = more.partition("'")[2].rstrip("'")
    rest = governed("inbox", "--after", after).out
    assert "shop.c has no tag" in rest
    assert "shop.b" not in rest
