"""Profiles and differences at the terminal."""

from tests.cli.conftest import orders


def test_a_version_is_profiled_when_it_is_published_without_what_protected_columns_hold(published):
    shown = published("dataset", "profile", "shop.orders", actor="person:max")
    assert "3 rows" in shown.out
    profile = published("dataset", "profile", "shop.orders@1", "--json", actor="person:ana").json
    ordered_at, amount = profile["columns"]
    assert (amount["lowest"], amount["highest"], amount["nulls"]) == ("1.5", "2.5", 1)
    assert ordered_at["lowest"] == "2023-11-14T22:13:20+00"


def test_a_version_without_a_profile_is_read_for_it_by_those_who_may(governed, home):
    path = home / "orders.parquet"
    assert governed("dataset", "publish", "shop.orders", path, "--no-profile").code == 0
    refused = governed("dataset", "profile", "shop.orders", actor="person:max")
    assert refused.code == 4
    assert "shop.orders" in refused.err
    granted = governed(
        "access",
        "grant",
        "shop.orders",
        "--to",
        "person:max",
        "--purpose",
        "reporting",
        "--columns",
        "ordered_at,amount,customer",
    )
    assert granted.code == 0, granted.err
    profile = governed(
        "dataset", "profile", "shop.orders", "--purpose", "reporting", "--json", actor="person:max"
    ).json
    assert profile["columns"][2]["highest"] == "2.5"


def test_versions_are_compared_and_what_matters_most_comes_first(published, home):
    more = orders(home / "more.parquet", amounts=[None, None, None, 900.0])
    published("dataset", "publish", "shop.orders", more)
    shown = published("dataset", "diff", "shop.orders@1", "shop.orders@2")
    assert shown.code == 0, shown.err
    lines = [line for line in shown.out.splitlines() if line[:2] == "0."]
    assert lines[0] == "0.67  75.0% of amount is null; it was 33.3%"
    (instant,) = [line for line in shown.out.splitlines() if line.startswith("ordered_at")]
    assert instant.split()[1:] == ["2023-11-14", "22:13", "→", "2023-11-14", "22:13"]
    machine = published("dataset", "diff", "shop.orders@1", "shop.orders@2", "--json").json
    assert machine["findings"][0]["column"] == "amount"
    assert machine["rows"] == [3, 4]
    same = published("dataset", "diff", "shop.orders@2", "shop.orders@2")
    assert "no differences" in same.out


def test_the_ends_of_a_column_are_rounded_where_they_are_broken_numbers(governed, home):
    path = orders(
        home / "orders.parquet", amounts=[0.1, 43.70172207719999], code=["1.2345678", "2"]
    )
    published = governed("dataset", "publish", "shop.orders", path)
    assert published.code == 0, published.err
    shown = governed("dataset", "profile", "shop.orders").out
    lines = {line.split()[0]: line for line in shown.splitlines() if line}
    assert "43.7017 " in lines["amount"]
    assert "43.70172" not in lines["amount"]
    assert "1.2345678" in lines["code"], "words stay what they are"
    machine = governed("dataset", "profile", "shop.orders", "--json").json
    assert machine["columns"][1]["highest"] == "43.70172207719999"
