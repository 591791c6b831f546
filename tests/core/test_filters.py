import string
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provender.core.errors import InvalidInput
from provender.core.filters import Filter, all_of
from provender.core.filtertext import (
    DEEPEST,
    GREATEST,
    LEAST,
    OPERATORS,
    WORDS,
    Among,
    And,
    Attribute,
    Compare,
    IsNull,
    Not,
    Or,
    Tree,
    parse,
    write,
)
from provender.core.schema import Column, Schema
from provender.values import from_json, to_json

READ: list[tuple[str, Tree]] = [
    ("a = 1", Compare("a", "=", 1)),
    ("a=-1", Compare("a", "=", -1)),
    ("a != 1.5", Compare("a", "!=", 1.5)),
    ("a < 1e3", Compare("a", "<", 1000.0)),
    ("a <= 'it''s'", Compare("a", "<=", "it's")),
    ("a > true", Compare("a", ">", True)),
    ("a >= FALSE", Compare("a", ">=", False)),
    ("a = date '2026-01-31'", Compare("a", "=", date(2026, 1, 31))),
    ("a = timestamp '2026-01-31T02:00:00+02:00'", Compare("a", "=", datetime(2026, 1, 31, tzinfo=UTC))),
    ("region = actor.region", Compare("region", "=", Attribute("region"))),
    ("a in (1)", Among("a", (1,))),
    ("a not in ('x', actor.b, 2)", Not(Among("a", ("x", Attribute("b"), 2)))),
    ("a is null", IsNull("a")),
    ("a IS NOT NULL", Not(IsNull("a"))),
    ('"odd ""name" = 1', Compare('odd "name', "=", 1)),
    ("date = date '2026-01-31'", Compare("date", "=", date(2026, 1, 31))),
    ("actor = 'ana'", Compare("actor", "=", "ana")),
    ('"in" in (1)', Among("in", (1,))),
    ("not a = 1", Not(Compare("a", "=", 1))),
    ("not not a = 1", Not(Not(Compare("a", "=", 1)))),
    ("a=1 and b=2 or c=3", Or((And((Compare("a", "=", 1), Compare("b", "=", 2))), Compare("c", "=", 3)))),
    ("a=1 and (b=2 or c=3)", And((Compare("a", "=", 1), Or((Compare("b", "=", 2), Compare("c", "=", 3)))))),
    ("not a=1 and b=2", And((Not(Compare("a", "=", 1)), Compare("b", "=", 2)))),
    ("not (a=1 and b=2)", Not(And((Compare("a", "=", 1), Compare("b", "=", 2))))),
    ("(a=1)", Compare("a", "=", 1)),
    (f"a in ({LEAST},{GREATEST})", Among("a", (LEAST, GREATEST))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tree"), READ)
def test_a_filter_is_read_as_it_says(text: str, tree: Tree):
    assert parse(text) == tree
    assert parse(write(tree)) == tree


REFUSED = [
    ("", "the end at character 1, not a column"),
    ("a", "the end at character 2, not an operator, in, not in or is"),
    ("a = ", "the end at character 4, not a value"),
    ("a = null", "'null' at character 4, not a value; null is asked for by is null"),
    ("a = b", "'b' at character 4, not a value"),
    ("1 = 1", "'1' at character 1, not a column"),
    ("a == 1", "'=' at character 4, not a value"),
    ("a <> 1", "'>' at character 4, not a value"),
    ("a not = 1", "not 'in'"),
    ("a is 1", "not 'null'"),
    ("a in 1", "not '('"),
    ("a in ()", "not a value"),
    ("a in (1", "not ')'"),
    ("a in (1,)", "not a value"),
    ("(a = 1", "not ')'"),
    ("a = 1)", "')' at character 6, not and, or, or the end"),
    ("a = 1 b = 2", "'b' at character 6, not and, or, or the end"),
    ("a = 1;", "';' at character 6, not and"),
    ("a = 1 -- x", "'-- x' at character 6, not and"),
    ("a = 1 /* x */", "'/* x */' at character 6"),
    ("a = 'x", "not a value"),
    ("a.b = 1", "'a.b = 1' at character 1, not a column"),
    ("a = actor.Region", "not a value"),
    ("a = actor.", "not a value"),
    ("a = actor.b.c", "not a value"),
    ("actor.b = 1", "'actor.b' at character 1, not a column"),
    ("and = 1", "'and' at character 1, not a column"),
    ("a = 1.5.5", "not a value"),
    ("a = 12x", "not a value"),
    ("a = 1e999", "not a number that a column can have"),
    (f"a = {GREATEST + 1}", "not a number that a column can have"),
    (f"a = {LEAST - 1}", "not a number that a column can have"),
    ("a = date 1", "not a text in ISO 8601"),
    ("a = date '2026-13-01'", "not a text in ISO 8601"),
    ("a = timestamp '2026-01-01T00:00:00'", "an instant with its zone"),
    ("a = timestamp '0001-01-01T00:00:00+05:00'", "an instant with its zone"),
    ("f(a) = 1", "'(' at character 2"),
    ("a = (select 1)", "'(' at character 4"),
    ("a = 1 union select 1", "'union' at character 6"),
    ("ä = 1", "'ä = 1' at character 1, not a column"),
    ('"" = 1', "not a column"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_what_is_no_filter_is_refused_with_the_place(text: str, why: str):
    with pytest.raises(InvalidInput) as error:
        Filter(text)
    assert f"filter {text!r}: " in error.value.message
    assert why in error.value.message


def test_a_filter_is_neither_too_long_nor_too_deep():
    with pytest.raises(InvalidInput, match="a filter of 4,001 characters is too long"):
        parse("a = 1" + " " * 3996)
    assert parse("a = 1".ljust(4_000)) == parse("a = 1")
    for inner, closing in (("(", ")"), ("not ", "")):
        assert parse(inner * DEEPEST + "a = 1" + closing * DEEPEST)
        with pytest.raises(InvalidInput, match="nested more than 32 deep"):
            parse(inner * (DEEPEST + 1) + "a = 1" + closing * (DEEPEST + 1))


columns = st.sampled_from(["a", "B_1", "in", "Not", "date", "true", "actor", 'x"y', "ä b", "a.b"])
attributes = st.sampled_from(["region", "a-b", "x_1"]).map(Attribute)
values = st.one_of(
    st.booleans(), st.integers(LEAST, GREATEST), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8), st.dates(), st.datetimes(timezones=st.just(UTC)), attributes,
)  # fmt: skip
leaves = st.one_of(
    st.builds(Compare, columns, st.sampled_from(OPERATORS), values),
    st.builds(Among, columns, st.lists(values, min_size=1, max_size=3).map(tuple)),
    st.builds(IsNull, columns),
)


def nested(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(Not, inner), st.builds(And, parts), st.builds(Or, parts))


trees = st.recursive(leaves, nested, max_leaves=8)


@given(trees)
def test_what_is_written_reads_equal(tree: Tree):
    text = write(tree)
    assert parse(text) == tree
    assert write(parse(text)) == text
    assert from_json(Filter, to_json(Filter(text))) == Filter(text)


@given(st.text(alphabet=string.printable + "ä'\"\\\x00", max_size=60))
def test_any_text_is_a_filter_or_refused_in_words(text: str):
    with suppress(InvalidInput):
        found = Filter(text)
        assert Filter(found.text) == found


def test_equal_filters_are_equal_however_they_are_written():
    assert Filter("((a=1))AND b  IN('x')") == Filter("a = 1 and b in ('x')")
    assert str(Filter("a=1")) == "a = 1"
    assert Filter("a=1").tree == Compare("a", "=", 1)
    assert len({Filter("a=1"), Filter("a = 1")}) == 1


def test_a_filter_says_what_it_needs():
    found = Filter("not (a = actor.region and b in (1, actor.team)) or c is null")
    assert found.columns == {"a", "b", "c"}
    assert found.attributes == {"region", "team"}
    assert Filter("a = 1").attributes == frozenset()


def test_attributes_are_bound_as_texts_whatever_is_in_them():
    found = Filter("a = actor.region and (not a in (actor.region, 'x') or b is null) and not c = 1")
    bound = found.bound({"region": "' or 1 = 1 --", "other": "x"})
    assert bound.attributes == frozenset()
    assert bound.columns == found.columns
    assert bound.text == (
        "a = ''' or 1 = 1 --' and (a not in (''' or 1 = 1 --', 'x') or b is null) and not c = 1"
    )
    with pytest.raises(KeyError):
        found.bound({"other": "x"})
    plain = Filter("a = 1")
    assert plain.bound({}) is plain


def test_several_filters_hold_together():
    one, other = Filter("a = 1 or b = 2"), Filter("c = 3")
    assert all_of([other, one]) == all_of([one, other, one]) == Filter("(a = 1 or b = 2) and c = 3")
    assert all_of([one]) == one


HOLDS: list[tuple[str, dict[str, Any], bool]] = [
    ("a = 1", {"a": 1}, True),
    ("a = 1", {"a": 2}, False),
    ("a = 1", {"a": None}, False),
    ("not a = 1", {"a": None}, False),
    ("not a = 1", {"a": 2}, True),
    ("a != 1", {"a": None}, False),
    ("a != 1", {"a": 2}, True),
    ("a < 1", {"a": 1}, False),
    ("a < 1", {"a": 0}, True),
    ("a <= 1", {"a": 1}, True),
    ("a > 1", {"a": 1}, False),
    ("a > 1", {"a": 2}, True),
    ("a >= 1", {"a": 1}, True),
    ("a in (1, 2)", {"a": 2}, True),
    ("a in (1, 2)", {"a": 3}, False),
    ("a in (1, 2)", {"a": None}, False),
    ("a not in (1, 2)", {"a": None}, False),
    ("a not in (1, 2)", {"a": 3}, True),
    ("a is null", {"a": None}, True),
    ("a is null", {"a": 0}, False),
    ("a is not null", {"a": None}, False),
    ("a = 1 and b = 1", {"a": 1, "b": 1}, True),
    ("a = 1 and b = 1", {"a": 1, "b": None}, False),
    ("not (a = 1 and b = 1)", {"a": 1, "b": None}, False),
    ("not (a = 1 and b = 1)", {"a": 2, "b": None}, True),
    ("a = 1 or b = 1", {"a": None, "b": 1}, True),
    ("a = 1 or b = 1", {"a": 2, "b": 2}, False),
    ("not (a = 1 or b = 1)", {"a": None, "b": 2}, False),
    ("not (a = 1 or b = 1)", {"a": 2, "b": 2}, True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "row", "shown"), HOLDS)
def test_a_row_is_shown_where_the_filter_is_true(text: str, row: dict[str, Any], shown: bool):
    assert Filter(text).holds(row) is shown


TYPED = Schema(
    tuple(
        Column(name=name, type=type_)
        for name, type_ in (
            ("flag", "bool"), ("count", "uint8"), ("ratio", "float32"), ("price", "decimal(10,2)"),
            ("name", "string"), ("day", "date"), ("at", "timestamp"), ("at_ns", "timestamp_ns"),
            ("wall", "timestamp_local"), ("raw", "binary"), ("many", "list<int64>"), ("when", "time"),
        )
    )
)  # fmt: skip
SAID = {
    "true": {"flag"},
    "1": {"count", "ratio", "price"},
    "1.5": {"ratio", "price"},
    "'x'": {"name"},
    "actor.region": {"name"},
    "date '2026-01-31'": {"day"},
    "timestamp '2026-01-31T00:00:00Z'": {"at", "at_ns"},
}


@pytest.mark.parametrize("value", SAID)
def test_a_column_is_compared_to_values_of_its_type(value: str):
    fitting = {name for name in TYPED.names if not Filter(f"{name} = {value}").problems(TYPED)}
    assert fitting == SAID[value]
    assert {
        name for name in TYPED.names if not Filter(f"{name} in ({value})").problems(TYPED)
    } == fitting


def test_what_does_not_fit_a_schema_is_said_all_at_once():
    problems = Filter("nmae = 'x' or count in (1, 'x') or name is null").problems(TYPED)
    assert problems == [
        "there is no column 'nmae' (did you mean name?)",
        "count is uint8, and cannot be compared to 'x'",
    ]
    assert Filter("many is null").problems(TYPED) == []


def test_words_are_columns_where_they_are_quoted():
    for word in WORDS:
        assert parse(write(Compare(word, "=", 1))) == Compare(word, "=", 1)
        assert write(IsNull(word.upper())) == f'"{word.upper()}" is null'
