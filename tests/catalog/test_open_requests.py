"""How many requests of one person wait for stewards at once."""

from dataclasses import replace

import pytest

from provender.catalog import requests
from provender.core.errors import Conflict
from provender.core.lineage import Node, NodeKind
from provender.core.requests import RequestStep, Wanted
from tests.catalog.world import FLIGHTS, Connect, manifest

WANTED = Wanted(about=Node(NodeKind.DATASET, str(FLIGHTS)), columns=("tailnum",), reason="delays")


def test_who_has_many_open_requests_makes_no_more_until_one_is_over(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
):
    connect("ops").publish(FLIGHTS, manifest())
    monkeypatch.setattr(requests, "OPEN", 2)
    ana = connect("ana").access
    first, _ = (ana.ask(replace(WANTED, purpose=purpose)) for purpose in ("delay", "report"))
    more = replace(WANTED, grantee="team:models", purpose="delay")
    with pytest.raises(Conflict, match="person:ana has 2 open requests already"):
        ana.ask(more)
    assert ana.ask(replace(WANTED, purpose="delay")) == first
    ana.answer(first.id, RequestStep.WITHDRAW)
    assert ana.ask(more).grantee == "team:models"
