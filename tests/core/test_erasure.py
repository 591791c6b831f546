"""Whose a value is, where values are, and what is signed of it."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provender.core.effects import Mask, MaskKind, masked
from provender.core.erasure import (
    Erased,
    Erasure,
    Scope,
    Sought,
    State,
    check_reason,
    columns_of,
    forms,
    parse_subject,
    parse_subjects,
    sealed,
    statement,
    with_erased,
)
from provender.core.errors import Conflict, InvalidInput

SECRET = b"k" * 32
AT = datetime(2026, 3, 1, tzinfo=UTC)
ERASURE = Erasure(
    id="er_1",
    join_key="id",
    sought=("a",),
    key="k",
    reason="x",
    by="person:x",
    at=AT,
    scope=Scope(),
)


def sought(value: str, *keys: bytes) -> Sought:
    digests = frozenset(sealed(SECRET, "id", form) for form in forms(value, keys))
    return Sought(SECRET, "id", digests)


@pytest.mark.parametrize(
    "value",
    [17, "17", 17.0, Decimal(17), b"17", [1, 17], {"a": 17, "b": None}, ("x", ["17"])],
    ids=repr,
)
def test_a_value_is_known_whatever_type_it_is_written_as(value: object):
    assert sought("17").is_of(value)


@pytest.mark.parametrize(
    "value", [None, 170, "017", "17 ", 17.5, float("nan"), True, b"\x17", []], ids=repr
)
def test_another_is_not(value: object):
    assert not sought("17").is_of(value)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_a_number_is_the_subject_exactly_if_it_is_that_number(one: int, other: int):
    assert sought(str(one)).is_of(other) == (one == other)


@pytest.mark.parametrize("kind", ["string", "int64", "uint64", "binary"])
def test_what_a_mask_makes_of_a_value_is_known_too(kind: str):
    key = b"p" * 32
    value = {"string": "17", "binary": b"17"}.get(kind, 17)
    hidden = masked(Mask(kind=MaskKind.HASH), value, kind, key=key)
    assert sought("17", key).is_of(hidden)
    assert not sought("18", key).is_of(hidden)
    assert sought("0x1700").is_of(b"\x17\x00")


def test_the_same_value_of_another_join_key_is_another_subject():
    assert sealed(SECRET, "id", "17") != sealed(SECRET, "other", "17")
    assert sealed(SECRET, "id", "17") != sealed(b"other", "id", "17")


def test_values_are_where_they_are_called_joined_by_or_made_from():
    schemas = {
        "a.named": frozenset({"id", "x"}),
        "a.joined": frozenset({"ident"}),
        "a.made": frozenset({"who"}),
        "a.further": frozenset({"whom"}),
        "a.other": frozenset({"x"}),
    }
    made_from = {
        "a.made": {"who": ("a.named.id",)},
        "a.further": {"whom": ("a.made.who",)},
        "a.other": {"x": ("a.named.x",)},
    }
    assert columns_of("id", [("a.joined", "ident"), ("a.joined", "gone")], schemas, made_from) == {
        "a.further": ("whom",),
        "a.joined": ("ident",),
        "a.made": ("who",),
        "a.named": ("id",),
    }


def test_a_subject_is_a_join_key_and_a_value():
    assert parse_subject("driver_id=a=b") == ("driver_id", "a=b")
    assert parse_subjects(["id=1", "id=2"]) == ("id", ("1", "2"))
    for wrong in ("driver_id", "=17", "driver_id="):
        with pytest.raises(InvalidInput):
            parse_subject(wrong)
    for several in ([], ["id=1", "other=1"]):
        with pytest.raises(InvalidInput, match="one join key"):
            parse_subjects(several)


@pytest.mark.parametrize("reason", ["", "  ", "for 17, please", "anna@example.com asked"])
def test_a_reason_is_there_and_names_nobody(reason: str):
    with pytest.raises(InvalidInput):
        check_reason(reason, ["17", "anna@example.com"])
    assert check_reason(" request 2026-17a ", ["17"]) == "request 2026-17a"


def test_what_was_done_to_a_dataset_adds_up_and_nothing_is_done_after_the_end():
    first = Erased(
        dataset="a.b",
        urn="u",
        columns=("id",),
        erased=(1,),
        manifests=("m1",),
        before=1,
        after=2,
        rows=2,
    )
    then = replace(first, erased=(2,), manifests=("m2",), before=2, after=3, rows=1, files=4)
    (both,) = with_erased(with_erased(ERASURE, first), then).erased
    assert (both.erased, both.manifests, both.before, both.after) == ((1, 2), ("m1", "m2"), 1, 3)
    assert (both.rows, both.files) == (3, 4)
    assert with_erased(replace(ERASURE, erased=(both,)), replace(then, after=None)).erased == (
        both,
    )
    with pytest.raises(Conflict, match="er_1 is done"):
        with_erased(replace(ERASURE, state=State.DONE), first)


def test_all_but_the_signature_is_signed():
    assert statement(replace(ERASURE, signature="ff")) == statement(ERASURE)
    for other in (replace(ERASURE, reason="y"), replace(ERASURE, signed_by="z")):
        assert statement(other) != statement(ERASURE)
