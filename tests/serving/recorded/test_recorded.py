"""Our server answers what Feast's was recorded to answer, value for value, but for `differences`."""

import json
from typing import Any

import pytest

from provender.feast_plugin.value_types import UNFILLED
from tests.serving.conftest import Running
from tests.serving.recorded.differences import (
    DIFFERENCES,
    MORE_NAMES,
    OWN_BODIES,
    OWN_CLASSES,
    OWN_VERSIONS,
    STATUSES,
    Cell,
)
from tests.serving.recorded.record import TRAFFIC, file_of, send, told
from tests.serving.recorded.repository.data import KINDS
from tests.serving.recorded.requests import REQUESTS, Request

BY_NAME = {request.name: request for request in REQUESTS}


def recorded(request: Request) -> tuple[int, Any]:
    """Return status and JSON that Feast's server answered."""
    kept = json.loads(file_of(request).read_text(encoding="utf-8"))
    asked = (kept["method"], kept["path"], kept["request"])
    assert asked == (request.method, request.path, request.body), "record the traffic anew"
    return kept["status"], kept["response"]


FEASTS = {request.name: recorded(request) for request in REQUESTS}
GOOD = [name for name, (status, _) in FEASTS.items() if status == 200 and name not in STATUSES]
TABLES = [name for name in GOOD if isinstance(FEASTS[name][1], dict)]
BAD = [name for name, (status, _) in FEASTS.items() if status != 200 and name not in STATUSES]


@pytest.fixture(scope="module")
def answered(ours: Running) -> dict[str, tuple[int, Any]]:
    """Our status and JSON for each request, all sent in their order."""
    answers = {}
    for name, request in BY_NAME.items():
        response = send(ours.client, request)
        answers[name] = (response.status_code, told(response))
    return answers


def columns(answer: dict[str, Any]) -> dict[str, list[Cell]]:
    """Return the cells of each column; a full name's last part says what is in it."""
    names = answer["metadata"]["feature_names"]
    table: dict[str, list[Cell]] = {}
    for name, result in zip(names, answer["results"], strict=True):
        assert list(result) == ["values", "statuses", "event_timestamps"]
        own = name.rpartition("__")[2]
        table[name] = [Cell(own, *one) for one in zip(*result.values(), strict=True)]
    return table


def same_instant(feast: Cell, ours: Cell) -> bool:
    """Feast keeps event timestamps in whole seconds."""
    whole = ours.event_timestamp.partition(".")[0].rstrip("Z")
    return feast.event_timestamp == f"{whole}Z"


def reasons(feast: Cell, ours: Cell) -> list[str]:
    """Return the names of the intended differences that the two cells show."""
    return [name for name, one in DIFFERENCES.items() if one.holds(feast, ours)]


def unexplained(feast: Cell, ours: Cell) -> bool:
    if (feast.text, feast.status) == (ours.text, ours.status):
        return not same_instant(feast, ours)
    found = [DIFFERENCES[name] for name in reasons(feast, ours)]
    return len(found) != 1 or (found[0].same_row and not same_instant(feast, ours))


def pairs(name: str, answered: dict[str, tuple[int, Any]]) -> list[tuple[Cell, Cell]]:
    """Return Feast's cells and ours of one request; both have the same columns."""
    theirs, found = columns(FEASTS[name][1]), columns(answered[name][1])
    extra, _ = MORE_NAMES.get(name, (set(), ""))
    assert found.keys() - theirs.keys() == extra
    assert theirs.keys() <= found.keys()
    return [pair for one in theirs for pair in zip(theirs[one], found[one], strict=True)]


@pytest.mark.parametrize("name", BY_NAME)
def test_the_status_is_feasts(name: str, answered: dict[str, Any]) -> None:
    theirs, ours = FEASTS[name][0], answered[name][0]
    expected = STATUSES[name][:2] if name in STATUSES else (theirs, theirs)
    assert (theirs, ours) == expected, answered[name]


@pytest.mark.parametrize("name", TABLES)
def test_the_answer_is_feasts_value_for_value(name: str, answered: dict[str, Any]) -> None:
    assert [pair for pair in pairs(name, answered) if unexplained(*pair)] == []
    assert list(answered[name][1]) == list(FEASTS[name][1]) == ["results", "metadata"]


@pytest.mark.parametrize("column", KINDS)
def test_every_type_is_served_as_feast_does(column: str, answered: dict[str, Any]) -> None:
    found = [pair for pair in pairs("every type", answered) if pair[1].column == column]
    assert [ours.status for _, ours in found].count("NOT_FOUND") == 1, "nobody has the last driver"
    assert sum(ours.value is not None for _, ours in found) >= 4
    assert [pair for pair in found if unexplained(*pair)] == []


def told_versions(answer: dict[str, Any]) -> dict[str, int]:
    """Return the versions of the views in the metadata; the first is not told, and is 0."""
    told = answer["metadata"].get("feature_view_metadata", [])
    assert all(view.keys() <= {"name", "version"} and view.get("version") != 0 for view in told)
    return {view["name"]: view.get("version", 0) for view in told}


@pytest.mark.parametrize("name", TABLES)
def test_the_metadata_are_feasts(name: str, answered: dict[str, Any]) -> None:
    theirs, ours = told_versions(FEASTS[name][1]), told_versions(answered[name][1])
    if name in OWN_VERSIONS:
        versions, _ = OWN_VERSIONS[name]
        assert {view: ours[view] for view in versions} == versions
        assert not any(theirs.values())
        ours |= dict.fromkeys(versions, 0)
    assert ours == theirs
    keys = {key for one in (answered, FEASTS) for key in one[name][1]["metadata"]}
    assert keys <= {"feature_names", "feature_view_metadata"}
    asked = BY_NAME[name].body.get("include_feature_view_version_metadata", False)
    assert bool(ours) is asked


@pytest.mark.parametrize("name", [name for name in GOOD if name not in TABLES])
def test_what_answers_nothing_answers_nothing(name: str, answered: dict[str, Any]) -> None:
    assert FEASTS[name][1] is None
    assert (answered[name][1] is None) == (name not in OWN_BODIES)


def error_of(body: Any) -> Any:
    """Return what clients tell errors apart by: Feast's class, or where the body is wrong."""
    if isinstance(body, str):
        inner = json.loads(body)
        assert list(inner) == ["module", "class", "message"]
        return inner["module"], inner["class"]
    detail = body["detail"]
    if isinstance(detail, str):
        return detail
    return [[name for name in one["loc"] if isinstance(name, str)] for one in detail]


@pytest.mark.parametrize("name", BAD)
def test_an_error_is_told_as_feast_tells_it(name: str, answered: dict[str, Any]) -> None:
    theirs, ours = error_of(FEASTS[name][1]), error_of(answered[name][1])
    assert ours == (("feast.errors", OWN_CLASSES[name][0]) if name in OWN_CLASSES else theirs)
    assert name not in OWN_CLASSES or ours != theirs


def test_every_intended_difference_is_still_there(answered: dict[str, Any]) -> None:
    shown = [pair for name in TABLES for pair in pairs(name, answered)]
    found = {name for pair in shown if pair[0] != pair[1] for name in reasons(*pair)}
    assert found == set(DIFFERENCES)
    assert any(feast.event_timestamp != ours.event_timestamp for feast, ours in shown)
    assert {*STATUSES, *MORE_NAMES, *OWN_BODIES, *OWN_CLASSES, *OWN_VERSIONS} <= set(BY_NAME)


def test_every_type_that_feast_can_fill_is_recorded() -> None:
    kinds = {dtype.to_value_type() for dtype, _, _ in KINDS.values()}
    known = {kind for kind in type(next(iter(kinds))) if kind.name not in ("UNKNOWN", "NULL")}
    assert known - kinds == set(UNFILLED)
    assert {file.name for file in TRAFFIC.iterdir()} == {file_of(one).name for one in REQUESTS}
