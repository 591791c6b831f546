"""Lost updates and repeated requests, in process and over HTTP, on both databases.

In process, edits are counted by tests/catalog/test_editing.py, too; by these under STRESS.

The promised numbers are 8 stewards × 200 edits of one dataset, and 10,000 calls that are each
sent one to five times; a tenth of them by default.
"""

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from provender.core.datasets import whole
from provender.core.editing import Edit
from provender.core.errors import PreconditionFailed
from provender.core.protocols import Library
from tests.catalog.world import FLIGHTS, manifest
from tests.contract.conftest import MORE_WAYS, WAYS, Connect
from tests.stress import STRESSED, times

STEWARDS = 8
EDITS = times(20)
CALLS = 50
SEEDS = range(times(5))
SENT_AT_MOST = 5


@pytest.fixture(params=[*WAYS, *(MORE_WAYS if STRESSED else MORE_WAYS[:1])])
def way(request: pytest.FixtureRequest) -> str:
    """One more than in calm runs elsewhere, for the numbers."""
    chosen: str = request.param
    return chosen


@pytest.mark.parametrize("way", [*WAYS, *MORE_WAYS] if STRESSED else ["http-sqlite"], indirect=True)
def test_no_edit_is_lost_whoever_edits_at_once(connect: Connect) -> None:
    def edit_on(steward: int) -> tuple[list[str], int]:
        catalog = connect("sam" if steward % 2 else "ops")
        made, refused = [], 0
        for number in range(EDITS):
            seen = catalog.finder.entry(FLIGHTS)
            said = f"Said by {steward}, the {number}th time."
            try:
                catalog.desk.edit(FLIGHTS, Edit(description=said), expected=seen.revision)
                made.append(said)
            except PreconditionFailed:
                refused += 1
        return made, refused

    for name in ("sam", "ops"):
        connect(name)
    with ThreadPoolExecutor(STEWARDS) as pool:
        outcomes = list(pool.map(edit_on, range(STEWARDS)))
    made = [said for texts, _ in outcomes for said in texts]
    assert len(made) + sum(refused for _, refused in outcomes) == STEWARDS * EDITS
    entry = connect("sam").finder.entry(FLIGHTS)
    assert entry.revision == 1 + len(made)
    desk = connect("sam").desk
    told = whole(lambda after: desk.history("dataset", str(FLIGHTS), limit=200, after=after))
    texts = [one.value["description"] for one in told if one.value]
    assert texts[0] == entry.dataset.description
    assert sorted(map(str, texts[:-1])) == sorted(made)
    for own, _ in outcomes:
        assert [said for said in texts[::-1] if said in own] == own


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_sent_many_times_and_late_is_done_once(connect: Connect, seed: int) -> None:
    draw = random.Random(seed)
    calls = [draw.choice(["publish", "edit"]) for _ in range(CALLS)]
    sends = sorted(
        (at if turn == 0 else draw.uniform(at, CALLS), at)
        for at in range(CALLS)
        for turn in range(draw.randint(1, SENT_AT_MOST))
    )
    ops, before = connect("ops"), accumulated(calls)
    answers: dict[int, object] = {}
    for _, at in sends:
        answer = send(ops, calls[at], at, before[at])
        assert answers.setdefault(at, answer) == answer
    published = [manifest(at + 1) for at in range(CALLS) if calls[at] == "publish"]
    found = whole(lambda after: ops.finder.releases(FLIGHTS, limit=200, after=after))
    assert [one.version.manifest for one in found[::-1]] == published
    assert [one.version.number for one in found[::-1]] == list(range(1, len(published) + 1))
    edits = [at for at in range(CALLS) if calls[at] == "edit"]
    entry = ops.finder.entry(FLIGHTS)
    assert entry.revision == 1 + len(edits)
    assert entry.dataset.description == f"Edit {edits[-1]}."


def send(ops: Library, call: str, at: int, edited: int) -> object:
    if call == "publish":
        return ops.publish(FLIGHTS, manifest(at + 1), key=f"call-{at}")
    said = Edit(description=f"Edit {at}.")
    return ops.desk.edit(FLIGHTS, said, expected=1 + edited, key=f"call-{at}")


def accumulated(calls: list[str]) -> list[int]:
    """How many edits come before each call."""
    edits = count()
    return [next(edits) if call == "edit" else 0 for call in calls]
