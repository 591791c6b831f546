"""On-demand functions: found by module and name in the feature repository, never from a pickle.

A definition records the digest of the function's source text. Whoever computes with another
text than was applied is refused, so training and serving cannot drift apart silently. What
goes wrong is told to whoever asks without a value, and without a place on this machine.
"""

import ast
import importlib.util
import inspect
import sys
import textwrap
import tokenize
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from provender.core.digest import digest_bytes
from provender.core.errors import Conflict, InvalidInput, NotFound
from provender.core.features import OnDemandSpec

Columns = dict[str, list[Any]]
Transform = Callable[[Columns], Columns]
UNREADABLE = (SyntaxError, ValueError, RecursionError, OSError)
"""What a file raises that is no text, or no Python."""


def code_digest(function: Callable[..., Any]) -> str:
    """Return the digest of the source text of ``function``, without its indentation."""
    return _digest_of_text(inspect.getsource(function))


def load_transform(spec: OnDemandSpec, repo: Path) -> Transform:
    """Return the function that ``spec`` names, from a module in the folder ``repo``.

    The module is run only if its text holds that of the function. The returned function checks
    what comes back: every declared feature, as many values as there are rows.

    Raises:
        NotFound: the module is not there.
        InvalidInput: the module cannot be imported.
        Conflict: the function is not there, or its source text is not the one that was applied.
        InvalidInput: (when called) the function failed or returned something else.
    """
    path = repo / (spec.module.replace(".", "/") + ".py")
    if not path.resolve().is_relative_to(repo.resolve()) or not path.is_file():
        raise NotFound(
            f"on-demand module {spec.module} is not in the feature repository",
            hint="set PROVENDER_FEATURE_REPO to the folder that holds it",
        )
    if _digest_in(spec, path) == spec.code_digest:
        function: Any = getattr(_module(spec, path), spec.function, None)
        if _digest_of(function) == spec.code_digest:  # else the module gave the name to another
            return _checked(spec, function)
    raise Conflict(
        f"on-demand view {spec.name}: {spec.module}.{spec.function} in the feature repository "
        "is not the text that was applied",
        hint="run provender features apply, or put the applied version of the module there",
    )


def _digest_of_text(text: str) -> str:
    return digest_bytes(textwrap.dedent(text).encode())


def _digest_of(function: Any) -> str:
    """Return the digest of the text of ``function``, or nothing if it has no text."""
    try:
        return code_digest(function)
    except (OSError, TypeError):
        return ""


def _digest_in(spec: OnDemandSpec, path: Path) -> str:
    """Return the digest of the function's text in the file ``path``, or nothing if it has none."""
    try:
        with tokenize.open(path) as file:
            return _digests(file.read()).get(spec.function, "")
    except UNREADABLE as error:
        raise _not_imported(spec, type(error).__name__) from error


@lru_cache(maxsize=64)
def _digests(text: str) -> dict[str, str]:
    """Return the digest of each plain function of a module, as `code_digest` has it; nothing is run."""
    lines = [f"{line}\n" for line in text.split("\n")]
    return {
        node.name: _digest_of_text("".join(inspect.getblock(lines[node.lineno - 1 :])))
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef)
    }


def _checked(spec: OnDemandSpec, function: Transform) -> Transform:
    names = [feature.name for feature in spec.features]
    where = f"on-demand view {spec.name}: {spec.function}"

    def transform(columns: Columns) -> Columns:
        rows = max((len(values) for values in columns.values()), default=0)
        try:
            result: Any = function(columns)
            found = {name: _listed(result, name) for name in names}
        except (Exception, SystemExit) as error:  # whose text may hold a value, so it is not told
            raise InvalidInput(
                f"{where} failed with {type(error).__name__}",
                hint=f"its inputs are {', '.join(columns)}; make it cope with nulls",
            ) from error
        wrong = [name for name, values in found.items() if values is None or len(values) != rows]
        if wrong:
            raise InvalidInput(
                f"{where} did not return {rows} values of {', '.join(wrong)}, "
                f"but {_described(result, wrong[0])}",
                hint="return a dict with one equally long list per declared feature",
            )
        return {name: values for name, values in found.items() if values is not None}

    return transform


def _listed(result: Any, name: str) -> list[Any] | None:
    """Return the values of the feature ``name``, as a list; None where there are none, or no list."""
    try:
        values = result[name]
        return None if isinstance(values, str | bytes | dict) else list(values)
    except (TypeError, LookupError, AttributeError):
        return None


def _described(result: Any, name: str) -> str:
    """Return in words what stands for the feature ``name`` in what a function returned."""
    try:
        values = result[name]
    except (TypeError, LookupError, AttributeError):
        return f"a {type(result).__name__} without {name}"
    try:
        return f"a {type(values).__name__} of {len(values)}"
    except TypeError:
        return f"a {type(values).__name__}"


def _module(spec: OnDemandSpec, path: Path) -> ModuleType:
    try:
        return _load(spec.module, path, path.stat().st_mtime_ns)
    except ModuleNotFoundError as error:
        raise _not_imported(spec, f"there is no module {error.name}") from error
    except (Exception, SystemExit) as error:  # whose text may hold anything, so it is not told
        raise _not_imported(spec, type(error).__name__) from error


def _not_imported(spec: OnDemandSpec, why: str) -> InvalidInput:
    return InvalidInput(
        f"on-demand view {spec.name}: module {spec.module} cannot be imported: {why}",
        hint="install what it imports, or put the applied version of the module there",
    )


@cache
def _load(name: str, path: Path, changed: int) -> ModuleType:
    """Load the file under a name of its own, so that two repositories do not collide."""
    unique = f"provender_transform_{abs(hash((path, changed)))}_{name.replace('.', '_')}"
    spec = importlib.util.spec_from_file_location(unique, path)
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[unique] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[unique]
        raise
    return module
