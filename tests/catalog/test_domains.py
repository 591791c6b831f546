"""Who is told of a domain: it, its owner and its history tell that something is there."""

from dataclasses import replace
from pathlib import Path

import pytest

from provender.catalog.documents import read_governance
from provender.catalog.export import export, write
from provender.core.errors import NotFound
from provender.core.governance import Domain
from provender.core.limits import Limits
from provender.core.policy import Action, Rule
from tests.catalog.world import GOVERNANCE, REPO, SALARIES, VISIBLE, Clock, Connect

HIDDEN = Domain(name="mergers", description="Whom we buy.", owner="team:hr")


def told(text: str, name: str) -> str:
    return text.replace(name, "NAME")


def test_a_domain_is_told_to_who_may_discover_something_in_it(
    connect: Connect, clock: Clock
) -> None:
    gov, ana = connect("gov"), connect("ana")
    gov.desk.declare(HIDDEN)
    for known in (
        ana.governance(),
        ana.desk.governance(datasets=False),
        ana.desk.governance(as_of=clock.now),
    ):
        assert [one.name for one in known.domains] == ["aviation"]
    words = []
    for name in ("people", "nothing"):
        with pytest.raises(NotFound) as error:
            ana.desk.history("domain", name)
        words.append(told(f"{error.value.message} {error.value.hint}", name))
    assert words[0] == words[1]
    assert ana.desk.history("domain", "aviation").items
    opening = Rule(
        id="ana-looks",
        actors=("person:ana",),
        actions=(Action.DISCOVER,),
        datasets=(SALARIES.dataset,),
    )
    gov.desk.declare(opening)
    assert [one.name for one in ana.governance().domains] == ["aviation", "people"]
    assert ana.desk.history("domain", "people").items


def test_a_domain_is_told_to_its_owner_and_to_who_governs(
    connect: Connect, clock: Clock, tmp_path: Path
) -> None:
    gov = connect("gov")
    mergers = replace(HIDDEN, owner="person:max")
    gov.desk.declare(mergers)
    every = (*GOVERNANCE.domains, mergers)
    assert {one.name for one in gov.governance().domains} == {one.name for one in every}
    assert gov.desk.history("domain", "people").items
    write(tmp_path, export(gov.desk.governance(), tmp_path))
    assert set(read_governance(tmp_path).domains) == set(every)
    max_ = connect("max")
    assert [one.name for one in max_.governance().domains] == ["aviation", "mergers"]
    limited = max_.keyring.create("x", limits=Limits(datasets=("aviation.*",)))
    mine = max_.as_actor(max_.identify(limited.secret))
    assert [one.name for one in mine.governance().domains] == ["aviation"]


def test_of_a_project_that_is_hidden_no_history_is_told(connect: Connect) -> None:
    hidden = replace(REPO, project="secret", views=REPO.views[1:], on_demand=(), services=())
    connect("dev").record(hidden)
    connect("dev").record(VISIBLE)
    max_, gov = connect("max"), connect("gov")
    for kind in ("project", "definitions"):
        words = []
        for name in ("secret", "nothing"):
            with pytest.raises(NotFound) as error:
                max_.desk.history(kind, name)
            words.append(told(f"{error.value.message} {error.value.hint}", name))
        assert words[0] == words[1]
        assert max_.desk.history(kind, "delays").items
    assert gov.desk.history("project", "secret").items
    connect("dev").record(replace(hidden, owner="person:max"))
    assert max_.desk.history("project", "secret").items
