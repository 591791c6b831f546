"""Bodies of requests: each part has an end, and what is wrong with them costs next to nothing."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from provender.api.app import OPERATIONS
from provender.api.errors import Malformed
from provender.api.reading import Reader
from provender.api.shapes import TEXTS, VARIADIC
from provender.core import bounds
from provender.core.errors import InvalidInput
from provender.values import to_json
from tests.api.conftest import Ask
from tests.catalog.world import FLIGHTS, training_set

JSON = {"content-type": "application/json"}
READERS = [one for one in OPERATIONS if isinstance(one.body, Reader)]
"""The operations that take JSON."""


def reader(name: str) -> Reader[Any]:
    (found,) = (one.body for one in READERS if one.name == name)
    return found


def parts(schema: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every list, mapping and text that a schema of pydantic's has, with its place."""
    match schema:
        case dict():
            place = f"{place}.{schema['name']}" if isinstance(schema.get("name"), str) else place
            kind = schema.get("type")
            ends = kind == "tuple" and "variadic_item_index" not in schema
            if isinstance(kind, str) and kind in VARIADIC | TEXTS and not ends:
                yield f"{place}: {kind}", schema
            for part in schema.values():
                yield from parts(part, place)
        case list() | tuple():
            for part in schema:
                yield from parts(part, place)


@pytest.mark.parametrize("operation", READERS, ids=lambda one: one.name)
def test_every_list_mapping_and_text_of_a_body_has_an_end(operation: Any) -> None:
    found = list(parts(operation.body.shape.bounded))
    assert found
    assert not [place for place, schema in found if schema.get("max_length", 2**30) > bounds.VAST]


def refused(name: str, body: bytes) -> Malformed:
    """What is wrong with ``body``, told in no time."""
    began = time.process_time()
    with pytest.raises(Malformed) as error:
        reader(name)._read(body)
    assert time.process_time() - began < 1
    return error.value


ZEROS = b'{"action":"read","columns":[%s]}'
KEYS = b'{"action":"read","columns":[{"dataset":"a.b"}],%s}'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (ZEROS % b",".join([b"0"] * 500_000), "500,001 faults"),
        (ZEROS % b",".join([b'{"dataset":"a.b"}'] * 1_001), "at most 1000 items"),
        (KEYS % b",".join(b'"%d":0' % n for n in range(100_000)), "100,000 faults"),
        (b'{"action":"read","purpose":"%s","columns":[]}' % (b"x" * 900_000), "200 characters"),
        (b'{"action":"read","columns":' + b"[" * 900_000, "recursion limit"),
        (ZEROS % b",".join([b"0"] * 8_000_000), "more than 500,000 values"),
    ],
)
def test_what_is_wrong_with_a_body_is_told_in_few_words(body: bytes, said: str) -> None:
    error = refused("decide", body)
    assert said in error.message
    assert len(error.message) < 1_000


def test_so_many_faults_are_told_and_how_many_others_there_are() -> None:
    error = refused("decide", ZEROS % b",".join([b"0"] * 700))
    assert len(error.problems) == bounds.PROBLEMS + 1
    assert error.problems[-1].what == "and 681 more"
    assert "and 698 more" in error.message


def test_a_body_is_as_large_as_its_operation_needs_and_no_larger(ask: Ask) -> None:
    much = {"content": b" " * (bounds.BODY + 1), "headers": JSON}
    answer = ask("ana").post("/decisions", **much)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too-large")
    assert {one.name for one in READERS if one.body.largest > bounds.BODY} == {
        "add_representation", "apply_governance", "compile_serving_manifest", "erase_versions", "plan_governance",
        "publish_version", "put_definitions", "simulate_governance",
    }  # fmt: skip


def test_a_large_body_is_read_where_nobody_waits_for_it(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    read: Callable[..., Any] = Reader._read

    def noting(self: Reader[Any], raw: bytes) -> Any:
        seen.append(threading.current_thread().name)
        return read(self, raw)

    monkeypatch.setattr(Reader, "_read", noting)
    for padding in (0, bounds.ASIDE):
        content = (
            b'{"action":"discover","columns":[{"dataset":"aviation.flights"}]}' + b" " * padding
        )
        assert ask("ana").post("/decisions", content=content, headers=JSON).status_code == 200
    assert ["bodies" in name for name in seen] == [False, True]


def version(**said: Any) -> dict[str, Any]:
    """The body of a version to publish."""
    there = {"format": "parquet", "location": "aviation/flights/x", "files": [], "row_count": 1}
    schema = {"columns": [{"name": "x", "type": "int64"}]}
    return {"manifest": {**there, "logical_digest": "x", "schema": schema, **said}}


INPUT = {"domain": "aviation", "name": "flights", "version": 1}
CHECK = {"name": "x", "outcome": "pass", "severity": "warn"}
COLUMNS = [{"name": f"c{n}", "type": "int64"} for n in range(bounds.COLUMNS + 1)]
PUT = [{"tag": "personal", "column": f"c{n}"} for n in range(bounds.MANY + 1)]


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("publish_version", version(inputs=[INPUT] * 1_001), "more than 1,000 inputs"),
        ("add_representation", version(inputs=[INPUT] * 1_001), "more than 1,000 inputs"),
        ("publish_version", version(schema={"columns": COLUMNS}), "more than 20,000 columns"),
        (
            "publish_version",
            {**version(), "evidence": {"checks": [CHECK] * 10_001}},
            "more than 10,000 checks",
        ),
        ("edit_dataset", {"assign": PUT}, "at most 1000 items"),
        ("edit_dataset", {"unassign": PUT}, "at most 1000 items"),
        (
            "edit_dataset",
            {"column_descriptions": {one["column"]: "x" for one in PUT}},
            "at most 1000 items",
        ),
    ],
    ids=["inputs", "again", "columns", "checks", "assign", "unassign", "described"],
)
def test_what_is_written_down_at_once_has_an_end(
    name: str, body: dict[str, Any], said: str
) -> None:
    assert said in refused(name, json.dumps(body).encode()).message


def asked(datasets: int, columns: int) -> dict[str, Any]:
    """The body of a permit for columns that are not there, of datasets that are not there but for one."""
    named = [f"aviation.none{n}" for n in range(datasets - 1)] + ["aviation.flights"]
    parts = [{"dataset": named[n % datasets], "column": f"c{n}"} for n in range(columns)]
    return {"action": "read", "purpose": "delay", "columns": parts}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (asked(1, bounds.MANY + 1), "at most 1000 items"),
        (asked(bounds.DATASETS + 1, bounds.MANY), "of more than 200 datasets"),
        ({**asked(1, 1), "columns": [{"dataset": "aviation.flights", "column": ""}]}, "names have"),
        ({**asked(1, 1), "columns": [{"dataset": "a.b", "column": "c" * 201}]}, "names have"),
        ({**asked(1, 1), "versions": ["aviation.flights@1"] * 201}, "at most 200 items"),
    ],
    ids=["columns", "datasets", "nameless", "long", "versions"],
)
def test_permits_are_of_so_much_at_once(body: dict[str, Any], said: str) -> None:
    assert said in refused("get_permit", json.dumps(body).encode()).message


@pytest.mark.parametrize("numbers", [range(1, bounds.DATASETS + 2), (1, 1)])
def test_training_sets_are_pinned_to_so_many_versions_each_once(numbers: Sequence[int]) -> None:
    made = training_set(*(FLIGHTS.at(n) for n in numbers), by="person:ana")
    body = f'{{"training_set":{to_json(made)}}}'
    with pytest.raises(InvalidInput, match=f"has {len(numbers)} pins, of {len(set(numbers))} ver"):
        reader("record_training_set")._read(body.encode())
    allowed = training_set(*(FLIGHTS.at(n + 1) for n in range(bounds.DATASETS)), by="person:ana")
    reader("record_training_set")._read(f'{{"training_set":{to_json(allowed)}}}'.encode())


def test_a_revoke_does_not_wait_for_the_largest_permits(ask: Ask) -> None:
    large = [asked(datasets, bounds.MANY) for datasets in (1, bounds.DATASETS)]
    ended = threading.Event()

    def post() -> None:
        while not ended.is_set():
            for body in large:
                ask("ana").post("/permits", json=body, timeout=60)

    def timed(path: str, **body: Any) -> Any:
        began = time.perf_counter()
        done = ask("sam").post(path, timeout=60, **body)
        took.append(time.perf_counter() - began)
        assert done.is_success, done.text
        return done.json()

    grant = {"dataset": "aviation.flights", "grantee": "person:max", "columns": ["tailnum"]}
    took: list[float] = []
    posting = threading.Thread(target=post)
    posting.start()
    try:
        for _ in range(3):
            made = timed("/grants", json={**grant, "reason": "x"})
            timed(f"/grants/{made['id']}/revoke")
    finally:
        ended.set()
        posting.join()
    assert sum(took) < 5 * len(took)  # it was half a minute; three workers share two cores
