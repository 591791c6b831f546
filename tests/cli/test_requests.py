"""Access asked for and given at the terminal."""

import shlex

import pytest

ASK = ("access", "request", "shop.orders", "--columns", "customer", "--purpose", "training")


@pytest.fixture
def ana(published):
    return lambda *words: published(*words, actor="person:ana")


def test_access_is_asked_for_and_given_at_the_terminal(published, ana):
    foreseen = ana(*ASK, "--dry-run")
    assert foreseen.code == 0
    (row,) = (line for line in foreseen.out.splitlines() if "shop.orders.customer" in line)
    assert row.split()[:6] == [
        "shop.orders.customer",
        "string",
        "personal.direct",
        "no",
        "yes",
        "grant",
    ]
    assert ana(*ASK).code == 2
    refused = ana("access", "explain", "shop.orders", "--columns", "customer", *ASK[-2:])
    words = shlex.split(refused.err.partition("ask: provender ")[2])
    assert ana(*words).code == 2, "the reason is left to say"
    assert ana(*words[:-1], "names", "--dry-run").code == 0
    made = ana(*ASK, "--reason", "names of customers")
    assert (made.code, made.out) == (0, "r1 is open: 1 approval needed; provender access show r1\n")
    assert "asks to read shop.orders (customer) for training: names of" in published("inbox").out
    assert ana("access", "approve", "r1").code == 4
    stale = published("access", "approve", "r1", "--expected", 7)
    assert (stale.code, "is at revision 1, not 7" in stale.err) == (5, True)
    given = published("access", "approve", "r1", "--expected", 1, "--json")
    assert (given.json["state"], given.json["grants"]) == ("approved", ["g1"])
    shown = published("access", "show", "r1")
    assert "names of customers" in shown.out
    assert published("access", "approve", "r1").code == 5
    explained = ana(
        "access", "explain", "shop.orders", "--columns", "customer", "--purpose", "training"
    )
    assert "grant g1" in explained.out
    renewed = published("access", "renew", "g1", "--until", "2100-01-01", "--json").json
    assert renewed["until"].startswith("2100-01-01")


def test_a_part_is_granted_at_the_terminal(published, ana):
    grant = ("access", "grant", "shop.orders", "--to", "person:ana", "--purpose", "training")
    given = published(*grant, "--columns", "customer", "--mask", "truncate(1)", "--json").json
    assert (given["effect"], given["mask"]) == ("mask", "truncate(1)")
    assert "truncate(1)" in published("access", "list").out
    wrong = published(*grant, "--columns", "amount", "--mask", "truncate(1)")
    assert (wrong.code, "amount, which is" in wrong.err) == (2, True)
    assert published(*grant, "--effect", "compute", "--mask", "hash").code == 2
    assert published(*grant, "--through", "nowhere").code == 3
    explained = ana("access", "explain", "shop.orders", "--columns", "customer", *grant[-2:])
    assert "masked, truncate(1)" in explained.out


def test_requests_are_rejected_withdrawn_and_listed(published, ana):
    assert ana(*ASK, "--reason", "one").code == 0
    assert ana(*ASK, "--reason", "two").code == 0
    assert published("access", "reject", "r1").code == 2
    rejected = published("access", "reject", "r1", "--reason", "no names")
    assert rejected.out == "r1 is rejected\n"
    assert ana("access", "withdraw", "r2").out == "r2 is withdrawn\n"
    listed = ana("access", "requests", "--json").json["items"]
    assert [(one["id"], one["state"]) for one in listed] == [
        ("r2", "withdrawn"),
        ("r1", "rejected"),
    ]
    assert ana("access", "requests", "--state", "open").out == "no requests\n"
    paged = ana("access", "requests", "--limit", 1).out
    assert "there is more: --after r2" in paged
    strange = ana("access", "request", "training-set:x", "--purpose", "training", "--reason", "r")
    assert (strange.code, "cannot be requested" in strange.err) == (2, True)


def test_a_policy_is_tested_before_it_is_applied(published, ana, home):
    assert ana("dataset", "get", "shop.orders", "--purpose", "training").code == 4
    same = published("policy", "test", "--exit-code")
    assert (same.code, same.out.rstrip().endswith(": the same")) == (0, True)
    rules = home / "catalog" / "policies" / "all.yml"
    text = rules.read_text()
    reads = next(line for line in text.splitlines(keepends=True) if "ml-reads" in line)
    rules.write_text(text.replace(reads, ""))
    lost = published("policy", "test", "--since", "1d", "--exit-code")
    assert lost.code == 8
    row = lost.out.splitlines()[1]
    assert "person:ana" in row
    assert "amount, ordered_at" in row
    assert "rule ml-reads" in row
    tagged = reads.replace("actions: [read]", "actions: [read], tags: [personal.direct]")
    rules.write_text(text.replace(reads, tagged))
    gained = published("policy", "test", "--json").json
    assert [one["columns"] for one in gained["gains"]] == [["customer"]]
    assert (gained["losing"], gained["gaining"]) == (0, 1)
    assert ana("policy", "test").code == 4


def test_the_glass_is_broken_and_reviewed_at_the_terminal(published, home):
    take = ("access", "break-glass", "shop.orders", "--columns", "customer", "--hours", 2)
    assert published(*take, "--reason", "fire", actor="person:max").code == 4
    rules = home / "catalog" / "policies" / "all.yml"
    fire = "- {id: fire, description: F., actions: [break-glass], actors: [person:max], tags: [personal.direct]}\n"
    rules.write_text(rules.read_text() + fire)
    assert published("catalog", "apply").code == 0
    taken = published(*take, "--reason", "fire", actor="person:max")
    assert (taken.code, taken.out.startswith("b1: g1 holds until ")) == (0, True)
    assert "person:max broke the glass of shop.orders (customer)" in published("inbox").out
    assert "person:max" in published("access", "expiring").out
    assert published("access", "unused").out == "every grant is used\n"
    assert "fire" in published("access", "broken").out
    assert published("access", "review", "b1").code == 2
    done = published("access", "review", "b1", "--note", "no fire", "--unjustified")
    assert done.out == "b1 was not justified\n"
