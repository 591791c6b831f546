"""Contracts at the terminal, from attaching one to publishing against it."""

import pytest

from provender.sdk import connect
from provender.sdk.publishing import Quarantined
from provender.settings import Settings
from tests.cli.conftest import orders

CONTRACT = b"""\
apiVersion: v3.1.0\r
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - {name: ordered_at, logicalType: timestamp, unique: true}
      - {name: customer, logicalTypeOptions: {pattern: '^c[0-9]+$'}, logicalType: string}
      - {name: amount, logicalType: number, required: true}
"""


READS = (
    "- {id: sam-reads, description: Sam., actors: [person:sam], actions: [read], "
    "datasets: [shop.orders], purposes: [reporting], tags: [personal.direct]}\n"
)


@pytest.fixture
def contract(home, run, request):
    """A contract with a pattern on a protected column, which Sam may read where he attaches it."""
    known = {"governed", "published"} & set(request.fixturenames)
    request.getfixturevalue(known.pop() if known else "governed")
    (home / "catalog" / "policies" / "sam.yml").write_text(READS)
    assert run("governance", "apply").code == 0
    path = home / "orders.odcs.yaml"
    path.write_bytes(CONTRACT)
    return path


@pytest.fixture
def promised(governed, contract):
    assert governed("contract", "attach", "shop.orders", contract).code == 0
    return governed


def test_a_contract_is_attached_and_shown_as_it_was_written(governed, contract):
    missing = governed("contract", "show", "shop.orders")
    assert missing.code == 3
    assert "shop.orders has no contract" in missing.err
    attached = governed("contract", "attach", "shop.orders", contract, "--revision", "0")
    assert attached.out.startswith(
        "shop.orders: contract orders 1.0.0 (active), revision 1, 3 columns, 3 rules"
    )
    assert governed("contract", "show", "shop.orders").out == CONTRACT.decode().replace(
        "\r\n",
        "\n",  # as click's runner has it
    )
    stale = governed("contract", "attach", "shop.orders", contract, "--revision", "0")
    assert stale.code == 5
    assert "at revision 1, not 0" in stale.err
    assert governed("contract", "attach", "shop.orders", contract, actor="person:ana").code == 4


def test_attaching_says_what_would_become_of_the_latest_version(published, contract):
    attached = published("contract", "attach", "shop.orders", contract, "--purpose", "training")
    assert attached.code == 0
    assert "nullValues is 1, must be 0" in attached.out
    assert published("dataset", "show", "shop.orders@1").code == 0


def test_publishing_what_breaks_the_contract_exits_with_five_and_readers_keep_the_last(
    promised, home
):
    good = orders(home / "good.parquet", amounts=[1.0, 2.0])
    assert promised("dataset", "publish", "shop.orders", good, "--no-profile").code == 0
    bad = orders(home / "bad.parquet", amounts=[1.0, None, 3.0], customer=["c1", "nobody", "c3"])
    refused = promised("dataset", "publish", "shop.orders", bad)
    assert refused.code == 5
    assert "shop.orders@2 is quarantined: readers keep the last good version" in refused.out
    assert "nullValues is 1, must be 0" in refused.out
    assert "invalidValues is 1, must be 0" in refused.out
    latest = promised("dataset", "diff", "shop.orders", "shop.orders@1", "--json").json
    assert latest["old"]["version"] == 1
    checked = promised("contract", "check", "shop.orders@2", "--json")
    assert checked.code == 5
    assert {check["name"] for check in checked.json if check["outcome"] == "fail"} == {
        "required",
        "valid",
    }
    assert promised("contract", "check", "shop.orders").code == 0
    fixed = orders(home / "fixed.parquet", amounts=[1.0, 2.0, 3.0])
    assert promised("dataset", "publish", "shop.orders", fixed).out.startswith("shop.orders@3 ")


def test_a_version_is_held_against_a_contract_that_is_not_attached(published, home):
    other = home / "other.yaml"
    other.write_bytes(CONTRACT.replace(b", required: true", b"").replace(b"c[0-9]", b"d[0-9]"))
    needs_rows = published("contract", "check", "shop.orders", other, actor="person:max")
    assert needs_rows.code == 4
    published(
        "access",
        "grant",
        "shop.orders",
        "--to",
        "person:ana",
        "--purpose",
        "training",
        "--columns",
        "ordered_at,customer,amount",
    )
    checked = published(
        "contract", "check", "shop.orders", other, "--purpose", "training", actor="person:ana"
    )
    assert checked.code == 5, checked.err
    assert "invalidValues is 3, must be 0" in checked.out


def test_a_program_that_publishes_is_warned(promised, home):
    settings = Settings(home=home / ".provender", actor="person:sam")
    bad = orders(home / "bad.parquet", amounts=[None, 2.0])
    said = r"shop\.orders@1 is quarantined, .* amount required: nullValues is 1, must be 0"
    with connect(settings=settings) as workspace, pytest.warns(Quarantined, match=said):
        workspace.publish("shop.orders", bad)


def test_what_was_counted_of_a_closed_column_is_not_told_to_who_attaches(published, home):
    path = home / "required.yaml"
    rules = b"{name: customer, logicalType: string, required: true}"
    old = b"{name: customer, logicalTypeOptions: {pattern: '^c[0-9]+$'}, logicalType: string}"
    assert old in CONTRACT
    path.write_bytes(CONTRACT.replace(old, rules))
    attached = published("contract", "attach", "shop.orders", path)
    assert attached.code == 0, attached.err
    (line,) = [
        each for each in attached.out.splitlines() if " required " in each and "customer" in each
    ]
    assert line.startswith("unevaluated")
    assert "what was counted of its columns is not told to you" in line
    assert "nullValues is 1, must be 0" in attached.out
