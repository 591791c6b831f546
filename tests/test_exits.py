"""Every place where governed rows come out, and how it keeps to a permit that is for a part.

The list is made from the code: whatever is given a permit to read or serve, or asks for one. A
place that is not listed below, or does not do what is said of it here, fails.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parent.parent / "src" / "provender"

COVERS = "covers"
"""Calls `Permit.cover`, which refuses a part, unless it says ``shielded``."""
WHOLE = "whole"
"""Calls `Permit.require_whole`."""
HANDS_ON = "hands on"
"""Gives the permit to what covers, or returns it."""

EXITS = {
    "api/access.py:get_permit": HANDS_ON,
    "feast_plugin/engine.py:ProvenderEngine.run": HANDS_ON,
    "feast_plugin/filling.py:Work.permit": HANDS_ON,
    "feast_plugin/gate.py:Pass._ask": COVERS,
    "feast_plugin/gate.py:_parts": HANDS_ON,
    "feast_plugin/offline.py:_saved.read": HANDS_ON,
    "feast_plugin/offline.py:_window.read": HANDS_ON,
    "feast_plugin/parity.py:compare": HANDS_ON,
    "feast_plugin/records.py:Recorded._all": HANDS_ON,
    "feast_plugin/records.py:Recorded._permit": HANDS_ON,
    "feast_plugin/records.py:Recorded._record": HANDS_ON,
    "feast_plugin/records.py:Recorded.__call__": HANDS_ON,
    "feast_plugin/sql.py:_permit": HANDS_ON,
    "feast_plugin/sql.py:_register": HANDS_ON,
    "feast_plugin/sql.py:_run": HANDS_ON,
    "feast_plugin/sql.py:run_sql": HANDS_ON,
    "feast_plugin/terms.py:Terms.permit": HANDS_ON,
    "feast_plugin/windows.py:spine_between": HANDS_ON,
    "offline/duck.py:DuckEngine.latest": COVERS,
    "offline/duck.py:DuckEngine.read": HANDS_ON,
    "offline/duck.py:DuckEngine.run": COVERS,
    "offline/engines.py:Engines.run": HANDS_ON,
    "offline/latest.py:latest_rows": COVERS,
    "offline/scan.py:permitted": COVERS,
    "offline/scan.py:scan": HANDS_ON,
    "offline/scan.py:scanned": HANDS_ON,
    "offline/spark.py:SparkEngine.run": COVERS,
    "offline/window.py:distinct_instants": COVERS,
    "sdk/asked.py:lookable": COVERS,
    "sdk/getting.py:Getting._permit": HANDS_ON,
    "sdk/getting.py:Getting._rows": HANDS_ON,
    "sdk/getting.py:Getting.get": HANDS_ON,
    "sdk/getting.py:Reading.files": WHOLE,
    "sdk/getting.py:Getting.stream": HANDS_ON,
    "sdk/measuring.py:profile_now": WHOLE,
    "sdk/retrieval.py:Retrieval._running": HANDS_ON,
}
ROWS = {"READ", "SERVE"}
ASKING = {"permit", "_permit", "allow"}
NOT_OURS = {
    "core/parted.py", "core/tally.py", "core/protocols.py", "core/policy.py", "core/joins.py", "core/shielding.py", "core/training.py",
    "catalog/local.py", "client/catalog.py",
}  # fmt: skip
"""Where a permit is said or made: no rows come out there."""


@dataclass
class Place:
    """One function: what it is given, what it calls of permits."""

    name: str
    takes: bool = False
    asks: bool = False
    calls: set[str] = field(default_factory=set)
    shielded: bool = False
    hands: bool = False


def places(path: Path) -> Iterator[Place]:
    yield from _within(ast.parse(path.read_text("utf-8")), path.relative_to(SRC).as_posix() + ":")


def _within(node: ast.AST, prefix: str) -> Iterator[Place]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _within(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield _place(child, prefix + child.name)
            yield from _within(child, f"{prefix}{child.name}.")
        else:
            yield from _within(child, prefix)


def _place(function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> Place:
    given = [*function.args.args, *function.args.kwonlyargs]
    place = Place(
        name, takes=any("Permit" in ast.unparse(a.annotation or ast.Name("")) for a in given)
    )
    for node in _own(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            place.calls.add(node.func.attr)
            place.asks |= node.func.attr in ASKING and _for_rows(node)
            place.hands |= any(
                map(_is_permit, [*node.args, *(word.value for word in node.keywords)])
            )
            place.shielded |= any(word.arg == "shielded" for word in node.keywords)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            place.calls.add(node.func.id)
            place.asks |= node.func.id in ASKING
            place.hands |= any(
                map(_is_permit, [*node.args, *(word.value for word in node.keywords)])
            )
        elif isinstance(node, ast.Return) and node.value is not None:
            place.hands |= _is_permit(node.value)
    return place


def _is_permit(given: ast.AST) -> bool:
    """Whether a value is a permit or one's decision, be it asked for there."""
    return any(
        (isinstance(node, ast.Name) and node.id in ASKING)
        or (isinstance(node, ast.Attribute) and node.attr in ASKING)
        for node in ast.walk(given)
    )


def _own(function: ast.AST) -> Iterator[ast.AST]:
    """What is in a function, and not in one that is defined in it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from _own(child)


def _for_rows(call: ast.Call) -> bool:
    """Whether a permit may let rows out: by the action that is named, or because none is."""
    named = {node.attr for node in ast.walk(call) if isinstance(node, ast.Attribute)}
    actions = {name for name in named if name.isupper()}
    return not actions or not actions.isdisjoint(ROWS)


@cache
def found() -> dict[str, Place]:
    return {
        place.name: place
        for path in sorted(SRC.rglob("*.py"))
        if path.relative_to(SRC).as_posix() not in NOT_OURS
        for place in places(path)
        if place.takes or place.asks
    }


def test_every_place_where_rows_come_out_is_listed():
    assert sorted(found()) == sorted(EXITS)


@pytest.mark.parametrize(("name", "how"), EXITS.items())
def test_it_refuses_a_permit_for_a_part_or_gives_only_that(name: str, how: str):
    place = found()[name]
    if how == WHOLE:
        assert "require_whole" in place.calls
    elif how == COVERS:
        assert "cover" in place.calls
    else:
        assert place.hands
        assert place.calls.isdisjoint({"cover", "require_whole"})


SHIELDS = {
    "feast_plugin/gate.py:Pass._ask": {"_parts", "of"},
    "offline/duck.py:DuckEngine.latest": {"under"},
    "offline/duck.py:DuckEngine.run": {"under"},
    "offline/scan.py:permitted": {"shield_of"},
    "offline/spark.py:SparkEngine.run": {"under"},
    "offline/window.py:distinct_instants": {"under"},
    "sdk/asked.py:lookable": {"permitted", "over"},
}
"""Who takes a permit for a part, and what they call to keep to it."""


def test_who_says_shielded_is_known():
    assert sorted(place.name for place in found().values() if place.shielded) == sorted(SHIELDS)


@pytest.mark.parametrize(("name", "calls"), SHIELDS.items())
def test_who_says_shielded_asks_what_is_left(name: str, calls: set[str]):
    assert calls <= found()[name].calls


@pytest.mark.parametrize(
    "written",
    [
        "def leak(permit: Permit): return rows()",
        "def leak(catalog): catalog.permit(Action.READ, columns, purpose=''); return rows()",
        "class A:\n  def leak(self, action): self.catalog.permit(action, columns, purpose='')",
        "def outer():\n  def leak(): return terms.permit(Action.SERVE, tables, purpose='')",
    ],
)
def test_a_place_that_forgets_is_found(written: str):
    (leak,) = [p for p in _within(ast.parse(written), "new.py:") if p.takes or p.asks]
    assert leak.name.endswith("leak")
    assert leak.calls.isdisjoint({"cover", "require_whole"})


def test_a_permit_to_publish_lets_no_rows_out():
    (asking,) = _within(
        ast.parse("def p(c): c.permit(Action.PUBLISH, [ColumnRef('a')])"), "new.py:"
    )
    assert not asking.asks
