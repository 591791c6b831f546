import itertools
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provender.core.compatibility import compare
from provender.core.errors import InvalidInput, NotFound
from provender.core.schema import TYPES, WIDENS, Column, Schema, Verdict
from provender.values import to_json

COLUMNS = st.builds(
    Column, name=st.sampled_from("abcd"), type=st.sampled_from(TYPES), nullable=st.booleans()
)
SCHEMAS = st.lists(COLUMNS, max_size=4, unique_by=lambda column: column.name).map(
    lambda columns: Schema(tuple(columns))
)


def one(kind: str, *, nullable: bool = True) -> Schema:
    return Schema((Column(name="x", type=kind, nullable=nullable),))


@given(SCHEMAS)
def test_a_schema_is_identical_to_itself_in_any_order(schema: Schema) -> None:
    for columns in itertools.permutations(schema.columns):
        assert compare(schema, Schema(columns)).verdict is Verdict.IDENTICAL


@given(SCHEMAS, SCHEMAS)
def test_readers_survive_exactly_when_every_old_column_keeps_its_promises(
    old: Schema, new: Schema
) -> None:
    kept = all(
        column.name in new
        and new.column(column.name).type in (column.type, *WIDENS.get(column.type, ()))
        and (column.nullable or not new.column(column.name).nullable)
        for column in old.columns
    )
    found = compare(old, new)
    assert (found.verdict is not Verdict.BREAKING) == kept
    assert bool(found.reasons) == (found.verdict is not Verdict.IDENTICAL)


@pytest.mark.parametrize("narrow", WIDENS)
def test_widening_is_compatible_one_way_only(narrow: str) -> None:
    for wide in WIDENS[narrow]:
        assert compare(one(narrow), one(wide)).verdict is Verdict.COMPATIBLE
        assert compare(one(wide), one(narrow)).verdict is Verdict.BREAKING


@pytest.mark.parametrize("kind", WIDENS)
def test_widening_goes_on(kind: str) -> None:
    for wide in WIDENS[kind]:
        assert set(WIDENS.get(wide, ())) <= set(WIDENS[kind])


def test_the_reasons_say_what_changed() -> None:
    old = Schema((Column(name="a", type="int8"), Column(name="b", type="int8", nullable=False)))
    new = Schema((Column(name="b", type="int16"), Column(name="c", type="string")))
    assert compare(old, new).reasons == (
        "column a is gone",
        "column b may now be null",
        "column b widened from int8 to int16",
        "column c (string) is new",
    )


def test_fewer_nulls_are_compatible_and_more_are_not() -> None:
    sure, unsure = one("int8", nullable=False), one("int8")
    assert compare(unsure, sure).verdict is Verdict.COMPATIBLE
    assert compare(sure, unsure).verdict is Verdict.BREAKING


@pytest.mark.parametrize("kind", ["int", "list<>", "decimal(5)", "", "timestamp[us]", "LIST<int8>"])
def test_an_unknown_type_is_refused(kind: str) -> None:
    with pytest.raises(InvalidInput, match="unknown type"):
        Column(name="x", type=kind)


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidInput, match="occur twice: x"):
        Schema((Column(name="x", type="int8"), Column(name="x", type="string")))


def test_an_unknown_column_is_answered_with_a_near_one() -> None:
    with pytest.raises(NotFound, match="did you mean temp"):
        Schema((Column(name="temp", type="float64"),)).column("tmep")


@pytest.mark.parametrize(
    ("was", "now", "verdict", "reason"),
    [
        ("struct<a:int8>", "struct<a:int8,b:string>", "compatible", "column x.b (string) is new"),
        ("struct<a:int8,b:int8>", "struct<b:int8>", "breaking", "column x.a is gone"),
        ("struct<a:int8>", "struct<a:int64>", "compatible", "x.a widened from int8 to int64"),
        ("struct<a:int64>", "struct<a:int8>", "breaking", "x.a changed from int64 to int8"),
        ("struct<a:int8,b:bool>", "struct<b:bool,a:int8>", "identical", ""),
        ("list<int8>", "list<int16>", "compatible", "x[item] widened from int8 to int16"),
        ("list<int8>", "int8", "breaking", "x changed from list<int8> to int8"),
        (
            "list<struct<a:list<float64>>>",
            "list<struct<a:list<float32>>>",
            "breaking",
            "column x[item].a[item] changed from float64 to float32",
        ),
        ("map<string,int8>", "map<string,int32>", "compatible", "x[value] widened from int8"),
        ("map<string,int8>", "map<int8,int8>", "breaking", "x[key] changed from string to int8"),
        ("decimal(9,2)", "decimal(9,3)", "breaking", "x changed from decimal(9,2)"),
    ],
)
def test_nested_types_are_compared_inside(was: str, now: str, verdict: str, reason: str) -> None:
    found = compare(one(was), one(now))
    assert found.verdict.value == verdict
    assert "; ".join(found.reasons).count(reason) == 1 or not reason
    assert len(found.reasons) == bool(reason)


def test_names_are_looked_up_and_not_looked_for():
    wide = Schema(tuple(Column(name=f"c{n}", type="int64") for n in range(20_000)))
    began = time.process_time()
    assert all(name in wide and wide.column(name).name == name for name in wide.names)
    assert time.process_time() - began < 1
    assert replace(wide) == wide
    assert "_named" not in to_json(wide)
