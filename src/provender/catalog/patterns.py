"""Shell-style patterns of dataset names, as regular expressions that both databases understand."""

from fnmatch import fnmatchcase
from string import ascii_lowercase, digits

from sqlalchemy import ColumnElement, and_

from provender.catalog.nominate import LAST
from provender.catalog.rows import DatasetRow

ALPHABET = ascii_lowercase + digits + "_."
"""The characters of dataset names."""
ESCAPED = {"\\": "\\\\", "^": "\\^", "[": "\\[", "]": "\\]"}
"""Inside a set, in both dialects."""


SPECIAL = frozenset("*?[")


def fits(pattern: str) -> ColumnElement[bool]:
    """Return the condition that ``fnmatchcase(name, pattern)`` of a dataset's name."""
    ends = [at for at, letter in enumerate(pattern) if letter in SPECIAL]
    begins = pattern[: ends[0]] if ends else pattern
    near = and_(DatasetRow.name >= begins, DatasetRow.name < begins + LAST)
    return and_(near, DatasetRow.name.regexp_match(name_pattern(pattern)))


def name_pattern(pattern: str) -> str:
    """Return the regular expression of a shell-style ``pattern`` of dataset names.

    Understood alike by Python and PostgreSQL: a set such as ``[!a-c]`` is written out as the
    characters of names that are in it.
    """
    written, rest = "", pattern
    while rest:
        end = rest.find("]", 3 if rest.startswith("[!") else 2) if rest[0] == "[" else -1
        if rest[0] == "[" and end > 0:
            fitting = "".join(letter for letter in ALPHABET if fnmatchcase(letter, rest[: end + 1]))
            written += f"[{fitting}]" if fitting else f"[^{ALPHABET}]"
            rest = rest[end + 1 :]
            continue
        letter, rest = rest[0], rest[1:]
        written += {"*": ".*", "?": "."}.get(letter) or _literal(letter)
    return f"^({written})$"


def _literal(letter: str) -> str:
    return letter if letter.isalnum() or letter == "_" else f"[{ESCAPED.get(letter, letter)}]"
