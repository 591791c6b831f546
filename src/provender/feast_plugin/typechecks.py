"""Feast's type checks, put into its code in a fraction of the time.

Feast's definitions are `typeguard.typechecked`. For each of their 242 functions typeguard parses the whole
module anew and walks all of the function's class: some four seconds of a processor before a command begins.
Here a module is parsed once, and of it only the function itself is walked and compiled. What comes out is the
same byte code. With a typeguard that is built otherwise nothing is changed.
"""

import ast
import copy
from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from importlib import import_module
from types import SimpleNamespace
from typing import Any, TypeVar

S = TypeVar("S", ast.Module, ast.ClassDef)
PARTS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
PLAIN = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr, ast.Pass)
"""Statements that typeguard reads and, outside of functions, leaves alone."""
WALKED = "_provender_walked"
"""The attribute of a module that holds what came of its walk."""


def hasten() -> None:
    """Let typeguard parse once and walk what it changes; to be called before Feast is imported."""
    try:
        decorators: Any = import_module("typeguard._decorators")
        transformer = import_module("typeguard._transformer").TypeguardTransformer
        walk, parser = transformer.visit_Module, decorators.ast
    except (ImportError, AttributeError):
        return
    if parser is ast:
        decorators.ast = SimpleNamespace(**vars(ast) | {"parse": _parsed})
        decorators.compile = _compiled
        transformer.visit_Module = _walking(walk)


def _walking(walk: Callable[[Any, ast.Module], ast.Module]) -> Callable[[Any, ast.Module], Any]:
    """Return what walks of a module what matters, and leaves with it what that made of it."""

    @wraps(walk)
    def visit(self: Any, module: ast.Module) -> ast.Module:
        if not self._target_path:  # all of it, which nobody remembers
            return walk(self, module)
        made = walk(self, _alone(module, self._target_path))
        setattr(module, WALKED, made)
        return made

    return visit


def _compiled(module: Any, *how: Any, **more: Any) -> Any:
    return compile(getattr(module, WALKED, module), *how, **more)


def _parsed(source: str) -> ast.Module:
    """Return a module of its own, whose statements all who parse ``source`` share and leave alone."""
    remembered = _remembered(source)
    return ast.Module(remembered.body, remembered.type_ignores)


@lru_cache(maxsize=4)
def _remembered(source: str) -> ast.Module:
    return ast.parse(source)


def _alone(scope: S, path: Sequence[str]) -> S:
    """Return a copy of ``scope`` where of the parts that ``path`` does not lead to only names are left."""
    found = copy.copy(scope)
    found.body = [_reduced(statement, path) for statement in scope.body]
    if isinstance(found, ast.ClassDef):
        found.decorator_list = list(found.decorator_list)
    return found


def _reduced(statement: ast.stmt, path: Sequence[str]) -> ast.stmt:
    if isinstance(statement, PLAIN):
        return statement
    if isinstance(statement, PARTS) and statement.name != path[0]:
        return _named(statement, statement.name)
    if isinstance(statement, ast.ClassDef) and path[1:]:
        return _alone(statement, path[1:])
    return copy.deepcopy(statement)


def _named(part: ast.stmt, name: str) -> ast.stmt:
    return ast.copy_location(ast.Expr(ast.copy_location(ast.Name(name, ast.Load()), part)), part)
