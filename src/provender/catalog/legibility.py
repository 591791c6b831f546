"""Text that no database of ours keeps: refused before a statement that has it is sent.

SQLite keeps a NUL where PostgreSQL refuses it, and neither keeps half of a character. A catalog
that can move from one to the other takes neither, wherever it is written.

Nor does a catalog keep credentials: what is in a description, a link or a contract is read by
everybody, found by search, kept in history and backed up. Old ones may be moved (`AS_IT_WAS`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, event

from provender.core.credentials import found
from provender.core.errors import InvalidInput

ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""A NUL as JSON writes it."""
AS_IT_WAS = "provender_as_it_was"
"""An option of connections that move what was written before."""
BETWEEN = " } "
"""What no credential goes on over."""
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


def _check(connection: Any, _cursor: Any, statement: str, given: Any, *more: Any) -> None:
    _context, is_many = more
    rows = given if is_many else (given,)
    texts = [v for row in rows for v in _values(row) if isinstance(v, str)]
    for value in texts:
        if not is_kept(value):
            raise InvalidInput(
                f"{value[:80]!r} has a NUL or half of a character, which no database keeps",
                hint="leave that character out",
            )
    if not statement.lstrip().startswith("SELECT"):
        held = (getattr(v, "obj", v) for row in rows for v in _values(row))  # as drivers wrap bytes
        raw = (v.decode(errors="replace") for v in held if isinstance(v, bytes))
        _check_credentials(connection, [*texts, *raw])


def _check_credentials(connection: Any, texts: Sequence[str]) -> None:
    """Refuse to write what looks like a credential; it is named, and not repeated.

    All texts of a statement are looked through at once, which is a hundred times faster.
    """
    what = found(BETWEEN.join(texts))
    if what and not connection.get_execution_options().get(AS_IT_WAS):
        raise InvalidInput(
            f"a text has what looks like a credential ({what}), and a catalog is read by many",
            hint="take it out, and say where it is kept instead; if it is real, revoke it",
        )


def _values(parameters: Any) -> Iterable[Any]:
    if isinstance(parameters, Mapping):
        return parameters.values()
    return parameters if isinstance(parameters, list | tuple) else ()
