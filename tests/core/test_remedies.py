"""What who was refused is told to do: a request that they can make, never what only a steward can."""

import shlex
from dataclasses import replace

import pytest

from provender.core.decisions import Reason
from provender.core.errors import InvalidInput
from provender.core.lineage import Node
from provender.core.remedies import Remedy, hint, remedies
from provender.core.requests import Wanted, check_wanted
from provender.core.rules import REQUESTED, Action, ColumnRef

REMEDY = Remedy(
    actor="person:max",
    action=Action.READ,
    dataset="aviation.flights",
    columns=("tail number", "delay"),
    purpose="reporting",
)
CLOSED = Reason(
    column=ColumnRef("aviation.flights", "tailnum"),
    allowed=False,
    because="tagged personal, for purpose reporting",
    who_decides=("person:sam", "team:ops"),
)


def test_a_command_is_words_of_a_shell_and_a_page_is_an_address():
    assert shlex.split(REMEDY.command) == [
        *("provender", "access", "request", "aviation.flights"),
        *("--columns", "tail number,delay", "--purpose", "reporting", "--reason", "…"),
    ]
    assert REMEDY.page == (
        "/requests/new?about=dataset%3Aaviation.flights&action=read&purpose=reporting"
        "&columns=tail+number&columns=delay"
    )


def test_a_service_is_asked_for_by_somebody_else():
    service = replace(REMEDY, actor="service:online", action=Action.SERVE)
    assert " --for service:online --action serve " in service.command
    assert "&for=service%3Aonline&" in service.page


@pytest.mark.parametrize("action", REQUESTED)
def test_what_is_said_can_be_asked_for_once_there_is_a_reason(action):
    """Words of the command are the request's: of defining and publishing there are no columns."""
    words = shlex.split(replace(REMEDY, action=action).command)
    said = dict(zip(words[4::2], words[5::2], strict=True))
    wanted = Wanted(
        about=Node.parse(f"dataset:{words[3]}"),
        action=Action(said.get("--action", "read")),
        columns=tuple(filter(None, said.get("--columns", "").split(","))),
        purpose=said.get("--purpose", ""),
        reason="to count",
    )
    check_wanted(wanted)
    with pytest.raises(InvalidInput, match="needs a reason"):
        check_wanted(replace(wanted, reason=said["--reason"]))


def test_one_request_for_each_dataset_and_none_where_no_grant_helps():
    delay = replace(CLOSED, column=ColumnRef("aviation.flights", "delay"))
    other = replace(CLOSED, column=ColumnRef("aviation.weather"), who_decides=("person:lee",))
    denied = replace(CLOSED, column=ColumnRef("aviation.planes", "year"), who_decides=())
    closed = [CLOSED, denied, delay, other]
    found = remedies("person:max", Action.READ, "reporting", closed)
    assert [(one.dataset, one.columns) for one in found] == [
        ("aviation.flights", ("tailnum", "delay")),
        ("aviation.weather", ()),
    ]
    assert hint("person:max", Action.READ, "reporting", closed) == (
        "person:sam or team:ops or person:lee can grant it; ask: "
        "provender access request aviation.flights --columns tailnum,delay --purpose reporting "
        "--reason … ; provender access request aviation.weather --purpose reporting --reason …"
    )
    assert remedies("person:max", Action.STEWARD, "", closed) == ()
    assert hint("person:max", Action.DISCOVER, "", closed).endswith("can grant it")
    assert hint("person:max", Action.READ, "reporting", []) == ""
