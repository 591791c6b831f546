"""Text that not every database keeps: refused before a statement that has it is sent.

SQLite keeps a NUL where PostgreSQL refuses it, and neither keeps half of a character. A catalog
that can move from one to the other takes neither, wherever it is written.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Engine, event

from provender.core.errors import InvalidInput

ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""A NUL as JSON writes it."""
JSON = ("{", "[", '"')


def refuse_illegible(engine: Engine) -> None:
    """Let no statement of ``engine`` carry text that not every database keeps."""
    event.listen(engine, "before_cursor_execute", _check)


def is_kept(text: str) -> bool:
    """Return whether every database keeps ``text``, which may be JSON."""
    if "\0" in text:
        return False
    if "\\u0000" in text and text.startswith(JSON) and ESCAPED_NUL.search(text):
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check(_connection: Any, _cursor: Any, _statement: str, given: Any, *more: Any) -> None:
    _context, is_many = more
    for parameters in given if is_many else (given,):
        for value in _values(parameters):
            if isinstance(value, str) and not is_kept(value):
                raise InvalidInput(
                    f"{value[:80]!r} has a NUL or half of a character, which no database keeps",
                    hint="leave that character out",
                )


def _values(parameters: Any) -> Iterable[Any]:
    if isinstance(parameters, Mapping):
        return parameters.values()
    return parameters if isinstance(parameters, list | tuple) else ()
