import pytest
from hypothesis import given
from hypothesis import strategies as st

from provender.core import typewords as words
from provender.core.bounds import LEVELS, NESTED
from provender.core.errors import InvalidInput
from provender.core.schema import TYPES, Column

SCALARS = st.sampled_from(TYPES).map(words.Word)
DECIMALS = st.tuples(st.integers(1, 38), st.integers(0, 10)).map(lambda pair: words.decimal(*pair))


def words_of(depth: int) -> st.SearchStrategy[words.Word]:
    """Types with ``depth`` levels of others in them, at most."""
    if not depth:
        return SCALARS | DECIMALS
    inner = words_of(depth - 1)
    return inner | st.one_of(
        inner.map(words.list_of),
        st.tuples(SCALARS, inner).map(lambda pair: words.map_of(*pair)),
        st.lists(st.tuples(st.text(max_size=4), inner), min_size=1, max_size=2).map(
            words.struct_of
        ),
    )


WORDS = words_of(2)


@given(WORDS)
def test_a_type_reads_back_as_it_was_written(word: words.Word) -> None:
    assert words.parse(str(word)) == word


@given(WORDS)
def test_a_column_of_the_core_takes_every_type(word: words.Word) -> None:
    Column(name="x", type=str(word))


@pytest.mark.parametrize(
    "text",
    ["", "int", "int64 ", "list<>", "list<int64", "list<int64>>", "struct<>", "struct<a>",
     "struct<a:int64,>", "map<string>", "map<string,int64,int64>", "decimal(5)", "<", 'struct<"a:int64>'],
)  # fmt: skip
def test_text_that_is_no_type_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a type"):
        words.parse(text)


def test_kinds_are_found_at_any_depth() -> None:
    word = words.parse("list<struct<a:map<string,uint8>>>")
    assert word.kinds == {"list", "struct", "map", "string", "uint8"}


@pytest.mark.parametrize(
    ("before", "after", "most"),
    [
        ("list<", ">", NESTED),
        ("map<string,", ">", NESTED),
        ("list<struct<a:", ">>", NESTED),
        ("struct<a:", ">", LEVELS - 1),
    ],
)
def test_types_are_nested_so_far_and_no_further(before: str, after: str, most: int) -> None:
    def nested(count: int) -> str:
        return before * count + "int64" + after * count

    assert str(words.parse(nested(most))) == nested(most)
    for more in (most + 1, 100_000):
        with pytest.raises(InvalidInput, match="lists and maps within one another"):
            words.parse(nested(more))
