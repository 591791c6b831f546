"""What callers hand in is of the kind that the signature says, or is refused in words before anything is done.

Only what signatures say is known here. What is right of its kind is for who takes it to judge.
"""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime, timedelta
from functools import wraps
from numbers import Integral
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ParamSpec, TypeVar, Union, get_args, get_origin

from provender.core.datasets import Format
from provender.core.errors import InvalidInput

P = ParamSpec("P")
R = TypeVar("R")
WORDS: Mapping[Any, str] = {
    str: "text",
    bytes: "bytes",
    bool: "True or False",
    int: "a whole number",
    datetime: "a datetime",
    timedelta: "a timedelta",
    Path: "a path",
    Format: "a format",
}
"""What is wanted, by kind."""
DATASET = 'name a dataset, or a version of it, such as "aviation.flights@2"'
EXAMPLES: Mapping[str, str] = {
    "name": DATASET,
    "one": DATASET,
    "other": DATASET,
    "as_of": "give an instant, such as datetime(2023, 1, 1, tzinfo=UTC)",
    "columns": 'name them, such as columns=["tailnum", "seats"]',
    "features": 'name them, such as features=["weather:temp"]',
    "format": 'name one, such as "parquet"',
    "inputs": 'name them, such as inputs=["aviation.flights@1"]',
    "max_age": "give how long, such as timedelta(hours=1)",
    "pins": 'name versions, such as pins=["aviation.flights@1"]',
    "service": 'name one, such as "delay_v1"; a list of features goes to features=[…]',
    "settings": "make some: provender.settings.Settings(home=…); or leave them out",
    "subjects": 'name each, such as "driver_id=17", "driver_id=18"',
    "views": 'name each, such as "weather", "route"',
}
"""What to do, by the name of the parameter."""
SHOWN = 60
"""Letters of a value that are shown, if it is one that is short."""


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function``, which refuses arguments of another kind than its signature says.

    Raises:
        InvalidInput: there is one; it is named, with what is wanted.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:  # one is missing, or is none of ours: Python says it better
            return function(*args, **kwargs)
        for name, value in given.items():
            parameter = signature.parameters[name]
            several = parameter.kind is inspect.Parameter.VAR_POSITIONAL
            for one in value if several else (value,):
                if not _fits(one, parameter.annotation):
                    raise _misfit(function.__name__, name, one, parameter.annotation)
        return function(*args, **kwargs)

    return call


def _fits(value: object, kind: Any) -> bool:
    """Return whether ``value`` is of ``kind``, as far as that can be said without using it up."""
    if kind is bool:
        return isinstance(value, Integral) or type(value).__name__.startswith("bool")  # numpy's
    if kind is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if kind is Path:
        return isinstance(value, PathLike)
    if kind in (Any, inspect.Parameter.empty):
        return True
    if kind in (None, NoneType):
        return value is None
    of = get_args(kind)
    match get_origin(kind):
        case None:
            return not isinstance(kind, type) or isinstance(value, kind)
        case origin if origin in (Union, UnionType):
            return any(_fits(value, one) for one in of)
        case origin if origin is Callable:
            return callable(value)
        case origin if not isinstance(origin, type):
            return True
        case origin if issubclass(origin, Mapping):
            return isinstance(value, Mapping) and all(
                _fits(key, of[0]) and _fits(each, of[1]) for key, each in value.items()
            )
        case origin if issubclass(origin, Iterable):
            if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
                return False
            return not isinstance(value, Collection) or all(_fits(one, of[0]) for one in value)
    return True


def _misfit(function: str, name: str, value: object, kind: Any) -> InvalidInput:
    wanted = _words(kind)
    hint = EXAMPLES.get(name, f'write {name}="…"' if kind is str else f"give {wanted}")
    if isinstance(value, str) and wanted.endswith("a list of names"):
        hint = f"write {name}=[{value!r}]"
    return InvalidInput(f"{function}: {name} is {_shown(value)}, and not {wanted}", hint=hint)


def _shown(value: object) -> str:
    kind = type(value).__name__
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, str | bytes | int | float | date | timedelta | list | tuple | dict):
        return f"{value!r:.{SHOWN}} ({kind})"
    return f"a {kind}"


def _words(kind: Any) -> str:
    if kind in WORDS:
        return WORDS[kind]
    of = get_args(kind)
    match get_origin(kind):
        case None:
            return f"a {getattr(kind, '__name__', kind)}"
        case origin if origin in (Union, UnionType):
            return " or ".join(dict.fromkeys(_words(one) for one in of if one is not NoneType))
        case origin if origin is Callable:
            return "a function"
        case origin if issubclass(origin, Mapping):
            return "a dict of " + " by ".join(_plural(one) for one in reversed(of))
    return f"a list of {_plural(of[0])}"


def _plural(kind: Any) -> str:
    named = {str: "names", int: "numbers"}
    return named.get(kind) or f"{getattr(kind, '__name__', 'path')}s".lower()
