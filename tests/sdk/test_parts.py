"""A rule for a part, as a reader of the SDK meets it."""

from dataclasses import replace

import pytest

from provender.core.effects import Effect
from provender.core.errors import Denied
from provender.core.policy import Action, Rule
from tests.sdk.conftest import GOVERNANCE, Connect, orders

PART = Rule(
    id="part", actors=("person:ana",), actions=(Action.READ,), datasets=("shop.orders",),
    effect=Effect.MASK, mask="null", filter="amount >= 0.5",
)  # fmt: skip


def test_a_reader_gets_the_rows_there_are_masked_and_no_files(acting: Connect):
    acting("sam").publish("shop.orders", orders())
    acting("sam").catalog.desk.apply(
        replace(GOVERNANCE, rules=(*GOVERNANCE.rules, PART)), overwrite=True
    )
    ana, sam = acting("ana"), acting("sam")
    assert ana.read("shop.orders").column("amount").to_pylist() == [None] * 3
    assert ana.get("shop.orders").arrow(["tags"]).to_pydict() == {"tags": [None] * 3}
    assert sam.read("shop.orders").column("amount").to_pylist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    with pytest.raises(Denied, match="cannot give a part"):
        _ = ana.get("shop.orders").files
