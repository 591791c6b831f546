"""On-demand functions: found by module and name in the feature repository, never from a pickle.

A definition records the digest of the function's source text. Whoever computes with another
text than was applied is refused, so training and serving cannot drift apart silently.
"""

import importlib.util
import inspect
import sys
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from provender.core.digest import digest_bytes
from provender.core.errors import Conflict, InvalidInput, NotFound
from provender.core.features import OnDemandSpec
from provender.core.names import suggest

Columns = dict[str, list[Any]]
Transform = Callable[[Columns], Columns]


def code_digest(function: Callable[..., Any]) -> str:
    """Return the digest of the source text of ``function``, without its indentation."""
    source = textwrap.dedent(inspect.getsource(function))
    return digest_bytes(source.encode())


def load_transform(spec: OnDemandSpec, repo: Path) -> Transform:
    """Return the function that ``spec`` names, from a module in the folder ``repo``.

    The returned function checks what comes back: every declared feature, as many values as
    there are rows.

    Raises:
        NotFound: the module or the function is not there.
        InvalidInput: the module cannot be imported.
        Conflict: its source text is not the one that was applied.
        InvalidInput: (when called) the function failed or returned something else.
    """
    module = _module(spec, repo)
    function = getattr(module, spec.function, None)
    if not callable(function):
        known = [name for name, _ in inspect.getmembers(module, inspect.isfunction)]
        raise NotFound(
            f"on-demand view {spec.name}: {spec.module}.py has no function {spec.function}",
            hint=suggest(spec.function, known),
        )
    if _digest_of(function) != spec.code_digest:
        raise Conflict(
            f"on-demand view {spec.name}: {spec.module}.{spec.function} in {repo} is not the text that was applied",
            hint="run provender features apply, or put the applied version of the module there",
        )
    return _checked(spec, function)


def _digest_of(function: Callable[..., Any]) -> str:
    """Return the digest of the text of ``function``, or nothing if it has no text."""
    try:
        return code_digest(function)
    except (OSError, TypeError):
        return ""


def _checked(spec: OnDemandSpec, function: Transform) -> Transform:
    names = [feature.name for feature in spec.features]
    where = f"on-demand view {spec.name}: {spec.function}"

    def transform(columns: Columns) -> Columns:
        rows = max((len(values) for values in columns.values()), default=0)
        try:
            result: Any = function(columns)
        except (Exception, SystemExit) as error:
            raise InvalidInput(
                f"{where} failed: {type(error).__name__}: {error}",
                hint=f"its inputs are {', '.join(columns)}; make it cope with nulls",
            ) from error
        found = {name: _listed(result, name) for name in names}
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


def _module(spec: OnDemandSpec, repo: Path) -> ModuleType:
    path = repo / (spec.module.replace(".", "/") + ".py")
    if not path.resolve().is_relative_to(repo.resolve()) or not path.is_file():
        raise NotFound(
            f"on-demand module {spec.module} is not in {repo}",
            hint="set PROVENDER_FEATURE_REPO to the folder that holds it",
        )
    try:
        return _load(spec.module, path, path.stat().st_mtime_ns)
    except (Exception, SystemExit) as error:
        raise InvalidInput(
            f"on-demand view {spec.name}: module {spec.module} in {repo} cannot be imported: "
            f"{type(error).__name__}: {error}",
            hint="install what it imports, or put the applied version of the module there",
        ) from error


@cache
def _load(name: str, path: Path, changed: int) -> ModuleType:
    """Load the file under a name of its own, so that two repositories do not collide."""
    unique = f"provender_transform_{abs(hash((path, changed)))}_{name.replace('.', '_')}"
    spec = importlib.util.spec_from_file_location(unique, path)
    if spec is None or spec.loader is None:
        raise NotFound(f"{path} is not a Python module", hint="name a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[unique] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[unique]
        raise
    return module
