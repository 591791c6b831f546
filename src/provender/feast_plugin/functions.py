"""The functions of on-demand views, as a server without Feast can find them: module, name, text."""

import ast
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType

from provender.core.errors import InvalidInput
from provender.transforms import code_digest

MODES = {
    "write_to_online_store": "writes its results to the online store; only what is computed when asked is supported",
    "singleton": "works row by row (singleton=True); only functions of whole lists are supported",
    "pandas": "is in pandas mode, and a server has no pandas",
    "substrait": "is in substrait mode, which a server cannot run",
}
HINT = "write mode='python', and the function into transforms.py: a dict of lists in, a dict of lists out"


@dataclass(frozen=True, slots=True)
class NamedFunction:
    """Where a function is, and the digest of its text."""

    module: str
    name: str
    digest: str


def named_function(
    function: FunctionType | None, folder: Path, *, where: str, mode: str
) -> NamedFunction:
    """Return where ``function`` is in the repository ``folder``.

    Raises:
        InvalidInput: the mode is not ``python``, or the function is nested, a lambda, outside
            of the folder, decorated, or in a module that imports Feast.
    """
    if mode != "python":
        raise InvalidInput(f"{where} {MODES.get(mode, f'is in mode {mode}')}", hint=HINT)
    if function is None:
        raise InvalidInput(f"{where} has no function", hint=HINT)
    path = Path(function.__code__.co_filename).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InvalidInput(f"{where}: its function is in {path}, outside of {folder}", hint=HINT)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    definition = next(
        (
            node
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name == function.__name__
        ),
        None,
    )
    if definition is None:
        raise InvalidInput(
            f"{where}: {function.__qualname__} is not a plain function of {path.name}", hint=HINT
        )
    if definition.decorator_list:
        raise InvalidInput(
            f"{where}: {function.__name__} in {path.name} is decorated, so a server cannot load it alone",
            hint="leave the function plain, and wrap it where the view is defined: "
            "on_demand_feature_view(…)(transforms.function)",
        )
    if _imports_feast(tree):
        raise InvalidInput(
            f"{where}: its function is in {path.name}, which imports Feast; a server has none",
            hint=HINT,
        )
    module = ".".join(path.relative_to(folder.resolve()).with_suffix("").parts)
    return NamedFunction(module, function.__name__, code_digest(function))


def _imports_feast(tree: ast.Module) -> bool:
    imported = [
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    ]
    return any(name.partition(".")[0] == "feast" for name in imported)
