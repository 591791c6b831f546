"""Names that are not what anybody expects: they come back as they went in, or are refused as input.

In process and over HTTP, on both databases; never another error, never another name.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from provender.core.editing import Edit
from provender.core.errors import InvalidInput, NotFound
from provender.core.features import EntitySpec, RepoSpec
from provender.core.finding import Question
from provender.core.glossary import Term
from provender.core.lineage import Node, NodeKind
from provender.core.names import DatasetRef
from provender.core.protocols import Desk, Library
from provender.core.schema import Column, Schema
from provender.core.tags import Tag
from tests.catalog.world import FLIGHTS, SCHEMA, VISIBLE, manifest
from tests.contract.conftest import Connect

LEGIBLE = (
    "O'Brien", 'say "hi"', "semi;colon--", "x'); DROP TABLE datasets;--", "select", "null", "None",
    "a.b.c", "a@7", "a:b", "back\\slash", "percent%25", "100%", "_", "slash/ed", "?q=1&x=2", "#hash",
    " leading", "trailing ", "Ünïcödé", "e\u0301", "é", "日本語", "🛫 emoji", "CASE", "case", "0", "-1",
    "true", "{{7*7}}", "<script>alert(1)</script>", "\u202ertl", "\ufeffbom", "\x1f", "tab\tand\nline",
    "x" * 255, "../..", "..", "%2e%2e", "*", "[a-z]",
)  # fmt: skip
ILLEGIBLE = ("nul\0here", "half \ud83d of one", "\udc00")
EVERY = (*LEGIBLE, *ILLEGIBLE)


def is_declared(desk: Desk, kind: str, value: Term | Tag) -> bool:
    """Return whether ``value`` was declared and is told as it was; if not, it was refused as input."""
    try:
        desk.declare(value)
    except (InvalidInput, NotFound):
        return False
    told = [one for one in getattr(desk.governance(), kind) if one.name == value.name]
    assert told == [value]
    return True


def is_recorded(catalog: Library, repo: RepoSpec) -> bool:
    """Return whether definitions were recorded and come back; if not, they were refused as input."""
    try:
        catalog.record(repo)
    except (InvalidInput, NotFound):
        return False
    assert catalog.repo(repo.project) == repo
    assert catalog.records.serving_manifest(repo.project).project == repo.project
    return True


def test_columns_of_any_name_come_back(connect: Connect):
    ops = connect("ops")
    columns = tuple(Column(name=name, type="string") for name in LEGIBLE)
    offered = manifest(1, schema=Schema((*SCHEMA.columns, *columns)))
    assert ops.publish(FLIGHTS, offered).manifest == offered
    assert ops.resolve(FLIGHTS.at(1)).manifest == offered
    said = dict.fromkeys(LEGIBLE, "What it is.")
    done = ops.desk.edit(
        FLIGHTS, Edit(column_descriptions=said), expected=ops.finder.entry(FLIGHTS).revision
    )
    assert said.items() <= done.dataset.column_descriptions.items()
    assert ops.dataset(FLIGHTS).column_descriptions == done.dataset.column_descriptions


@pytest.mark.parametrize("name", ILLEGIBLE, ids=ascii)
def test_what_no_database_keeps_is_refused_everywhere(connect: Connect, name: str):
    ops = connect("ops")
    spoiled = Schema((*SCHEMA.columns, Column(name=name, type="string")))
    for write in (
        lambda: ops.publish(FLIGHTS, manifest(1, schema=spoiled)),
        lambda: ops.publish(FLIGHTS, manifest(1), note=name),
        lambda: ops.desk.edit(FLIGHTS, Edit(description=name), expected=1),
        lambda: connect("gov").desk.declare(Term(name=name, definition="It.")),
        lambda: connect("dev").record(RepoSpec(project=name)),
        lambda: connect("sam").records.grant(FLIGHTS, grantee="person:ana", reason=name),
    ):
        with pytest.raises(InvalidInput):
            write()
    assert ops.finder.releases(FLIGHTS).items == ()


def test_terms_and_tags_of_any_name_come_back_or_are_refused(connect: Connect):
    desk = connect("gov").desk
    terms = {
        name
        for name in EVERY
        if is_declared(desk, "terms", Term(name=name, definition="It.", synonyms=(name,)))
    }
    tags = {name for name in EVERY if is_declared(desk, "tags", Tag(name=name))}
    assert terms >= {"O'Brien", "日本語", "CASE", "case", "é", "e\u0301"}
    assert tags >= {"CASE", "case", "select"}
    assert not set(ILLEGIBLE) & (terms | tags)


def test_a_name_that_is_asked_for_is_found_or_not_and_nothing_else(connect: Connect):
    catalog = connect("gov")
    surprises = {name: found for name in EVERY if (found := list(surprising(catalog, name)))}
    assert surprises == {}


def surprising(catalog: Library, name: str) -> Iterator[tuple[str, object]]:
    """What asking for ``name``, which nothing is called, ends with, but for being told so."""
    domain, _, rest = name.partition(".")
    unknown: dict[str, Callable[[], object]] = {
        "dataset": lambda: catalog.dataset(DatasetRef(domain, rest)),
        "version": lambda: catalog.resolve(DatasetRef("aviation", name)),
        "training set": lambda: catalog.records.training_set(name),
        "project": lambda: catalog.repo(name),
        "history": lambda: catalog.desk.history("tag", name),
        "grant": lambda: catalog.records.revoke(name),
        "task": lambda: catalog.desk.settle(name, expected=1),
    }
    unfit: dict[str, Callable[[], object]] = {
        "search": lambda: catalog.finder.search(Question(text=name)).next,
        "suggest": lambda: catalog.finder.suggest(name)[:0] or None,
        "audit": lambda: catalog.records.audit_events(subject=name) or None,
        "lineage": lambda: catalog.finder.lineage(Node(NodeKind.VIEW, name)).edges or None,
    }
    for what, ask in (unknown | unfit).items():
        try:
            answered: object = ask()
        except (NotFound, InvalidInput):
            continue
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            answered = error
        if what in unknown or answered is not None:
            yield what, answered


def test_projects_and_their_views_of_any_name_come_back_or_are_refused(connect: Connect):
    dev = connect("dev")
    there = {name for name in EVERY if is_recorded(dev, called(name))}
    assert there >= {"O'Brien", "日本語", "CASE", "case", "100%"}
    assert not set(ILLEGIBLE) & there
    assert dev.records.projects() == sorted(there)


def called(name: str) -> RepoSpec:
    return RepoSpec(
        project=name,
        entities=(EntitySpec(name="origin", join_key="origin", type="string"),),
        views=(replace(VISIBLE.views[0], name=name),),
    )
