"""Masks and row filters on stored rows, against what is said value by value, and by Arrow offline."""

import datetime as dt

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provender.core.effects import Mask
from provender.core.features import FieldSpec
from provender.core.filters import Filter
from provender.core.serving import ServedView
from provender.offline.masks import Masking
from provender.online.blocks import PRESENT, ViewReader
from provender.online.codec import RowCodec
from provender.online.decoder import NOT_FOUND
from provender.online.veil import Veil, veiled
from provender.tables.arrow import arrow_type
from provender.tables.features import feature_array
from tests.offline.shielding import KEY
from tests.offline.test_shield import EVERY_MASK, VALUES, oracle_column
from tests.oracle.cells import comparable, values
from tests.stress import times

T0 = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
KEY_OF_ROW = b"12345678{7}"
MORE = {
    "list<int64>": st.lists(st.integers(-5, 5), max_size=3),
    "list<string>": st.lists(st.text(max_size=3), max_size=3),
    "decimal(10,2)": st.decimals(-1000, 1000, places=2),
    "time": st.times(),
}
CELLS = {**VALUES, **MORE}
OTHERS = ("bool", "int32", "string", "list<int64>", "timestamp")
"""What lies beside the column that is masked."""


def view_of(*words: str) -> ServedView:
    columns = tuple(FieldSpec(name=f"c{n:02}", type=word) for n, word in enumerate(words))
    return ServedView(name="v", join_keys=(FieldSpec(name="id", type="int64"),), columns=columns)


def read(view: ServedView, row: bytes | None) -> list[object] | None:
    """Return the values of a row as the server reads them; None where it finds none."""
    names = [column.name for column in view.columns]
    block = ViewReader(view, names).block([KEY_OF_ROW], [row])
    if block.statuses == [NOT_FOUND]:
        return None
    assert block.statuses == [PRESENT]
    return [block.python(at)[0] for at in range(len(names))]


def written(view: ServedView, cells: list[object], created: dt.datetime | None = None) -> bytes:
    named = {column.name: cell for column, cell in zip(view.columns, cells, strict=True)}
    return RowCodec(view).encode(KEY_OF_ROW, named, T0, created)


@given(
    st.tuples(*(st.none() | CELLS[word] for word in CELLS)),
    st.sampled_from([None, T0, T0 + dt.timedelta(days=9000)]),
)
@settings(max_examples=times(15), deadline=None, suppress_health_check=list(HealthCheck))
def test_a_row_is_split_and_joined_byte_for_byte(cells, created):
    view = view_of(*CELLS)
    row = written(view, list(cells), created)
    layout = RowCodec(view).layout
    assert layout.join(*layout.split(row)) == row
    for damaged in (row[:13], row[:-1], row + b"x", b"\x01" + row[1:]):
        with pytest.raises(ValueError, match="row"):
            layout.split(damaged)


@pytest.mark.parametrize("word", CELLS)
def test_a_veiled_value_is_the_one_that_is_masked_offline(word):
    """The same value by both ways, of every type, and what lies beside it stays."""
    column = oracle_column(word)
    fitting = [mask for mask in EVERY_MASK if not mask.unfit(column)]
    view, kind = view_of(word, *OTHERS), arrow_type(word)
    beside = [st.none() | CELLS[other] for other in OTHERS]

    @settings(max_examples=times(10), deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(fitting), st.none() | CELLS[word], st.tuples(*beside))
    def asks(mask, cell, others):
        veil = Veil(view, {"c00": mask}, None, lambda: KEY)
        row = written(view, [cell, *others])
        found = read(view, veil(row))
        assert found is not None
        offline = Masking(mask, kind, lambda: KEY)(feature_array([cell], word).cast(kind))
        assert comparable(values(feature_array(found[:1], word).cast(kind))) == comparable(
            values(offline)
        )
        assert comparable(found[1:]) == comparable(read(view, row)[1:])
        assert veil(row) is veil(row)

    asks()


@pytest.mark.parametrize("mask", ["hash", "truncate(2)", "bucket(5)", "constant(x)"])
def test_a_mask_that_does_not_fit_leaves_nothing(mask):
    view = view_of("list<int64>", "int32")
    veil = Veil(view, {"c00": Mask.parse(mask)}, None, lambda: KEY)
    assert read(view, veil(written(view, [[1, 2], 5]))) == [None, 5]


FILTERS = ["n > 3", "t = 'a' or n is null", "not n >= 0", "f != 1.5", "t in ('a', 'b') and f < 2"]


@given(
    st.sampled_from(FILTERS),
    st.none() | st.integers(-5, 5),
    st.none() | st.sampled_from(["a", "b", "c"]),
    st.none() | st.sampled_from([1.5, 2.5, float("nan")]),
)
@settings(max_examples=times(30), deadline=None)
def test_a_row_that_the_filter_does_not_hold_for_is_not_found(text, n, t, f):
    """A filter names the columns of the dataset, which features may be called otherwise than."""
    named = (("a", "int64", "n"), ("b", "string", "t"), ("c", "float64", "f"))
    columns = tuple(FieldSpec(name=name, type=word, column=own) for name, word, own in named)
    view = ServedView(name="v", join_keys=(), columns=columns)
    rows = Filter(text)
    found = read(view, Veil(view, {}, rows, lambda: KEY)(written(view, [n, t, f])))
    assert (found is not None) is rows.holds({"n": n, "t": t, "f": f})


def test_a_row_of_another_key_stays_one_and_a_damaged_one_is_none():
    view = view_of("string", "int64")
    veil = Veil(view, {"c00": Mask.parse("hash")}, None, lambda: KEY)
    row = written(view, ["secret", 1])
    foreign = RowCodec(view).encode(b"another{key}", {"c00": "secret", "c01": 1}, T0)
    assert read(view, veil(foreign)) is None
    assert b"secret" not in (veil(foreign) or b"")
    assert [veil(broken) for broken in (None, b"", row[:-1], row[:-9] + b"\xff" * 9)] == [None] * 4


def test_veils_lie_over_their_reads_and_no_others():
    view = view_of("string", "int64")
    veil = Veil(view, {"c00": Mask.parse("null")}, None, lambda: KEY)
    row = written(view, ["secret", 1])
    assert veiled((), [row, row], 1) == [row, row]
    over = veiled((None, veil), [row, None, row, None], 2)
    assert [read(view, one) for one in over] == [["secret", 1], None, [None, 1], None]
