"""Feast's definitions check what they are given as they do without us; only importing them is quicker."""

import ast
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import feast.entity
import feast.field
import feast.project
import pytest
from typeguard import TypeCheckError, _decorators, _transformer

from provender.feast_plugin.typechecks import hasten


def functions(module: ModuleType) -> Iterator[FunctionType]:
    for cls in vars(module).values():
        if inspect.isclass(cls) and cls.__module__ == module.__name__:
            for found in vars(cls).values():
                plain = getattr(found, "__func__", getattr(found, "fget", found))
                if isinstance(plain, FunctionType) and plain.__module__ == module.__name__:
                    yield plain


def instrumented(function: FunctionType, *, ours: bool) -> CodeType:
    """Return the code of ``function`` with its checks, walked and compiled whole or as we do."""
    path = function.__qualname__.split(".")
    module = ast.parse(inspect.getsource(inspect.getmodule(function) or function))
    transformer = _transformer.TypeguardTransformer(path, function.__code__.co_firstlineno)
    walk: Any = _transformer.TypeguardTransformer.visit_Module
    (walk if ours else walk.__wrapped__)(transformer, module)
    compiles: Any = _decorators.compile if ours else compile  # type: ignore[attr-defined]
    code = compiles(module, function.__code__.co_filename, "exec", dont_inherit=True)
    assert transformer.target_lineno is not None
    found = _decorators.find_target_function(code, path, transformer.target_lineno)
    assert found is not None
    return found


@pytest.mark.parametrize("module", [feast.entity, feast.field, feast.project])
def test_the_code_of_what_checks_types_is_the_same(module: ModuleType) -> None:
    compared = 0
    for function in functions(module):
        if function.__code__.co_filename != module.__file__:
            continue  # a dataclass made it
        found, whole = (instrumented(function, ours=ours) for ours in (True, False))
        assert found == whole, function
        assert found.co_code == whole.co_code
        compared += 1
    assert compared >= 5


def test_a_definition_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(TypeCheckError, match='argument "name"'):
        feast.entity.Entity(name=5)  # type: ignore[arg-type]


def test_who_parses_a_text_that_is_remembered_has_a_module_of_their_own() -> None:
    parse: Any = _decorators.ast.parse  # type: ignore[attr-defined]
    one, two = (parse("x = 1  # remembered") for _ in range(2))
    assert one is not two
    assert ast.dump(one) == ast.dump(two)


def test_it_is_done_once() -> None:
    walk = _transformer.TypeguardTransformer.visit_Module
    hasten()
    assert _transformer.TypeguardTransformer.visit_Module is walk
