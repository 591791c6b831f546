"""Versions that are not published as rows keep the contract, too."""

import pytest

from provender.core.lifecycle import State
from provender.sdk.publishing import Quarantined
from tests.sdk.conftest import Connect, orders

CONTRACT = b"""\
apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - {name: ordered_at, logicalType: timestamp, primaryKey: true}
      - {name: amount, logicalType: number, required: true, logicalTypeOptions: {minimum: 0}}
"""


def test_sorting_the_rows_of_a_version_that_keeps_its_contract_keeps_it(acting: Connect) -> None:
    sam = acting("sam")
    sam.attach("shop.orders", CONTRACT, expected=0)
    sam.publish("shop.orders", orders(50))
    made = sam.optimize("shop.orders", keys=["amount"])
    assert made.number == 2
    release = sam.catalog.release(made.ref)
    assert release.standing.state is State.PUBLISHED
    evidence = sam.catalog.finder.evidence(made.ref)
    assert [check.outcome for check in evidence.checks] == ["pass"] * len(evidence.checks)
    assert len(evidence.checks) == 6


def test_sorted_rows_have_the_profile_of_the_rows_as_they_came(acting: Connect) -> None:
    sam = acting("sam")
    before = sam.publish("shop.orders", orders(50))
    made = sam.optimize("shop.orders", keys=["amount"])
    profiles = [sam.catalog.finder.evidence(ref).profile for ref in (before.ref, made.ref)]
    assert profiles[0] is not None
    assert profiles[0] == profiles[1]


def test_the_next_good_rows_follow_the_last_good_version(acting: Connect) -> None:
    sam = acting("sam")
    good = sam.publish("shop.orders", orders(50))
    sam.attach("shop.orders", CONTRACT, expected=0)
    negative = orders(50).set_column(1, "amount", [[-1.0] * 50])
    with pytest.warns(Quarantined, match=r"amount valid: invalidValues is 50, must be 0"):
        bad = sam.publish("shop.orders", negative, parent=good.number)
    assert sam.version("shop.orders") == good
    assert sam.get(str(bad.ref)).standing.state is State.QUARANTINED
    fixed = sam.publish("shop.orders", orders(60), parent=good.number)
    assert (fixed.number, fixed.parent) == (3, 1)
    assert sam.version("shop.orders") == fixed
