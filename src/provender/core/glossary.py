"""The glossary: what words mean here, and which other words mean the same."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A word of the business. Who searches for a synonym finds what has the term."""

    name: str
    definition: str
    synonyms: tuple[str, ...] = ()
    owner: str = ""
