"""Lookups in process, cut by numpy, against the reader that takes rows one by one."""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provender.core.errors import InvalidInput, NotFound
from provender.core.features import FieldSpec
from provender.core.names import FeatureRef
from provender.core.serving import ServedView
from provender.online.blocks import Block
from provender.online.codec import NO_END, RowCodec
from provender.online.folio import BulkQuestion, Folios
from provender.online.layout import check_of
from provender.online.lookup import Question
from provender.online.plan import LookupPlan, compile_plan
from provender.online.resp import KeyText, mget
from provender.online.sheet import Page
from provender.online.store import OnlineStore
from provender.sdk.answers import Answer
from tests.online.servers import cluster_node
from tests.online.test_blocks import VALUES, WRITTEN
from tests.online.test_codec import same
from tests.online.views import EVERY_TYPE, T0, TICK, manifest, view

TYPES = {kind: kind for kind in sorted(VALUES)}
EVERY = [
    view(TYPES, name="every"),
    view(TYPES, name="brief", ttl=timedelta(days=1)),
    view(TYPES, name="other", keys={"dest": "string", "origin": "string"}),
]
NUMBERS = {"n": "int64", "small": "int16", "x": "float64", "half": "float32", "is": "bool"}
KEYS = {"origin": ["JFK", "", "Zürich"], "dest": ["SFO", None, "a,b}"]}
NOW = T0 + timedelta(days=1)


def asked(*views: ServedView) -> LookupPlan:
    refs = [FeatureRef(one.name, column.name) for one in views for column in one.columns]
    return compile_plan(manifest(*views), refs, full_feature_names=True)


def questions(plan: LookupPlan, keys: dict[str, list[Any]]) -> tuple[Question, BulkQuestion]:
    return Question(plan, keys, NOW), BulkQuestion(Folios(plan), keys, NOW)


def encoded(key: bytes, served: ServedView, written: Any) -> bytes:
    return RowCodec(served).encode(key, written["values"], written["event"], written["created"])


def pages(bulk: BulkQuestion, rows: dict[bytes, bytes | None]) -> list[Page]:
    found = bulk.judge([rows.get(key) for key in bulk.keys])
    return list(found.blocks)


def blocks(question: Question, rows: dict[bytes, bytes | None]) -> list[Block]:
    return list(question.judge([rows.get(key) for key in question.keys]).blocks)


def check_alike(question: Question, bulk: BulkQuestion, rows: dict[bytes, bytes | None]) -> None:
    pairs = zip(blocks(question, rows), pages(bulk, rows), question.plan.reads, strict=True)
    for block, page, read in pairs:
        columns = range(len(read.features))
        assert page.statuses == block.statuses
        assert page.event_us == block.event_us
        for index in columns:
            found, expected = page.python(index), block.python(index)
            assert all(map(same, found, expected)), read.features[index]
            values, valid = page.numpy(index)
            assert len(values) == len(expected)
            assert valid.tolist() == [value is not None for value in expected]


def test_keys_and_checks_are_those_of_the_lookup_that_makes_them_one_by_one() -> None:
    plan = asked(*EVERY, view({"n": "int64"}, name="whole", keys={}))
    question, bulk = questions(plan, KEYS)
    assert sorted(bulk.keys) == sorted(question.keys)
    assert sum(key.endswith(NO_END) for key in bulk.keys) == 1
    assert mget(list(bulk.keys)) == mget(bulk.keys)
    for folio, written in zip(bulk.folios.folios, bulk._written, strict=True):
        keys = KeyText(written.text, written.size)
        views = [read.view for read in folio.reads] * question.rows
        expected = [crc32(key) ^ check_of(one) for key, one in zip(keys, views, strict=True)]
        assert written.checks.tolist() == expected


@given(st.lists(st.none() | WRITTEN, min_size=4, max_size=4), st.permutations(range(9)))
@settings(max_examples=40, deadline=None)
def test_columns_are_what_the_reader_of_single_rows_finds(
    written: list[Any], places: list[int]
) -> None:
    question, bulk = questions(asked(*EVERY), KEYS)
    views = [one for one in EVERY for _ in range(3)]
    rows = {
        question.keys[place]: one and encoded(question.keys[place], views[place], one)
        for place, one in zip(places, [*written, written[0], written[0]], strict=False)
        if not question.keys[place].endswith(NO_END)
    }
    check_alike(question, bulk, rows)


@given(st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=80, deadline=None)
def test_damaged_rows_are_judged_as_by_the_reader_of_single_rows(
    drawn: random.Random, with_nulls: bool
) -> None:
    question, bulk = questions(asked(*EVERY), KEYS)
    full = {kind: EVERY_TYPE.get(kind) for kind in VALUES}
    rows: dict[bytes, bytes | None] = {}
    for key, served in zip(question.keys, [v for v in EVERY for _ in range(3)], strict=True):
        values = {} if with_nulls and drawn.random() < 0.3 else full
        row = bytearray(RowCodec(served).encode(key, values, T0, drawn.choice([None, T0])))
        match drawn.randrange(6):
            case 0:
                row[drawn.randrange(len(row))] ^= 1 << drawn.randrange(8)
            case 1:
                del row[drawn.randrange(len(row)) :]
            case 2:
                row += b"\0"
        if not key.endswith(NO_END):
            rows[key] = bytes(row)
    check_alike(question, bulk, rows)


@pytest.mark.parametrize("late", [-1, 0, 1])
def test_each_view_has_its_own_age_to_the_tick(late: int) -> None:
    question, bulk = questions(asked(*EVERY[:2]), KEYS)
    event = NOW - timedelta(days=1) - late * TICK
    views = [one for one in EVERY[:2] for _ in range(3)]
    rows: dict[bytes, bytes | None] = {
        key: RowCodec(one).encode(key, EVERY_TYPE, event)
        for key, one in zip(question.keys, views, strict=True)
    }
    check_alike(question, bulk, rows)
    statuses = [page.statuses for page in pages(bulk, rows)]
    brief = "OUTSIDE_MAX_AGE" if late > 0 else "PRESENT"
    assert statuses == [["PRESENT"] * 3, [brief] * 3]


def test_no_entities_are_no_rows() -> None:
    question, bulk = questions(asked(*EVERY), {"origin": [], "dest": []})
    assert len(bulk.keys) == 0
    check_alike(question, bulk, {})


def numbers(size: int, missing: tuple[int, ...] = ()) -> Answer:
    views = [view(NUMBERS, name=name, keys={"id": "int64"}) for name in ("one", "two")]
    question, bulk = questions(asked(*views), {"id": list(range(size))})
    rows: dict[bytes, bytes | None] = {}
    for at, key in enumerate(question.keys):
        number, served = at % size, views[at // size]
        sign = 1 if served.name == "one" else -1
        values = {"n": sign * number, "small": number, "x": number / 2, "half": 0.5, "is": True}
        rows[key] = None if number in missing else RowCodec(served).encode(key, values, T0)
    judged = bulk.judge([rows[key] for key in bulk.keys])
    return Answer(judged, bulk.folios, bulk.sheets, bulk.now_us)


def test_a_matrix_has_a_row_per_entity_and_a_column_per_number() -> None:
    answer = numbers(3)
    table = answer.matrix()
    assert answer.numbers == tuple(name for name in answer.names if name != "id")
    assert (table.shape, table.dtype) == ((3, 10), np.float64)
    assert table[2].tolist() == [2, 2, 1.0, 0.5, 1, -2, 2, 1.0, 0.5, 1]
    chosen = answer.matrix(["two__x", "one__n"], dtype=np.float32)
    assert (chosen.dtype, chosen.tolist()) == (np.float32, [[0, 0], [0.5, 1], [1, 2]])


def test_what_is_missing_in_a_matrix_is_nan_or_zero_where_there_is_none() -> None:
    answer = numbers(3, missing=(1,))
    assert np.isnan(answer.matrix()).tolist() == [[False] * 10, [True] * 10, [False] * 10]
    assert answer.matrix(dtype=np.int64).tolist()[1] == [0] * 10
    assert answer.matrix(["one__n"], dtype=np.int64).tolist() == [[0], [0], [2]]


def test_a_row_of_other_bytes_than_it_says_tells_no_number() -> None:
    served = view({"n": "int64", "text": "string"}, name="one", keys={"id": "int64"})
    question, bulk = questions(asked(served), {"id": [1, 2]})
    encode = RowCodec(served).encode
    rows = [encode(key, {"n": 7, "text": "seven"}, T0) for key in question.keys]
    judged = bulk.judge([rows[0], rows[1][:-2]])
    answer = Answer(judged, bulk.folios, bulk.sheets, bulk.now_us)
    assert np.isnan(answer.matrix()).tolist() == [[False], [True]]
    assert answer.to_dict()["one__n"] == [7, None]
    assert answer.statuses["one__n"] == ["PRESENT", "NOT_FOUND"]


def test_values_in_python_come_with_their_statuses_whatever_is_asked_first() -> None:
    served = view({"n": "int64", "text": "string"}, name="one", keys={"id": "int64"})
    question, bulk = questions(asked(served), {"id": [1, 2]})
    encode = RowCodec(served).encode
    rows = [encode(key, {"n": 7, "text": "seven"}, T0) for key in question.keys]
    judged = bulk.judge([rows[0], rows[1].replace(b"seven", b"se\xffen")])
    answer = Answer(judged, bulk.folios, bulk.sheets, bulk.now_us)
    assert answer.to_dict() == {"id": [1, 2], "one__n": [7, None], "one__text": ["seven", None]}
    assert answer.statuses["one__n"] == ["PRESENT", "NOT_FOUND"]
    assert answer.numpy()["one__n"].valid.tolist() == [True, False]


def test_a_matrix_of_what_is_no_number_is_refused() -> None:
    question, bulk = questions(asked(EVERY[0]), {"origin": ["JFK"]})
    answer = Answer(bulk.judge([None]), bulk.folios, bulk.sheets, bulk.now_us)
    assert len(question.keys) == 1
    with pytest.raises(InvalidInput, match="every__string is string"):
        answer.matrix(["every__string"])
    with pytest.raises(NotFound, match="every__strin"):
        answer.matrix(["every__strin"])


def test_arrays_are_made_by_name_when_they_are_asked_for() -> None:
    arrays = numbers(2, missing=(0,)).numpy()
    assert list(arrays) == list(numbers(2).names)
    assert arrays["id"].values.tolist() == [0, 1]
    assert arrays["one__half"].values.dtype == np.float32
    assert arrays["one__half"].valid.tolist() == [False, True]
    assert np.isnan(arrays["one__half"].values[0])
    with pytest.raises(KeyError):
        arrays["three__n"]


def test_keys_put_together_reach_every_node_of_a_cluster(tmp_path: Path) -> None:
    served = view({"n": "int64"}, keys={"id": "int64"}, entity_ids="plain")
    question, bulk = questions(asked(served), {"id": list(range(50))})
    rows = {key: RowCodec(served).encode(key, {"n": at}, T0) for at, key in enumerate(bulk.keys)}
    with cluster_node(tmp_path) as port, OnlineStore(f"redis+cluster://127.0.0.1:{port}") as store:
        store.write(rows.items())
        assert bulk.judge(store.read(bulk.keys)).blocks[0].python(0) == list(range(50))
    assert len(question.keys) == 50


def test_entity_columns_of_any_type_come_back() -> None:
    fields = (FieldSpec(name="day", type="date"),)
    served = ServedView(name="daily", join_keys=fields, columns=(FieldSpec(name="n", type="int8"),))
    question, bulk = questions(asked(served), {"day": [T0.date(), None]})
    key = question.keys[0]
    rows = {key: RowCodec(served).encode(key, {"n": 7}, T0)}
    judged = bulk.judge([rows.get(key) for key in bulk.keys])
    answer = Answer(judged, bulk.folios, bulk.sheets, bulk.now_us)
    assert answer.to_dict() == {"day": [T0.date(), None], "daily__n": [7, None]}
    assert answer.numpy()["day"].values.tolist() == [T0.date(), None]
