import hashlib
import hmac
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provender.core.effects import (
    EFFECTS,
    INTEGERS,
    KINDS,
    UNITS,
    Effect,
    Mask,
    MaskKind,
    constant,
    masked,
    project_key,
)
from provender.core.errors import InvalidInput
from provender.core.schema import TYPES, Column
from provender.values import from_json, to_json

KEY = b"of one project"
NULL, HASH = Mask(kind=MaskKind.NULL), Mask(kind=MaskKind.HASH)
AT = datetime(2026, 7, 14, 15, 16, 17, 18, UTC)


def const(value: Any) -> Mask:
    return Mask(kind=MaskKind.CONSTANT, value=value)


def keep(count: int) -> Mask:
    return Mask(kind=MaskKind.TRUNCATE, keep=count)


def cut(unit: str) -> Mask:
    return Mask(kind=MaskKind.TRUNCATE, unit=unit)


def bucket(width: float) -> Mask:
    return Mask(kind=MaskKind.BUCKET, width=width)


def test_effects_and_masks_are_in_the_order_of_their_strictness():
    assert EFFECTS == (Effect.SEE, Effect.MASK, Effect.COMPUTE, Effect.DENY)
    masks = [NULL, const("x"), HASH, keep(0), keep(3), cut("year"), cut("minute")]
    masks = [*masks[:3], keep(0), keep(3), bucket(100), bucket(10), bucket(0.5)]
    assert sorted(masks, key=lambda mask: mask.strictness) == masks
    assert cut("year").strictness < cut("month").strictness < cut("minute").strictness
    assert [mask.kind for mask in (NULL, const(1), HASH, keep(1), bucket(1))] == list(KINDS)


MASKED: list[tuple[Mask, Any, str, Any]] = [
    (NULL, "x", "string", None),
    (NULL, 1, "list<int64>", None),
    (const("gone"), "x", "string", "gone"),
    (const("gone"), None, "string", "gone"),
    (const(7), "x", "string", "7"),
    (const(7), 1, "int8", 7),
    (const("7"), 1, "int8", 7),
    (const(7), 1.5, "float64", 7.0),
    (const(0.5), 1.5, "float32", 0.5),
    (const("0.5"), 1.5, "float64", 0.5),
    (const(True), False, "bool", True),
    (const("false"), True, "bool", False),
    (const("2026-01-31"), date(2020, 1, 1), "date", date(2026, 1, 31)),
    (const("2026-01-31T00:00:00+00:00"), AT, "timestamp", datetime(2026, 1, 31, tzinfo=UTC)),
    (const("2026-01-31T00:00:00"), AT, "timestamp_local", datetime(2026, 1, 31)),  # noqa: DTZ001
    (HASH, None, "string", None),
    (keep(2), None, "string", None),
    (keep(2), "añb", "string", "añ"),
    (keep(0), "abc", "string", ""),
    (keep(9), "abc", "string", "abc"),
    (keep(1), b"abc", "binary", b"a"),
    (cut("year"), date(2026, 7, 14), "date", date(2026, 1, 1)),
    (cut("month"), date(2026, 7, 14), "date", date(2026, 7, 1)),
    (cut("year"), AT, "timestamp", datetime(2026, 1, 1, tzinfo=UTC)),
    (cut("month"), AT, "timestamp", datetime(2026, 7, 1, tzinfo=UTC)),
    (cut("day"), AT, "timestamp", datetime(2026, 7, 14, tzinfo=UTC)),
    (cut("hour"), AT, "timestamp_ns", datetime(2026, 7, 14, 15, tzinfo=UTC)),
    (cut("minute"), AT, "timestamp", datetime(2026, 7, 14, 15, 16, tzinfo=UTC)),
    (bucket(10), 19, "int32", 10),
    (bucket(10), 20, "int32", 20),
    (bucket(10), -1, "int32", -10),
    (bucket(10), -128, "int8", -128),
    (bucket(10), 9, "uint8", 0),
    (bucket(0.5), 1.74, "float64", 1.5),
    (bucket(10), -0.1, "float64", -10),
    (bucket(10), float("inf"), "float64", float("inf")),
]


@pytest.mark.parametrize(("mask", "value", "type", "becomes"), MASKED)
def test_a_mask_makes_of_a_value_what_it_says(mask: Mask, value: Any, type: str, becomes: Any):  # noqa: A002 - the word of schemas
    found = masked(mask, value, type, key=KEY)
    assert (found, found.__class__) == (becomes, becomes.__class__)
    if "<" not in type:
        assert mask.unfit(Column(name="c", type=type)) == ""


def test_a_hash_is_hmac_sha_256_as_the_type_of_its_column():
    whole = hmac.new(KEY, b"N1\xc3\xb1", hashlib.sha256)
    assert masked(HASH, "N1ñ", "string", key=KEY) == whole.hexdigest()
    assert masked(HASH, "N1ñ".encode(), "binary", key=KEY) == whole.digest()
    of_number = hmac.new(KEY, b"-12", hashlib.sha256).digest()
    assert masked(HASH, -12, "int64", key=KEY) == int.from_bytes(of_number[:8], "big", signed=True)
    assert masked(HASH, 12, "uint64", key=KEY) >= 0


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_a_hash_of_a_number_fits_where_the_number_did(numbers: list[int]):
    found = [masked(HASH, number, "int64", key=KEY) for number in numbers]
    assert all(INTEGERS["int64"][0] <= hashed <= INTEGERS["int64"][1] for hashed in found)
    assert len({*found}) == len({*numbers})


def test_equal_values_of_two_projects_have_nothing_in_common():
    one, other = (project_key(b"secret", name) for name in ("risk", "fraud_risk"))
    assert one != other
    assert masked(HASH, "N1", "string", key=one) != masked(HASH, "N1", "string", key=other)
    assert project_key(b"secret", "risk") == one != project_key(b"another", "risk")
    assert len(one) == 32


FITTING: list[tuple[Mask, set[str]]] = [
    (NULL, {*TYPES}),
    (HASH, {"string", "binary", "int64", "uint64"}),
    (keep(1), {"string", "binary"}),
    (cut("month"), {"date", "timestamp", "timestamp_ns", "timestamp_local"}),
    (cut("day"), {"timestamp", "timestamp_ns", "timestamp_local"}),
    (bucket(10), {*INTEGERS, "float32", "float64"}),
    (bucket(2.5), {"float32", "float64"}),
    (const(300), {*INTEGERS, "float32", "float64", "string"} - {"int8", "uint8"}),
    (const(255), {*INTEGERS, "float32", "float64", "string"} - {"int8"}),
    (const(-1), {"int8", "int16", "int32", "int64", "float32", "float64", "string"}),
    (const(2**64), {"float32", "float64", "string"}),
    (const(0.5), {"float32", "float64", "string"}),
    (const(True), {"bool", "string"}),
    (const("x"), {"string"}),
    (const("true"), {"bool", "string"}),
    (const("2026-01-31"), {"string", "date", "timestamp_local"}),
    (const("2026-01-31T00:00:00Z"), {"string", "timestamp", "timestamp_ns"}),
]


@pytest.mark.parametrize(("mask", "types"), FITTING)
def test_a_mask_fits_the_types_that_have_what_it_makes(mask: Mask, types: set[str]):
    fitting = {type for type in TYPES if not mask.unfit(Column(name="c", type=type))}  # noqa: A001
    assert fitting == types


def test_what_does_not_fit_is_said_with_the_column():
    said = keep(3).unfit(Column(name="delay", type="int64"))
    assert said == "mask truncate(3) does not fit delay, which is int64"
    with pytest.raises(ValueError, match="no constant is of type binary"):
        constant(const("x"), "binary")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"kind": MaskKind.NULL, "value": 1}, "mask null is given value"),
    ({"kind": MaskKind.HASH, "keep": 1}, "mask hash is given keep"),
    ({"kind": MaskKind.CONSTANT}, "mask constant is given nothing"),
    ({"kind": MaskKind.TRUNCATE}, "mask truncate is given nothing"),
    ({"kind": MaskKind.TRUNCATE, "keep": 1, "unit": "day"}, "mask truncate is given keep, unit"),
    ({"kind": MaskKind.BUCKET, "unit": "day"}, "mask bucket is given unit"),
    ({"kind": MaskKind.TRUNCATE, "keep": -1}, "mask truncate: keep is -1"),
    ({"kind": MaskKind.TRUNCATE, "unit": "week"}, "mask truncate: unit 'week' is none of year"),
    ({"kind": MaskKind.BUCKET, "width": 0}, "mask bucket: width is 0"),
    ({"kind": MaskKind.BUCKET, "width": -0.5}, "mask bucket: width is -0.5"),
    ({"kind": MaskKind.BUCKET, "width": float("nan")}, "mask bucket: width is nan"),
    ({"kind": MaskKind.BUCKET, "width": float("inf")}, "mask bucket: width is inf"),
    ({"kind": MaskKind.CONSTANT, "value": "x" * 201}, "mask constant: value has 201 characters"),
    ({"kind": MaskKind.CONSTANT, "value": float("nan")}, "mask constant: value is nan"),
]


@pytest.mark.parametrize(("said", "why"), WRONG)
def test_a_mask_takes_its_own_arguments_only(said: dict[str, Any], why: str):
    with pytest.raises(InvalidInput, match=why):
        Mask(**said)


def test_the_most_that_is_allowed_is_allowed():
    assert const("x" * 200).value == "x" * 200
    assert [cut(unit).unit for unit in UNITS] == list(UNITS)


masks = st.one_of(
    st.just(NULL), st.just(HASH),
    st.text(max_size=20).map(const),
    st.integers(0, 99).map(keep), st.sampled_from(UNITS).map(cut),
    st.integers(1, 10**9).map(bucket), st.floats(1e-3, 1e6).map(bucket),
)  # fmt: skip


@given(masks)
def test_a_mask_is_read_as_it_is_written(mask: Mask):
    assert Mask.parse(str(mask)) == mask
    assert from_json(Mask, to_json(mask)) == mask


@pytest.mark.parametrize("value", [True, 1, 1.0, "1"], ids=repr)
def test_a_constant_keeps_its_type_on_the_wire(value: Any):
    found = from_json(Mask, to_json(const(value))).value
    assert (found, found.__class__) == (value, value.__class__)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "'' is not a mask"),
        ("redact", "'redact' is not a mask"),
        ("null()x", "is not a mask"),
        ("null(1)", "mask null takes nothing, not '1'"),
        ("hash(key)", "mask hash takes nothing, not 'key'"),
        ("truncate(week)", "'week' is no number"),
        ("truncate", "mask truncate is given nothing"),
        ("bucket(x)", "'x' is no number"),
        ("bucket(0)", "width is 0"),
        ("bucket(-5)", "width is -5"),
    ],
)
def test_what_is_no_mask_is_refused_in_words(text: str, why: str):
    with pytest.raises(InvalidInput) as error:
        Mask.parse(text)
    assert why in error.value.message


def test_an_instant_is_cut_by_its_own_clock():
    east = AT.astimezone(timezone(timedelta(hours=9)))
    assert masked(cut("day"), east, "timestamp", key=KEY) == east.replace(
        hour=0, minute=0, second=0, microsecond=0
    )
