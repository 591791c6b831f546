"""T11: what may not be known of answers as what is not there: status, body and time, over HTTP."""

import re
from collections.abc import Iterator
from statistics import median
from time import perf_counter

import httpx
import pytest

from provender.api.app import OPERATIONS
from provender.api.routes import Operation
from provender.core.names import DatasetRef
from tests.api.server import catalog_api
from tests.api.test_matrix import fill, request
from tests.catalog.world import SALARIES, Clock
from tests.stress import times

ABSENT = DatasetRef("people", "salarios")
"""Near enough to be taken for a slip of the one that is there."""
MOST_SECONDS = 0.005
ROUNDS = 4
TIMED = ("get_dataset", "list_versions", "get_lineage", "get_permit", "decide")
ABOUT_ONE = tuple(
    operation
    for operation in OPERATIONS
    if operation.name not in {"declare_dataset", "put_dataset"}  # makes what is not there
    and request(operation, SALARIES) != request(operation, ABSENT)
)


@pytest.fixture
def reader(governed_url: str, clock: Clock) -> Iterator[httpx.Client]:
    headers = fill(governed_url, clock)["reader"]
    with (
        catalog_api(governed_url, clock=clock, governs=True) as address,
        httpx.Client(base_url=address, headers=headers) as client,
    ):
        yield client


def ask(client: httpx.Client, operation: Operation, ref: DatasetRef) -> httpx.Response:
    return client.request(
        operation.method, request(operation, ref).pop("path"), **sent(operation, ref)
    )


def sent(operation: Operation, ref: DatasetRef) -> dict[str, object]:
    return {key: value for key, value in request(operation, ref).items() if key != "path"}


def said(answer: httpx.Response, ref: DatasetRef) -> tuple[object, ...]:
    """All that somebody could tell two answers apart by, but the name that they asked for."""
    body = answer.text.replace(ref.name, "NAME")
    body = re.sub(r'"(request_id|instance|digest|epoch)":"[^"]*"', "", body)
    body = re.sub(r"\bts_[0-9a-f]+", "ID", body)  # of what was sent
    headers = {name for name in answer.headers if name != "x-request-id"}
    return answer.status_code, body, frozenset(headers)


def test_what_is_hidden_answers_as_what_is_not_there(reader: httpx.Client) -> None:
    assert len(ABOUT_ONE) > 30
    found = {
        operation.name: [said(ask(reader, operation, ref), ref) for ref in (SALARIES, ABSENT)]
        for operation in ABOUT_ONE
    }
    assert {name: both for name, both in found.items() if both[0] != both[1]} == {}


def test_what_is_hidden_takes_as_long_as_what_is_not_there(reader: httpx.Client) -> None:
    """Of a machine that is busy with other things, the best of a few rounds tells."""
    found: list[float] = []
    while len(found) < ROUNDS and not (found and abs(found[-1]) < MOST_SECONDS):
        found.append(longer(reader, turns=times(20)))
    assert abs(found[-1]) < MOST_SECONDS, found


def longer(client: httpx.Client, *, turns: int) -> float:
    """Return how many seconds longer, by the median, what is hidden takes."""
    asked = [operation for operation in OPERATIONS if operation.name in TIMED]
    assert len(asked) == len(TIMED)
    later: list[float] = []
    for turn in range(turns):
        for operation in asked:
            took = {}
            for ref in (SALARIES, ABSENT) if turn % 2 else (ABSENT, SALARIES):
                began = perf_counter()
                ask(client, operation, ref)
                took[ref] = perf_counter() - began
            later.append(took[SALARIES] - took[ABSENT])
    return median(later)
