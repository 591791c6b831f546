"""What is wrong with YAML, in one line: its library draws the place with a sign below it."""

from yaml import MarkedYAMLError


def said(error: Exception) -> str:
    """Return what ``error`` says, with the line and the column where it has them."""
    if not isinstance(error, MarkedYAMLError):
        return " ".join(str(error).split())
    mark = error.problem_mark or error.context_mark
    words = ", ".join(filter(None, (error.context, error.problem, error.note)))
    place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return " ".join(words.split()) + place
